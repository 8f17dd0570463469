//! Link time: the server's signed time plus the monotonic clock. The system
//! clock, which may believe it is 1970, is never asked.

use culvert_wire::UnixMs;
use tokio::time::{Duration, Instant};

/// Link time that never goes back within one process, whatever later servers
/// say: what is over stays over.
#[derive(Debug, Clone, Copy)]
pub struct LinkClock {
    base: UnixMs,
    at: Instant,
}

impl LinkClock {
    /// Starts at a time that has certainly passed.
    pub fn new(floor: UnixMs) -> Self {
        Self {
            base: floor,
            at: Instant::now(),
        }
    }

    /// Takes a server's signed time, if it is not older than this one.
    pub fn hear(&mut self, link_time: UnixMs) {
        self.base = link_time.max(self.now());
        self.at = Instant::now();
    }

    /// The time now.
    pub fn now(&self) -> UnixMs {
        let since = u64::try_from(self.at.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.base.plus_ms(since)
    }

    /// When the clock will show `time`.
    pub fn instant_of(&self, time: UnixMs) -> Instant {
        // Beyond a day nothing is awaited; adding more could overflow.
        let wait = time.ms_since(self.base).min(24 * 3_600_000);
        self.at + Duration::from_millis(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_server_with_an_older_clock_does_not_turn_time_back() {
        let mut clock = LinkClock::new(UnixMs(1000));
        clock.hear(UnixMs(50_000));
        tokio::time::advance(Duration::from_secs(5)).await;

        clock.hear(UnixMs(40_000));

        assert_eq!(clock.now(), UnixMs(55_000));
        clock.hear(UnixMs(60_000));
        assert_eq!(clock.now(), UnixMs(60_000));
        let awaited = clock.instant_of(UnixMs(61_000)) - Instant::now();
        assert_eq!(awaited, Duration::from_secs(1));
        clock.instant_of(UnixMs(u64::MAX));
    }
}
