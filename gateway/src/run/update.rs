//! A release that the server offers, carried to the supervisor.
//!
//! Nothing of it is judged here: the supervisor, which runs as root and has
//! the keys, does that. This process fetches while no session runs, one piece
//! at a time, and the next only when the last one is written; it tells the
//! server how far that came.

use std::io;

use bytes::Bytes;
use culvert_config::gateway::Gateway;
use culvert_link::client::{self, ConnectError};
use culvert_link::{Link, ProxyPolicy};
use culvert_wire::frame::{Frame, Offer, Progress, System};
use culvert_wire::supervisor::{FromGateway, MAX_DATA, UpdateState};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tracing::{info, warn};

use crate::connect;
use crate::state::State;
use crate::supervised::Supervised;

/// Where bundles are, at the server.
const PATH: &str = "/boxes/release";
/// The header with the right to fetch one.
const HEADER: &str = "culvert-fetch";
/// Pieces that may wait for the supervisor.
const WAITING: usize = 4;

/// Where bundles come from.
#[derive(Debug, Clone)]
pub(super) struct Source {
    /// `host:port` of each server.
    pub(super) servers: Vec<String>,
    /// The way out.
    pub(super) proxy: ProxyPolicy,
}

impl Source {
    /// As the settings and the claim say; none before the box is claimed.
    pub(super) fn of(settings: &Gateway, state: &State) -> Option<Self> {
        let claim = state.claim.as_ref()?;
        let servers = match settings.servers.is_empty() {
            true => claim.servers.clone(),
            false => settings.servers.clone(),
        };
        // The same setting made the link.
        let proxy = connect::proxy_policy(&settings.proxy).ok()?;
        Some(Self { servers, proxy })
    }
}

/// The release under way, if any.
#[derive(Debug)]
pub(super) struct Update {
    stage: Stage,
    progress: Progress,
    /// What this link's server knows.
    told: Option<System>,
}

#[derive(Debug)]
enum Stage {
    Idle,
    /// Sessions run: they go first.
    Waiting(Offer),
    /// The supervisor was asked.
    Asked(Offer, Source),
    /// The bundle comes.
    Fetching {
        offer: Offer,
        pieces: mpsc::Receiver<Piece>,
        _task: Task,
        /// The supervisor has written what it was given.
        ready: bool,
    },
    /// The supervisor has all of it.
    Given(Offer),
}

/// Ends with whoever waits for its pieces.
#[derive(Debug)]
struct Task(AbortHandle);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What the fetching task says.
pub(super) type Piece = Result<Bytes, String>;

impl Update {
    /// None yet.
    pub(super) fn new() -> Self {
        Self {
            stage: Stage::Idle,
            progress: Progress::None,
            told: None,
        }
    }

    /// The next piece, when the supervisor is ready for it; `None` at the end.
    pub(super) async fn next(&mut self) -> Option<Piece> {
        match &mut self.stage {
            Stage::Fetching {
                pieces,
                ready: true,
                ..
            } => pieces.recv().await,
            Stage::Fetching { .. }
            | Stage::Idle
            | Stage::Waiting(_)
            | Stage::Asked(..)
            | Stage::Given(_) => std::future::pending().await,
        }
    }

    /// The server offers a release. One that is under way already goes on.
    pub(super) fn handle_offer(&mut self, offer: Offer, supervised: &Supervised) {
        let Some(system) = supervised.system() else {
            return;
        };
        let known = offer.version == system.version || offer.version == system.failed;
        match &self.stage {
            Stage::Idle | Stage::Waiting(_) if !known => {
                info!(version = offer.version, "A release is offered");
                self.stage = Stage::Waiting(offer);
            }
            Stage::Idle
            | Stage::Waiting(_)
            | Stage::Asked(..)
            | Stage::Fetching { .. }
            | Stage::Given(_) => {}
        }
    }

    /// Begins if nothing stands in the way.
    pub(super) fn begin(
        &mut self,
        sessions: usize,
        supervised: &Supervised,
        source: impl FnOnce() -> Option<Source>,
    ) {
        let Stage::Waiting(offer) = &self.stage else {
            return;
        };
        if sessions > 0 && !offer.forced {
            return;
        }
        let offer = offer.clone();
        let (size, forced) = (offer.size, offer.forced);
        let Some(source) = source() else {
            return;
        };
        if supervised.give(&FromGateway::UpdateBegin { size, forced }) {
            self.progress = Progress::Taking {
                version: offer.version,
            };
            self.stage = Stage::Asked(offer, source);
        }
    }

