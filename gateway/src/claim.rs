//! Binds the box to a provider, once, with a claim code.
//!
//! The claim is written down unconfirmed before the code is used: if the
//! server's answer is lost (a cable, a power cut), the box asks later whether
//! it was accepted, instead of standing there with a used code.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use culvert_config::gateway::Gateway;
use culvert_link::{ConnectError, Dial, Event, Events, Link, Me, connect};
use culvert_wire::claim::{ClaimCode, ParseClaimError};
use culvert_wire::frame::{Frame, Refused, Welcome};
use culvert_wire::hello::ClaimHello;
use culvert_wire::id::BootId;
use culvert_wire::key::Fingerprint;
use culvert_wire::reason::Reason;
use tokio::time::timeout;
use tracing::info;

use crate::connect::{SetupError, dial, hello, proxy_policy};
use crate::identity::{Identity, IdentityError};
use crate::memory::Memory;
use crate::state::{Claim, StateError};
use crate::status::Running;

/// The server's answer may take this long.
const ANSWER: Duration = Duration::from_secs(20);
/// One claim at a time.
const LOCK: &str = "claim.lock";

/// How a claim went well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// The provider's key, for people to compare.
    pub provider: Fingerprint,
    /// Whether the code named a site; else an administrator assigns the box.
    pub assigned: bool,
}

/// Reads a claim code from a file, a label's text or standard input.
///
/// # Errors
/// [`ClaimError::File`] and [`ClaimError::Code`].
pub fn read_code(path: &Path) -> Result<ClaimCode, ClaimError> {
    let failed = |source| ClaimError::File {
        path: path.to_owned(),
        source,
    };
    let bytes = crate::files::read(path)
        .and_then(|bytes| bytes.ok_or_else(|| io::ErrorKind::NotFound.into()))
        .map_err(failed)?;
    Ok(String::from_utf8_lossy(&bytes).parse()?)
}

/// Uses a claim code.
///
/// # Errors
/// [`ClaimError`]; unless it is [`ClaimError::AnswerLost`] the box is as
/// before.
pub async fn claim(settings: &Gateway, code: &ClaimCode) -> Result<Claimed, ClaimError> {
    let dir = &settings.data_dir;
    let file = |source| ClaimError::File {
        path: dir.clone(),
        source,
    };
    crate::files::make_dir(dir).map_err(file)?;
    let _lock = Running::lock(&dir.join(LOCK))
        .map_err(file)?
        .ok_or(ClaimError::UnderWay)?;
    let identity = Identity::load_or_make(dir)?;
    let memory = Memory::load(dir)?;
    if let Some(claim) = memory.read().confirmed() {
        return Err(ClaimError::AlreadyClaimed {
            provider: claim.provider.fingerprint(),
        });
    }
    if settings.provider.is_some_and(|only| only != code.provider) {
        return Err(ClaimError::OtherProvider);
    }
    let before = memory.read().claim;
    memory.change(|state| {
        state.claim = Some(Claim {
            provider: code.provider,
            servers: code.servers.clone(),
            epoch_floor: 0,
            gateway: None,
            code: Some(code.claim),
            confirmed: false,
        });
    })?;
    let asked = ask(settings, code, &identity, &memory).await;
    let outcome = match asked {
        // Used already: perhaps by this very box, whose answer was lost.
        Err(ClaimError::Refused(refused)) if refused.reason == Reason::ClaimRefused => {
            match confirm_now(settings, &identity, &memory).await {
                Ok(claimed) => Ok(claimed),
                Err(_) => Err(ClaimError::Refused(refused)),
            }
        }
        asked => asked,
    };
    match &outcome {
        Ok(_) | Err(ClaimError::AnswerLost) => {}
        Err(_) => memory.change(|state| state.claim = before)?,
    }
    outcome
}

/// Asks whether an unconfirmed claim was accepted; forgets it if not.
///
/// # Errors
/// [`ClaimError`]; the claim is forgotten when the server does not know the
/// box, and kept when no server could be asked.
pub async fn confirm(settings: &Gateway, identity: &Identity) -> Result<Claimed, ClaimError> {
    let dir = &settings.data_dir;
    let _lock = Running::lock(&dir.join(LOCK))
        .map_err(|source| ClaimError::File {
            path: dir.clone(),
            source,
        })?
        .ok_or(ClaimError::UnderWay)?;
    let memory = Memory::load(dir)?;
    let outcome = confirm_now(settings, identity, &memory).await;
    if let Err(ClaimError::Refused(refused)) = &outcome
        && refused.reason.is_final()
    {
        memory.change(|state| state.claim = None)?;
    }
    outcome
}

