//! Which time the box believes.
//!
//! The server's time comes through the gateway, which is no more trusted than
//! the network: nothing that is heard may stop the box or spoil what outlives a
//! restart. A time is believed when it lies between the moment the running
//! release was signed and twenty years later: nobody runs one release for
//! longer, and what lies in there every kernel takes; and it ends where a clock
//! of 32 bits does, on boards that have one (2038). What is not believed changes
//! nothing. What was kept on the disk is judged by the same rule when it is read,
//! so that a floor that should not be there, whoever wrote it, holds for no boot.
//!
//! Inside these bounds the floor only rises: a server that lies can make
//! releases look expired (it can withhold them anyway), not revive one. It stays
//! so until the time has come, or a factory reset.
//!
//! Pure. Driven by the loop of process 1.

use std::time::Duration;

use culvert_wire::UnixMs;
use nix::sys::time::TimeSpec;

/// Twenty years.
const SPAN_MS: u64 = 20 * 366 * 24 * 3600 * 1000;

/// The time below which nothing is believed, and above which neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    issued: UnixMs,
    end: UnixMs,
    floor: UnixMs,
}

impl Clock {
    /// Of a release that was signed at `issued`, on a box that kept `saved`.
    pub fn new(issued: UnixMs, saved: Option<UnixMs>) -> Self {
        Self::ending(issued, saved, last_second())
    }

    fn ending(issued: UnixMs, saved: Option<UnixMs>, last_second: u64) -> Self {
        let last = UnixMs(last_second.saturating_mul(1000));
        let mut clock = Self {
            issued,
            end: issued.plus_ms(SPAN_MS).min(last),
            floor: issued,
        };
        if let Some(saved) = saved {
            clock.hear(saved);
        }
        clock
    }

    /// Somebody says what time it is; answers whether that is believed.
    pub fn hear(&mut self, time: UnixMs) -> bool {
        let believed = self.issued <= time && time <= self.end;
        if believed {
            self.floor = self.floor.max(time);
        }
        believed
    }

    /// The latest time that was believed, at least the release's own.
    pub fn floor(&self) -> UnixMs {
        self.floor
    }
}

/// Of this machine's clock.
fn last_second() -> u64 {
    // Wraps around where a clock has 32 bits.
    let later = TimeSpec::from_duration(Duration::from_secs(1 << 31));
    match later.tv_sec() > 0 {
        true => i64::MAX.unsigned_abs(),
        false => i32::MAX.unsigned_abs().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUED: UnixMs = UnixMs(1_795_219_200_000);
    const YEAR_2199: UnixMs = UnixMs(7_226_582_400_000);
    const DAY: u64 = 24 * 3600 * 1000;

    #[test]
    fn a_time_is_believed_from_the_release_on_for_twenty_years() {
        let mut clock = Clock::ending(ISSUED, None, u64::MAX);

        assert!(clock.hear(ISSUED.plus_ms(DAY)));
        assert_eq!(clock.floor(), ISSUED.plus_ms(DAY));
        assert!(clock.hear(ISSUED), "a server may be set back");
        assert_eq!(clock.floor(), ISSUED.plus_ms(DAY), "the floor stays");
        for strange in [
            UnixMs(0),
            UnixMs(ISSUED.0 - 1),
            ISSUED.plus_ms(SPAN_MS + 1),
            YEAR_2199,
            UnixMs(u64::MAX),
        ] {
            assert!(!clock.hear(strange), "{strange:?}");
        }
        assert_eq!(clock.floor(), ISSUED.plus_ms(DAY));
    }

    /// Threat 34, S26: one message of a gateway that lies must not outlive the
    /// restart, whatever came onto the disk.
    #[test]
    fn what_was_kept_is_judged_again_at_the_next_boot() {
        for strange in [UnixMs(u64::MAX), YEAR_2199, UnixMs(1)] {
            assert_eq!(Clock::new(ISSUED, Some(strange)).floor(), ISSUED);
        }
        let kept = ISSUED.plus_ms(DAY);
        assert_eq!(Clock::new(ISSUED, Some(kept)).floor(), kept);
        let next = kept.plus_ms(DAY);
        assert_eq!(Clock::new(next, Some(kept)).floor(), next, "a new release");
    }

    #[test]
    fn a_clock_of_32_bits_hears_nothing_behind_its_end() {
        let last = u64::from(i32::MAX.unsigned_abs());
        let mut clock = Clock::ending(ISSUED, None, last);

        assert!(clock.hear(UnixMs(last * 1000)));
        assert!(!clock.hear(UnixMs(last * 1000 + 1)));
        assert!(last_second() >= last);
    }
}
