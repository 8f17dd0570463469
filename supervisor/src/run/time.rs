//! The clock: set by the server's time as far as that can be believed, and kept
//! for a boot without a server.

use std::fs;
use std::io;
use std::time::{Duration, Instant};

use culvert_wire::UnixMs;

use super::{Running, start};
use crate::clock::Clock;
use crate::{console, system};

/// The last authenticated time.
const FILE: &str = "/data/system/clock";
/// How often it is written: flash wears out.
const OFTEN: Duration = Duration::from_secs(24 * 3600);
/// The clock is not set for less.
const OFF_MS: u64 = 5000;

/// At the start: the floor, and the clock at least there. A clock that cannot
/// be set is no reason to stop: only logs read it.
pub(super) fn begin(issued: UnixMs) -> Clock {
    let clock = Clock::new(issued, saved(FILE));
    if system::now() < clock.floor() {
        console::line(&format!(
            "the clock is behind: it begins with the latest time this box knows, {} s after 1970",
            clock.floor().0 / 1000
        ));
        set(clock.floor());
    }
    clock
}

impl Running {
    /// The server's time rules, if it can be right; the floor is kept.
    pub(super) fn heard_time(&mut self, time: UnixMs) {
        if !self.clock.hear(time) {
            if !std::mem::replace(&mut self.strange_time, true) {
                console::line(&format!(
                    "the server's time cannot be right and is not believed: {} s after 1970",
                    time.0 / 1000
                ));
            }
            return;
        }
        let now = system::now();
        if now.ms_since(time).max(time.ms_since(now)) > OFF_MS {
            set(time);
        }
        if self.clock_saved.is_none_or(|at| at.elapsed() > OFTEN) {
            self.clock_saved = Some(Instant::now());
            if let Err(error) = save(FILE, 0, self.clock.floor()) {
                console::line(&format!("the time cannot be kept: {error}"));
            }
        }
    }
}

fn set(time: UnixMs) {
    if let Err(error) = system::set_clock(time) {
        console::line(&format!("the clock cannot be set: {error}"));
    }
}

fn saved(path: &str) -> Option<UnixMs> {
    let text = fs::read_to_string(path).ok()?;
    text.trim().parse().ok().map(UnixMs)
}

/// The next boot's floor.
fn save(path: &str, owner: u32, time: UnixMs) -> io::Result<()> {
    start::replace(path, time.0.to_string().as_bytes(), owner)
}

#[cfg(test)]
mod tests {
    use nix::unistd::getuid;

    use super::*;

    const ISSUED: UnixMs = UnixMs(1_795_219_200_000);

    /// S26: the time of the last link outlives a start, unless it was kept badly or a
    /// newer release was signed later.
    #[test]
    fn what_was_saved_is_the_next_start_s_floor() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("clock");
        let (path, own) = (file.to_str().unwrap(), getuid().as_raw());
        let floor = |issued: UnixMs| Clock::new(issued, saved(path)).floor();
        assert_eq!(floor(ISSUED), ISSUED, "nothing was saved yet");

        for later in [60_000, 90_000] {
            save(path, own, ISSUED.plus_ms(later)).unwrap();
            assert_eq!(floor(ISSUED), ISSUED.plus_ms(later));
        }
        let newer = ISSUED.plus_ms(100_000);
        assert_eq!(floor(newer), newer, "older than the release");

        for damaged in [
            &b""[..],
            b"\0\0\0\0",
            b"1795219\xff",
            b"-5",
            b"1e99",
            b"soon",
        ] {
            fs::write(path, damaged).unwrap();
            assert_eq!(floor(ISSUED), ISSUED, "{damaged:?}");
        }
        assert!(save("/proc/none/clock", own, ISSUED).is_err());
    }
}
