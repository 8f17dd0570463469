//! Why routes are over whose technician was not there: a gateway may refuse a session
//! before the technician's end has joined it, or it ends while her link is away. Her end
//! is told when it comes.
//!
//! Keeps the newest ones; nothing of them is needed but for that answer.

use std::collections::{HashMap, VecDeque};

use culvert_wire::id::SessionId;
use culvert_wire::key::PublicKey;
use culvert_wire::reason::Reason;

/// So many are kept, of 700 bytes at most: a technician comes within seconds.
const MOST: usize = 1024;

#[derive(Debug, Default)]
pub(super) struct Over {
    routes: HashMap<SessionId, Why>,
    oldest: VecDeque<SessionId>,
}

#[derive(Debug)]
struct Why {
    technician: PublicKey,
    reason: Reason,
    text: Box<str>,
}

impl Over {
    pub(super) fn add(
        &mut self,
        session: SessionId,
        technician: PublicKey,
        reason: Reason,
        text: &str,
    ) {
        let why = Why {
            technician,
            reason,
            text: text.into(),
        };
        if self.routes.insert(session, why).is_none() {
            self.oldest.push_back(session);
        }
        if self.oldest.len() > MOST
            && let Some(oldest) = self.oldest.pop_front()
        {
            self.routes.remove(&oldest);
        }
    }

    /// What the technician's end of a session is told, and nobody else.
    pub(super) fn why(&self, session: SessionId, end: &PublicKey) -> Option<(Reason, &str)> {
        let why = self.routes.get(&session)?;
        (why.technician == *end).then_some((why.reason, &*why.text))
    }
}
