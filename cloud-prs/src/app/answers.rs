//! Gateways' answers to renewals, for the calls that wait for them.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use culvert_wire::frame::InviteResult;
use culvert_wire::id::SessionId;
use culvert_wire::reason::Reason;
use tokio::sync::oneshot;

/// Nothing when accepted, else why not.
pub(super) type Verdict = Option<(Reason, String)>;

/// Who waits for which answer.
#[derive(Default)]
pub(super) struct Answers {
    waiting: Mutex<HashMap<(SessionId, u32), oneshot::Sender<Verdict>>>,
}

impl Answers {
    /// Waits from now on; a second waiter for the same takes the first's place.
    pub(super) fn expect(&self, session: SessionId, serial: u32) -> oneshot::Receiver<Verdict> {
        let (sender, receiver) = oneshot::channel();
        let mut waiting = self.lock();
        // Those who gave up leave no trace.
        waiting.retain(|_, sender| !sender.is_closed());
        waiting.insert((session, serial), sender);
        receiver
    }

    /// Passes an answer on.
    pub(super) fn give(&self, result: InviteResult) {
        let waiter = self.lock().remove(&(result.session, result.serial));
        if let Some(waiter) = waiter {
            let _ = waiter.send(result.refused);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(SessionId, u32), oneshot::Sender<Verdict>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
