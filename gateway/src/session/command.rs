//! What the session machine is told and what it wants done.

use std::sync::Arc;

use culvert_wire::UnixMs;
use culvert_wire::frame::{InviteResult, SessionEnded};
use culvert_wire::grant::{Grant, Rights};
use culvert_wire::id::SessionId;
use culvert_wire::reason::Reason;
use culvert_wire::revocation::Scope;
use culvert_wire::ticket::Ticket;

/// A point in time, by two clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// What the link's server says: grants are judged by it.
    pub link: UnixMs,
    /// Milliseconds of this process, which no server can turn back: how long
    /// something may still last is measured by it.
    pub steady: u64,
}

impl Moment {
    /// When the steady clock will have passed a link time.
    pub(super) const fn steady_at(self, link: UnixMs) -> u64 {
        self.steady.saturating_add(link.ms_since(self.link))
    }
}

/// What a session may still do: what its last grant says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permits {
    /// Whether each target of the opening grant may still be reached.
    pub targets: Vec<bool>,
    /// What may still be done there.
    pub rights: Rights,
}

impl Permits {
    /// All that a grant gives.
    pub fn of(grant: &Grant) -> Self {
        Self {
            targets: vec![true; grant.targets.len()],
            rights: grant.rights,
        }
    }

    /// Whether a target may be reached and used with these rights.
    pub fn allow(&self, index: usize, rights: Rights) -> bool {
        self.reach(index) && self.rights.contains(rights)
    }

    /// Whether a target may be reached at all.
    pub fn reach(&self, index: usize) -> bool {
        self.targets.get(index) == Some(&true)
    }
}

/// What the machine wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Send the answer to an invitation.
    Answer(InviteResult),
    /// Join the route and wait for the technician's end.
    Start(Start),
    /// A session was renewed: streams that need what is not permitted any more
    /// end.
    Renew {
        /// Which session.
        session: SessionId,
        /// What is.
        permits: Permits,
    },
    /// End a session at once; its record is awaited by
    /// [`Sessions::handle_closed`](super::Sessions::handle_closed).
    Stop {
        /// Which session.
        session: SessionId,
        /// Why.
        reason: Reason,
    },
    /// Access was taken away: end what outlives its session, too.
    Cut {
        /// Whose, or which.
        scope: Scope,
        /// Why.
        reason: Reason,
    },
    /// Store the revocation counter, then acknowledge it.
    Obeyed(u64),
    /// Report a session's end, now or when the link is back.
    Report(SessionEnded),
}

/// A session to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// The verified grant.
    pub grant: Arc<Grant>,
    /// The right to join its route.
    pub ticket: Ticket,
    /// Whether to dial the only target at once, to save a round trip. No byte
    /// may pass before the technician's end has proved its key.
    pub dial_ahead: bool,
}

/// What a session did, told when it is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// Why it ended, as far as its own task knows.
    pub reason: Reason,
    /// Bytes from the LAN hosts to the technician.
    pub from_hosts: u64,
    /// Bytes from the technician to the LAN hosts.
    pub to_hosts: u64,
    /// Streams opened.
    pub streams: u32,
}

/// Why an invitation was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The code.
    pub reason: Reason,
    /// A sentence more, without any address; may be empty.
    pub text: String,
}

impl Refusal {
    /// A refusal with a sentence more.
    pub fn new(reason: Reason, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { reason, text }
    }
}
