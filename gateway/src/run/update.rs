//! A release that the server offers, carried to the supervisor.
//!
//! Nothing of it is judged here: the supervisor, which runs as root and has
//! the keys, does that. This process fetches while no session runs, one piece
//! at a time, and the next only when the last one is written; it tells the
//! server how far that came, and that it waits while a session runs. A release
//! that the server has stopped meanwhile is dropped: when it is fetched, and
//! once more when all of it is there but a session kept it from its place.

mod fetch;

use culvert_link::Link;
use culvert_wire::frame::{Frame, Offer, Progress, System};
use culvert_wire::supervisor::{FromGateway, UpdateState};
use tokio::sync::mpsc;
use tracing::{info, warn};

pub(super) use self::fetch::Source;
use self::fetch::{Piece, Task};
use crate::supervised::Supervised;

/// Why an offer waits.
const BEFORE: &str = "a session runs there: the release is taken when it ends";
/// Why a release waits that is there.
const BEHIND: &str = "the release is there, and is put in its place when its session ends";

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
    /// The supervisor has all of it and was not told that this is the end:
    /// a session runs.
    Held(Offer),
    /// The server is asked whether it still goes on.
    Asking {
        offer: Offer,
        pieces: mpsc::Receiver<Piece>,
        _task: Task,
    },
    /// The supervisor was told that it has all of it.
    Given(Offer),
}

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
            }
            | Stage::Asking { pieces, .. } => pieces.recv().await,
            Stage::Fetching { .. }
            | Stage::Idle
            | Stage::Waiting(_)
            | Stage::Asked(..)
            | Stage::Held(_)
            | Stage::Given(_) => std::future::pending().await,
        }
    }

    /// The server offers a release. One that is under way already goes on; the
    /// server hears in any case how it stands.
    pub(super) fn handle_offer(&mut self, offer: Offer, supervised: &Supervised) {
        let Some(system) = supervised.system() else {
            return;
        };
        self.told = None;
        let known = offer.version == system.version || offer.version == system.failed;
        match &mut self.stage {
            Stage::Idle | Stage::Waiting(_) if !known => {
                info!(version = offer.version, "A release is offered");
                self.stage = Stage::Waiting(offer);
            }
            // With a newer right to ask for it, and perhaps forced now.
            Stage::Held(held) if held.version == offer.version => *held = offer,
            Stage::Idle
            | Stage::Waiting(_)
            | Stage::Asked(..)
            | Stage::Fetching { .. }
            | Stage::Held(_)
            | Stage::Asking { .. }
            | Stage::Given(_) => {}
        }
    }

    /// Begins, or ends, if nothing stands in the way; says so if a session does.
    pub(super) fn carry(
        &mut self,
        sessions: usize,
        supervised: &Supervised,
        source: impl FnOnce() -> Option<Source>,
    ) {
        let (Stage::Waiting(offer) | Stage::Held(offer)) = &self.stage else {
            return;
        };
        let held = matches!(self.stage, Stage::Held(_));
        let version = offer.version;
        if sessions > 0 && !offer.forced {
            let why = if held { BEHIND } else { BEFORE }.to_owned();
            self.progress = Progress::Refused { version, why };
            return;
        }
        let offer = offer.clone();
        let Some(source) = source() else {
            return;
        };
        if held {
            let (pieces, task) = fetch::ask(offer.clone(), source);
            self.stage = Stage::Asking {
                offer,
                pieces,
                _task: task,
            };
        } else {
            let (size, forced) = (offer.size, offer.forced);
            if !supervised.give(&FromGateway::UpdateBegin { size, forced }) {
                return;
            }
            self.stage = Stage::Asked(offer, source);
        }
        self.progress = Progress::Taking { version };
    }

    /// The supervisor says how far it is.
    pub(super) fn handle_supervisor(&mut self, told: &UpdateState) {
        let before = std::mem::replace(&mut self.stage, Stage::Idle);
        self.stage = match (before, told) {
            (Stage::Asked(offer, source), UpdateState::Taken(_)) => {
                let (pieces, task) = fetch::whole(offer.clone(), source);
                Stage::Fetching {
                    offer,
                    pieces,
                    _task: task,
                    ready: true,
                }
            }
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

    /// A piece came, or the end: of the bundle, or of what stood in its way.
    pub(super) fn handle_piece(
        &mut self,
        piece: Option<Piece>,
        sessions: usize,
        supervised: &Supervised,
    ) {
        let before = std::mem::replace(&mut self.stage, Stage::Idle);
        let offer = match &before {
            Stage::Fetching { offer, .. } | Stage::Asking { offer, .. } => offer.clone(),
            Stage::Idle
            | Stage::Waiting(_)
            | Stage::Asked(..)
            | Stage::Held(_)
            | Stage::Given(_) => {
                self.stage = before;
                return;
            }
        };
        let version = offer.version;
        let (given, next) = match piece {
            Some(Err(why)) => return self.drop_release(version, why),
            Some(Ok(bytes)) => {
                let data = FromGateway::UpdateData(bytes.to_vec());
                (supervised.give(&data), before.busy())
            }
            // Asked again when it ends: that may be hours from now.
            None if sessions > 0 && !offer.forced => (true, Stage::Held(offer)),
            None => {
                let end = supervised.give(&FromGateway::UpdateEnd);
                (end, Stage::Given(offer))
            }
        };
        match given {
            true => self.stage = next,
            false => self.drop_release(version, "the supervisor does not listen".to_owned()),
        }
    }

    /// Nothing of it is put in its place: the supervisor was not told its end.
    fn drop_release(&mut self, version: u64, why: String) {
        warn!(version, why, "The release did not come");
        self.progress = Progress::Refused { version, why };
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
            Self::Waiting(offer)
            | Self::Asked(offer, _)
            | Self::Held(offer)
            | Self::Given(offer)
            | Self::Fetching { offer, .. }
            | Self::Asking { offer, .. } => Some(offer.version),
        }
    }

    /// The supervisor writes.
    fn busy(mut self) -> Self {
        if let Self::Fetching { ready, .. } = &mut self {
            *ready = false;
        }
        self
    }
}

#[cfg(test)]
mod tests;
