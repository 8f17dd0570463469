//! Ends of sessions that the server has not been told yet, kept until the
//! link is back. Bounded: when full, the oldest is dropped and counted.

use std::collections::VecDeque;

use culvert_wire::frame::SessionEnded;

/// More than a box's sessions in hours without a link.
const MAX_REPORTS: usize = 1024;

/// Outstanding reports, oldest first.
#[derive(Debug, Default)]
pub struct Reports {
    waiting: VecDeque<SessionEnded>,
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
    pub fn flush(&mut self, mut send: impl FnMut(SessionEnded) -> bool) {
        while let Some(report) = self.waiting.front() {
            if !send(report.clone()) {
                return;
            }
            self.waiting.pop_front();
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
        reports.flush(|_| false);

        reports.flush(|report| {
            taken.push(report.streams);
            taken.len() < 2
        });
        reports.flush(|report| {
            taken.push(report.streams);
            true
        });

        assert_eq!(taken, [0, 1, 1, 2], "one that was refused is tried again");
    }

    #[test]
    fn when_full_the_oldest_go() {
        let mut reports = Reports::default();
        for number in 0..=u32::try_from(MAX_REPORTS).unwrap() {
            reports.push(report(number));
        }

        let mut first = None;
        reports.flush(|report| {
            first.get_or_insert(report.streams);
            true
        });

        assert_eq!(first, Some(1));
        assert_eq!(reports.dropped, 1);
    }
}
