//! When a standing link comes back after it was lost.
//!
//! Full jitter (0 to a ceiling that doubles), because thousands of boxes lose
//! one server at the same moment and must not return at the same moment. Only
//! the server knows how many they are: it names the time over which they
//! return, short for a few boxes and long for many. It may also name a time to
//! stay away, which is spread too. Pure: the random number is an argument.
//! Driven by [`crate::standing`].

use std::time::Duration;

/// Ceiling of the first wait when the server named none.
const FIRST: Duration = Duration::from_secs(10);
/// A server can ask boxes to return over this time at least and at most.
const SPREADS: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(600));
/// Ceiling of the first wait while sessions run over the link: a pause that
/// people notice and forgive (reliability promise: p95 of 3 s).
const HURRY: Duration = Duration::from_secs(2);
/// Ceiling of every wait while sessions run: their ends give up after 30 s.
const HURRY_CAP: Duration = Duration::from_secs(5);
/// Ceiling of every wait.
const CAP: Duration = Duration::from_secs(60);
/// A server can ask a box to stay away this long at most.
const LONGEST_WISH: Duration = Duration::from_secs(600);
/// A link that lived this long starts from the first ceiling again.
const HEALTHY: Duration = Duration::from_secs(60);

/// The waits of one box.
#[derive(Debug, Clone, Default)]
pub struct Backoff {
    failures: u32,
    wish: Option<Duration>,
    spread: Option<Duration>,
}

impl Backoff {
    /// The server named a time: come back no sooner.
    pub fn handle_wish(&mut self, wish: Duration) {
        self.wish = Some(wish.min(LONGEST_WISH));
    }

    /// The server named the time over which its boxes return.
    pub fn handle_spread(&mut self, spread: Duration) {
        self.spread = Some(spread.clamp(SPREADS.0, SPREADS.1));
    }

    /// A link ended after it had been up for `lived`.
    pub fn handle_down(&mut self, lived: Duration) {
        if lived >= HEALTHY {
            self.failures = 0;
        }
    }

    /// How long to wait before the next attempt; `random` is in 0..1.
    pub fn next(&mut self, random: f64) -> Duration {
        let ceiling = match self.spread {
            None => self.ceiling(FIRST, CAP),
            // Many boxes are spread by the first wait already: who finds the
            // server still gone comes with the others and not long after them.
            Some(spread) => self.ceiling(spread.min(FIRST / 4), CAP).max(spread),
        };
        self.wait(ceiling, random)
    }

    /// As [`Backoff::next`], for a link that sessions wait for.
    pub fn next_hurried(&mut self, random: f64) -> Duration {
        self.wait(self.ceiling(HURRY, HURRY_CAP), random)
    }

    fn ceiling(&self, first: Duration, cap: Duration) -> Duration {
        first.saturating_mul(1 << self.failures.min(6)).min(cap)
    }

    fn wait(&mut self, ceiling: Duration, random: f64) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let jitter = ceiling.mul_f64(random.clamp(0.0, 1.0));
        self.wish.take().map_or(jitter, |wish| wish + jitter)
    }
}

#[cfg(test)]
mod tests {
    //! P1, P2, threat 21: who comes back, and when.

    use rand::rngs::StdRng;
    use rand::{RngExt as _, SeedableRng as _};

    use super::*;

    #[test]
    fn waits_grow_to_a_minute_and_start_anew_after_a_healthy_link() {
        let mut waits = Backoff::default();
        let ceilings: Vec<u64> = (0..5).map(|_| waits.next(1.0).as_secs()).collect();
        assert_eq!(ceilings, [10, 20, 40, 60, 60]);

        waits.handle_down(Duration::from_secs(59));
        assert_eq!(waits.next(1.0).as_secs(), 60);
        waits.handle_down(Duration::from_secs(60));
        assert_eq!(waits.next(1.0).as_secs(), 10);
    }

    #[test]
    fn a_link_that_sessions_wait_for_comes_back_within_seconds() {
        let mut waits = Backoff::default();
        let ceilings: Vec<u64> = (0..4).map(|_| waits.next_hurried(1.0).as_secs()).collect();
        assert_eq!(ceilings, [2, 4, 5, 5]);
        // Once the sessions are over, the failures still count.
        assert_eq!(waits.next(1.0).as_secs(), 60);

        waits.handle_wish(Duration::from_secs(30));
        assert_eq!(waits.next_hurried(0.0).as_secs(), 30);
    }

    #[test]
    fn a_servers_wish_is_kept_spread_and_bounded() {
        let mut waits = Backoff::default();
        waits.handle_wish(Duration::from_secs(30));
        assert_eq!(waits.next(0.0).as_secs(), 30);
        assert_eq!(waits.next(0.0).as_secs(), 0);
        waits.handle_wish(Duration::from_secs(1 << 30));
        assert_eq!(waits.next(0.0), LONGEST_WISH);
    }

    #[test]
    fn a_few_boxes_return_at_once_and_many_over_the_time_that_the_server_named() {
        let ceilings = |millis| {
            let mut waits = Backoff::default();
            waits.handle_spread(Duration::from_millis(millis));
            let mut next = || waits.next(1.0).as_secs();
            [next(), next(), next(), next(), next(), next()]
        };
        assert_eq!(ceilings(0), [2, 4, 8, 16, 32, 60]);
        assert_eq!(ceilings(20_000), [20, 20, 20, 20, 40, 60]);
        assert_eq!(ceilings(200_000), [200; 6]);
        assert_eq!(ceilings(u64::MAX), [600; 6]);
    }

    /// The bar of SPECIFICATION.md: 5,000 gateways after a relay restart are all back
    /// in 60 s, p99 in 30 s, and no 100 ms bin holds over 3 times the mean.
    /// The server needs three seconds to be there again.
    #[test]
    fn five_thousand_boxes_return_without_a_herd() {
        const DOWN: f64 = 3.0;
        let mut random = StdRng::seed_from_u64(7);
        let mut back: Vec<f64> = (0..5000)
            .map(|_| {
                let mut waits = Backoff::default();
                waits.handle_spread(Duration::from_secs(20));
                // Each finds the server gone within the time a reset needs to arrive.
                let mut at = random.random::<f64>() * 0.2;
                loop {
                    at += waits.next(random.random()).as_secs_f64();
                    if at >= DOWN {
                        return at;
                    }
                }
            })
            .collect();
        back.sort_by(f64::total_cmp);

        assert!(back[4999] <= 60.0 && back[4950] <= 30.0);
        let mut bins = vec![0_u32; 600];
        for at in &back {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "0 to 60"
            )]
            let bin = (at * 10.0) as usize;
            bins[bin] += 1;
        }
        let used = (back[4999] - back[0]) * 10.0;
        let mean = 5000.0 / used;
        let most = bins.into_iter().max().unwrap_or(0);
        assert!(f64::from(most) <= 3.0 * mean, "{most} {mean}");
    }
}
