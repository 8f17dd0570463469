//! What is wrong with the box and does not stop it: on the screen when it is
//! found, in the portal as long as it lasts.
//!
//! Pure. The gateway sends on the gravest.

use std::collections::BTreeMap;

use culvert_wire::frame::CARD_MOVED;
use culvert_wire::supervisor::FromSupervisor;

/// Longest sentence, in bytes: what one health report carries.
const LONGEST: usize = 255;

/// What is wrong; the first is the gravest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// Nothing can be kept.
    NoData,
    /// The card was in another board before; the server knows the code and puts
    /// the box aside.
    Moved,
    /// Nothing more can be kept.
    FullData,
    /// The settings on the card cannot be used.
    Settings,
    /// The card holds a claim code, and the box is claimed already.
    Claim,
    /// The release on the card was not taken.
    Release,
    /// It had to restart itself.
    Restarted,
}

impl Cause {
    const fn code(self) -> &'static str {
        match self {
            Self::NoData => "no_data",
            Self::Moved => CARD_MOVED,
            Self::FullData => "data_full",
            Self::Settings => "settings_refused",
            Self::Claim => "claim_unused",
            Self::Release => "release_refused",
            Self::Restarted => "restarted",
        }
    }
}

/// All of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Troubles(BTreeMap<Cause, String>);

impl Troubles {
    /// Notes one; a newer sentence of the same cause replaces the older.
    pub fn note(&mut self, cause: Cause, sentence: &str) {
        let end = sentence.floor_char_boundary(LONGEST);
        self.0.insert(cause, sentence[..end].to_owned());
    }

    /// It is no more; answers whether it was.
    pub fn forget(&mut self, cause: Cause) -> bool {
        self.0.remove(&cause).is_some()
    }

    /// Whether it was noted.
    pub fn has(&self, cause: Cause) -> bool {
        self.0.contains_key(&cause)
    }

    /// Whether somebody has to come and mend the card: the light says so. A card
    /// in another board is decided in the portal, and a restart is over.
    pub fn wants_somebody(&self) -> bool {
        self.0.keys().any(|cause| match cause {
            Cause::NoData | Cause::FullData => true,
            Cause::Settings | Cause::Claim | Cause::Release => true,
            Cause::Moved | Cause::Restarted => false,
        })
    }

    /// The gravest, for the gateway.
    pub fn message(&self) -> FromSupervisor {
        let first = self.0.first_key_value();
        let (code, sentence) = first.map_or(("", ""), |(cause, text)| (cause.code(), text));
        FromSupervisor::Trouble {
            code: code.to_owned(),
            sentence: sentence.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use culvert_wire::{Decode as _, Encode as _};

    use super::*;

    #[test]
    fn the_gravest_is_told_whatever_its_length() {
        let mut troubles = Troubles::default();
        let none = FromSupervisor::Trouble {
            code: String::new(),
            sentence: String::new(),
        };
        assert_eq!(troubles.message(), none);

        troubles.note(Cause::Release, "it is for another board");
        troubles.note(Cause::Settings, &"\u{e9}".repeat(LONGEST));

        let told = troubles.message();
        let FromSupervisor::Trouble { code, sentence } = &told else {
            panic!("{told:?}");
        };
        assert_eq!((code.as_str(), sentence.len()), ("settings_refused", 254));
        assert_eq!(FromSupervisor::from_bytes(&told.to_bytes()), Ok(told));
    }
    /// What docs/operations.md promises of the light.
    #[test]
    fn the_light_calls_for_somebody_at_whatever_is_wrong_with_the_card() {
        for (cause, calls) in [
            (Cause::NoData, true),
            (Cause::Moved, false),
            (Cause::FullData, true),
            (Cause::Settings, true),
            (Cause::Claim, true),
            (Cause::Release, true),
            (Cause::Restarted, false),
        ] {
            let mut troubles = Troubles::default();
            assert!(!troubles.wants_somebody());
            troubles.note(cause, "so it is");
            assert_eq!(troubles.wants_somebody(), calls, "{cause:?}");
        }
    }
}
