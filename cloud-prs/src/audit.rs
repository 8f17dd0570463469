//! The audit trail's chain of hashes: what makes a changed, dropped or swapped
//! row show.
//!
//! Each customer has a chain; what belongs to none is in the provider's. A
//! row's hash covers the hash before it and every field. The head (number and
//! hash of the last row) is signed by the broker key: a dropped tail shows
//! against a head, and a head kept elsewhere shows a tail dropped together
//! with the database's own head.
//!
//! Pure: no clock, no database. Driven by `app::trail`.

mod head;
#[cfg(test)]
mod tests;
mod verifier;

use std::fmt;

use culvert_wire::UnixMs;
use culvert_wire::id::CustomerId;
use data_encoding::BASE32_NOPAD;
use sha2::{Digest as _, Sha256};

pub use head::{Head, ParseHeadError};
pub use verifier::{Fault, Verifier};

/// Whose chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Chain {
    /// People, customers' own existence, tokens, sign-ins.
    Provider,
    /// What concerns one customer.
    Customer(CustomerId),
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Provider => f.write_str("provider"),
            Self::Customer(id) => id.fmt(f),
        }
    }
}

impl std::str::FromStr for Chain {
    type Err = culvert_wire::id::ParseIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "provider" {
            Ok(Self::Provider)
        } else {
            text.parse().map(Self::Customer)
        }
    }
}

/// A hash of a chain.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// What stands before the first row.
    pub const START: Self = Self([0; 32]);
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE32_NOPAD.encode(&self.0).to_ascii_lowercase())
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for Hash {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let bytes = BASE32_NOPAD
            .decode(text.to_ascii_uppercase().as_bytes())
            .map_err(|_| ())?;
        bytes.try_into().map(Self).map_err(|_| ())
    }
}

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Whose chain.
    pub chain: Chain,
    /// Its number, from 1.
    pub seq: u64,
    /// When.
    pub at: UnixMs,
    /// Who: a person's id, `box` and a key, `server`, or `console`.
    pub actor: String,
    /// The name at that time.
    pub actor_name: String,
    /// From where: an address, or the console.
    pub source: String,
    /// What was done: `session.start`.
    pub action: String,
    /// To what: its id, and its name at that time.
    pub object: String,
    /// `done`, or the reason code why not.
    pub outcome: String,
    /// JSON of what was, empty if nothing.
    pub before: String,
    /// JSON of what is, empty if nothing.
    pub after: String,
}

impl Entry {
    /// The row's hash, given the hash before it.
    pub fn hash(&self, previous: Hash) -> Hash {
        let mut digest = Sha256::new();
        digest.update(b"culvert audit row v1\0");
        digest.update(previous.0);
        digest.update(self.seq.to_be_bytes());
        digest.update(self.at.0.to_be_bytes());
        for field in [
            &self.chain.to_string(),
            &self.actor,
            &self.actor_name,
            &self.source,
            &self.action,
            &self.object,
            &self.outcome,
            &self.before,
            &self.after,
        ] {
            digest.update((field.len() as u64).to_be_bytes());
            digest.update(field.as_bytes());
        }
        Hash(digest.finalize().into())
    }
}
