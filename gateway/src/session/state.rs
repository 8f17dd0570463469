//! One session's state; each state holds its own data.

use std::sync::Arc;

use culvert_wire::grant::Grant;
use culvert_wire::id::UserId;
use culvert_wire::reason::Reason;

use super::{Permits, Refusal};

/// One session.
#[derive(Debug)]
pub(super) struct Session {
    /// The grant that opened it: stream openings count its targets.
    grant: Arc<Grant>,
    /// What the last grant allows on them.
    permits: Permits,
    /// The last grant's serial.
    serial: u32,
    /// The last grant's end, by the steady clock.
    ends: u64,
    state: State,
}

/// Where a session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Accepted; the technician's end must prove its key in time.
    Invited {
        /// Until then, by the steady clock.
        until: u64,
    },
    /// As `Invited`, with the only target being dialled meanwhile.
    Dialing {
        /// Until then, by the steady clock.
        until: u64,
    },
    /// The technician's end has proved its key.
    Open,
    /// Told to stop; its record is awaited.
    Closed {
        /// Why.
        reason: Reason,
    },
}

impl Session {
    pub(super) fn new(grant: Arc<Grant>, until: u64, ends: u64, dial_ahead: bool) -> Self {
        Self {
            permits: Permits::of(&grant),
            serial: grant.serial,
            ends,
            state: if dial_ahead {
                State::Dialing { until }
            } else {
                State::Invited { until }
            },
            grant,
        }
    }

    pub(super) fn open(&mut self) {
        match self.state {
            State::Invited { .. } | State::Dialing { .. } => self.state = State::Open,
            State::Open | State::Closed { .. } => {}
        }
    }

    /// Whether the session had to be told; a stopped one keeps its reason.
    pub(super) fn stop(&mut self, reason: Reason) -> bool {
        let fresh = self.stopped().is_none();
        if fresh {
            self.state = State::Closed { reason };
        }
        fresh
    }

    /// What a renewal leaves, or why it does not fit.
    pub(super) fn renewal(&self, new: &Grant) -> Result<Permits, Refusal> {
        let old = &self.grant;
        if new.serial <= self.serial {
            return Err(Refusal::new(Reason::GrantReplayed, ""));
        }
        if new.technician_end != old.technician_end || new.technician != old.technician {
            let text = "a renewal cannot change the technician's end";
            return Err(Refusal::new(Reason::PeerKey, text));
        }
        let running = |target| {
            let mut at = old.targets.iter().zip(&self.permits.targets);
            at.any(|(had, permitted)| *permitted && had == target)
        };
        if !self.permits.rights.contains(new.rights) || !new.targets.iter().all(running) {
            let text = "a renewal cannot widen the session";
            return Err(Refusal::new(Reason::TargetUnknown, text));
        }
        let still = old.targets.iter().zip(&self.permits.targets);
        Ok(Permits {
            targets: still
                .map(|(target, permitted)| *permitted && new.targets.contains(target))
                .collect(),
            rights: new.rights,
        })
    }

    pub(super) fn renewed(&mut self, new: &Grant, permits: Permits, ends: u64) {
        self.permits = permits;
        self.serial = new.serial;
        self.ends = ends;
    }

    pub(super) fn technician(&self) -> UserId {
        self.grant.technician
    }

    /// Why it was told to stop, if it was.
    pub(super) const fn stopped(&self) -> Option<Reason> {
        match self.state {
            State::Closed { reason } => Some(reason),
            State::Invited { .. } | State::Dialing { .. } | State::Open => None,
        }
    }

    /// When it must end by the steady clock, and why then.
    pub(super) fn deadline(&self) -> Option<(u64, Reason)> {
        match self.state {
            State::Invited { until } | State::Dialing { until } if until < self.ends => {
                Some((until, Reason::PeerLost))
            }
            State::Invited { .. } | State::Dialing { .. } | State::Open => {
                Some((self.ends, Reason::Expired))
            }
            State::Closed { .. } => None,
        }
    }
}
