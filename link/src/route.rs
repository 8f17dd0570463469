//! One session's way through a link, at an endpoint.
//!
//! Packets go out through the link's fair queue and come in through a queue of
//! the route's own; both are bounded in bytes and drop, neither ever waits.
//! Given out by [`Link::join`](crate::Link::join), used by `session`.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use culvert_wire::frame::{Channel, Closed, Frame, MAX_PACKETS, Packets};
use culvert_wire::reason::Reason;

use crate::link::Link;

/// Bytes that may wait for the session to take them: room for one busy moment
/// of its task at 1 Gbit/s.
const INBOUND_BYTES: usize = 512 * 1024;
/// What a waiting batch costs beside its bytes.
const ENTRY: usize = 64;

/// A joined route. Dropping it leaves with [`Reason::Finished`].
pub struct Route {
    inner: Arc<Inner>,
    out: Out,
}

enum Out {
    Link(Link),
    Memory(Arc<Inner>),
}

/// What the link's task and the route share.
pub(crate) struct Inner {
    channel: Channel,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    inbound: VecDeque<Packets>,
    bytes: usize,
    dropped: u64,
    waker: Option<Waker>,
    joined: bool,
    peer: bool,
    closed: Option<Closed>,
}

impl Route {
    pub(crate) fn new(link: Link, inner: Arc<Inner>) -> Self {
        Self {
            inner,
            out: Out::Link(link),
        }
    }

    /// Queues a batch of packets, all of `segment` bytes but the last; `false`
    /// means it was dropped. Never waits.
    pub fn try_send(&self, segment: u16, payload: &[u8]) -> bool {
        if payload.is_empty() || payload.len() > MAX_PACKETS || segment == 0 {
            return false;
        }
        let payload = crate::ws::copied(payload);
        match &self.out {
            Out::Link(link) => link.send_packets(self.inner.channel, segment, payload),
            Out::Memory(peer) => peer.deliver(Packets {
                channel: peer.channel,
                segment,
                payload,
            }),
        }
    }

    /// The next batch from the other end; `None` once the route is closed.
    pub fn poll_recv(&self, cx: &mut Context<'_>) -> Poll<Option<Packets>> {
        let mut state = self.inner.lock();
        if let Some(packets) = state.inbound.pop_front() {
            state.bytes -= packets.payload.len() + ENTRY;
            return Poll::Ready(Some(packets));
        }
        if state.closed.is_some() {
            return Poll::Ready(None);
        }
        match &mut state.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// Why the route is closed, if it is.
    pub fn closed(&self) -> Option<Closed> {
        self.inner.lock().closed.clone()
    }

    /// Whether the other end's link is there, as far as the server said.
    pub fn peer_present(&self) -> bool {
        self.inner.lock().peer
    }

    /// Whether the server has confirmed the join.
    pub fn joined(&self) -> bool {
        self.inner.lock().joined
    }

    /// Batches dropped because the session took them too slowly.
    pub fn dropped(&self) -> u64 {
        self.inner.lock().dropped
    }

    /// The number of this route on its link.
    pub fn channel(&self) -> Channel {
        self.inner.channel
    }

    /// Leaves for a reason, which the server and the other end learn.
    pub fn leave(&self, reason: Reason, text: &str) {
        let closed = Closed {
            channel: self.inner.channel,
            reason,
            text: text.to_owned(),
        };
        if !self.inner.close(closed.clone()) {
            return;
        }
        match &self.out {
            Out::Link(link) => {
                link.leave(self.inner.channel, &Frame::Closed(closed));
            }
            Out::Memory(peer) => {
                peer.close(closed);
            }
        }
    }
}

impl Drop for Route {
    fn drop(&mut self) {
        self.leave(Reason::Finished, "");
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Route({})", self.inner.channel.0)
    }
}

impl Inner {
    pub(crate) fn new(channel: Channel) -> Arc<Self> {
        Arc::new(Self {
            channel,
            state: Mutex::default(),
        })
    }

    pub(crate) fn deliver(&self, packets: Packets) -> bool {
        let mut state = self.lock();
        let cost = packets.payload.len() + ENTRY;
        if state.closed.is_some() || state.bytes + cost > INBOUND_BYTES {
            state.dropped += 1;
            return false;
        }
        state.bytes += cost;
        state.inbound.push_back(packets);
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        true
    }

    pub(crate) fn join(&self, peer: bool) {
        let mut state = self.lock();
        state.joined = true;
        state.peer = peer;
    }

    pub(crate) fn meet(&self, present: bool) {
        self.lock().peer = present;
    }

    /// Says whether it was open.
    pub(crate) fn close(&self, closed: Closed) -> bool {
        let mut state = self.lock();
        if state.closed.is_some() {
            return false;
        }
        state.closed = Some(closed);
        state.peer = false;
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code panics while holding it; a poisoned state is still whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Two routes that end in each other, without a link: for tests and
/// benchmarks of what runs above.
pub fn memory_pair() -> (Route, Route) {
    let (a, b) = (Inner::new(Channel(1)), Inner::new(Channel(2)));
    a.join(true);
    b.join(true);
    let near = Route {
        inner: Arc::clone(&a),
        out: Out::Memory(Arc::clone(&b)),
    };
    let far = Route {
        inner: b,
        out: Out::Memory(a),
    };
    (near, far)
}
