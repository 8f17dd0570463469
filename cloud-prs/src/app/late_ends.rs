//! Ends of sessions that could not be recorded when they were told, because the
//! database did not take them: kept in memory, a bounded number, and recorded as soon
//! as it does.
//!
//! Whoever told of one waits for no answer. What a server that is killed meanwhile
//! knew of them is told once more by the boxes that come back to it.
//! Driven by [`super::heard`] and [`App::work`].

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use culvert_wire::id::SessionId;
use culvert_wire::key::PublicKey;
use culvert_wire::reason::Reason;

use super::App;
use crate::store::StoreError;

/// More sessions than end while a database is away; then the oldest go, whose rows
/// are closed without their bytes when their time is over.
const MOST: usize = 4096;

/// The end of a session, as somebody told it.
#[derive(Debug, Clone)]
pub(super) struct Told {
    pub(super) session: SessionId,
    /// The box that told of it; none for the relay.
    pub(super) gateway: Option<PublicKey>,
    pub(super) reason: Reason,
    /// From and to hosts, where a box counted them.
    pub(super) bytes: Option<(u64, u64)>,
}

/// Those that wait.
#[derive(Debug, Default)]
pub(super) struct Ends(Mutex<VecDeque<Told>>);

impl Ends {
    fn with<T>(&self, work: impl FnOnce(&mut VecDeque<Told>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl App {
    /// Records the end of a session, later if not now.
    pub(super) async fn end_told(&self, told: Told) {
        let outcome = self.finish(&told).await;
        let Err(error) = outcome else { return };
        let later = error.is_outage();
        let error: &dyn std::error::Error = &error;
        tracing::error!(error, later, "Session's end could not be noted");
        if later {
            self.ends.with(|ends| {
                if ends.len() >= MOST {
                    ends.pop_front();
                }
                ends.push_back(told);
            });
        }
    }

    /// Records what waits.
    pub(super) async fn finish_late(&self) -> Result<(), StoreError> {
        while let Some(told) = self.ends.with(VecDeque::pop_front) {
            if let Err(error) = self.finish(&told).await {
                self.ends.with(|ends| ends.push_front(told));
                return Err(error);
            }
        }
        Ok(())
    }
}
