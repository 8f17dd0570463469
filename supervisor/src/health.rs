//! When a boot has succeeded.
//!
//! A release on trial must bring the link back if it was up when it was
//! installed; else it must keep its gateway alive for a while. A release that
//! was good before needs only the latter: a server that is down must not make
//! boxes change their slots.
//!
//! Pure: time is an argument.

use std::time::Duration;

/// A gateway that lived this long is alive.
const SETTLED: Duration = Duration::from_secs(20);

/// What a boot is judged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trial {
    /// The release was never healthy yet.
    pub on_trial: bool,
    /// The link was up when it was installed.
    pub needs_link: bool,
    /// Time it has.
    pub limit: Duration,
}

/// What is known since the boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Facts {
    /// Since the boot.
    pub uptime: Duration,
    /// How long the gateway has lived without a restart.
    pub gateway_alive: Option<Duration>,
    /// The link has been up.
    pub linked: bool,
}

/// The judgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Not yet.
    Wait,
    /// The release is good.
    Healthy,
    /// It had its time: the other slot shall boot.
    GiveUp,
}

impl Trial {
    /// Judges the boot.
    pub fn judge(&self, facts: &Facts) -> Verdict {
        let settled = facts.gateway_alive.is_some_and(|alive| alive >= SETTLED);
        let healthy = match (self.on_trial, self.needs_link) {
            (true, true) => facts.linked,
            (true, false) | (false, _) => facts.linked || settled,
        };
        if healthy {
            Verdict::Healthy
        } else if self.on_trial && facts.uptime >= self.limit {
            Verdict::GiveUp
        } else {
            Verdict::Wait
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(300);

    fn trial(on_trial: bool, needs_link: bool) -> Trial {
        Trial {
            on_trial,
            needs_link,
            limit: LIMIT,
        }
    }

    fn facts(uptime: u64, alive: u64, linked: bool) -> Facts {
        Facts {
            uptime: Duration::from_secs(uptime),
            gateway_alive: Some(Duration::from_secs(alive)),
            linked,
        }
    }

    /// P8: a release that cannot reach the server it could reach before is
    /// given up, however well it lives.
    #[test]
    fn a_release_that_loses_the_server_is_given_up() {
        let trial = trial(true, true);

        assert_eq!(trial.judge(&facts(299, 290, false)), Verdict::Wait);
        assert_eq!(trial.judge(&facts(300, 290, false)), Verdict::GiveUp);
        assert_eq!(trial.judge(&facts(3, 1, true)), Verdict::Healthy);
    }

    #[test]
    fn without_a_link_before_the_update_a_living_gateway_is_enough() {
        let trial = trial(true, false);

        assert_eq!(trial.judge(&facts(25, 20, false)), Verdict::Healthy);
        assert_eq!(trial.judge(&facts(300, 5, false)), Verdict::GiveUp);
    }

    #[test]
    fn a_good_release_is_never_given_up_for_a_dead_server() {
        let trial = trial(false, true);

        assert_eq!(trial.judge(&facts(9000, 0, false)), Verdict::Wait);
        assert_eq!(trial.judge(&facts(25, 20, false)), Verdict::Healthy);
    }
}
