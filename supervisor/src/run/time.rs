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
    let clock = Clock::new(issued, saved());
    if system::now() < clock.floor() {
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
            if let Err(error) = save(self.clock.floor()) {
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

fn saved() -> Option<UnixMs> {
    let text = fs::read_to_string(FILE).ok()?;
    text.trim().parse().ok().map(UnixMs)
}

/// The next boot's floor.
fn save(time: UnixMs) -> io::Result<()> {
    start::replace(FILE, time.0.to_string().as_bytes(), 0)
}
