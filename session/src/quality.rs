//! What a path is like, from its counters: for the quality indicator and,
//! later, for encoders. Pure: the caller says when.

use std::collections::VecDeque;
use std::time::Duration;

use crate::address::PathKind;

/// Loss is that of so many measurements: one second apart, five seconds.
const WINDOW: usize = 6;

/// One path at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quality {
    /// What carries it.
    pub kind: PathKind,
    /// Round-trip time, smoothed.
    pub rtt: Duration,
    /// Packets lost of those sent lately, in percent.
    pub lost_percent: f64,
    /// Largest packet in use, in bytes.
    pub mtu: u16,
}

/// Turns counters that only grow into recent loss.
#[derive(Debug, Default)]
pub struct Meter {
    /// Packets sent and lost, oldest first.
    samples: VecDeque<(u64, u64)>,
}

impl Meter {
    /// Takes the counters of one path as they are now.
    pub fn measure(
        &mut self,
        kind: PathKind,
        rtt: Duration,
        (sent, lost): (u64, u64),
        mtu: u16,
    ) -> Quality {
        self.samples.push_back((sent, lost));
        if self.samples.len() > WINDOW {
            self.samples.pop_front();
        }
        let (first_sent, first_lost) = self.samples.front().copied().unwrap_or((sent, lost));
        let sent = sent.saturating_sub(first_sent);
        // Of packets sent before the window, too: never more than all.
        let lost = lost.saturating_sub(first_lost).min(sent);
        let lost_percent = match sent {
            0 => 0.0,
            sent => lost as f64 * 100.0 / sent as f64,
        };
        Quality {
            kind,
            rtt,
            lost_percent,
            mtu,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn percent(meter: &mut Meter, counters: (u64, u64)) -> f64 {
        let rtt = Duration::from_millis(20);
        meter
            .measure(PathKind::Relay, rtt, counters, 1200)
            .lost_percent
    }

    #[test]
    fn loss_is_of_the_last_seconds_and_old_loss_is_forgotten() {
        let mut meter = Meter::default();
        assert_eq!(percent(&mut meter, (100, 50)), 0.0);
        assert_eq!(percent(&mut meter, (200, 60)), 10.0);
        for second in 2..8 {
            percent(&mut meter, (100 + second * 100, 60));
        }
        assert_eq!(percent(&mut meter, (1000, 60)), 0.0);
    }

    #[test]
    fn an_idle_path_has_no_loss_and_never_more_than_all() {
        let mut meter = Meter::default();
        percent(&mut meter, (10, 0));
        assert_eq!(percent(&mut meter, (10, 0)), 0.0);
        assert_eq!(percent(&mut meter, (11, 9)), 100.0);
    }
}
