//! Link time: the server's signed time plus the monotonic clock. The system
//! clock, which may believe it is 1970, is never asked.
//!
//! Beside it runs a steady clock that counts from the start of the process:
//! servers may correct their clocks, and a lying one may turn its own back,
//! but what was granted for an hour ends after an hour.

use culvert_wire::UnixMs;
use tokio::time::{Duration, Instant};

use crate::session::Moment;

/// Both clocks of a process.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    start: Instant,
    link: UnixMs,
    heard: Instant,
}

impl Clock {
    /// Starts; until a server is heard, link time is a time that has
    /// certainly passed.
    pub fn new(floor: UnixMs) -> Self {
        let start = Instant::now();
        Self {
            start,
            link: floor,
            heard: start,
        }
    }

    /// Takes the time that a link's server signed.
    pub fn hear(&mut self, link_time: UnixMs) {
        self.link = link_time;
        self.heard = Instant::now();
    }

    /// What both clocks show.
    pub fn now(&self) -> Moment {
        Moment {
            link: self.link.plus_ms(ms(self.heard)),
            steady: ms(self.start),
        }
    }

    /// When the steady clock will show `steady`.
    pub fn instant_of(&self, steady: u64) -> Instant {
        // Beyond a day nothing is awaited; adding more could overflow.
        let wait = steady.saturating_sub(ms(self.start)).min(24 * 3_600_000);
        Instant::now() + Duration::from_millis(wait)
    }
}

fn ms(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_server_sets_link_time_and_never_the_steady_clock() {
        let mut clock = Clock::new(UnixMs(1000));
        clock.hear(UnixMs(50_000));
        tokio::time::advance(Duration::from_secs(5)).await;

        assert_eq!(clock.now().link, UnixMs(55_000));
        clock.hear(UnixMs(40_000));

        assert_eq!(clock.now().link, UnixMs(40_000));
        assert_eq!(clock.now().steady, 5000);
        let awaited = clock.instant_of(6000) - Instant::now();
        assert_eq!(awaited, Duration::from_secs(1));
        clock.instant_of(u64::MAX);
    }
}
