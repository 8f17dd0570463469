//! When a session asks for more time. Judged by link time, never by the
//! browser's clock, which may be minutes off. Pure.

use std::time::Duration;

use culvert_wire::UnixMs;
use web_time::Instant;

/// Least time between two tries.
const LEAST: Duration = Duration::from_secs(1);

/// One session's end, and the server's clock.
#[derive(Debug, Default)]
pub(super) struct Renewal {
    ends_at: Option<UnixMs>,
    /// The server's clock, and when it was read.
    time: Option<(UnixMs, Instant)>,
    at: Option<Instant>,
}

impl Renewal {
    /// The session ends then.
    pub(super) fn set(&mut self, ends_at: UnixMs, now: Instant) {
        self.ends_at = Some(ends_at);
        self.plan(now);
    }

    /// The server's clock, from a link's hello.
    pub(super) fn time(&mut self, time: UnixMs, now: Instant) {
        self.time = Some((time, now));
        self.plan(now);
    }

    /// The API has answered; none when it refused or did not answer.
    pub(super) fn answered(&mut self, ends_at: Option<UnixMs>, now: Instant) {
        // A refusal is no news yet: the end will say it.
        self.ends_at = ends_at.or(self.ends_at);
        self.plan(now);
    }

    /// Whether to ask now; says so once.
    pub(super) fn due(&mut self, now: Instant) -> bool {
        self.at.take_if(|at| *at <= now).is_some()
    }

    pub(super) const fn at(&self) -> Option<Instant> {
        self.at
    }

    /// When three quarters of the time are over.
    fn plan(&mut self, now: Instant) {
        if let (Some(ends_at), Some((time, read))) = (self.ends_at, self.time) {
            let ends_in = Duration::from_millis(ends_at.ms_since(time));
            let left = ends_in.saturating_sub(now.duration_since(read));
            self.at = Some(now + (left / 4 * 3).max(LEAST));
        }
    }
}
