//! Who may fetch which release's bundle, how many at once, and what was stopped
//! since: a stopped release is given to nobody, nor to the end to those that
//! fetch it at that moment.
//!
//! Rights live in memory: after a restart boxes are offered anew. Whether a
//! release is stopped is the database's to say (the console stops it there,
//! from a process of its own); what is remembered of it here only ends bodies.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use culvert_wire::UnixMs;
use culvert_wire::frame::FETCH_LEN;
use culvert_wire::id::GatewayId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::rollout::Release;

/// How long a right to fetch is good, in milliseconds: a large release over a
/// slow line.
const FETCH_MS: u64 = 6 * 3600 * 1000;

/// Boxes that fetch at once; others are asked again later.
const AT_ONCE: usize = 32;

/// Who may fetch what.
pub(crate) struct Fetches {
    known: Mutex<Known>,
    turns: Arc<Semaphore>,
}

#[derive(Default)]
struct Known {
    /// One for each box: the newest.
    rights: HashMap<GatewayId, Fetch>,
    stopped: HashSet<Which>,
}

/// A board and a version.
pub(crate) type Which = (String, u64);

struct Fetch {
    right: [u8; FETCH_LEN],
    which: Which,
    until: UnixMs,
}

impl Default for Fetches {
    fn default() -> Self {
        Self {
            known: Mutex::default(),
            turns: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }
}

impl Fetches {
    /// A box's right to fetch a release. Offered the same again, it keeps the
    /// one that it may be about to use.
    pub(super) fn give(
        &self,
        gateway: GatewayId,
        release: &Release,
        now: UnixMs,
    ) -> [u8; FETCH_LEN] {
        let which = which(release);
        let until = now.plus_ms(FETCH_MS);
        let mut known = self.lock();
        let held = known.rights.get_mut(&gateway);
        if let Some(held) = held.filter(|held| held.which == which && held.until > now) {
            held.until = until;
            return held.right;
        }
        let right = rand::random();
        let fetch = Fetch {
            right,
            which,
            until,
        };
        known.rights.insert(gateway, fetch);
        right
    }

    /// The release that a right is for.
    pub(super) fn of(&self, right: &[u8], now: UnixMs) -> Option<Which> {
        let mut known = self.lock();
        known.rights.retain(|_, fetch| fetch.until > now);
        let found = known
            .rights
            .values()
            .find(|fetch| fetch.right[..] == *right)?;
        Some(found.which.clone())
    }

    /// A box's turn to fetch; none while too many do.
    pub(super) fn turn(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.turns).try_acquire_owned().ok()
    }

    /// Ends whatever is fetched of a release.
    pub(super) fn stop(&self, release: &Release) {
        self.lock().stopped.insert(which(release));
    }

    pub(super) fn is_stopped(&self, which: &Which) -> bool {
        self.lock().stopped.contains(which)
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn which(release: &Release) -> Which {
    (release.board.clone(), release.version)
}
