//! One link's task at the server: messages in to the relay, messages out from
//! its queue, API requests beside them.
//!
//! Polls both directions of one connection; waits for nobody else. Ends when
//! the connection does or when the relay wants it ended.

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf as _, Bytes};
use culvert_link::pipe::{Pipe, PipeError};
use culvert_wire::DecodeError;
use culvert_wire::frame::{
    ApiRequest, ApiResponse, Frame, Join, MAX_CHANNELS, PACKETS_HEADER, Packets,
};
use culvert_wire::hello::Binding;
use culvert_wire::id::SessionId;
use culvert_wire::reason::Reason;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tracing::{debug, trace};

use super::control::{Control, Joining, PlaneEvent};
use super::core::{Core, Party, now};
use crate::relay::{JoinOutcome, LinkId};

/// Bytes taken in one go before the other links have their turn: half of what
/// a receiver's queue holds, so that it is emptied before it overflows.
const TURN_BYTES: usize = culvert_link::queue::ROUTE_BYTES / 2;
/// Messages taken in one go, however short they are.
const TURN_MESSAGES: usize = 64;
/// API requests of one link that run at once.
pub(super) const MAX_REQUESTS: usize = 16;
/// Routes of one link that are looked up at once; others wait their turn.
pub(super) const LOOK_UPS: usize = 4;

/// What a link's task needs.
#[derive(Debug)]
pub(super) struct Member<C> {
    pub(super) core: Arc<Core>,
    pub(super) control: Arc<C>,
    pub(super) link: LinkId,
    pub(super) party: Party,
    pub(super) binding: Binding,
    /// How many routes are looked up at once: [`LOOK_UPS`].
    pub(super) look_ups: Arc<Semaphore>,
    /// API requests under way.
    pub(super) asking: Arc<Semaphore>,
}

/// Why a link's task ends.
#[derive(Debug, thiserror::Error)]
enum Stop {
    #[error(transparent)]
    Pipe(#[from] PipeError),
    #[error("a message cannot be read: {0}")]
    Decode(#[from] DecodeError),
    #[error("a frame that this end may not send")]
    Direction,
    #[error("a join is not signed by the key it names")]
    Join,
    #[error("the other end said goodbye")]
    Goodbye(Reason),
    #[error("the server ends it")]
    Verdict(Reason, String),
}

impl Stop {
    fn why(&self) -> (Reason, String) {
        match self {
            Self::Pipe(error) => (error.reason(), error.to_string()),
            Self::Decode(_) | Self::Direction | Self::Join => {
                (Reason::ProtocolError, self.to_string())
            }
            Self::Goodbye(reason) => (*reason, String::new()),
            Self::Verdict(reason, text) => (*reason, text.clone()),
        }
    }
}

/// What a round came to.
enum Turn {
    /// There is more, but others go first.
    Yield,
    /// There is more at once.
    Again,
    /// Nothing until something wakes it.
    Idle,
}

/// Gives the link back to the core whatever ends its task, even before it began.
impl<C> Drop for Member<C> {
    fn drop(&mut self) {
        self.core.with(|state| state.depart(self.link));
        self.core.departed.notify_waiters();
    }
}

/// Runs a link to its end.
pub(super) async fn run<S, C>(mut pipe: Pipe<S>, member: Member<C>)
where
    S: AsyncRead + AsyncWrite + Unpin,
    C: Control,
{
    let mut jobs = JoinSet::new();
    let stop = std::future::poll_fn(|cx| member.poll(&mut pipe, &mut jobs, cx)).await;
    let (reason, text) = stop.why();
    debug!(link = member.link.0, reason = reason.slug(), %text, "Link ended");
    if let Stop::Verdict(..) = stop {
        // Refusals and farewells that were queued before it.
        let core = &member.core;
        let drain = std::future::poll_fn(|cx| {
            pipe.poll_send(cx, || core.lock().relay.poll_output(member.link))
        });
        let _ = tokio::time::timeout(std::time::Duration::from_millis(500), drain).await;
    }
    drop(jobs);
    drop(member);
    pipe.dismiss(reason, &text).await;
}

impl<C: Control> Member<C> {
    fn poll<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        pipe: &mut Pipe<S>,
        jobs: &mut JoinSet<()>,
        cx: &mut Context<'_>,
    ) -> Poll<Stop> {
        loop {
            let verdict = {
                let mut state = self.core.lock();
                state.sleep(self.link, cx);
                state.relay.verdict(self.link)
            };
            if let Some((reason, text)) = verdict {
                return Poll::Ready(Stop::Verdict(reason, text));
            }
            while let Poll::Ready(Some(_)) = jobs.poll_join_next(cx) {}
            match self.turn(pipe, jobs, cx) {
                Ok(Turn::Again) => {}
                Ok(Turn::Yield) => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Ok(Turn::Idle) => return Poll::Pending,
                Err(stop) => return Poll::Ready(stop),
            }
        }
    }

    /// One round: says whether there may be more to do.
    fn turn<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        pipe: &mut Pipe<S>,
        jobs: &mut JoinSet<()>,
        cx: &mut Context<'_>,
    ) -> Result<Turn, Stop> {
        let mut turn = Turn::Yield;
        let mut bytes = 0;
        for _ in 0..TURN_MESSAGES {
            match pipe.poll_next(cx)? {
                Poll::Ready(message) => {
                    bytes += message.len();
                    self.take(message, jobs)?;
                }
                Poll::Pending => {
                    turn = Turn::Idle;
                    break;
                }
            }
            if bytes >= TURN_BYTES {
                break;
            }
        }
        if let Poll::Ready(ping) = pipe.poll_timer(cx)? {
            trace!(bytes = ping.len(), "A server does not ping");
            turn = Turn::Again;
        }
        let _ = pipe.poll_send(cx, || self.core.lock().relay.poll_output(self.link))?;
        Ok(turn)
    }

