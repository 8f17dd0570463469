//! Forwards opaque packets between the two ends of one session.
//!
//! A pure state machine: `handle_*` in, [`Relay::poll_output`] and the other
//! `poll_*` out, time an argument. It dials nobody, reads no packet, and never
//! waits: what a link cannot take is dropped in that link's fair queue, so a
//! slow or hostile end costs nobody else a packet.
//!
//! A ticket is consumed by the first join; afterwards the same end key may
//! rejoin from any link until the session ends, and the newest link wins.
//! Unknown, foreign, used and expired look the same; but a technician's end
//! that comes when its session is just over is told why. What is not allowed ends
//! the link that did it and nothing else.
//!
//! Driven by [`crate::plane`]: after any `handle_*` drain [`Relay::poll_wake`]
//! and [`Relay::poll_event`].

mod join;
mod link;
mod over;
mod route;

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, VecDeque};

use bytes::Bytes;
use culvert_link::queue::{Dropped, Outgoing};
use culvert_wire::UnixMs;
use culvert_wire::frame::{Channel, Frame};
use culvert_wire::id::SessionId;
use culvert_wire::key::PublicKey;
use culvert_wire::reason::Reason;
use culvert_wire::ticket::TicketHash;

use self::link::LinkState;
use self::over::Over;
use self::route::Route;

/// One admitted link; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkId(pub u64);

/// Which end of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum End {
    /// The technician's.
    Technician,
    /// The gateway's.
    Gateway,
}

/// Who may take one side of a route.
#[derive(Debug, Clone)]
pub struct Side {
    /// The ticket's hash; none when it was used before a restart.
    pub ticket: Option<TicketHash>,
    /// The end's key.
    pub end: PublicKey,
}

/// A route that may be joined.
#[derive(Debug, Clone)]
pub struct RouteSpec {
    /// Whose.
    pub session: SessionId,
    /// The technician's side.
    pub technician: Side,
    /// The gateway's side.
    pub gateway: Side,
    /// Tickets are taken until then; both ends must have been there by then.
    pub join_by: UnixMs,
    /// When the route ends unless extended.
    pub ends_at: UnixMs,
}

/// What happened that somebody records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RelayEvent {
    /// An end has taken its side.
    Joined {
        /// Which session.
        session: SessionId,
        /// Which end.
        end: End,
        /// Whether its ticket was consumed by this.
        first: bool,
    },
    /// A route is over.
    Closed {
        /// Which session.
        session: SessionId,
        /// Why.
        reason: Reason,
        /// Bytes of packets taken from the gateway for the technician.
        to_technician: u64,
        /// Bytes of packets taken from the technician for the gateway.
        to_gateway: u64,
    },
}

/// No more routes fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the relay carries as many sessions as it can")]
pub struct RelayFull;

/// What a join came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinOutcome {
    /// Joined, or told that there is nothing to join any more.
    Answered,
    /// Refused, for this reason.
    Refused(Reason),
    /// The session is not known here, it may be known to the database: call
    /// [`Relay::handle_join_pending`], ask, then [`Relay::handle_join_again`].
    Unknown,
}

/// Figures since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Bytes of packets put into queues.
    pub forwarded_bytes: u64,
    /// Messages of packets put into queues.
    pub forwarded_messages: u64,
    /// What queues of links that are gone had dropped.
    pub dropped: Dropped,
    /// Messages for an end that was not there.
    pub unroutable: u64,
    /// Joins that were refused.
    pub refused_joins: u64,
    /// Links ended because of what they sent.
    pub offenders: u64,
}

/// Routes one relay holds at most: 300 bytes each.
const MAX_ROUTES: usize = 200_000;

/// The relay.
#[derive(Debug, Default)]
pub struct Relay {
    links: HashMap<LinkId, LinkState>,
    routes: HashMap<SessionId, Route>,
    over: Over,
    /// When to look at a route again.
    timers: BTreeSet<(UnixMs, SessionId)>,
    /// Links with something new to send or to end for.
    wakes: VecDeque<LinkId>,
    events: VecDeque<RelayEvent>,
    totals: Totals,
}

