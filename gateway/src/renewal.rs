//! When a healthy link is made anew, so that link time stays true.
//!
//! Between two hellos the box counts by its own oscillator, which may be off
//! by 100 parts in a million: nine seconds a day. Grants are valid for a
//! minute. A new hello also brings the server's newest statement.
//!
//! Pure. Driven by [`crate::run`].

use tokio::time::{Duration, Instant};

/// A link is kept for at least this long.
const LEAST: Duration = Duration::from_secs(20 * 3600);
/// And up to this much longer, drawn at random: boxes that lost a server
/// together do not come back to it together.
const SPREAD: Duration = Duration::from_secs(8 * 3600);
/// While sessions run, the question is put off for this long…
const PUT_OFF: Duration = Duration::from_secs(600);
/// …but not beyond this: the sessions outlive the change.
const MOST: Duration = Duration::from_secs(72 * 3600);

/// One link's time to go.
#[derive(Debug, Clone, Copy)]
pub struct Renewal {
    due: Instant,
    at_last: Instant,
}

impl Renewal {
    /// For a link that is up since `now`; `random` is in 0..1.
    pub fn new(now: Instant, random: f64) -> Self {
        Self {
            due: now + LEAST + SPREAD.mul_f64(random.clamp(0.0, 1.0)),
            at_last: now + MOST,
        }
    }

    /// When to ask [`Renewal::handle_timeout`].
    pub const fn poll_timeout(&self) -> Instant {
        self.due
    }

    /// Whether to make the link anew now.
    pub fn handle_timeout(&mut self, sessions: bool, now: Instant) -> bool {
        if now < self.due {
            return false;
        }
        let go = !sessions || now >= self.at_last;
        self.due = now + PUT_OFF;
        go
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_link_is_renewed_about_daily_and_at_different_times() {
        let now = Instant::now();
        let hours = |random| {
            let due = Renewal::new(now, random).poll_timeout();
            (due - now).as_secs() / 3600
        };

        assert_eq!((hours(0.0), hours(0.5), hours(1.0)), (20, 24, 28));
        let mut idle = Renewal::new(now, 0.0);
        assert!(!idle.handle_timeout(false, now));
        assert!(idle.handle_timeout(false, now + LEAST));
    }

    #[tokio::test(start_paused = true)]
    async fn sessions_put_it_off_but_not_for_ever() {
        let start = Instant::now();
        let mut busy = Renewal::new(start, 0.0);
        let mut asked = 0;
        let renewed = loop {
            asked += 1;
            let now = busy.poll_timeout();
            if busy.handle_timeout(true, now) {
                break now;
            }
        };

        assert_eq!(renewed - start, MOST);
        assert_eq!(asked, 1 + (MOST - LEAST).as_secs() / PUT_OFF.as_secs());
    }
}
