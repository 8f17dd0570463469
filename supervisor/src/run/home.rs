//! A card that was moved to another board: reported, and put aside by the
//! server until an administrator has decided.

use std::time::{Duration, Instant};

use culvert_wire::supervisor::{FromSupervisor, LinkState};

use super::{Running, start};
use crate::origin::{Judged, Origin};
use crate::trouble::Cause;
use crate::{console, network};

/// What is kept of the board.
const KEPT: &str = "/data/system/board";
/// A server that has known of it for so long and keeps the link as it is has
/// nothing against it: it was decided while this box was off.
const ACCEPTED: Duration = Duration::from_secs(60);

/// Whether this board is the card's own.
#[derive(Debug)]
pub(super) enum Home {
    /// Nobody knows yet: the board has said nothing of itself.
    Unknown,
    /// It is.
    Own,
    /// It is not.
    Other {
        origin: Origin,
        /// The server has put the box aside.
        aside: bool,
        /// Since when the link is up.
        up: Option<Instant>,
    },
}

impl Running {
    /// Compares this board with the card's own, and makes it that when the
    /// server has let the box back.
    pub(super) fn look_at_board(&mut self, now: Instant) {
        match &mut self.home {
            Home::Own => {}
            Home::Unknown => {
                let interfaces = network::interfaces("/".as_ref());
                self.compare(Origin::of(&self.panel, &interfaces));
            }
            Home::Other { origin, aside, up } => {
                if accepted(self.link.state, aside, up, now) {
                    let origin = std::mem::take(origin);
                    self.settle_here(&origin);
                }
            }
        }
    }

    fn compare(&mut self, origin: Origin) {
        let kept = std::fs::read_to_string(KEPT).ok();
        let kept = kept.map(|text| Origin::from_text(&text));
        match origin.judge(kept.as_ref()) {
            Judged::Unknown => {}
            Judged::Same => self.home = Home::Own,
            Judged::First => self.settle_here(&origin),
            Judged::Moved => {
                let sentence = "this card was in another board before: an administrator has to \
                                decide whether that is right";
                console::line(sentence);
                self.trouble(Cause::Moved, sentence);
                self.home = Home::Other {
                    origin,
                    aside: false,
                    up: None,
                };
            }
        }
    }

    fn settle_here(&mut self, origin: &Origin) {
        if let Err(error) = start::replace(KEPT, origin.to_text().as_bytes(), 0) {
            console::line(&format!("the board cannot be kept: {error}"));
        }
        self.home = Home::Own;
        if self.troubles.forget(Cause::Moved) {
            console::line("the card belongs to this board from now on");
            let told: FromSupervisor = self.troubles.message();
            self.gateway.say(&told);
        }
    }
}

/// Whether the server has let the box back after it heard.
fn accepted(link: LinkState, aside: &mut bool, up: &mut Option<Instant>, now: Instant) -> bool {
    match link {
        LinkState::Up => {
            let since = *up.get_or_insert(now);
            *aside || now.duration_since(since) >= ACCEPTED
        }
        LinkState::Quarantined => {
            (*aside, *up) = (true, None);
            false
        }
        LinkState::Unclaimed | LinkState::Down => {
            *up = None;
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// S27: the first link is not yet the server's word.
    #[test]
    fn a_moved_card_is_at_home_when_the_server_has_let_it_back() {
        let now = Instant::now();
        let (mut aside, mut up) = (false, None);
        let mut hears = |link, seconds| {
            accepted(
                link,
                &mut aside,
                &mut up,
                now + Duration::from_secs(seconds),
            )
        };

        assert!(!hears(LinkState::Up, 0));
        assert!(!hears(LinkState::Down, 50));
        assert!(!hears(LinkState::Quarantined, 51));
        assert!(!hears(LinkState::Down, 100));
        assert!(hears(LinkState::Up, 101));
    }

    #[test]
    fn a_server_that_has_decided_before_keeps_the_link_up() {
        let now = Instant::now();
        let (mut aside, mut up) = (false, None);
        let mut hears = |seconds| {
            let then = now + Duration::from_secs(seconds);
            accepted(LinkState::Up, &mut aside, &mut up, then)
        };

        assert!(!hears(0) && !hears(59) && hears(60));
    }
}
