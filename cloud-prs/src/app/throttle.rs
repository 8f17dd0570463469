//! Slows down guessing: failed sign-ins for each account from each network,
//! and for each network over all accounts.
//!
//! A stranger cannot lock somebody else's account: the tight limit holds for
//! her network only. Unknown names count like known ones. Bounded memory: old
//! entries go when the table is full.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Mutex;

use culvert_wire::UnixMs;

/// Failures one network may have with one name within [`WINDOW_MS`].
const PER_NAME_AND_NET: u32 = 5;
/// Failures one network may have with all names.
const PER_NET: u32 = 30;
/// Failures one name may have from all networks.
const PER_NAME: u32 = 100;
/// How long a failure counts, in milliseconds.
const WINDOW_MS: u64 = 5 * 60 * 1000;
/// Entries kept.
const MAX_ENTRIES: usize = 20_000;

/// Counts failures.
#[derive(Default)]
pub(crate) struct Throttle {
    counts: Mutex<HashMap<Key, Count>>,
}

/// What to do with a try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Look at it.
    Try,
    /// Refuse unseen; `first` in this window, so that the audit trail gets one
    /// row and not a flood.
    Wait {
        /// Whether it is the first refusal.
        first: bool,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    NameAndNet(String, Net),
    Net(Net),
    Name(String),
}

#[derive(Debug, Clone, Copy)]
struct Count {
    failures: u32,
    told: bool,
    since: UnixMs,
}

/// A /24 or a /64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Net(u64, bool);

impl Net {
    fn of(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(ip) => Self(u64::from(ip.to_bits() >> 8), false),
            IpAddr::V6(ip) => {
                let [a, b, c, d, ..] = ip.segments();
                let high = [a, b, c, d]
                    .into_iter()
                    .fold(0, |n, part| n << 16 | u64::from(part));
                Self(high, true)
            }
        }
    }
}

impl Throttle {
    /// Counts the try as failed in advance, so that parallel ones count too.
    pub(crate) fn begin(&self, name: &str, from: IpAddr, now: UnixMs) -> Verdict {
        let mut counts = self.lock();
        if counts.len() >= MAX_ENTRIES {
            counts.retain(|_, count| now.ms_since(count.since) < WINDOW_MS);
            if counts.len() >= MAX_ENTRIES {
                counts.clear();
            }
        }
        let mut verdict = Verdict::Try;
        for (key, limit) in keys(name, from) {
            let fresh = Count {
                failures: 0,
                told: false,
                since: now,
            };
            let count = counts.entry(key).or_insert(fresh);
            if now.ms_since(count.since) >= WINDOW_MS {
                *count = fresh;
            }
            count.failures = count.failures.saturating_add(1);
            if count.failures > limit {
                verdict = Verdict::Wait { first: !count.told };
                count.told = true;
            }
        }
        verdict
    }

    /// Takes a try back that did not fail.
    pub(crate) fn succeeded(&self, name: &str, from: IpAddr) {
        let mut counts = self.lock();
        for (key, _) in keys(name, from) {
            if matches!(key, Key::NameAndNet(..)) {
                counts.remove(&key);
            } else if let Some(count) = counts.get_mut(&key) {
                count.failures = count.failures.saturating_sub(1);
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Key, Count>> {
        self.counts
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn keys(name: &str, from: IpAddr) -> [(Key, u32); 3] {
    let net = Net::of(from);
    let name: String = crate::store::name_key(name).chars().take(64).collect();
    [
        (Key::NameAndNet(name.clone(), net), PER_NAME_AND_NET),
        (Key::Net(net), PER_NET),
        (Key::Name(name), PER_NAME),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));
    const NEAR: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 8));
    const AWAY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 1));

    fn fail(throttle: &Throttle, name: &str, from: IpAddr, times: u32) {
        for _ in 0..times {
            throttle.begin(name, from, UnixMs(0));
        }
    }

    #[test]
    fn the_sixth_guess_from_one_network_has_to_wait_and_is_told_once() {
        let throttle = Throttle::default();
        fail(&throttle, "ann", HERE, 5);

        let first = throttle.begin("ANN", NEAR, UnixMs(1));
        let second = throttle.begin("ann", HERE, UnixMs(2));

        assert_eq!(first, Verdict::Wait { first: true });
        assert_eq!(second, Verdict::Wait { first: false });
    }

    #[test]
    fn a_stranger_cannot_lock_somebody_out_elsewhere() {
        let throttle = Throttle::default();
        fail(&throttle, "ann", HERE, 50);

        assert_eq!(throttle.begin("ann", AWAY, UnixMs(1)), Verdict::Try);
    }

    #[test]
    fn one_network_cannot_try_many_names() {
        let throttle = Throttle::default();
        for n in 0..30 {
            fail(&throttle, &format!("name {n}"), HERE, 1);
        }

        let verdict = throttle.begin("another", HERE, UnixMs(1));

        assert_eq!(verdict, Verdict::Wait { first: true });
    }

    #[test]
    fn failures_are_forgotten_after_the_window_and_after_a_success() {
        let throttle = Throttle::default();
        fail(&throttle, "ann", HERE, 5);
        assert_eq!(throttle.begin("ann", HERE, UnixMs(WINDOW_MS)), Verdict::Try);

        let throttle = Throttle::default();
        fail(&throttle, "ann", HERE, 5);
        throttle.succeeded("ann", HERE);
        assert_eq!(throttle.begin("ann", HERE, UnixMs(1)), Verdict::Try);
    }

    #[test]
    fn a_flood_of_names_takes_bounded_memory() {
        let throttle = Throttle::default();
        for n in 0..MAX_ENTRIES {
            fail(&throttle, &format!("n{n}"), HERE, 1);
        }

        assert!(throttle.lock().len() <= MAX_ENTRIES + 3);
    }
}
