//! The right to join one side of one session's route, once.
//!
//! The server stores only the hash. The first join consumes the ticket; after
//! it the same end key may rejoin without one until the session ends.

use std::fmt;
use std::str::FromStr;

use data_encoding::{BASE32_NOPAD, BASE32_NOPAD_NOCASE};
use sha2::{Digest as _, Sha256};
use zeroize::ZeroizeOnDrop;

use crate::{Decode, DecodeError, Encode, Reader, Writer};

/// Length of a ticket and of its hash, in bytes.
pub const TICKET_LEN: usize = 32;

/// A one-time secret; prints as `MASKED`.
#[derive(Clone, PartialEq, Eq, ZeroizeOnDrop)]
pub struct Ticket([u8; TICKET_LEN]);

impl Ticket {
    /// Makes a ticket of random bytes that the caller drew.
    pub const fn from_random(bytes: [u8; TICKET_LEN]) -> Self {
        Self(bytes)
    }

    /// What the server keeps instead of the ticket.
    pub fn hash(&self) -> TicketHash {
        TicketHash(Sha256::digest(self.0).into())
    }

    /// The secret as text, for a JSON body or a `culvert://` address only.
    pub fn reveal(&self) -> String {
        BASE32_NOPAD.encode(&self.0).to_ascii_lowercase()
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ticket(MASKED)")
    }
}

impl FromStr for Ticket {
    type Err = ParseTicketError;

    fn from_str(text: &str) -> Result<Self, ParseTicketError> {
        let bytes = BASE32_NOPAD_NOCASE
            .decode(text.as_bytes())
            .map_err(|_| ParseTicketError)?;
        Ok(Self(bytes.try_into().map_err(|_| ParseTicketError)?))
    }
}

impl Encode for Ticket {
    fn encode(&self, out: &mut Writer) {
        out.put(&self.0);
    }
}

impl Decode for Ticket {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self(input.array()?))
    }
}

#[cfg(feature = "api")]
impl serde::Serialize for Ticket {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.reveal())
    }
}

#[cfg(feature = "api")]
impl<'de> serde::Deserialize<'de> for Ticket {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Text that is not a ticket.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a ticket")]
pub struct ParseTicketError;

/// SHA-256 of a ticket.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TicketHash([u8; TICKET_LEN]);

impl TicketHash {
    /// A hash read back from storage.
    pub const fn from_bytes(bytes: [u8; TICKET_LEN]) -> Self {
        Self(bytes)
    }

    /// The hash, for storing.
    pub const fn as_bytes(&self) -> &[u8; TICKET_LEN] {
        &self.0
    }
}

impl fmt::Debug for TicketHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TicketHash(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_never_prints_but_comes_back_from_its_text() {
        let ticket = Ticket::from_random([9; TICKET_LEN]);

        assert_eq!(format!("{ticket:?}"), "Ticket(MASKED)");
        assert_eq!(ticket.reveal().parse(), Ok(ticket));
    }
}
