//! Whether the technician's end is still there.
//!
//! A program that was killed, a machine that sleeps, a line that was cut: none
//! of them says goodbye, and what the relay says of the other end's link comes
//! late for a sleeping machine. What counts is what the end itself has proved
//! to have sent. Counts looks, not time, so that a box that stood still for a
//! minute takes nobody for lost. Pure. Driven by a session's task.

use std::time::Duration;

/// Between two looks.
pub(super) const LOOK: Duration = Duration::from_millis(2500);
/// So many looks in a row without a word from the other end: it is lost 25 to
/// 27.5 s after its last word, within the promised 30 (P25).
///
/// No fewer, because a broken line must have time to come back. Either end
/// speaks within 6 s of silence (`culvert_session::transport`), what its link
/// does not get answered ends that link 15 s later (`culvert_link`), and
/// `culvert` opens the next one at once: at 22 s a technician who has moved to
/// another network is back, and a gateway whose own line is cut knows it and
/// counts no more.
const LOOKS: u8 = 10;

/// The watch over one session.
#[derive(Debug)]
pub(super) struct Presence<H> {
    heard: H,
    silent: u8,
}

impl<H: PartialEq> Presence<H> {
    /// Begins with what was heard up to now.
    pub(super) fn new(heard: H) -> Self {
        Self { heard, silent: 0 }
    }

    /// Looks at what was heard so far; true when the other end is lost. While
    /// this end's own way out is broken, nobody can be heard and nothing counts.
    pub(super) fn is_lost(&mut self, heard: H, reachable: bool) -> bool {
        let news = self.heard != heard;
        self.heard = heard;
        self.silent = match news || !reachable {
            true => 0,
            false => self.silent + 1,
        };
        self.silent >= LOOKS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P25: with the longest wait for the first look, within 30 s.
    #[test]
    fn a_silent_end_is_lost_within_30_seconds_and_not_within_22() {
        let mut presence = Presence::new(7);
        let looks = (1..).find(|_| presence.is_lost(7, true)).unwrap();
        assert!(LOOK * looks >= Duration::from_secs(22) + LOOK);
        assert!(LOOK * (looks + 1) <= Duration::from_secs(30));
    }

    #[test]
    fn one_word_in_time_keeps_a_session() {
        let mut presence = Presence::new(-1);
        for heard in 0..100 {
            for _ in 0..LOOKS {
                assert!(!presence.is_lost(heard, true));
            }
        }
    }

    /// S15: a server that restarts, a box whose line is down.
    #[test]
    fn nobody_is_lost_while_this_ends_own_line_is_broken() {
        let mut presence = Presence::new(1);
        for _ in 0..1000 {
            assert!(!presence.is_lost(1, false));
        }
        for _ in 1..LOOKS {
            assert!(!presence.is_lost(1, true));
        }
        assert!(presence.is_lost(1, true));
    }
}
