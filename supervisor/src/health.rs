//! When a boot has succeeded.
//!
//! A release on trial must bring the link back if the box had one when it was
//! brought; else it must keep its gateway alive for a while. A release that
//! was good before needs only the latter: a server that is down must not make
//! boxes change their slots. No release is healthy before its whole root was
//! read: a block that has gone bad would restart the box whenever it is used,
//! and each start would have its three tries again.
//!
//! Pure: time is an argument.

use std::time::Duration;

use culvert_wire::supervisor::LinkState;

/// A gateway that lived this long is alive.
const SETTLED: Duration = Duration::from_secs(20);

/// How a release came to the box.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From the server, through the gateway.
    Link,
    /// On the card.
    Card,
}

/// The links that a box had until a release from the card is in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Past {
    /// One in this boot.
    pub linked: bool,
    /// One in a boot before, by the state record.
    pub linked_before: bool,
    /// The box belongs to somebody: a box after a factory reset cannot link.
    pub claimed: bool,
}

impl Way {
    /// Whether a release that came so is healthy only with a link. What came
    /// over a link had one, whatever became of it until the last session ended.
    /// For the card it counts that there was one: a line that is down just now
    /// is no reason to take a release that cannot link.
    pub const fn needs_link(self, past: Past) -> bool {
        match self {
            Self::Link => true,
            Self::Card => past.linked || (past.linked_before && past.claimed),
        }
    }
}

/// What a boot is judged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trial {
    /// The release was never healthy yet.
    pub on_trial: bool,
    /// It must bring the link back ([`Way::needs_link`]).
    pub needs_link: bool,
    /// Time it has.
    pub limit: Duration,
}

/// Whether the box has its link. One that the server has put aside keeps it
/// (design D7): no release can change that.
pub const fn has_link(link: LinkState) -> bool {
    match link {
        LinkState::Up | LinkState::Quarantined => true,
        LinkState::Unclaimed | LinkState::Down => false,
    }
}

/// What is known since the boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Facts {
    /// Since the boot.
    pub uptime: Duration,
    /// How long the gateway has lived without a restart.
    pub gateway_alive: Option<Duration>,
    /// The link is there ([`has_link`]).
    pub linked: bool,
    /// Every block of the root was read, and is what was signed.
    pub whole: bool,
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
        if healthy && facts.whole {
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
            whole: true,
        }
    }

    /// P8: a line that is cut between a release's last byte and its restart must
    /// not let it become good without a link.
    #[test]
    fn a_release_is_healthy_only_when_its_whole_root_was_read() {
        let unread = Facts {
            whole: false,
            ..facts(60, 60, true)
        };
        for known in [trial(true, true), trial(true, false), trial(false, false)] {
            assert_eq!(known.judge(&unread), Verdict::Wait);
            assert_eq!(known.judge(&facts(60, 60, true)), Verdict::Healthy);
        }
        let late = Facts {
            uptime: LIMIT,
            ..unread
        };
        assert_eq!(trial(true, true).judge(&late), Verdict::GiveUp);
        assert_eq!(trial(false, false).judge(&late), Verdict::Wait);
    }

    #[test]
    fn a_release_that_came_over_a_link_must_bring_one() {
        let past = |linked, linked_before, claimed| Past {
            linked,
            linked_before,
            claimed,
        };
        for linked in [false, true] {
            for before in [false, true] {
                assert!(Way::Link.needs_link(past(linked, before, true)));
                let card = Way::Card.needs_link(past(linked, before, true));
                assert_eq!(card, linked || before);
            }
        }
        // A new box, or one that was made as new.
        assert!(!Way::Card.needs_link(past(false, false, false)));
        assert!(!Way::Card.needs_link(past(false, true, false)));
        let settled = facts(25, 20, false);
        assert_eq!(trial(true, true).judge(&settled), Verdict::Wait);
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

    /// P8: a box in quarantine would lose every release for no fault of theirs.
    #[test]
    fn a_box_that_was_put_aside_has_its_link() {
        let judged = |link| trial(true, true).judge(&facts(300, 290, has_link(link)));

        assert_eq!(judged(LinkState::Up), Verdict::Healthy);
        assert_eq!(judged(LinkState::Quarantined), Verdict::Healthy);
        assert_eq!(judged(LinkState::Down), Verdict::GiveUp);
        assert_eq!(judged(LinkState::Unclaimed), Verdict::GiveUp);
    }

    #[test]
    fn a_good_release_is_never_given_up_for_a_dead_server() {
        let trial = trial(false, true);

        assert_eq!(trial.judge(&facts(9000, 0, false)), Verdict::Wait);
        assert_eq!(trial.judge(&facts(25, 20, false)), Verdict::Healthy);
    }
}
