//! The relay with its surroundings, behind one lock: who is linked, who is to
//! be woken, what is to be recorded.
//!
//! The lock is held for table look-ups only, never across anything that
//! waits. Driven by link tasks, the [`Plane`](super::Plane) handle and the
//! plane's own tasks.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

use culvert_wire::UnixMs;
use culvert_wire::frame::Frame;
use culvert_wire::id::BootId;
use culvert_wire::key::PublicKey;
use culvert_wire::reason::Reason;
use tokio::sync::Notify;

use super::control::{Caller, PlaneEvent};
use crate::relay::{LinkId, Relay};

/// Links one gateway may have: an old one that is not known dead yet, a new
/// one, and one more.
const LINKS_PER_GATEWAY: usize = 3;
/// Unrecorded events over which links that make more are ended.
const EVENTS_HIGH: usize = 50_000;

/// The shared state.
#[derive(Debug, Default)]
pub(super) struct Core {
    state: Mutex<State>,
    /// Something is to be recorded.
    pub(super) recorded: Notify,
    /// A link is gone.
    pub(super) departed: Notify,
}

/// Who a link is.
#[derive(Debug, Clone)]
pub(super) enum Party {
    Gateway(PublicKey),
    Technician(Caller),
    /// A page of the portal: no API requests come over its link.
    Browser(Caller),
}

/// Everything behind the lock.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) relay: Relay,
    pub(super) parties: HashMap<LinkId, Party>,
    wakers: HashMap<LinkId, Waker>,
    /// Which run of its gateway a link belongs to.
    boots: HashMap<LinkId, BootId>,
    /// Newest last.
    gateways: HashMap<PublicKey, Vec<LinkId>>,
    events: VecDeque<PlaneEvent>,
    last_link: u64,
}

impl Core {
    /// Changes something, then wakes whom it concerns.
    pub(super) fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        let result = change(&mut state);
        while let Some(event) = state.relay.poll_event() {
            state.events.push_back(PlaneEvent::Route(event));
        }
        let record = !state.events.is_empty();
        let mut first = None;
        let mut others = Vec::new();
        while let Some(link) = state.relay.poll_wake() {
            if let Some(waker) = state.wakers.remove(&link)
                && let Some(previous) = first.replace(waker)
            {
                others.push(previous);
            }
        }
        drop(state);
        if record {
            self.recorded.notify_one();
        }
        first.into_iter().chain(others).for_each(Waker::wake);
        result
    }

    /// A look without a change.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // No code panics while holding it; a poisoned state is still whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes a link in. A gateway's links of an earlier run are over: if that
    /// run still lives (a clone), it comes back and is noticed.
    pub(super) fn arrive(
        &mut self,
        party: Party,
        boot: Option<BootId>,
        from: SocketAddr,
    ) -> LinkId {
        self.last_link += 1;
        let link = LinkId(self.last_link);
        self.relay.handle_up(link);
        if let Party::Gateway(key) = &party {
            let key = *key;
            self.events.push_back(PlaneEvent::GatewayUp { key, from });
            let links = self.gateways.entry(key).or_default();
            let surplus = (links.len() + 1).saturating_sub(LINKS_PER_GATEWAY);
            for (place, old) in links.iter().enumerate() {
                if place < surplus || self.boots.get(old).copied() != boot {
                    self.relay.end_link(*old, Reason::Replaced, "");
                }
            }
            links.push(link);
            if let Some(boot) = boot {
                self.boots.insert(link, boot);
            }
        }
        self.parties.insert(link, party);
        link
    }

    /// Lets a link go.
    pub(super) fn depart(&mut self, link: LinkId) {
        self.relay.handle_down(link);
        self.wakers.remove(&link);
        self.boots.remove(&link);
        let Some(Party::Gateway(key)) = self.parties.remove(&link) else {
            return;
        };
        if let Some(links) = self.gateways.get_mut(&key) {
            links.retain(|other| *other != link);
            if links.is_empty() {
                self.gateways.remove(&key);
                self.events.push_back(PlaneEvent::GatewayDown { key });
            }
        }
    }

    /// Registers a link's task for its next wake-up.
    pub(super) fn sleep(&mut self, link: LinkId, cx: &Context<'_>) {
        match self.wakers.get_mut(&link) {
            Some(waker) => waker.clone_from(cx.waker()),
            None => {
                self.wakers.insert(link, cx.waker().clone());
            }
        }
    }

    /// Sends a frame down a gateway's newest link.
    pub(super) fn tell_gateway(&mut self, key: &PublicKey, frame: &Frame) -> bool {
        let newest = self.gateways.get(key).and_then(|links| links.last());
        let Some(link) = newest.copied() else {
            return false;
        };
        self.relay.send(link, frame);
        true
    }

    /// A gateway's links, oldest first.
    pub(super) fn gateway_links(&self, key: &PublicKey) -> &[LinkId] {
        self.gateways.get(key).map_or(&[], Vec::as_slice)
    }

    /// Gateways that have a link.
    pub(super) fn gateways(&self) -> usize {
        self.gateways.len()
    }

    /// Notes what a link reports; a link that reports without end is ended.
    pub(super) fn report(&mut self, link: LinkId, event: PlaneEvent) {
        if self.events.len() >= EVENTS_HIGH {
            self.relay
                .end_link(link, Reason::Throttled, "too many reports");
            return;
        }
        self.events.push_back(event);
    }

    /// What is to be recorded next.
    pub(super) fn poll_event(&mut self) -> Option<PlaneEvent> {
        self.events.pop_front()
    }
}

/// The server's clock, which the application uses too.
pub(super) fn now() -> UnixMs {
    crate::steady::now()
}
