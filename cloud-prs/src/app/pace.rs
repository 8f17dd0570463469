//! How many sessions one person may start, and how many may run.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use culvert_wire::UnixMs;
use culvert_wire::id::UserId;

/// Sessions that one person may have running.
pub(super) const PER_PERSON: usize = 128;
/// Sessions that may run through one gateway: a box takes 32 unless it is
/// told otherwise, and 256 at most.
pub(super) const PER_GATEWAY: usize = 256;
/// Sessions that one person may start at once.
const BURST: u64 = 30;
/// After that, one in this time, in milliseconds.
const EVERY_MS: u64 = 1_000;

/// A token bucket for each person.
#[derive(Default)]
pub(super) struct Pace {
    /// When each person's bucket is full again.
    full_at: Mutex<HashMap<UserId, UnixMs>>,
}

impl Pace {
    /// Whether one more may start now.
    pub(super) fn admit(&self, user: UserId, now: UnixMs) -> bool {
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        full_at.retain(|_, at| *at > now);
        let at = full_at.get(&user).copied().unwrap_or(now);
        if at.ms_since(now) > (BURST - 1) * EVERY_MS {
            return false;
        }
        full_at.insert(user, at.plus_ms(EVERY_MS));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_taken_then_one_a_second_and_nobody_else_waits() {
        let pace = Pace::default();
        let (ann, bob) = (UserId::from_random([1; 16]), UserId::from_random([2; 16]));
        let starts = (0..100).filter(|_| pace.admit(ann, UnixMs(0))).count();
        assert_eq!(starts, 30);
        assert!(pace.admit(bob, UnixMs(0)));
        assert!(!pace.admit(ann, UnixMs(500)));
        assert!(pace.admit(ann, UnixMs(1000)));
        assert!(!pace.admit(ann, UnixMs(1000)));
        let later = (0..100).filter(|_| pace.admit(ann, UnixMs(60_000))).count();
        assert_eq!(later, 30);
    }
}
