//! What the streams of one session came to, for the session's record: who only met a
//! dead host, a refused port or an unknown name is told so, and so is the audit trail.
//!
//! Never decides anything; driven by [`crate::bridge`] and [`crate::terminal`], read by
//! the session's task at its end.

use std::sync::{Mutex, PoisonError};

use culvert_wire::reason::Reason;

/// Shared by a session's streams.
#[derive(Debug, Default)]
pub struct Outcome(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    reached: bool,
    refused: Option<Reason>,
}

impl Outcome {
    /// A stream or a test reached its host.
    pub fn handle_reached(&self) {
        self.with(|state| state.reached = true);
    }

    /// A stream did not.
    pub fn handle_refused(&self, reason: Reason) {
        self.with(|state| state.refused = Some(reason));
    }

    /// Why the session ended: as `ended` says, but that somebody went after no host
    /// could be reached is not the news.
    pub fn reason(&self, ended: Reason) -> Reason {
        let went = matches!(
            ended,
            Reason::Finished | Reason::ClosedByTechnician | Reason::PeerLost
        );
        let refused = self.with(|state| state.refused.filter(|_| !state.reached));
        refused.filter(|_| went).unwrap_or(ended)
    }

    fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_met_only_closed_doors_has_that_in_her_record() {
        let outcome = Outcome::default();
        assert_eq!(outcome.reason(Reason::Finished), Reason::Finished);
        outcome.handle_refused(Reason::HostRefused);
        outcome.handle_refused(Reason::NameNotResolved);
        assert_eq!(outcome.reason(Reason::Finished), Reason::NameNotResolved);
        // An order is the news, whatever was before it.
        assert_eq!(outcome.reason(Reason::AccessRevoked), Reason::AccessRevoked);
        outcome.handle_reached();
        assert_eq!(outcome.reason(Reason::Finished), Reason::Finished);
    }
}
