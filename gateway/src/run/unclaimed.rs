//! Waits until the box belongs to somebody: by `culvert-gateway claim`, or by
//! a code in the provisioning file.

use std::path::Path;
use std::time::Duration;

use culvert_config::gateway::Gateway;
use tokio::time::sleep;
use tracing::{info, warn};

use super::RunError;
use crate::claim::{self, ClaimError};
use crate::identity::Identity;
use crate::state::State;
use crate::status::{LastError, LinkStatus, Status};
use crate::supervised::Supervised;

/// How often the box looks for a claim.
const LOOK: Duration = Duration::from_secs(2);
/// How long it waits after a failed attempt: first, when the box may have no
/// address yet, and longest.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// Returns when the box is claimed. The supervisor is told meanwhile that
/// this process lives.
pub(super) async fn wait(
    settings: &Gateway,
    identity: &Identity,
    supervised: &mut Supervised,
) -> Result<(), RunError> {
    let dir = &settings.data_dir;
    if State::load(dir)?.confirmed().is_none() {
        info!("This box is not claimed yet: waiting for a claim code");
        // What the last run said is over.
        tell(dir, None);
    }
    let looking = look(settings, identity);
    tokio::pin!(looking);
    loop {
        if let Ok(Some(status)) = Status::load(dir)
            && status.link == LinkStatus::Unclaimed
        {
            supervised.tell(&status);
        }
        tokio::select! {
            done = &mut looking => return done,
            // A pause has nothing to end yet; a restart ends everything.
            _ = supervised.next() => {}
            () = sleep(LOOK) => {}
        }
    }
}

async fn look(settings: &Gateway, identity: &Identity) -> Result<(), RunError> {
    let dir = &settings.data_dir;
    let mut wait = RETRY.0;
    loop {
        let state = State::load(dir)?;
        if state.confirmed().is_some() {
            remove_used(settings, &state);
            return Ok(());
        }
        let tried = if holds_another(settings, &state) {
            match (use_file(settings).await, &state.claim) {
                // Neither may keep the other from being tried.
                (Err(error), Some(_)) => Some(confirm(settings, identity).await.map_err(|_| error)),
                (done, _) => Some(done),
            }
        } else if state.claim.is_some() {
            Some(confirm(settings, identity).await)
        } else {
            None
        };
        match tried {
            None => sleep(LOOK).await,
            Some(Ok(())) => {}
            Some(Err(ClaimError::UnderWay)) => sleep(LOOK).await,
            Some(Err(error)) => {
                warn!(%error, "Not claimed");
                tell(dir, Some(&error));
                sleep(wait).await;
                wait = (wait * 2).min(RETRY.1);
            }
        }
    }
}

/// Whether the file holds a code that is not being confirmed: a code that
/// somebody put there is newer than one whose answer was lost.
fn holds_another(settings: &Gateway, state: &State) -> bool {
    match &state.claim {
        None => settings.claim_file.exists(),
        Some(claim) => {
            claim::read_code(&settings.claim_file).is_ok_and(|code| claim.code != Some(code.claim))
        }
    }
}

async fn confirm(settings: &Gateway, identity: &Identity) -> Result<(), ClaimError> {
    claim::confirm(settings, identity).await.map(drop)
}

async fn use_file(settings: &Gateway) -> Result<(), ClaimError> {
    let path = &settings.claim_file;
    let code = claim::read_code(path)?;
    let claimed = claim::claim(settings, &code).await?;
    info!(provider = %claimed.provider, "Claimed by the provisioning file");
    Ok(())
}

/// Takes away the file of the code that this box was claimed with. Any other
/// stays: the supervisor sees by it that a code was not used.
fn remove_used(settings: &Gateway, state: &State) {
    let path = &settings.claim_file;
    let Ok(code) = claim::read_code(path) else {
        return;
    };
    let own = state.confirmed().and_then(|claim| claim.code);
    if own != Some(code.claim) {
        return warn!("The claim file is not used: this box is claimed already");
    }
    if let Err(error) = std::fs::remove_file(path) {
        warn!(%error, "The used claim file cannot be removed");
    }
}

fn tell(dir: &Path, problem: Option<&ClaimError>) {
    let status = Status {
        link: LinkStatus::Unclaimed,
        last_error: problem.map(|error| LastError {
            cause: error.cause().to_owned(),
            text: error.to_string(),
        }),
        ..Status::new(crate::VERSION)
    };
    if let Err(error) = status.store(dir) {
        warn!(%error, "The status cannot be written");
    }
}
