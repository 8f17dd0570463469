//! What a gateway tells about a host's key: for display and the audit. The
//! gateway's own pins are what counts.

use crate::grant::Target;
use crate::id::SessionId;
use crate::{Decode, DecodeError, Encode, Reader, Writer};

/// Longest algorithm and fingerprint, in bytes.
const MAX_NAME: usize = crate::terminal::MAX_NAME;

/// Something happened with a host's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostKey {
    /// In which session.
    pub session: SessionId,
    /// The host.
    pub target: Target,
    /// Such as `ssh-ed25519`; empty where no key is meant.
    pub algorithm: String,
    /// The key that the host showed, as OpenSSH shows it.
    pub fingerprint: String,
    /// The pinned one, if it is another.
    pub old: Option<String>,
    /// What happened.
    pub event: HostKeyEvent,
}

/// What happened with a host's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostKeyEvent {
    /// The first key was accepted and pinned.
    Pinned,
    /// A key was accepted for one session.
    AcceptedOnce,
    /// A host showed another key than the pinned one; somebody is asked.
    ChangeSeen,
    /// The changed key was accepted and pinned.
    Replaced,
    /// A key was not accepted.
    Refused,
    /// A key was refused for good.
    Revoked,
    /// A host showed a key that was refused for good.
    RevokedSeen,
    /// Old algorithms are allowed with this host from now on.
    LegacyAllowed,
}

impl HostKeyEvent {
    /// All events, in the order of their codes.
    pub const ALL: [Self; 8] = [
        Self::Pinned,
        Self::AcceptedOnce,
        Self::ChangeSeen,
        Self::Replaced,
        Self::Refused,
        Self::Revoked,
        Self::RevokedSeen,
        Self::LegacyAllowed,
    ];

    /// The number on the wire.
    pub const fn code(self) -> u8 {
        match self {
            Self::Pinned => 1,
            Self::AcceptedOnce => 2,
            Self::ChangeSeen => 3,
            Self::Replaced => 4,
            Self::Refused => 5,
            Self::Revoked => 6,
            Self::RevokedSeen => 7,
            Self::LegacyAllowed => 8,
        }
    }

    /// The short name that the audit and the API carry.
    pub const fn slug(self) -> &'static str {
        match self {
            Self::Pinned => "pinned",
            Self::AcceptedOnce => "accepted_once",
            Self::ChangeSeen => "change_seen",
            Self::Replaced => "replaced",
            Self::Refused => "refused",
            Self::Revoked => "revoked",
            Self::RevokedSeen => "revoked_seen",
            Self::LegacyAllowed => "legacy_allowed",
        }
    }
}

impl Encode for HostKey {
    fn encode(&self, out: &mut Writer) {
        self.session.encode(out);
        self.target.encode(out);
        out.text(&self.algorithm, MAX_NAME);
        out.text(&self.fingerprint, MAX_NAME);
        out.option(self.old.as_ref(), |out, old| out.text(old, MAX_NAME));
        out.u8(self.event.code());
    }
}

impl Decode for HostKey {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let name = |input: &mut Reader<'_>, field| Ok(input.text(field, MAX_NAME)?.to_owned());
        Ok(Self {
            session: SessionId::decode(input)?,
            target: Target::decode(input)?,
            algorithm: name(input, "algorithm")?,
            fingerprint: name(input, "fingerprint")?,
            old: input.option("old fingerprint", |input| name(input, "old fingerprint"))?,
            event: input.one_of("host key event", &HostKeyEvent::ALL, HostKeyEvent::code)?,
        })
    }
}
