//! What happens, as it happens, for the portals that are open.
//!
//! Two sources: the links (boxes that come and go, their verdicts) and the
//! audit trail, whose new rows are read a few times a second. So a change is
//! told whoever made it, the command line included, and never before it is
//! durable. One ring for all listeners: who is too slow to read it is cut off
//! and loads everything anew; nobody's slowness costs memory.

mod listener;
mod tail;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use culvert_wire::UnixMs;
use culvert_wire::api::SessionInfo;
use culvert_wire::id::{CustomerId, GatewayId, HostId, TokenId};
use tokio::sync::{Mutex as Turn, broadcast};

pub use self::listener::{Listener, Said};
use self::tail::Tail;
use super::AppError;
use super::marks::Presence;
use super::whole::Verdict;
use crate::authz::Node;
use culvert_wire::reason::Reason;

/// Events that a listener may be behind.
const RING: usize = 1024;
/// Listeners of one sign-in or API token: tabs, and some that have not noticed
/// yet that they are gone.
const PER_TOKEN: usize = 32;
/// Listeners in all.
const MOST: usize = 5000;

/// Something that happened.
#[derive(Debug, Clone)]
pub(crate) enum Live {
    /// A box came, went, or changed its mind.
    Gateway(Node, GatewayNow),
    /// A session started, or ended if it says when.
    Session(Box<SessionInfo>),
    /// Who works on a host now.
    Presence(Node, PresenceNow),
    /// Something in the tree is new, gone or different.
    Tree(Option<CustomerId>),
    /// Somebody's rights may have changed.
    Rights,
    /// Listeners shall look at once whether they may still listen.
    Look,
}

/// A box as it is now.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct GatewayNow {
    /// Which.
    pub id: GatewayId,
    /// `active`, `quarantined` or `revoked`.
    pub state: String,
    /// Whether it is connected.
    pub online: bool,
    /// When it was last heard of.
    pub last_seen: Option<UnixMs>,
    /// Its program and version.
    pub version: String,
    /// What it says of its way to the server.
    pub verdict: Option<Verdict>,
}

/// Who works on a host now.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct PresenceNow {
    /// The host.
    pub host: HostId,
    /// Each session's person.
    pub users: Vec<Presence>,
}

/// The ring and its listeners.
pub(crate) struct Feed {
    ring: broadcast::Sender<Live>,
    places: Arc<Mutex<HashMap<TokenId, usize>>>,
    tail: Turn<Tail>,
}

impl Default for Feed {
    fn default() -> Self {
        Self {
            ring: broadcast::Sender::new(RING),
            places: Arc::default(),
            tail: Turn::default(),
        }
    }
}

impl Feed {
    /// Tells every listener; with none it is forgotten.
    pub(crate) fn tell(&self, live: Live) {
        let _ = self.ring.send(live);
    }

    /// A place to listen from.
    fn place(&self, token: TokenId) -> Result<Place, AppError> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = places.values().sum();
        let own = places.entry(token).or_default();
        if *own >= PER_TOKEN || all >= MOST {
            return Err(AppError::new(
                Reason::Throttled,
                "too many pages listen already: close some",
            ));
        }
        *own += 1;
        drop(places);
        Ok(Place {
            places: Arc::clone(&self.places),
            token,
        })
    }
}

/// A listener's place; given back when dropped.
struct Place {
    places: Arc<Mutex<HashMap<TokenId, usize>>>,
    token: TokenId,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = places.get_mut(&self.token) {
            *own -= 1;
            if *own == 0 {
                places.remove(&self.token);
            }
        }
    }
}
