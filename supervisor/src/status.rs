//! What the light tells of where the box stands, and what the screen calls it.
//!
//! Pure: the loop looks, and tells the board. One light tells one thing: what somebody
//! at the site can mend first (docs/operations.md, "The light").

use culvert_board::hardware::Light;
use culvert_wire::reason::Reason;
use culvert_wire::supervisor::LinkState;

/// Where the box stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing<'a> {
    /// The link, as the gateway said last.
    pub link: LinkState,
    /// Why there is none, in the gateway's word; empty: nothing is wrong.
    pub cause: &'a str,
    /// Sessions that run.
    pub sessions: u32,
    /// An interface has a cable.
    pub cable: bool,
    /// An interface has an address.
    pub address: bool,
    /// Somebody has to look at the card.
    pub card: bool,
    /// The customer wants no sessions.
    pub paused: bool,
}

impl Standing<'_> {
    /// What the light tells.
    pub fn light(&self) -> Light {
        match self.place() {
            _ if self.paused => Light::Paused,
            Place::Sessions => Light::Session,
            Place::NoCable => Light::NoCable,
            // A file that is not used may be why there is no address or no server.
            _ if self.card => Light::Unclaimed,
            Place::NoAddress => Light::NoAddress,
            Place::NoServer | Place::Quarantined => Light::NoServer,
            Place::Unclaimed if self.server_answers() => Light::Unclaimed,
            Place::Unclaimed => Light::NoServer,
            Place::Online => Light::Online,
        }
    }

    /// What the screen calls it.
    pub fn text(&self) -> String {
        let place = match self.place() {
            Place::Sessions => format!("online, {} sessions", self.sessions),
            Place::Online => "online".to_owned(),
            Place::Quarantined => "quarantined".to_owned(),
            Place::NoCable => "no cable".to_owned(),
            Place::NoAddress => "no address".to_owned(),
            Place::Unclaimed => "not claimed".to_owned(),
            Place::NoServer => "no server".to_owned(),
        };
        match self.paused {
            true => place + ", paused by the customer's button",
            false => place,
        }
    }

    fn place(&self) -> Place {
        match self.link {
            LinkState::Up if self.sessions > 0 => Place::Sessions,
            LinkState::Up => Place::Online,
            LinkState::Quarantined => Place::Quarantined,
            LinkState::Unclaimed | LinkState::Down if !self.cable => Place::NoCable,
            LinkState::Unclaimed | LinkState::Down if !self.address => Place::NoAddress,
            LinkState::Unclaimed => Place::Unclaimed,
            LinkState::Down => Place::NoServer,
        }
    }

    /// A box without a code has asked nobody yet; what a server says of a code is one of
    /// the protocol's reasons.
    fn server_answers(&self) -> bool {
        matches!(self.cause, "" | "other_provider") || Reason::from_slug(self.cause).is_some()
    }
}

/// How far it has come.
#[derive(Debug, Clone, Copy)]
enum Place {
    NoCable,
    NoAddress,
    Unclaimed,
    NoServer,
    Quarantined,
    Online,
    Sessions,
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONLINE: Standing<'_> = Standing {
        link: LinkState::Up,
        cause: "",
        sessions: 0,
        cable: true,
        address: true,
        card: false,
        paused: false,
    };
    const DOWN: Standing<'_> = Standing {
        link: LinkState::Down,
        cause: "dns_failed",
        ..ONLINE
    };
    const UNCLAIMED: Standing<'_> = Standing {
        link: LinkState::Unclaimed,
        cause: "",
        ..ONLINE
    };

    #[test]
    fn each_place_has_its_light_and_its_words() {
        let quarantined = LinkState::Quarantined;
        for (standing, light, text) in [
            (ONLINE, Light::Online, "online"),
            (
                Standing {
                    sessions: 2,
                    ..ONLINE
                },
                Light::Session,
                "online, 2 sessions",
            ),
            (
                Standing {
                    link: quarantined,
                    ..ONLINE
                },
                Light::NoServer,
                "quarantined",
            ),
            (DOWN, Light::NoServer, "no server"),
            (
                Standing {
                    address: false,
                    ..DOWN
                },
                Light::NoAddress,
                "no address",
            ),
            (
                Standing {
                    cable: false,
                    address: false,
                    ..DOWN
                },
                Light::NoCable,
                "no cable",
            ),
            (UNCLAIMED, Light::Unclaimed, "not claimed"),
            (
                Standing {
                    cable: false,
                    ..UNCLAIMED
                },
                Light::NoCable,
                "no cable",
            ),
            (
                Standing {
                    address: false,
                    ..UNCLAIMED
                },
                Light::NoAddress,
                "no address",
            ),
        ] {
            assert_eq!(standing.light(), light, "{text}");
            assert_eq!(standing.text(), text);
        }
    }

    /// A code that a server refuses is another thing than a server that is not reached.
    #[test]
    fn a_box_with_a_code_shows_whether_a_server_answers() {
        for (cause, light) in [
            ("claim_refused", Light::Unclaimed),
            ("unclaimed", Light::Unclaimed),
            ("other_provider", Light::Unclaimed),
            ("dns_failed", Light::NoServer),
            ("tcp_blocked", Light::NoServer),
        ] {
            let standing = Standing { cause, ..UNCLAIMED };
            assert_eq!(standing.light(), light, "{cause}");
            assert_eq!(standing.text(), "not claimed");
        }
    }

    /// Bad input has its light whatever else it leads to; a cable comes first, and
    /// who works is not disturbed.
    #[test]
    fn a_card_to_look_at_is_shown_before_what_it_leads_to() {
        let card = |standing| Standing {
            card: true,
            ..standing
        };
        for standing in [
            ONLINE,
            DOWN,
            UNCLAIMED,
            Standing {
                address: false,
                ..DOWN
            },
        ] {
            assert_eq!(card(standing).light(), Light::Unclaimed);
            assert_eq!(card(standing).text(), standing.text());
        }
        let pulled = card(Standing {
            cable: false,
            ..DOWN
        });
        assert_eq!(pulled.light(), Light::NoCable);
        let works = card(Standing {
            sessions: 1,
            ..ONLINE
        });
        assert_eq!(works.light(), Light::Session);
    }

    #[test]
    fn the_customers_pause_is_shown_before_all() {
        let paused = Standing {
            paused: true,
            card: true,
            cable: false,
            ..DOWN
        };
        assert_eq!(paused.light(), Light::Paused);
        assert_eq!(paused.text(), "no cable, paused by the customer's button");
    }
}