async fn ask(
    settings: &Gateway,
    code: &ClaimCode,
    identity: &Identity,
    memory: &Memory,
) -> Result<Claimed, ClaimError> {
    let me = Me::Claim {
        key: identity.signing.clone(),
        seed: code.seed.clone(),
        hello: ClaimHello {
            claim: code.claim,
            identity: identity.signing.public(),
            sealing: identity.sealing_public(),
            sealing_signature: identity.sealing_signature(),
            boot: BootId::from_random(rand::random()),
        },
    };
    meet(settings, me, memory).await
}

async fn confirm_now(
    settings: &Gateway,
    identity: &Identity,
    memory: &Memory,
) -> Result<Claimed, ClaimError> {
    let boot = BootId::from_random(rand::random());
    let me = hello(identity, boot, &memory.read());
    meet(settings, me, memory).await
}

/// Connects, waits for the answer, and stores an acceptance.
async fn meet(settings: &Gateway, me: Me, memory: &Memory) -> Result<Claimed, ClaimError> {
    let dial = way(settings, memory)?;
    let (link, mut events) = connect(&dial, me, crate::VERSION).await?;
    let welcome = answer(&mut events).await?;
    let claimed = store(&link, &welcome, memory)?;
    link.close(Reason::Finished);
    // The limit only bounds the courtesy.
    let _ = timeout(Duration::from_secs(2), link.closed()).await;
    Ok(claimed)
}

fn way(settings: &Gateway, memory: &Memory) -> Result<Dial, ClaimError> {
    let state = memory.read();
    let claim = state.claim.as_ref().ok_or(ClaimError::AnswerLost)?;
    let proxy = proxy_policy(&settings.proxy)?;
    Ok(dial(settings, claim, &state, proxy))
}

async fn answer(events: &mut Events) -> Result<Welcome, ClaimError> {
    let first = timeout(ANSWER, async {
        loop {
            match events.next().await? {
                Event::Welcome(welcome) => return Some(Ok(welcome)),
                Event::Refused(refused) => return Some(Err(ClaimError::Refused(refused))),
                Event::Invite(_) | Event::Revoke(_) | Event::Drain { .. } | Event::Offer(_) => {}
            }
        }
    });
    first
        .await
        .ok()
        .flatten()
        .unwrap_or(Err(ClaimError::AnswerLost))
}

fn store(link: &Link, welcome: &Welcome, memory: &Memory) -> Result<Claimed, ClaimError> {
    let proven = link.proven();
    memory.change(|state| {
        state.clock_floor = state.clock_floor.max(proven.link_time);
        state.keep_lease(welcome.lease);
        if let Some(claim) = &mut state.claim {
            claim.provider = proven.provider;
            claim.epoch_floor = proven.statement.epoch;
            claim.gateway = welcome.gateway;
            claim.confirmed = true;
        }
    })?;
    if let Some(lease) = welcome.lease {
        // Not told: the server accepts the unacknowledged lease too.
        let _ = link.send(Frame::LeaseStored(lease));
    }
    info!(provider = %proven.provider.fingerprint(), "Claimed");
    Ok(Claimed {
        provider: proven.provider.fingerprint(),
        assigned: welcome.gateway.is_some(),
    })
}

/// Why a box was not claimed.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// The code cannot be read.
    #[error("cannot use {}: {source}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The text is no code.
    #[error(transparent)]
    Code(#[from] ParseClaimError),
    /// The box belongs to somebody.
    #[error(
        "this box is already claimed by the provider {provider}: to give it away, erase its data folder first"
    )]
    AlreadyClaimed {
        /// By whom.
        provider: Fingerprint,
    },
    /// `gateway.toml` names another provider.
    #[error("the claim code is of another provider than the one in gateway.toml")]
    OtherProvider,
    /// Another process claims this box.
    #[error("this box is just being claimed by another process: wait a moment")]
    UnderWay,
    /// No server could be used.
    #[error("no server could be reached: {0}")]
    Connect(#[from] ConnectError),
    /// The way out is not usable as it is set.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// The server refused.
    #[error("the claim was refused: {}{}", .0.reason, detail(&.0.text))]
    Refused(Refused),
    /// The link broke before the answer.
    #[error(
        "the server's answer was lost: start the box, it will ask again, or claim once more with the same code"
    )]
    AnswerLost,
    /// The box has no keys.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The box has no memory.
    #[error(transparent)]
    State(#[from] StateError),
}

impl ClaimError {
    /// A code for the screen and for scripts; never changes its meaning.
    pub const fn cause(&self) -> &'static str {
        match self {
            Self::Connect(error) => error.cause(),
            Self::Refused(refused) => refused.reason.slug(),
            Self::OtherProvider => "other_provider",
            Self::File { .. }
            | Self::Code(_)
            | Self::AlreadyClaimed { .. }
            | Self::UnderWay
            | Self::Setup(_)
            | Self::AnswerLost
            | Self::Identity(_)
            | Self::State(_) => "unclaimed",
        }
    }
}

fn detail(text: &str) -> String {
    match text {
        "" => String::new(),
        text => format!(" ({text})"),
    }
}