impl Relay {
    /// A link was admitted.
    pub fn handle_up(&mut self, link: LinkId) {
        self.links.insert(link, LinkState::default());
    }

    /// A link is gone: its ends are absent, their routes wait for them.
    pub fn handle_down(&mut self, link: LinkId) {
        let Some(state) = self.links.remove(&link) else {
            return;
        };
        let dropped = state.queue.dropped();
        self.totals.dropped.messages += dropped.messages;
        self.totals.dropped.bytes += dropped.bytes;
        for attached in state.channels.values() {
            self.detach(attached.session, attached.end);
        }
    }

    /// A session was granted: its route may be joined.
    ///
    /// # Errors
    /// [`RelayFull`].
    pub fn handle_open(&mut self, spec: RouteSpec) -> Result<(), RelayFull> {
        if self.routes.len() >= MAX_ROUTES {
            return Err(RelayFull);
        }
        let session = spec.session;
        // Known already: two ends may ask the database at once.
        if let Entry::Vacant(vacant) = self.routes.entry(session) {
            let route = vacant.insert(Route::new(spec));
            self.timers.insert((route.look_at(), session));
        }
        Ok(())
    }

    /// Packets came on a link.
    pub fn handle_packets(&mut self, link: LinkId, channel: Channel, segment: u16, payload: Bytes) {
        let Some(state) = self.links.get(&link) else {
            return;
        };
        let Some(attached) = state.channels.get(&channel) else {
            // Closed a moment ago is nobody's fault; never joined is.
            if channel > state.last_channel {
                self.offend(link, "packets on a channel that was never joined");
            }
            return;
        };
        let (session, end) = (attached.session, attached.end);
        let Some(route) = self.routes.get_mut(&session) else {
            return;
        };
        let bytes = payload.len() as u64;
        let Some((to, to_channel)) = route.other(end) else {
            if !route.keep_early(end, segment, payload) {
                self.totals.unroutable += 1;
            }
            return;
        };
        let Some(receiver) = self.links.get_mut(&to) else {
            return;
        };
        if receiver
            .queue
            .push(to_channel, to_channel, segment, payload)
        {
            route.count(end, bytes);
            self.totals.forwarded_bytes += bytes;
            self.totals.forwarded_messages += 1;
            self.wake(to);
        }
    }

    /// An end leaves its route: the session is over.
    pub fn handle_leave(&mut self, link: LinkId, channel: Channel, reason: Reason, text: &str) {
        let Some(state) = self.links.get_mut(&link) else {
            return;
        };
        let Some(attached) = state.channels.remove(&channel) else {
            if channel > state.last_channel {
                self.offend(link, "left a channel that was never joined");
            }
            return;
        };
        state.queue.remove(channel);
        if let Some(route) = self.routes.get_mut(&attached.session) {
            route.detach(attached.end);
        }
        let reason = believed(attached.end, reason);
        let she_knows = attached.end == End::Technician;
        self.close_known(attached.session, reason, text, she_knows);
    }

    /// The broker moved a session's end.
    pub fn handle_extend(&mut self, session: SessionId, ends_at: UnixMs) {
        if let Some(route) = self.routes.get_mut(&session) {
            self.timers.remove(&(route.look_at(), session));
            route.extend(ends_at);
            self.timers.insert((route.look_at(), session));
        }
    }

    /// The broker ended a session.
    pub fn handle_end(&mut self, session: SessionId, reason: Reason) {
        self.close(session, reason, "");
    }

    /// A gateway refused a session: its sentence reaches the technician.
    pub fn handle_refusal(&mut self, session: SessionId, reason: Reason, text: &str) {
        self.close(session, reason, text);
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: UnixMs) {
        while let Some((at, session)) = self.timers.first().copied()
            && at <= now
        {
            self.timers.pop_first();
            let Some(route) = self.routes.get_mut(&session) else {
                continue;
            };
            match route.expired(now) {
                Some(reason) => self.close(session, reason, ""),
                None => {
                    route.pass_joining();
                    self.timers.insert((route.look_at(), session));
                }
            }
        }
    }

