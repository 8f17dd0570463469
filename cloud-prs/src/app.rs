//! What the server does, noun by noun; the HTTP routes and the console call
//! the same functions.
//!
//! Every function that changes something takes a [`Call`] (who, from where),
//! asks [`authz`](crate::authz), and writes the change, its audit row and the
//! orders for the running server in one transaction. Never speaks HTTP, never
//! touches a socket: links are behind [`Links`].

pub mod access;
pub mod accounts;
mod actors;
pub mod admission;
mod agent;
mod answers;
pub mod assignments;
pub mod broker;
mod caller;
mod challenges;
pub mod claims;
mod clock;
pub mod credentials;
pub mod downloads;
mod ended;
mod ending;
mod error;
pub mod factors;
pub mod feed;
mod fetches;
pub mod fleet;
pub mod gateways;
pub mod hand_over;
mod heard;
mod hellos;
mod host_keys;
pub mod import;
pub mod invitations;
mod late;
mod late_ends;
pub mod launches;
pub mod lease;
pub mod leaving;
mod link_tickets;
mod links;
pub mod marks;
mod names;
mod obeyed;
pub mod orders;
mod pace;
pub mod passkeys;
mod password;
mod people;
mod refusals;
pub mod releases;
pub mod report;
pub mod rollout;
pub mod second;
pub mod sessions;
pub mod sign_in;
pub mod teams;
mod throttle;
pub mod tokens;
pub mod trail;
pub mod tree;
mod vault;
mod visitor;
pub mod voiding;
pub mod webhooks;
pub mod whole;

use std::sync::{Arc, OnceLock};

use culvert_wire::UnixMs;
use culvert_wire::key::{PublicKey, SigningKey};
use culvert_wire::reason::Reason;
use tokio::sync::{Notify, broadcast};

pub use caller::Caller;
pub use clock::Clock;
pub use ended::Ended;
pub use error::AppError;
pub use link_tickets::Sitting;
pub use links::Links;
pub(crate) use password::MIN_PASSWORD;
pub use visitor::{Via, Visitor};

use crate::authz::{Action, Actor, Node};
use crate::store::Store;

/// What the application needs to know about the installation.
#[derive(Clone)]
pub struct Installation {
    /// The node's key, which signs grants, revocations and audit heads.
    pub broker: SigningKey,
    /// Keys that were the node's before: their audit heads still hold.
    pub former: Vec<PublicKey>,
    /// The provider key that claim codes carry.
    pub provider: PublicKey,
    /// `host:port` of this server, for claim codes.
    pub public_addresses: Vec<String>,
    /// The portal's own origins, as a browser's `Origin` names them.
    pub origins: Vec<String>,
    /// What the key of stored secrets is derived from.
    pub secrets: [u8; 32],
    /// Where bundles of releases lie.
    pub bundles: std::path::PathBuf,
    /// Where `culvert` for people's computers lies.
    pub downloads: std::path::PathBuf,
    /// How long a session lasts unless renewed, in milliseconds.
    pub session_ms: u64,
    /// How long a sign-in holds, in milliseconds, at most 12 hours.
    pub sign_in_ms: u64,
    /// How long a claim code is good, in milliseconds.
    pub claim_ms: u64,
}

/// The application.
pub struct App {
    pub(crate) store: Store,
    pub(crate) here: Installation,
    pub(crate) clock: Clock,
    pub(crate) passwords: password::Passwords,
    pub(crate) throttle: throttle::Throttle,
    pub(crate) new_orders: Notify,
    pub(crate) feed: feed::Feed,
    /// Tells whatever hangs on a sign-in that it is over, or that its rights
    /// are others now.
    pub ended: broadcast::Sender<Ended>,
    challenges: challenges::Challenges,
    vault: vault::Vault,
    hand_overs: hand_over::HandOvers,
    hellos: hellos::Hellos,
    answers: answers::Answers,
    late: late::Late,
    ends: late_ends::Ends,
    pace: pace::Pace,
    refusals: refusals::Refusals,
    link_tickets: link_tickets::LinkTickets,
    fetches: fetches::Fetches,
    sums: downloads::Sums,
    /// The running server's links, and since when it has them.
    links: OnceLock<(Arc<dyn Links>, UnixMs)>,
}

impl App {
    /// Makes the application on an open store.
    pub fn new(store: Store, here: Installation, clock: Clock) -> Self {
        let vault = vault::Vault::new(&here.secrets);
        Self {
            store,
            here,
            clock,
            passwords: password::Passwords::default(),
            throttle: throttle::Throttle::default(),
            new_orders: Notify::new(),
            feed: feed::Feed::default(),
            ended: broadcast::Sender::new(ended::WAITING),
            challenges: challenges::Challenges::default(),
            vault,
            hand_overs: hand_over::HandOvers::default(),
            hellos: hellos::Hellos::default(),
            answers: answers::Answers::default(),
            late: late::Late::default(),
            ends: late_ends::Ends::default(),
            pace: pace::Pace::default(),
            refusals: refusals::Refusals::default(),
            link_tickets: link_tickets::LinkTickets::default(),
            fetches: fetches::Fetches::default(),
            sums: downloads::Sums::default(),
            links: OnceLock::new(),
        }
    }

    /// Connects the application of a running server to its links. A second
    /// call changes nothing.
    pub fn attach(&self, links: Arc<dyn Links>) {
        let _ = self.links.set((links, self.now()));
    }

    /// The store.
    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// The time.
    pub fn now(&self) -> UnixMs {
        self.clock.now()
    }

    /// Where browsers find the portal.
    pub fn origins(&self) -> &[String] {
        &self.here.origins
    }

    /// The server's links; none at the console.
    pub(crate) fn links(&self) -> Option<&Arc<dyn Links>> {
        self.links.get().map(|(links, _)| links)
    }

    /// Since when this server hears boxes; none at the console.
    pub(crate) fn listening_since(&self) -> Option<UnixMs> {
        self.links.get().map(|(_, since)| *since)
    }
}

/// Who calls, from where.
#[derive(Debug, Clone)]
pub struct Call {
    /// Who.
    pub actor: Actor,
    /// From where: a network address, or `console`.
    pub source: String,
    /// When.
    pub at: UnixMs,
}

impl Call {
    /// Somebody at the server's own console, who may everything.
    pub fn console(account: String) -> Self {
        Self {
            actor: Actor::console(account),
            source: "console".into(),
            at: UnixMs(0),
        }
    }

    /// Refuses what the actor may do nowhere, or needs a newer proof for.
    pub(crate) fn needs(&self, action: Action) -> Result<(), AppError> {
        if !self.actor.may(action) {
            return Err(AppError::not_allowed());
        }
        if !self.actor.proof_is_fresh(action, self.at) {
            return Err(AppError::because(Reason::StepUpNeeded));
        }
        Ok(())
    }

    /// Refuses what she may not do at this place: like a missing thing, unless
    /// she sees the place anyway.
    pub(crate) fn needs_at(&self, action: Action, node: &Node) -> Result<(), AppError> {
        if self.actor.may_at(action, node) {
            Ok(())
        } else if self.actor.sees(node) {
            Err(AppError::not_allowed())
        } else {
            Err(AppError::not_found())
        }
    }
}
