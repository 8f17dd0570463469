//! The screen: the serial console shows what the box does. Nobody can log in.
//!
//! Its newest lines are remembered, for the box's last words.

use std::collections::VecDeque;
use std::io::Write as _;
use std::sync::{Mutex, TryLockError};
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// Bytes of the screen that are remembered.
const REMEMBERED: usize = 8 * 1024;

static SAID: Mutex<Ring> = Mutex::new(Ring::new(REMEMBERED));

/// One line for whoever looks; a console that is gone is no reason to stop.
pub fn line(text: &str) {
    let clean: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let _ = writeln!(std::io::stdout().lock(), "culvert: {clean}");
    with(|said| said.push(&format!("{:6} s {clean}", uptime().as_secs())));
}

/// The newest lines, with the second of this start in which each was said.
pub fn said() -> String {
    let mut out = String::new();
    with(|said| out = said.text());
    out
}

/// Somebody who panics while a line is remembered may still have last words.
fn with(use_it: impl FnOnce(&mut Ring)) {
    match SAID.try_lock() {
        Ok(mut said) => use_it(&mut said),
        Err(TryLockError::Poisoned(said)) => use_it(&mut said.into_inner()),
        Err(TryLockError::WouldBlock) => {}
    }
}

fn uptime() -> Duration {
    clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(Duration::ZERO, Duration::from)
}

/// The newest lines that have room in so many bytes.
#[derive(Debug)]
pub struct Ring {
    lines: VecDeque<String>,
    length: usize,
    most: usize,
}

impl Ring {
    /// Empty.
    pub const fn new(most: usize) -> Self {
        Self {
            lines: VecDeque::new(),
            length: 0,
            most,
        }
    }

    /// Takes one more line; the oldest make room. Of a line that has no room at
    /// all the beginning stays.
    pub fn push(&mut self, line: &str) {
        let kept = &line[..line.floor_char_boundary(self.most.saturating_sub(1))];
        self.length += kept.len() + 1;
        self.lines.push_back(kept.to_owned());
        while self.length > self.most {
            let Some(oldest) = self.lines.pop_front() else {
                break;
            };
            self.length -= oldest.len() + 1;
        }
    }

    /// All of them.
    pub fn text(&self) -> String {
        let mut out = String::with_capacity(self.length);
        for line in &self.lines {
            out.push_str(line);
            out.push('\n');
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P16: a log has an end.
    #[test]
    fn the_newest_lines_stay_within_their_bytes() {
        let mut ring = Ring::new(20);
        for number in 0..100 {
            ring.push(&format!("line {number}"));
            assert!(ring.text().len() <= 20);
        }
        assert_eq!(ring.text(), "line 98\nline 99\n");

        ring.push(&"\u{e9}".repeat(100));
        assert_eq!(ring.text(), format!("{}\n", "\u{e9}".repeat(9)));
        ring.push("");
        assert!(ring.text().ends_with("\n\n"));
    }

    #[test]
    fn what_was_said_is_remembered_with_its_second() {
        line("one\nline\u{1b}[2J");

        let said = said();

        assert!(
            said.lines().any(|line| line.ends_with(" s one line [2J")),
            "{said}"
        );
    }
}
