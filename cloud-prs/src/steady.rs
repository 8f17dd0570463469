//! The server's time: the system's clock at the start, then its own steady
//! count, pulled gently towards the system's clock.
//!
//! Ends judge grants and statements by the time this server signs. A clock
//! that is set while the server runs (an operator, a wrong NTP server, a
//! restored virtual machine) must not make running sessions end, or let
//! tickets live longer: such a step is spread over its own length ×
//! `SLEW_PARTS` and said in the log.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use culvert_wire::UnixMs;
use tracing::warn;

/// The own count runs at most one part in so many faster or slower.
const SLEW_PARTS: u64 = 50;
/// A difference that is told, in milliseconds: beyond what NTP leaves.
const TOLD_MS: u64 = 5_000;

/// A count that follows a clock without jumping.
#[derive(Debug)]
struct Steady {
    /// The last time given.
    last: UnixMs,
    /// When, by the monotonic clock, in milliseconds.
    at: u64,
    /// Whether a difference was told.
    told: bool,
}

/// The time now; never earlier than any time given before.
pub fn now() -> UnixMs {
    static STEADY: OnceLock<(Instant, Mutex<Steady>)> = OnceLock::new();
    let (start, steady) = STEADY.get_or_init(|| {
        let steady = Steady {
            last: system(),
            at: 0,
            told: false,
        };
        (Instant::now(), Mutex::new(steady))
    });
    let elapsed = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    let mut steady = steady.lock().unwrap_or_else(PoisonError::into_inner);
    steady.follow(elapsed, system())
}

/// What the operating system says.
pub fn system() -> UnixMs {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let ms = since.map_or(0, |since| since.as_millis());
    UnixMs(u64::try_from(ms).unwrap_or(u64::MAX))
}

impl Steady {
    /// The time at `elapsed` by the monotonic clock, when the system says
    /// `system`.
    fn follow(&mut self, elapsed: u64, system: UnixMs) -> UnixMs {
        let passed = elapsed.saturating_sub(self.at);
        let slew = passed / SLEW_PARTS;
        let own = self.last.plus_ms(passed);
        let ahead = own.ms_since(system);
        let behind = system.ms_since(own);
        let now = UnixMs(own.0 - ahead.min(slew)).plus_ms(behind.min(slew));
        let apart = ahead.max(behind);
        if apart > TOLD_MS && !self.told {
            warn!(apart_ms = apart, "System clock was set, followed slowly");
        }
        self.told = apart > TOLD_MS;
        // Less than a part is kept for the next time.
        if slew > 0 || ahead.max(behind) == 0 {
            self.last = now;
            self.at = elapsed;
        }
        now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: u64 = 1_800_000_000_000;
    const HOUR: u64 = 3_600_000;

    fn steady() -> Steady {
        Steady {
            last: UnixMs(START),
            at: 0,
            told: false,
        }
    }

    #[test]
    fn a_clock_that_runs_true_is_followed_exactly() {
        let mut steady = steady();
        for ms in [1, 10, 999, HOUR, HOUR + 1] {
            assert_eq!(steady.follow(ms, UnixMs(START + ms)), UnixMs(START + ms));
        }
    }

    #[test]
    fn a_step_of_a_year_either_way_moves_a_minute_by_about_a_second() {
        for system in [
            UnixMs(START + 365 * 24 * HOUR),
            UnixMs(START - 365 * 24 * HOUR),
            UnixMs(0),
        ] {
            let mut steady = steady();
            let mut now = UnixMs(START);
            for ms in (0..=60_000).step_by(10) {
                let next = steady.follow(ms, system);
                assert!(next >= now);
                now = next;
            }
            assert!(now.0.abs_diff(START + 60_000) <= 1_300, "{}", now.0 - START);
        }
    }

    #[test]
    fn a_small_difference_is_made_up_for() {
        let mut steady = steady();
        let mut now = UnixMs(0);
        for ms in (0..=120_000).step_by(100) {
            now = steady.follow(ms, UnixMs(START + ms + 1_000));
        }
        assert_eq!(now, UnixMs(START + 121_000));
    }

    #[test]
    fn the_time_never_goes_back() {
        let earlier = now();
        assert!(now() >= earlier);
    }
}
