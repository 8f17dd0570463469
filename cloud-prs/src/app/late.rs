//! Refusals that could not be recorded when they happened, because the database
//! was the very thing that failed: a full disk, a database that does not answer.
//! And, once, that it failed: whoever found out first, the server's own work or
//! somebody of whom nothing could be looked up any more. And what was refused to a
//! link, which is not kept waiting for a row.
//!
//! They are kept in memory, a bounded number, and recorded with their own time as
//! soon as rows are taken again. What a server that is killed meanwhile knew of
//! them is lost; its log has them. Driven by [`App::work`], by
//! [`App::record_refusal`] and by whatever refuses without a row of its own.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use culvert_wire::UnixMs;
use culvert_wire::reason::Reason;
use serde_json::json;

use super::App;
use super::trail::{self, Doer, Event};
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
    /// Whether the database failed since the server's last whole round of work.
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

    /// All of them and how many more there were, to be recorded.
    fn take(&mut self) -> (VecDeque<Refused>, u64) {
        let more = std::mem::take(&mut self.more);
        (std::mem::take(&mut self.refused), more)
    }

    /// Those could not be recorded: they come before what came meanwhile.
    fn put_back(&mut self, (refused, more): (VecDeque<Refused>, u64)) {
        let meanwhile = std::mem::replace(&mut self.refused, refused);
        self.more += more;
        meanwhile.into_iter().for_each(|one| self.keep(one));
    }

    /// Keeps it unless it goes on only.
    fn fail(&mut self, refused: Refused) {
        if !std::mem::replace(&mut self.fails, true) {
            self.keep(refused);
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
    pub(super) fn record_later(&self, by: Doer, action: &'static str, what: &str, why: Reason) {
        let refused = Refused {
            by,
            action,
            // Paths are as long as whoever calls likes.
            what: trail::clip(what),
            why,
            at: self.now(),
        };
        self.late.with(|waiting| waiting.keep(refused));
    }

    /// Something was not done for want of room or of the database, and no row says
    /// so: told once, whoever called or not, until all of the server's own work was
    /// done again. Other reasons are no outage and not told.
    pub(crate) fn note_outage(&self, why: Reason) {
        if !matches!(why, Reason::StorageFull | Reason::DatabaseDown) {
            return;
        }
        let refused = Refused {
            by: Doer::server(),
            action: "server.database",
            what: String::new(),
            why,
            at: self.now(),
        };
        self.late.with(|waiting| waiting.fail(refused));
    }

    /// All of the server's own work was done.
    pub(super) fn note_success(&self) {
        self.late.with(|waiting| waiting.fails = false);
    }

    /// Records what waits, in one transaction: all of it or nothing.
    pub(super) async fn record_late(&self) -> Result<(), StoreError> {
        let waiting = self.late.with(Waiting::take);
        let recorded = self.record_all(&waiting.0, waiting.1).await;
        if recorded.is_err() {
            self.late.with(|late| late.put_back(waiting));
        }
        recorded
    }

    /// How many have no row stands in the last one.
    async fn record_all(&self, all: &VecDeque<Refused>, more: u64) -> Result<(), StoreError> {
        let Some(last) = all.len().checked_sub(1) else {
            return Ok(());
        };
        let mut write = self.store.write().await?;
        for (at, one) in all.iter().enumerate() {
            let mut after = json!({ "at": one.at.0 });
            if at == last && more > 0 {
                after["without_row"] = more.into();
            }
            let event = Event::refused(one.action, None, &one.what, one.why).after(after);
            self.record(&mut write, &one.by, event).await?;
        }
        write.commit().await
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

    fn times(refused: &VecDeque<Refused>) -> Vec<u64> {
        refused.iter().map(|one| one.at.0).collect()
    }

    #[test]
    fn a_bounded_number_waits_and_the_rest_is_counted_once() {
        let mut waiting = Waiting::default();
        let most = MOST as u64;
        (0..most + 7).for_each(|at| waiting.keep(refused(at)));

        // Recorded: nothing of it is told again.
        let taken = waiting.take();
        assert_eq!((times(&taken.0), taken.1), ((0..most).collect(), 7));
        waiting.keep(refused(1000));
        assert_eq!((times(&waiting.refused), waiting.more), (vec![1000], 0));

        // Not recorded: nothing of it is lost, and what came meanwhile is counted.
        waiting.put_back(taken);
        assert_eq!(times(&waiting.refused), (0..most).collect::<Vec<_>>());
        assert_eq!(waiting.more, 8);
    }

    #[test]
    fn an_outage_waits_once_until_all_work_is_done_again() {
        let mut waiting = Waiting::default();
        waiting.fail(refused(0));
        let (recorded, _) = waiting.take();
        // Rows are taken, but something else still fails.
        waiting.fail(refused(1));
        assert_eq!((times(&recorded), waiting.refused.len()), (vec![0], 0));

        waiting.fails = false;
        waiting.fail(refused(2));
        assert_eq!(times(&waiting.refused), [2]);
    }
}
