//! What the rest of a program holds of an open link.
//!
//! [`Link`] is cheap to clone; the connection ends when the last clone and the
//! last [`Route`] are gone, or by [`Link::close`]. Nothing here waits for the
//! network but [`Link::api`]: frames and packets go to a bounded queue that
//! the link's one task ([`crate::driver`]) empties.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use bytes::Bytes;
use culvert_wire::frame::{
    ApiRequest, ApiResponse, Channel, Closed, Frame, Invite, Join, MAX_BODY, MAX_PATH, Method,
    Offer, Refused, Welcome,
};
use culvert_wire::hello::Proven;
use culvert_wire::id::SessionId;
use culvert_wire::key::SigningKey;
use culvert_wire::reason::Reason;
use culvert_wire::revocation::SignedRevocation;
use culvert_wire::ticket::Ticket;
use culvert_wire::{Encode as _, UnixMs};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use crate::queue::FairQueue;
use crate::route::{self, Route};

/// Time for an answer.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);
/// Requests that may be under way at once.
const MAX_CALLS: usize = 64;

/// An open link.
#[derive(Clone)]
pub struct Link {
    pub(crate) shared: Arc<Shared>,
    _alive: Arc<Alive>,
}

/// What happens on a link that its owner has to act on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The server accepts this end.
    Welcome(Welcome),
    /// The server does not; the link closes.
    Refused(Refused),
    /// A session is wanted, or renewed.
    Invite(Box<Invite>),
    /// Access ends.
    Revoke(SignedRevocation),
    /// The server goes away.
    Drain {
        /// When to connect again, in milliseconds from now.
        come_back_ms: u32,
        /// When running sessions are cut, in milliseconds from now.
        sessions_end_ms: u32,
    },
    /// A release that this box may fetch.
    Offer(Offer),
}

/// The events of one link, in order.
#[derive(Debug)]
pub struct Events(pub(crate) mpsc::Receiver<Event>);

impl Events {
    /// The next event; `None` when the link is over.
    pub async fn next(&mut self) -> Option<Event> {
        self.0.recv().await
    }
}

/// The link is over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the link is closed: {reason}{}{text}", if text.is_empty() { "" } else { " - " })]
pub struct LinkClosed {
    /// Why.
    pub reason: Reason,
    /// A sentence more; may be empty.
    pub text: String,
}

/// What handles, routes and the link's task share.
pub(crate) struct Shared {
    pub(crate) proven: Proven,
    since: Instant,
    state: Mutex<State>,
    ended: watch::Sender<Option<LinkClosed>>,
    spread: Arc<AtomicU32>,
}

/// Over which time this link shall come back should it break, as far as the
/// server said; outlives the link.
#[derive(Debug, Clone)]
pub struct Spread(Arc<AtomicU32>);

impl Spread {
    /// The time; none when the server named none.
    pub fn get(&self) -> Option<Duration> {
        match self.0.load(Ordering::Relaxed) {
            0 => None,
            millis => Some(Duration::from_millis(millis.into())),
        }
    }
}

pub(crate) struct State {
    pub(crate) queue: FairQueue<Channel>,
    pub(crate) routes: HashMap<Channel, Arc<route::Inner>>,
    pub(crate) calls: HashMap<u32, oneshot::Sender<ApiResponse>>,
    pub(crate) waker: Option<Waker>,
    /// This end wants the link closed.
    pub(crate) closing: Option<LinkClosed>,
    ended: bool,
    next_channel: u32,
    next_call: u32,
}

/// Ends the link when its last owner goes.
struct Alive(Arc<Shared>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.close(Reason::Finished, "");
    }
}

impl Link {
    pub(crate) fn new(proven: Proven, at: Instant) -> Self {
        let shared = Arc::new(Shared {
            proven,
            since: at,
            state: Mutex::new(State {
                queue: FairQueue::default(),
                routes: HashMap::new(),
                calls: HashMap::new(),
                waker: None,
                closing: None,
                ended: false,
                next_channel: 1,
                next_call: 1,
            }),
            ended: watch::Sender::new(None),
            spread: Arc::default(),
        });
        Self {
            _alive: Arc::new(Alive(Arc::clone(&shared))),
            shared,
        }
    }

    /// What the server proved.
    pub fn proven(&self) -> &Proven {
        &self.shared.proven
    }