    fn take(&self, mut message: Bytes, jobs: &mut JoinSet<()>) -> Result<(), Stop> {
        if let Some(channel) = Packets::channel_of(&message) {
            let segment = u16::from_be_bytes([message[5], message[6]]);
            message.advance(PACKETS_HEADER);
            let link = self.link;
            self.core
                .with(|state| state.relay.handle_packets(link, channel, segment, message));
            return Ok(());
        }
        match Frame::from_message(message)? {
            Some(frame) => self.take_frame(frame, jobs),
            None => Ok(()),
        }
    }

    fn take_frame(&self, frame: Frame, jobs: &mut JoinSet<()>) -> Result<(), Stop> {
        let link = self.link;
        match frame {
            Frame::Ping(number) => self.send(&Frame::Pong(number)),
            Frame::Pong(_) => {}
            Frame::Join(join) => self.join(join, jobs)?,
            Frame::Closed(closed) => self.core.with(|state| {
                let relay = &mut state.relay;
                relay.handle_leave(link, closed.channel, closed.reason, &closed.text);
            }),
            Frame::Goodbye { reason, .. } => return Err(Stop::Goodbye(reason)),
            Frame::ApiRequest(request) => self.api(request, jobs)?,
            Frame::InviteResult(result) => {
                self.report(|key| PlaneEvent::InviteResult { key, result })?;
            }
            Frame::SessionEnded(ended) => {
                self.report(|key| PlaneEvent::SessionEnded { key, ended })?;
            }
            Frame::Revoked(counter) => self.report(|key| PlaneEvent::Revoked { key, counter })?,
            Frame::LeaseStored(lease) => {
                self.report(|key| PlaneEvent::LeaseStored { key, lease })?;
            }
            Frame::HostKey(event) => {
                self.report(|key| PlaneEvent::HostKey { key, event })?;
            }
            Frame::Health(health) => self.report(|key| PlaneEvent::Health { key, health })?,
            Frame::System(system) => self.report(|key| PlaneEvent::System { key, system })?,
            Frame::Packets(_)
            | Frame::Welcome(_)
            | Frame::Refused(_)
            | Frame::Joined { .. }
            | Frame::Peer { .. }
            | Frame::Invite(_)
            | Frame::Revoke(_)
            | Frame::ApiResponse(_)
            | Frame::Drain { .. }
            | Frame::Offer(_)
            | Frame::Spread(_) => return Err(Stop::Direction),
        }
        Ok(())
    }