    /// Queues a frame of the server's own on a link.
    pub fn send(&mut self, link: LinkId, frame: &Frame) {
        use culvert_wire::Encode as _;
        let Some(state) = self.links.get_mut(&link) else {
            return;
        };
        if state.queue.push_frame(frame.to_bytes()).is_err() {
            state.end(Reason::LinkLost, "it takes no messages");
        }
        self.wake(link);
    }

    /// Wants a link ended.
    pub fn end_link(&mut self, link: LinkId, reason: Reason, text: &str) {
        if let Some(state) = self.links.get_mut(&link) {
            state.end(reason, text);
            self.wake(link);
        }
    }

    /// Ends a link for what it sent.
    pub fn offend(&mut self, link: LinkId, text: &str) {
        self.totals.offenders += 1;
        self.end_link(link, Reason::ProtocolError, text);
    }

    /// The next message for a link.
    pub fn poll_output(&mut self, link: LinkId) -> Option<Outgoing> {
        let state = self.links.get_mut(&link)?;
        let next = state.queue.pop();
        if next.is_none() {
            state.awake = false;
        }
        next
    }

    /// The next link that has something new; told once until it was drained.
    pub fn poll_wake(&mut self) -> Option<LinkId> {
        self.wakes.pop_front()
    }

    /// The next thing to record.
    pub fn poll_event(&mut self) -> Option<RelayEvent> {
        self.events.pop_front()
    }

    /// When [`Relay::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Option<UnixMs> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Why a link must end, if it must.
    pub fn verdict(&self, link: LinkId) -> Option<(Reason, String)> {
        self.links.get(&link)?.ending.clone()
    }

    /// Whether a link carries a route.
    pub fn is_busy(&self, link: LinkId) -> bool {
        let state = self.links.get(&link);
        state.is_some_and(|state| !state.channels.is_empty())
    }

    /// Links that are up.
    pub fn links(&self) -> usize {
        self.links.len()
    }

    /// Routes that may be joined or are.
    pub fn routes(&self) -> usize {
        self.routes.len()
    }

    /// Figures since the start.
    pub fn totals(&self) -> Totals {
        let mut totals = self.totals;
        for state in self.links.values() {
            let dropped = state.queue.dropped();
            totals.dropped.messages += dropped.messages;
            totals.dropped.bytes += dropped.bytes;
        }
        totals
    }

    /// Bytes that wait in all queues.
    pub fn queued(&self) -> usize {
        self.links.values().map(|state| state.queue.bytes()).sum()
    }

    fn wake(&mut self, link: LinkId) {
        if let Some(state) = self.links.get_mut(&link)
            && !state.awake
        {
            state.awake = true;
            self.wakes.push_back(link);
        }
    }

    /// Takes an end off its route and tells the other one.
    fn detach(&mut self, session: SessionId, end: End) {
        let Some(route) = self.routes.get_mut(&session) else {
            return;
        };
        route.detach(end);
        if let Some((other, channel)) = route.other(end) {
            let present = false;
            self.send(other, &Frame::Peer { channel, present });
        }
    }

    /// Ends a route and tells whoever is there, and the technician when she comes.
    fn close(&mut self, session: SessionId, reason: Reason, text: &str) {
        self.close_known(session, reason, text, false);
    }

    fn close_known(&mut self, session: SessionId, reason: Reason, text: &str, she_knows: bool) {
        let Some(route) = self.routes.remove(&session) else {
            return;
        };
        self.timers.remove(&(route.look_at(), session));
        let is_told = she_knows || route.other(End::Gateway).is_some();
        if reason.is_final() && !is_told {
            let technician = route.technician();
            self.over.add(session, technician, reason, text);
        }
        for (link, channel) in route.attached() {
            self.drop_channel(link, channel, reason, text);
        }
        self.events.push_back(RelayEvent::Closed {
            session,
            reason,
            to_technician: route.to_technician,
            to_gateway: route.to_gateway,
        });
    }
}

/// What an end may say about why it leaves: nobody speaks for the server, nor
/// the technician's end for the gateway.
fn believed(end: End, reason: Reason) -> Reason {
    match (end, reason.code()) {
        (_, 0..=99) | (End::Gateway, 200..=399) => reason,
        (End::Technician, _) => Reason::ClosedByTechnician,
        (End::Gateway, _) => Reason::Finished,
    }
}
