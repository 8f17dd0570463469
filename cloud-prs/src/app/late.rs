//! Refusals that could not be recorded when they happened, because the database
//! was the very thing that failed: a full disk, a database that does not answer.
//!
//! They are kept in memory, a bounded number, and recorded with their own time as
//! soon as rows are taken again. What a server that is killed meanwhile knew of
//! them is lost; its log has them. Driven by [`App::work`] and
//! [`App::record_refusal`].

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use culvert_wire::UnixMs;
use culvert_wire::reason::Reason;
use serde_json::json;

use super::App;
use super::trail::{Doer, Event};
use crate::store::StoreError;

/// More than this are only counted.
const MOST: usize = 256;

/// One of them.
#[derive(Debug, Clone)]
struct Refused {
    by: Doer,
    action: &'static str,
    what: String,
    why: Reason,
    at: UnixMs,
}

/// Those that wait for their row.
#[derive(Debug, Default)]
pub(super) struct Late(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    refused: VecDeque<Refused>,
    /// How many there was no room for.
    more: u64,
    /// Whether the server's own work fails.
    fails: bool,
}

impl Waiting {
    fn keep(&mut self, refused: Refused) {
        if self.refused.len() < MOST {
            self.refused.push_back(refused);
        } else {
            self.more += 1;
        }
    }

    /// The first ones have their rows.
    fn forget(&mut self, recorded: usize) {
        self.refused.drain(..recorded.min(self.refused.len()));
        if self.refused.is_empty() {
            self.more = 0;
        }
    }
}

impl Late {
    fn with<T>(&self, work: impl FnOnce(&mut Waiting) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl App {
    /// Keeps a refusal for later.
    pub(super) fn record_later(&self, by: Doer, what: &str, why: Reason) {
        let refused = Refused {
            by,
            action: "api.refused",
            what: what.to_owned(),
            why,
            at: self.now(),
        };
        self.late.with(|waiting| waiting.keep(refused));
    }

    /// The server's own work failed: told once, whoever called or not.
    pub(super) fn note_failure(&self, error: &StoreError) {
        let refused = Refused {
            by: Doer::server(),
            action: "server.database",
            what: String::new(),
            why: error.reason(),
            at: self.now(),
        };
        self.late.with(|waiting| {
            if !std::mem::replace(&mut waiting.fails, true) {
                waiting.keep(refused);
            }
        });
    }

    /// Records what waits, in one transaction: all of it or nothing.
    pub(super) async fn record_late(&self) -> Result<(), StoreError> {
        let (refused, more) = self
            .late
            .with(|waiting| (waiting.refused.clone(), waiting.more));
        if refused.is_empty() {
            return Ok(());
        }
        let mut write = self.store.write().await?;
        for one in &refused {
            let after = json!({ "at": one.at.0, "without_row": more });
            let event = Event::refused(one.action, None, &one.what, one.why).after(after);
            self.record(&mut write, &one.by, event).await?;
        }
        write.commit().await?;
        self.late.with(|waiting| {
            waiting.forget(refused.len());
            waiting.fails = false;
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(at: u64) -> Refused {
        Refused {
            by: Doer::server(),
            action: "api.refused",
            what: "POST /api/v1/sessions".into(),
            why: Reason::StorageFull,
            at: UnixMs(at),
        }
    }

    #[test]
    fn a_bounded_number_waits_and_the_rest_is_counted_until_all_have_rows() {
        let mut waiting = Waiting::default();
        let many = MOST as u64 + 7;
        (0..many).for_each(|at| waiting.keep(refused(at)));
        assert_eq!((waiting.refused.len(), waiting.more), (MOST, 7));

        waiting.forget(MOST - 1);
        assert_eq!((waiting.refused.len(), waiting.more), (1, 7));

        waiting.forget(1);
        assert_eq!((waiting.refused.len(), waiting.more), (0, 0));
    }
}
