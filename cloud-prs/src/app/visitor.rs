//! By which way somebody signs in: a link of `culvert`, or a browser.

use std::net::IpAddr;

use culvert_wire::key::PublicKey;

use super::Caller;
use super::agent;

/// A browser that asks over HTTPS.
#[derive(Debug, Clone)]
pub struct Visitor {
    /// From where.
    pub from: IpAddr,
    /// What it says it is.
    pub agent: String,
}

/// The way.
#[derive(Debug, Clone, Copy)]
pub enum Via<'a> {
    /// A link whose device key is proved.
    Link(&'a Caller),
    /// A browser.
    Web(&'a Visitor),
}

impl Via<'_> {
    /// From where she comes.
    pub(super) fn from(&self) -> IpAddr {
        match self {
            Self::Link(caller) => caller.from.ip().to_canonical(),
            Self::Web(visitor) => visitor.from.to_canonical(),
        }
    }

    /// The link's device key; none for a browser.
    pub(super) fn device(&self) -> Option<PublicKey> {
        match self {
            Self::Link(caller) => Some(caller.device),
            Self::Web(_) => None,
        }
    }

    /// What a list of sign-ins shows.
    pub(super) fn label(&self, said: &str) -> String {
        match self {
            Self::Link(_) => super::tokens::label(said),
            Self::Web(visitor) => agent::label(&visitor.agent),
        }
    }
}
