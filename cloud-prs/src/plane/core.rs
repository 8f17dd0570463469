//! The relay with its surroundings, behind one lock: who is linked, who is to
//! be woken, what is to be recorded.
//!
//! The lock is held for table look-ups only, never across anything that
//! waits. Driven by link tasks, the [`Plane`](super::Plane) handle and the
//! plane's own tasks.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

use culvert_wire::UnixMs;
use culvert_wire::frame::Frame;
use culvert_wire::id::{BootId, UserId};
use culvert_wire::key::PublicKey;
use culvert_wire::reason::Reason;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::Limits;
use super::anonymous::Anonymous;
use super::control::{Caller, PlaneEvent};
use super::reports::Reports;
use crate::relay::{LinkId, Relay};

/// Links one gateway may have: an old one that is not known dead yet, a new
/// one, and one more.
const LINKS_PER_GATEWAY: usize = 3;

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

/// Whose a link is, for the places that there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// A gateway's.
    Box,
    /// Somebody's who is signed in.
    Person(UserId),
    /// Nobody's yet.
    Anonymous,
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
    reports: Reports,
    anonymous: Anonymous,
    /// Whose links were so when they came, and how many each person has.
    owners: HashMap<LinkId, UserId>,
    per_person: HashMap<UserId, usize>,
    /// Links of gateways.
    of_gateways: usize,
    last_link: u64,
}

impl Core {
    /// Changes something, then wakes whom it concerns.
    pub(super) fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        let result = change(&mut state);
        while let Some(event) = state.relay.poll_event() {
            state.reports.push_route(PlaneEvent::Route(event));
        }
        let record = !state.reports.is_empty();
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
    /// Whether there is a place, which a link gets with its number.
    ///
    /// # Errors
    /// The reason to refuse it with.
    pub(super) fn reserve(
        &mut self,
        standing: Standing,
        from: SocketAddr,
        limits: &Limits,
    ) -> Result<LinkId, Reason> {
        let link = LinkId(self.last_link + 1);
        if standing != Standing::Box {
            let people = self.relay.links().saturating_sub(self.of_gateways);
            if people >= limits.links.div_ceil(2) {
                return Err(Reason::ServerFull);
            }
        }
        let entered = match standing {
            Standing::Box => true,
            Standing::Person(person) => self.enter(link, person, limits.per_person),
            Standing::Anonymous => {
                let (from, now) = (from.ip(), Instant::now());
                self.anonymous.enter(link, from, limits.of_anonymous(), now)
            }
        };
        if !entered {
            return Err(Reason::Throttled);
        }
        self.last_link = link.0;
        Ok(link)
    }

    /// One more link of somebody's; `false` when she has enough. One that signed in
    /// later is bounded by the places of strangers and the pace of sign-ins.
    fn enter(&mut self, link: LinkId, person: UserId, most: usize) -> bool {
        let links = self.per_person.entry(person).or_default();
        if *links >= most {
            return false;
        }
        *links += 1;
        self.owners.insert(link, person);
        true
    }

    /// Gives the place of one back.
    fn leave(&mut self, link: LinkId) {
        let Some(person) = self.owners.remove(&link) else {
            return;
        };
        if let Entry::Occupied(mut links) = self.per_person.entry(person) {
            *links.get_mut() -= 1;
            if *links.get() == 0 {
                links.remove();
            }
        }
    }

    /// Takes a link in. A gateway's links of an earlier run are over: if that
    /// run still lives (a clone), it comes back and is noticed.
    pub(super) fn arrive(
        &mut self,
        link: LinkId,
        party: Party,
        boot: Option<BootId>,
        from: SocketAddr,
    ) {
        self.relay.handle_up(link);
        if let Party::Gateway(key) = &party {
            let key = *key;
            self.of_gateways += 1;
            let up = PlaneEvent::GatewayUp { key, from };
            self.reports.push_presence(key, up);
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
    }

    /// Lets a link go.
    pub(super) fn depart(&mut self, link: LinkId) {
        self.relay.handle_down(link);
        self.wakers.remove(&link);
        self.boots.remove(&link);
        self.anonymous.leave(link);
        self.leave(link);
        let Some(Party::Gateway(key)) = self.parties.remove(&link) else {
            return;
        };
        self.of_gateways -= 1;
        if let Some(links) = self.gateways.get_mut(&key) {
            links.retain(|other| *other != link);
            if links.is_empty() {
                self.gateways.remove(&key);
                let down = PlaneEvent::GatewayDown { key };
                self.reports.push_presence(key, down);
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

    /// Notes what a gateway's link reports; one that reports without end is
    /// ended.
    pub(super) fn report(&mut self, link: LinkId, key: PublicKey, event: PlaneEvent) {
        if self.reports.push(key, event, Instant::now()).is_err() {
            let text = "too many reports";
            self.relay.end_link(link, Reason::Throttled, text);
        }
    }

    /// What is to be recorded next.
    pub(super) fn poll_event(&mut self) -> Option<PlaneEvent> {
        self.reports.pop()
    }

    /// Ends links that were nobody's for too long. With `all` those that became
    /// nobody's again are looked for, and boxes that are gone are forgotten.
    pub(super) fn sweep(
        &mut self,
        all: bool,
        limits: &Limits,
        signed_in: impl Fn(&Caller) -> bool,
    ) {
        let now = Instant::now();
        let (relay, parties) = (&self.relay, &self.parties);
        let somebodys = |link: LinkId| match parties.get(&link) {
            Some(Party::Technician(caller)) => signed_in(caller) || relay.is_busy(link),
            Some(Party::Gateway(_) | Party::Browser(_)) | None => true,
        };
        let over = self.anonymous.sweep(somebodys, limits.anonymous_life, now);
        if all {
            for link in parties.keys().copied() {
                if !somebodys(link) && !self.anonymous.has(link) {
                    self.anonymous.readmit(link, now);
                }
            }
            let gateways = &self.gateways;
            let linked = |key: &PublicKey| gateways.contains_key(key);
            self.reports.forget_idle(linked, now);
        }
        for link in over {
            let text = "nobody signed in on this link";
            self.relay.end_link(link, Reason::SignInNeeded, text);
        }
    }
}

/// The server's clock, which the application uses too.
pub(super) fn now() -> UnixMs {
    crate::steady::now()
}