    /// The supervisor says how far it is.
    pub(super) fn handle_supervisor(&mut self, told: &UpdateState) {
        let before = std::mem::replace(&mut self.stage, Stage::Idle);
        self.stage = match (before, told) {
            (Stage::Asked(offer, source), UpdateState::Taken(_)) => fetching(offer, source),
            (mut fetching @ Stage::Fetching { .. }, UpdateState::Taken(_)) => {
                if let Stage::Fetching { ready, .. } = &mut fetching {
                    *ready = true;
                }
                fetching
            }
            (other, UpdateState::Taken(_)) => other,
            (_, UpdateState::Installed { version }) => {
                self.progress = Progress::Installed { version: *version };
                Stage::Idle
            }
            (before, UpdateState::Refused(why)) => {
                if let Some(version) = before.version() {
                    warn!(version, why, "The release is refused");
                    let why = why.clone();
                    self.progress = Progress::Refused { version, why };
                }
                Stage::Idle
            }
        };
    }

    /// A piece came, or the end.
    pub(super) fn handle_piece(&mut self, piece: Option<Piece>, supervised: &Supervised) {
        let before = std::mem::replace(&mut self.stage, Stage::Idle);
        let Stage::Fetching { offer, ready, .. } = &before else {
            self.stage = before;
            return;
        };
        debug_assert!(*ready);
        let version = offer.version;
        let failed = match piece {
            None => match supervised.give(&FromGateway::UpdateEnd) {
                true => {
                    self.stage = Stage::Given(offer.clone());
                    return;
                }
                false => "the supervisor does not listen".to_owned(),
            },
            Some(Ok(bytes)) => match supervised.give(&FromGateway::UpdateData(bytes.to_vec())) {
                true => {
                    self.stage = before;
                    if let Stage::Fetching { ready, .. } = &mut self.stage {
                        *ready = false;
                    }
                    return;
                }
                false => "the supervisor does not listen".to_owned(),
            },
            Some(Err(why)) => why,
        };
        warn!(version, why = failed, "The release did not come");
        self.progress = Progress::Refused {
            version,
            why: failed,
        };
    }

    /// A new link: its server knows nothing yet.
    pub(super) fn forget_told(&mut self) {
        self.told = None;
    }

    /// Tells the server what runs here, if it is another than before.
    pub(super) fn tell(&mut self, link: &Link, supervised: &Supervised) {
        let Some(now) = self.system(supervised) else {
            return;
        };
        // Fails when the link is gone: the next one gets it.
        if self.told.as_ref() != Some(&now) && link.send(Frame::System(now.clone())).is_ok() {
            self.told = Some(now);
        }
    }

    fn system(&self, supervised: &Supervised) -> Option<System> {
        let system = supervised.system()?;
        let progress = match (&self.progress, system.failed) {
            (Progress::None, failed) if failed > 0 => Progress::Failed { version: failed },
            (progress, _) => progress.clone(),
        };
        Some(System {
            board: system.board.clone(),
            version: system.version,
            trial: system.trial,
            progress,
        })
    }
}

impl Stage {
    fn version(&self) -> Option<u64> {
        match self {
            Self::Idle => None,
            Self::Waiting(offer) | Self::Asked(offer, _) | Self::Given(offer) => {
                Some(offer.version)
            }
            Self::Fetching { offer, .. } => Some(offer.version),
        }
    }
}

fn fetching(offer: Offer, source: Source) -> Stage {
    let (give, pieces) = mpsc::channel(WAITING);
    let asked = offer.clone();
    let task = tokio::spawn(async move {
        if let Err(error) = fetch(&asked, &source, &give).await {
            let why = format!("the release could not be fetched: {error}");
            // Nobody waits for it any more.
            let _ = give.send(Err(why)).await;
        }
    });
    Stage::Fetching {
        offer,
        pieces,
        _task: Task(task.abort_handle()),
        ready: true,
    }
}

async fn fetch(
    offer: &Offer,
    source: &Source,
    give: &mpsc::Sender<Piece>,
) -> Result<(), FetchError> {
    let right: String = offer.fetch.iter().map(|b| format!("{b:02x}")).collect();
    let header = (HEADER, right.as_str());
    let mut body = client::fetch(&source.servers, &source.proxy, PATH, header, offer.size).await?;
    while let Some(bytes) = body.next().await? {
        debug_assert!(bytes.len() <= MAX_DATA);
        if give.send(Ok(bytes)).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}

/// Why a bundle did not come.
#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("the connection broke: {0}")]
    Body(#[from] io::Error),
}
