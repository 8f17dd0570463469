//! The one task of an endpoint's link: moves messages between the connection
//! and what [`Link`](crate::Link), its routes and its events share.
//!
//! Never waits for anybody but the connection and its timer. Spawned by
//! `client::connect`; ends when the last handle is gone or the link is over.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use culvert_wire::frame::Frame;
use culvert_wire::reason::Reason;
use culvert_wire::{DecodeError, Encode as _};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tracing::{debug, trace};

use crate::link::{Event, LinkClosed, Shared};
use crate::pipe::{Pipe, PipeError};

/// Messages taken in one go before the other direction has its turn.
const TURN: usize = 16;

/// Why the loop ends.
#[derive(Debug, thiserror::Error)]
enum Stop {
    #[error(transparent)]
    Pipe(#[from] PipeError),
    #[error("the server's message cannot be read: {0}")]
    Decode(#[from] DecodeError),
    #[error("the server sent a {0} frame, which only ends send")]
    Direction(&'static str),
    #[error("this end does not take its events")]
    Events,
    #[error("the server takes no messages")]
    Stuck,
    #[error("the server closed the link: {0}")]
    Goodbye(Reason, String),
    #[error("closed here")]
    Closing(LinkClosed),
}

impl Stop {
    fn why(&self) -> LinkClosed {
        let (reason, text) = match self {
            Self::Pipe(error) => (error.reason(), error.to_string()),
            Self::Decode(_) | Self::Direction(_) => (Reason::ProtocolError, self.to_string()),
            Self::Events => (Reason::Internal, self.to_string()),
            Self::Stuck => (Reason::LinkLost, self.to_string()),
            Self::Goodbye(reason, text) => (*reason, text.clone()),
            Self::Closing(why) => return why.clone(),
        };
        LinkClosed { reason, text }
    }
}

/// Runs a link to its end.
pub(crate) async fn run<S: AsyncRead + AsyncWrite + Unpin>(
    mut pipe: Pipe<S>,
    shared: Arc<Shared>,
    events: mpsc::Sender<Event>,
) {
    let stop = std::future::poll_fn(|cx| poll(&mut pipe, &shared, &events, cx)).await;
    let why = stop.why();
    debug!(reason = why.reason.slug(), text = %why.text, "Link ended");
    if let Stop::Closing(_) = stop {
        // What was queued before closing (a route's farewell) goes first.
        let drain = std::future::poll_fn(|cx| pipe.poll_send(cx, || shared.lock().queue.pop()));
        let _ = tokio::time::timeout(Duration::from_secs(1), drain).await;
    }
    shared.end(why.clone());
    pipe.finish(why.reason, &why.text).await;
}

fn poll<S: AsyncRead + AsyncWrite + Unpin>(
    pipe: &mut Pipe<S>,
    shared: &Shared,
    events: &mpsc::Sender<Event>,
    cx: &mut Context<'_>,
) -> Poll<Stop> {
    if let Some(why) = prepare(shared, cx) {
        return Poll::Ready(Stop::Closing(why));
    }
    match take_turn(pipe, shared, events, cx) {
        // More, but the sessions that take it go first.
        Ok(true) => {
            cx.waker().wake_by_ref();
            Poll::Pending
        }
        Ok(false) => Poll::Pending,
        Err(stop) => Poll::Ready(stop),
    }
}

/// Registers for wake-ups, before the queue is looked at.
fn prepare(shared: &Shared, cx: &Context<'_>) -> Option<LinkClosed> {
    let mut state = shared.lock();
    match &mut state.waker {
        Some(waker) => waker.clone_from(cx.waker()),
        none => *none = Some(cx.waker().clone()),
    }
    state.closing.clone()
}

/// One round: says whether there may be more to do.
fn take_turn<S: AsyncRead + AsyncWrite + Unpin>(
    pipe: &mut Pipe<S>,
    shared: &Shared,
    events: &mpsc::Sender<Event>,
    cx: &mut Context<'_>,
) -> Result<bool, Stop> {
    let mut more = true;
    for _ in 0..TURN {
        match pipe.poll_next(cx)? {
            Poll::Ready(message) => take(pipe, shared, events, message)?,
            Poll::Pending => {
                more = false;
                break;
            }
        }
    }
    if let Poll::Ready(ping) = pipe.poll_timer(cx)? {
        shared
            .lock()
            .queue
            .push_frame(ping)
            .map_err(|_| Stop::Stuck)?;
        more = true;
    }
    let _ = pipe.poll_send(cx, || shared.lock().queue.pop())?;
    Ok(more)
}

fn take<S: AsyncRead + AsyncWrite + Unpin>(
    pipe: &mut Pipe<S>,
    shared: &Shared,
    events: &mpsc::Sender<Event>,
    message: Bytes,
) -> Result<(), Stop> {
    let Some(frame) = Frame::from_message(message)? else {
        trace!("Unknown frame skipped");
        return Ok(());
    };
    let direction = |name| Err(Stop::Direction(name));
    match frame {
        Frame::Packets(packets) => {
            let route = shared.lock().routes.get(&packets.channel).cloned();
            // None: left a moment ago.
            if let Some(route) = route {
                route.deliver(packets);
            }
            Ok(())
        }
        Frame::Joined { channel, peer } => {
            if let Some(route) = shared.lock().routes.get(&channel) {
                route.join(peer);
            }
            Ok(())
        }
        Frame::Peer { channel, present } => {
            if let Some(route) = shared.lock().routes.get(&channel) {
                route.meet(present);
            }
            Ok(())
        }
        Frame::Closed(closed) => {
            let route = shared.lock().routes.remove(&closed.channel);
            if let Some(route) = route {
                route.close(closed);
            }
            Ok(())
        }
        Frame::ApiResponse(response) => {
            let caller = shared.lock().calls.remove(&response.id);
            if let Some(caller) = caller {
                // Whoever asked may have gone.
                let _ = caller.send(response);
            }
            Ok(())
        }
        Frame::Ping(number) => {
            let pong = Frame::Pong(number).to_bytes();
            shared
                .lock()
                .queue
                .push_frame(pong)
                .map_err(|_| Stop::Stuck)
        }
        Frame::Pong(_) => Ok(()),
        Frame::Welcome(welcome) => {
            pipe.shorten_keepalive(Duration::from_millis(welcome.keepalive_ms.into()));
            tell(events, Event::Welcome(welcome))
        }
        Frame::Refused(refused) => tell(events, Event::Refused(refused)),
        Frame::Invite(invite) => tell(events, Event::Invite(invite)),
        Frame::Revoke(revocation) => tell(events, Event::Revoke(revocation)),
        Frame::Drain {
            come_back_ms,
            sessions_end_ms,
        } => tell(
            events,
            Event::Drain {
                come_back_ms,
                sessions_end_ms,
            },
        ),
        Frame::Offer(offer) => tell(events, Event::Offer(offer)),
        Frame::Spread(millis) => {
            shared.note_spread(millis);
            Ok(())
        }
        Frame::Goodbye { reason, text } => Err(Stop::Goodbye(reason, text)),
        Frame::Join(_) => direction("join"),
        Frame::InviteResult(_) => direction("invite-result"),
        Frame::SessionEnded(_) => direction("session-ended"),
        Frame::Revoked(_) => direction("revoked"),
        Frame::LeaseStored(_) => direction("lease-stored"),
        Frame::HostKey(_) => direction("host-key"),
        Frame::Health(_) => direction("health"),
        Frame::System(_) => direction("system"),
        Frame::ApiRequest(_) => direction("api-request"),
    }
}

fn tell(events: &mpsc::Sender<Event>, event: Event) -> Result<(), Stop> {
    match events.try_send(event) {
        // Whoever dropped its events does not care for them.
        Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => Ok(()),
        Err(mpsc::error::TrySendError::Full(_)) => Err(Stop::Events),
    }
}
