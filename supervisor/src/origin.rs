//! Which board a card belongs to: what the board says of itself, as it was when
//! the data partition was first used.
//!
//! Pure. Finds cards that were moved, by mistake or on purpose; protects
//! nothing: whoever can write to the card can write this, too.

use culvert_board::hardware::Panel;

/// What a board says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// Its serial number.
    pub serial: Option<String>,
    /// The hardware address of its first interface.
    pub mac: Option<String>,
}

/// What a board is to a card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judged {
    /// The card was in no board yet.
    First,
    /// Its own.
    Same,
    /// Another one.
    Moved,
    /// The board says nothing that could be compared.
    Unknown,
}

impl Origin {
    /// Asks the board; interfaces lowest name first.
    pub fn of(board: &impl Panel, interfaces: &[String]) -> Self {
        Self {
            serial: board.serial(),
            mac: interfaces.iter().find_map(|name| board.mac(name)),
        }
    }

    /// Compares with what was kept. The serial number decides where both have
    /// one: an interface may be a plug.
    pub fn judge(&self, kept: Option<&Self>) -> Judged {
        let Some(kept) = kept else {
            return match *self == Self::default() {
                true => Judged::Unknown,
                false => Judged::First,
            };
        };
        let pairs = [(&self.serial, &kept.serial), (&self.mac, &kept.mac)];
        for (now, before) in pairs {
            if let (Some(now), Some(before)) = (now, before) {
                return if now == before {
                    Judged::Same
                } else {
                    Judged::Moved
                };
            }
        }
        Judged::Unknown
    }

    /// As it is kept.
    pub fn to_text(&self) -> String {
        let line = |name: &str, value: &Option<String>| {
            value
                .as_ref()
                .map_or_else(String::new, |value| format!("{name} {value}\n"))
        };
        line("serial", &self.serial) + &line("mac", &self.mac)
    }

    /// Reads what was kept; what is no such line is passed over.
    pub fn from_text(text: &str) -> Self {
        let value = |name: &str| {
            let mut lines = text.lines().filter_map(|line| line.split_once(' '));
            let found = lines.find(|(key, _)| *key == name);
            found.map(|(_, value)| value.to_owned())
        };
        Self {
            serial: value("serial"),
            mac: value("mac"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn board(serial: &str, mac: &str) -> Origin {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Origin {
            serial: some(serial),
            mac: some(mac),
        }
    }

    /// S27.
    #[test]
    fn a_card_knows_its_own_board_by_number_and_else_by_address() {
        let kept = board("0123abcd", "02:00:00:00:00:01");
        for (now, judged) in [
            (board("0123abcd", "02:00:00:00:00:01"), Judged::Same),
            // Another plug in the same board.
            (board("0123abcd", "02:00:00:00:00:02"), Judged::Same),
            (board("ffff0000", "02:00:00:00:00:01"), Judged::Moved),
            (board("", "02:00:00:00:00:01"), Judged::Same),
            (board("", "02:00:00:00:00:02"), Judged::Moved),
            (board("", ""), Judged::Unknown),
        ] {
            assert_eq!(now.judge(Some(&kept)), judged, "{now:?}");
        }
        assert_eq!(kept.judge(None), Judged::First);
        assert_eq!(board("", "").judge(None), Judged::Unknown);
    }

    #[test]
    fn what_is_kept_is_read_again() {
        for origin in [
            board("a b", "02:00:00:00:00:01"),
            board("", "x"),
            board("", ""),
        ] {
            assert_eq!(Origin::from_text(&origin.to_text()), origin);
        }
        assert_eq!(Origin::from_text("\u{0}\nserial"), Origin::default());
    }
}
