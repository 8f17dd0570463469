//! What the customer's one button means: when it goes down and up again, and
//! for how long.
//!
//! Pure: edges and times are arguments, times by one steady clock. Driven by
//! the supervisor with the edges that [`crate::gpio`] reads. A button that is
//! held when the box starts has no first edge and means nothing.

use std::time::Duration;

/// A contact may bounce for so long; shorter presses are none.
const BOUNCE: Duration = Duration::from_millis(40);
/// The longest short press; whoever holds on is warned.
const SHORT: Duration = Duration::from_secs(3);
/// From here on it is a long press.
const LONG: Duration = Duration::from_secs(10);

/// The contact closed or opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edge {
    /// It is closed now.
    pub down: bool,
    /// When, by the steady clock.
    pub at: Duration,
}

/// What a person meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Press {
    /// Pressed and let go.
    Short,
    /// Held beyond a short press: will become [`Press::Long`].
    Held,
    /// Held, and let go before it was long: nothing was meant.
    Dropped,
    /// Held for ten seconds; told while it is still down.
    Long,
}

/// The button.
#[derive(Debug, Default)]
pub struct Button {
    state: State,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Up,
    Down {
        since: Duration,
        stage: Stage,
    },
    /// Open again, perhaps only for a bounce.
    Opening {
        since: Duration,
        opened: Duration,
        stage: Stage,
    },
}

/// What was told of this press.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Nothing,
    Held,
    Long,
}

impl Button {
    /// The contact closed or opened.
    pub fn handle_edge(&mut self, edge: Edge) -> Option<Press> {
        // What is over by now is over.
        let before = self.handle_time(edge.at);
        self.state = match (self.state, edge.down) {
            (State::Up, true) => State::Down {
                since: edge.at,
                stage: Stage::Nothing,
            },
            (State::Opening { since, stage, .. }, true) => State::Down { since, stage },
            (State::Down { since, stage }, false) => State::Opening {
                since,
                opened: edge.at,
                stage,
            },
            (same @ State::Up, false)
            | (same @ State::Down { .. }, true)
            | (same @ State::Opening { .. }, false) => same,
        };
        before
    }

    /// Time has passed.
    pub fn handle_time(&mut self, now: Duration) -> Option<Press> {
        match self.state {
            State::Up => None,
            State::Down { since, stage } => {
                let held = now.saturating_sub(since);
                let (next, press) = match stage {
                    Stage::Nothing | Stage::Held if held >= LONG => (Stage::Long, Press::Long),
                    Stage::Nothing if held > SHORT => (Stage::Held, Press::Held),
                    Stage::Nothing | Stage::Held | Stage::Long => return None,
                };
                self.state = State::Down { since, stage: next };
                Some(press)
            }
            State::Opening { opened, .. } if now.saturating_sub(opened) < BOUNCE => None,
            State::Opening {
                since,
                opened,
                stage,
            } => {
                self.state = State::Up;
                let held = opened.saturating_sub(since);
                match stage {
                    Stage::Nothing if held >= LONG => Some(Press::Long),
                    Stage::Nothing if held > SHORT => Some(Press::Dropped),
                    Stage::Nothing if held >= BOUNCE => Some(Press::Short),
                    Stage::Held if held >= LONG => Some(Press::Long),
                    Stage::Held => Some(Press::Dropped),
                    Stage::Nothing | Stage::Long => None,
                }
            }
        }
    }

    /// When [`Button::handle_time`] must be called next, if ever.
    pub fn poll_timeout(&self) -> Option<Duration> {
        match self.state {
            State::Up => None,
            State::Down { since, stage } => match stage {
                Stage::Nothing => Some(since + SHORT + Duration::from_millis(1)),
                Stage::Held => Some(since + LONG),
                Stage::Long => None,
            },
            State::Opening { opened, .. } => Some(opened + BOUNCE),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const END: Duration = Duration::from_secs(1000);

    fn ms(at: u64) -> Duration {
        Duration::from_millis(at)
    }

    /// Plays edges (down first, then in turn), with timeouts in between, as a
    /// loop does that is never late.
    fn play(edges: &[u64]) -> Vec<Press> {
        let mut button = Button::default();
        let mut told = Vec::new();
        let mut down = true;
        for &at in edges {
            while let Some(due) = button.poll_timeout().filter(|due| *due < ms(at)) {
                told.extend(button.handle_time(due));
            }
            told.extend(button.handle_edge(Edge { down, at: ms(at) }));
            down = !down;
        }
        while let Some(due) = button.poll_timeout() {
            told.extend(button.handle_time(due));
        }
        told
    }

    /// The same edges all at once, as a loop sees them that was busy.
    fn late(edges: &[u64]) -> Vec<Press> {
        let mut button = Button::default();
        let mut told = Vec::new();
        for (number, &at) in edges.iter().enumerate() {
            let down = number % 2 == 0;
            told.extend(button.handle_edge(Edge { down, at: ms(at) }));
        }
        told.extend(button.handle_time(END));
        told
    }

    #[test]
    fn a_short_press_is_one_press_however_the_contact_bounces() {
        assert_eq!(play(&[100, 300]), [Press::Short]);
        assert_eq!(play(&[100, 103, 106, 300, 304, 309]), [Press::Short]);
        assert_eq!(play(&[100, 300, 1000, 1200]), [Press::Short, Press::Short]);
    }

    #[test]
    fn a_touch_of_static_is_no_press() {
        assert_eq!(play(&[100, 110]), []);
        assert_eq!(play(&[100, 101, 150, 151]), []);
    }

    #[test]
    fn a_reset_needs_ten_seconds_and_is_announced_before() {
        assert_eq!(play(&[0, 10_100]), [Press::Held, Press::Long]);
        assert_eq!(play(&[0]), [Press::Held, Press::Long], "while it is down");
        assert_eq!(play(&[0, 9_990]), [Press::Held, Press::Dropped]);
        assert_eq!(play(&[0, 2_990]), [Press::Short]);
    }

    /// The loop that drives this may write to flash for seconds.
    #[test]
    fn a_loop_that_comes_late_sees_the_same_meaning() {
        assert_eq!(late(&[100, 300]), [Press::Short]);
        assert_eq!(late(&[0, 9_990]), [Press::Held, Press::Dropped]);
        assert_eq!(late(&[0, 10_100]), [Press::Long]);
    }

    proptest! {
        #[test]
        fn only_ten_seconds_without_a_pause_ever_mean_a_reset(
            steps in proptest::collection::vec(1u64..5_000, 0..40)
        ) {
            let mut at = 0;
            let edges: Vec<u64> = steps.iter().map(|step| { at += step; at }).collect();
            let mut held = 0;
            let mut longest = 0;
            for pair in edges.chunks(2) {
                // A gap shorter than a bounce does not end a press.
                held = match edges.iter().rev().find(|&&e| e < pair[0]) {
                    Some(&before) if pair[0] - before < 40 => held,
                    _ => pair[0],
                };
                longest = longest.max(pair.get(1).map_or(u64::MAX, |&up| up - held));
            }

            let long = play(&edges).contains(&Press::Long);

            prop_assert_eq!(long, longest >= 10_000 && !edges.is_empty());
        }
    }
}
