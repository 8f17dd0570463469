//! One session's route: who may join, who has, until when.

use bytes::Bytes;
use culvert_wire::UnixMs;
use culvert_wire::frame::Channel;
use culvert_wire::key::PublicKey;
use culvert_wire::reason::Reason;
use culvert_wire::ticket::TicketHash;

use super::{End, LinkId, RouteSpec, Side};

/// Bytes kept for an end that was never there: a first flight of QUIC.
const EARLY_BYTES: usize = 16 * 1024;
/// What a kept message costs beside its payload.
const EARLY_ENTRY: usize = 64;

/// A route from its grant to its end.
#[derive(Debug)]
pub(super) struct Route {
    technician: Place,
    gateway: Place,
    join_by: UnixMs,
    ends_at: UnixMs,
    /// Whether the time for joining was judged.
    settled: bool,
    pub(super) to_technician: u64,
    pub(super) to_gateway: u64,
}

/// One side.
#[derive(Debug)]
struct Place {
    side: Side,
    /// Whether its ticket was consumed.
    taken: bool,
    at: Option<(LinkId, Channel)>,
    /// What came for it before its first join: the other end's first flight.
    early: Vec<(u16, Bytes)>,
    early_bytes: usize,
}

impl Place {
    fn new(side: Side) -> Self {
        Self {
            taken: side.ticket.is_none(),
            side,
            at: None,
            early: Vec::new(),
            early_bytes: 0,
        }
    }
}

impl Route {
    pub(super) fn new(spec: RouteSpec) -> Self {
        Self {
            technician: Place::new(spec.technician),
            gateway: Place::new(spec.gateway),
            join_by: spec.join_by,
            ends_at: spec.ends_at,
            settled: false,
            to_technician: 0,
            to_gateway: 0,
        }
    }

    /// Which end a key is of, if any.
    pub(super) fn end_of(&self, key: &PublicKey) -> Option<End> {
        if self.technician.side.end == *key {
            Some(End::Technician)
        } else if self.gateway.side.end == *key {
            Some(End::Gateway)
        } else {
            None
        }
    }

    /// The technician's key.
    pub(super) fn technician(&self) -> PublicKey {
        self.technician.side.end
    }

    /// Whether an end that proved its key may come in; consumes the ticket.
    /// `Some(true)` is the first time.
    pub(super) fn admit(
        &mut self,
        end: End,
        ticket: Option<&TicketHash>,
        now: UnixMs,
    ) -> Option<bool> {
        if now >= self.ends_at {
            return None;
        }
        let join_by = self.join_by;
        let place = self.place_mut(end);
        match (ticket, place.taken) {
            (None, true) => Some(false),
            (Some(ticket), false) if now <= join_by && place.side.ticket == Some(*ticket) => {
                place.taken = true;
                Some(true)
            }
            (None, false) | (Some(_), _) => None,
        }
    }

    /// Keeps packets for an end that has never been there; `false` when it has
    /// or when they are too many.
    pub(super) fn keep_early(&mut self, from: End, segment: u16, payload: Bytes) -> bool {
        let place = match from {
            End::Technician => &mut self.gateway,
            End::Gateway => &mut self.technician,
        };
        let cost = payload.len() + EARLY_ENTRY;
        if place.taken || place.early_bytes + cost > EARLY_BYTES {
            return false;
        }
        place.early_bytes += cost;
        // A copy of its own size: the message's buffer may be much longer.
        place
            .early
            .push((segment, Bytes::copy_from_slice(&payload)));
        true
    }

    /// What was kept for an end, once.
    pub(super) fn take_early(&mut self, end: End) -> Vec<(u16, Bytes)> {
        let place = self.place_mut(end);
        place.early_bytes = 0;
        std::mem::take(&mut place.early)
    }

    /// Puts an end on a link; returns where it was.
    pub(super) fn attach(&mut self, end: End, at: (LinkId, Channel)) -> Option<(LinkId, Channel)> {
        self.place_mut(end).at.replace(at)
    }

    pub(super) fn detach(&mut self, end: End) {
        self.place_mut(end).at = None;
    }

    /// Where the other end is.
    pub(super) fn other(&self, end: End) -> Option<(LinkId, Channel)> {
        match end {
            End::Technician => self.gateway.at,
            End::Gateway => self.technician.at,
        }
    }

    /// Both ends that are there.
    pub(super) fn attached(&self) -> impl Iterator<Item = (LinkId, Channel)> {
        [self.technician.at, self.gateway.at].into_iter().flatten()
    }

    /// Counts what came from an end.
    pub(super) fn count(&mut self, from: End, bytes: u64) {
        match from {
            End::Technician => self.to_gateway += bytes,
            End::Gateway => self.to_technician += bytes,
        }
    }

    /// Counts what went to an end.
    pub(super) fn count_to(&mut self, to: End, bytes: u64) {
        match to {
            End::Technician => self.to_technician += bytes,
            End::Gateway => self.to_gateway += bytes,
        }
    }

    pub(super) fn extend(&mut self, ends_at: UnixMs) {
        self.ends_at = self.ends_at.max(ends_at);
    }

    /// When to look at it again.
    pub(super) fn look_at(&self) -> UnixMs {
        match self.settled {
            false => self.join_by.min(self.ends_at),
            true => self.ends_at,
        }
    }

    /// The time for joining is over and both ends were there.
    pub(super) fn pass_joining(&mut self) {
        self.settled = true;
    }

    /// Why it is over at `now`, if it is.
    pub(super) fn expired(&self, now: UnixMs) -> Option<Reason> {
        if now >= self.ends_at {
            return Some(Reason::Expired);
        }
        let missing = !self.technician.taken || !self.gateway.taken;
        (missing && now >= self.join_by).then_some(Reason::PeerLost)
    }

    fn place_mut(&mut self, end: End) -> &mut Place {
        match end {
            End::Technician => &mut self.technician,
            End::Gateway => &mut self.gateway,
        }
    }
}
