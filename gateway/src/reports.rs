//! Ends of sessions that the server has not been told yet, kept until the
//! link is back. Bounded: when full, the oldest is dropped and counted.
//!
//! Nobody acknowledges a report, and one that was put on a link may be lost with
//! it. So what was told a short while before a new link is told there once more; the
//! server takes it as often as it comes.

use std::collections::VecDeque;
use std::time::Duration;

use culvert_wire::frame::SessionEnded;
use tokio::time::Instant;

/// More than a box's sessions in hours without a link.
const MAX_REPORTS: usize = 1024;
/// How long a report may be on its way: longer than a dead link is taken for
/// one that lives.
const UNSURE: Duration = Duration::from_secs(120);

/// Outstanding reports, oldest first.
#[derive(Debug, Default)]
pub struct Reports {
    waiting: VecDeque<SessionEnded>,
    /// Those that were told, and when.
    told: VecDeque<(Instant, SessionEnded)>,
    dropped: u64,
}

impl Reports {
    /// Adds one.
    pub fn push(&mut self, report: SessionEnded) {
        if self.waiting.len() >= MAX_REPORTS {
            self.waiting.pop_front();
            self.dropped += 1;
            tracing::warn!(dropped = self.dropped, "A session's report was dropped");
        }
        self.waiting.push_back(report);
    }

    /// Hands out reports until `send` refuses one, which then stays.
    pub fn flush(&mut self, now: Instant, mut send: impl FnMut(SessionEnded) -> bool) {
        while let Some(report) = self.waiting.pop_front() {
            if !send(report.clone()) {
                self.waiting.push_front(report);
                return;
            }
            if self.told.len() >= MAX_REPORTS {
                self.told.pop_front();
            }
            self.told.push_back((now, report));
        }
    }

    /// The link is another one: what may have been lost with the last one is to be
    /// told again, before what waits.
    pub fn again(&mut self, now: Instant) {
        let told = std::mem::take(&mut self.told);
        let unsure = told
            .into_iter()
            .filter(|(at, _)| now.saturating_duration_since(*at) < UNSURE);
        let waiting = std::mem::take(&mut self.waiting);
        for report in unsure.map(|(_, report)| report).chain(waiting) {
            self.push(report);
        }
    }
}

#[cfg(test)]
mod tests {
    use culvert_wire::id::SessionId;
    use culvert_wire::reason::Reason;

    use super::*;

    fn report(number: u32) -> SessionEnded {
        SessionEnded {
            session: SessionId::from_random([0; 16]),
            reason: Reason::Finished,
            from_hosts: 0,
            to_hosts: 0,
            streams: number,
        }
    }

    #[test]
    fn reports_wait_in_order_until_they_are_taken() {
        let mut reports = Reports::default();
        for number in 0..3 {
            reports.push(report(number));
        }
        let mut taken = Vec::new();
        let now = Instant::now();
        reports.flush(now, |_| false);

        reports.flush(now, |report| {
            taken.push(report.streams);
            taken.len() < 2
        });
        reports.flush(now, |report| {
            taken.push(report.streams);
            true
        });

        assert_eq!(taken, [0, 1, 1, 2], "one that was refused is tried again");
    }

    /// A link that died took it with it, perhaps.
    #[test]
    fn what_was_told_a_moment_before_a_new_link_is_told_again_in_order() {
        let mut reports = Reports::default();
        let begun = Instant::now();
        let told = |reports: &mut Reports, at| {
            let mut told = Vec::new();
            reports.flush(at, |report| {
                told.push(report.streams);
                true
            });
            told
        };
        reports.push(report(0));
        assert_eq!(told(&mut reports, begun), [0]);
        reports.push(report(1));
        let later = begun + UNSURE - Duration::from_secs(1);
        assert_eq!(told(&mut reports, later), [1]);
        reports.push(report(2));

        // The first one is surely there.
        reports.again(begun + UNSURE);

        assert_eq!(told(&mut reports, begun + UNSURE), [1, 2]);
        reports.again(begun + 3 * UNSURE);
        assert!(told(&mut reports, begun + 3 * UNSURE).is_empty());
    }

    #[test]
    fn when_full_the_oldest_go() {
        let mut reports = Reports::default();
        for number in 0..=u32::try_from(MAX_REPORTS).unwrap() {
            reports.push(report(number));
        }

        let mut first = None;
        reports.flush(Instant::now(), |report| {
            first.get_or_insert(report.streams);
            true
        });

        assert_eq!(first, Some(1));
        assert_eq!(reports.dropped, 1);
    }
}