    /// The server's signed time at the hello plus the monotonic clock: the
    /// only time by which grants are judged (D7).
    pub fn link_time(&self) -> UnixMs {
        let since = u64::try_from(self.shared.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.shared.proven.link_time.plus_ms(since)
    }

    /// Queues a frame, before all packets.
    ///
    /// # Errors
    /// [`LinkClosed`] when the link is over.
    pub fn send(&self, frame: Frame) -> Result<(), LinkClosed> {
        let mut state = self.shared.open()?;
        if state.queue.push_frame(frame.to_bytes()).is_err() {
            drop(state);
            self.close(Reason::LinkLost);
            return Err(self.shared.why());
        }
        wake(state);
        Ok(())
    }

    /// Asks the HTTP API over this link.
    ///
    /// # Errors
    /// [`LinkClosed`] when the link ends before the answer.
    pub async fn api(
        &self,
        method: Method,
        path: impl Into<String>,
        body: impl Into<Bytes>,
    ) -> Result<ApiResponse, LinkClosed> {
        let (path, body) = (path.into(), body.into());
        let refuse = |status| ApiResponse {
            id: 0,
            status,
            body: Bytes::new(),
        };
        if path.len() > MAX_PATH {
            return Ok(refuse(414));
        }
        if body.len() > MAX_BODY {
            return Ok(refuse(413));
        }
        let answer = {
            let mut state = self.shared.open()?;
            state.calls.retain(|_, caller| !caller.is_closed());
            if state.calls.len() >= MAX_CALLS {
                return Ok(refuse(429));
            }
            let id = state.next_call;
            state.next_call = state.next_call.wrapping_add(1);
            let (caller, answer) = oneshot::channel();
            state.calls.insert(id, caller);
            drop(state);
            self.send(Frame::ApiRequest(ApiRequest {
                id,
                method,
                path,
                body,
            }))?;
            answer
        };
        match tokio::time::timeout(CALL_TIMEOUT, answer).await {
            Ok(answer) => answer.map_err(|_| self.shared.why()),
            Err(_) => Ok(refuse(504)),
        }
    }

    /// Takes this end's side of a session's route; packets may follow at once.
    /// `ticket` is needed the first time, `end` is the key it was made for.
    ///
    /// # Errors
    /// [`LinkClosed`] when the link is over. A join that the server refuses
    /// shows as a closed route.
    pub fn join(
        &self,
        session: SessionId,
        ticket: Option<Ticket>,
        end: &SigningKey,
    ) -> Result<Route, LinkClosed> {
        let mut state = self.shared.open()?;
        let channel = Channel(state.next_channel);
        state.next_channel += 1;
        let inner = route::Inner::new(channel);
        state.routes.insert(channel, Arc::clone(&inner));
        let binding = &self.shared.proven.binding;
        let join = Frame::Join(Join::sign(channel, session, ticket, end, binding));
        // Channels must reach the server in their order: queued under one lock.
        if state.queue.push_frame(join.to_bytes()).is_err() {
            drop(state);
            self.close(Reason::LinkLost);
            return Err(self.shared.why());
        }
        wake(state);
        Ok(Route::new(self.clone(), inner))
    }

    /// Ends the link; its routes with it.
    pub fn close(&self, reason: Reason) {
        self.shared.close(reason, "");
    }

    /// Waits until the link is over and says why.
    pub async fn closed(&self) -> (Reason, String) {
        self.watch_end().await
    }

    /// As [`Link::closed`], without keeping the link open meanwhile.
    pub fn watch_end(&self) -> impl Future<Output = (Reason, String)> + Send + use<> {
        let mut ended = self.shared.ended.subscribe();
        async move {
            let why = match ended.wait_for(Option::is_some).await {
                Ok(why) => (*why).clone(),
                Err(_) => None,
            };
            why.map_or((Reason::LinkLost, String::new()), |why| {
                (why.reason, why.text)
            })
        }
    }

    /// What the server says about coming back.
    pub fn spread(&self) -> Spread {
        Spread(Arc::clone(&self.shared.spread))
    }

    /// Whether the link is over.
    pub fn is_closed(&self) -> bool {
        self.shared.lock().ended
    }

    pub(crate) fn send_packets(&self, channel: Channel, segment: u16, payload: Bytes) -> bool {
        let mut state = self.shared.lock();
        if state.ended {
            return false;
        }
        let taken = state.queue.push(channel, channel, segment, payload);
        if taken {
            wake(state);
        }
        taken
    }

    /// Forgets a route and sends its last word behind its packets.
    pub(crate) fn leave(&self, channel: Channel, last: &Frame) {
        // A link that is over has ended the route by itself.
        let Ok(mut state) = self.shared.open() else {
            return;
        };
        state.routes.remove(&channel);
        // Stuck: the link is about to end for that anyway.
        let _ = state.queue.push_last(channel, channel, last.to_bytes());
        wake(state);
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let node = self.shared.proven.statement.node.fingerprint();
        write!(f, "Link(node {node})")
    }
}

impl Shared {
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        // No code panics while holding it; a poisoned state is still whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The server named a time to spread a return over.
    pub(crate) fn note_spread(&self, millis: u32) {
        self.spread.store(millis, Ordering::Relaxed);
    }

    /// Asks the task to end the link.
    pub(crate) fn close(&self, reason: Reason, text: &str) {
        let mut state = self.lock();
        if state.closing.is_none() {
            state.closing = Some(LinkClosed {
                reason,
                text: text.to_owned(),
            });
        }
        wake(state);
    }

    /// The task is done: routes, calls and waiters learn it.
    pub(crate) fn end(&self, why: LinkClosed) {
        let mut state = self.lock();
        state.ended = true;
        state.queue = FairQueue::default();
        let routes = std::mem::take(&mut state.routes);
        state.calls.clear();
        drop(state);
        self.ended.send_replace(Some(why.clone()));
        for (channel, route) in routes {
            route.close(Closed {
                channel,
                reason: why.reason,
                text: why.text.clone(),
            });
        }
    }

    fn open(&self) -> Result<MutexGuard<'_, State>, LinkClosed> {
        let state = self.lock();
        if state.ended || state.closing.is_some() {
            let closing = state.closing.clone();
            drop(state);
            return Err(closing.unwrap_or_else(|| self.why()));
        }
        Ok(state)
    }

    fn why(&self) -> LinkClosed {
        let ended = self.ended.borrow().clone();
        ended.unwrap_or_else(|| LinkClosed {
            reason: Reason::LinkLost,
            text: String::new(),
        })
    }
}

/// Lets the link's task run, once the lock is free.
fn wake(mut state: MutexGuard<'_, State>) {
    let waker = state.waker.take();
    drop(state);
    if let Some(waker) = waker {
        waker.wake();
    }
}
