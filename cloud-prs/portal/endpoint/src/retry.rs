//! When to try again for a link. Pure.

use std::time::Duration;

/// First pause after a failed try; doubles up to [`LONGEST`].
const FIRST: Duration = Duration::from_millis(250);
/// Longest pause: the gateway waits two minutes for us.
const LONGEST: Duration = Duration::from_secs(4);

/// Growing pauses.
#[derive(Debug, Default)]
pub struct Retry {
    last: Option<Duration>,
}

impl Retry {
    /// The pause before the next try. `wish` is the server's own word, obeyed
    /// when it is longer; `dice` (0 to 255) spreads tabs that lost the server
    /// together.
    pub fn pause(&mut self, wish: Duration, dice: u8) -> Duration {
        let pause = self.last.map_or(FIRST, |last| (last * 2).min(LONGEST));
        self.last = Some(pause);
        let spread = pause.mul_f64(f64::from(dice) / 512.0);
        (pause + spread).max(wish)
    }

    /// A try has worked.
    pub fn reset(&mut self) {
        self.last = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit_and_obey_a_longer_wish() {
        let mut retry = Retry::default();
        let pauses: Vec<_> = (0..8)
            .map(|_| retry.pause(Duration::ZERO, 0).as_millis())
            .collect();
        assert_eq!(pauses, [250, 500, 1000, 2000, 4000, 4000, 4000, 4000]);
        assert_eq!(retry.pause(Duration::from_secs(30), 255).as_secs(), 30);
        retry.reset();
        let spread = retry.pause(Duration::ZERO, 255);
        assert!(spread > FIRST && spread < FIRST * 2, "{spread:?}");
    }
}