    fn join(&self, join: Join, jobs: &mut JoinSet<()>) -> Result<(), Stop> {
        join.verify(&self.binding).map_err(|_| Stop::Join)?;
        let link = self.link;
        let outcome = self
            .core
            .with(|state| state.relay.handle_join(link, &join, now()));
        match outcome {
            JoinOutcome::Answered => return Ok(()),
            JoinOutcome::Refused(why) => {
                join_refused(&*self.control, &self.party, join.session, why);
                return Ok(());
            }
            JoinOutcome::Unknown => {}
        }
        let full = jobs.len() >= MAX_CHANNELS;
        self.core.with(|state| {
            state.relay.handle_join_pending(link, join.channel);
            if full {
                let reason = Reason::TooManySessions;
                state.relay.refuse_quietly(link, join.channel, reason);
            }
        });
        if full {
            return Ok(());
        }
        let (core, control) = (Arc::clone(&self.core), Arc::clone(&self.control));
        let turn = Arc::clone(&self.look_ups);
        let party = self.party.clone();
        jobs.spawn(async move {
            // A link's sessions all come back at once: one after the other.
            let _turn = turn.acquire().await;
            let found = control.recover_route(join.session).await;
            let outcome = core.with(|state| match found {
                // No refusal but an outage, of which somebody else tells.
                Err(reason) => {
                    state.relay.refuse_quietly(link, join.channel, reason);
                    JoinOutcome::Answered
                }
                Ok(known) => {
                    if let Some(spec) = known {
                        // Full: the join is refused below.
                        let _ = state.relay.handle_open(spec);
                    }
                    state.relay.handle_join_again(link, &join, now())
                }
            });
            if let JoinOutcome::Refused(why) = outcome {
                join_refused(&*control, &party, join.session, why);
            }
        });
        Ok(())
    }

    fn api(&self, request: ApiRequest, jobs: &mut JoinSet<()>) -> Result<(), Stop> {
        let Party::Technician(caller) = &self.party else {
            return Err(Stop::Direction);
        };
        let id = request.id;
        let Ok(asking) = Arc::clone(&self.asking).try_acquire_owned() else {
            self.send(&Frame::ApiResponse(ApiResponse {
                id,
                status: 429,
                body: Bytes::new(),
            }));
            return Ok(());
        };
        let (core, control) = (Arc::clone(&self.core), Arc::clone(&self.control));
        let (caller, link) = (caller.clone(), self.link);
        jobs.spawn(async move {
            let _asking = asking;
            let mut response = control.api(&caller, request).await;
            response.id = id;
            let answer = Frame::ApiResponse(response);
            core.with(|state| state.relay.send(link, &answer));
        });
        Ok(())
    }

    fn report(
        &self,
        event: impl FnOnce(culvert_wire::key::PublicKey) -> PlaneEvent,
    ) -> Result<(), Stop> {
        match &self.party {
            Party::Gateway(key) => {
                let event = event(*key);
                self.core.with(|state| state.report(self.link, *key, event));
                Ok(())
            }
            Party::Technician(_) | Party::Browser(_) => Err(Stop::Direction),
        }
    }

    fn send(&self, frame: &Frame) {
        self.core.with(|state| state.relay.send(self.link, frame));
    }
}

fn join_refused<C: Control>(control: &C, party: &Party, session: SessionId, why: Reason) {
    let by = match party {
        Party::Gateway(key) => Joining::Gateway(key),
        Party::Technician(caller) | Party::Browser(caller) => Joining::Person(caller),
    };
    control.join_refused(by, session, why);
}
