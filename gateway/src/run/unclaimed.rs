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
    let looking = look(settings, identity);
    tokio::pin!(looking);
    let dir = &settings.data_dir;
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
    let mut told = false;
    let mut wait = RETRY.0;
    loop {
        let state = State::load(dir)?;
        if state.confirmed().is_some() {
            return Ok(());
        }
        if !told {
            info!("This box is not claimed yet: waiting for a claim code");
            tell(dir, None);
            told = true;
        }
        let tried = if state.claim.is_some() {
            Some(claim::confirm(settings, identity).await.map(drop))
        } else if settings.claim_file.exists() {
            Some(use_file(settings).await)
        } else {
            None
        };
        match tried {
            None => sleep(LOOK).await,
            Some(Ok(())) => {}
            Some(Err(ClaimError::UnderWay)) => sleep(LOOK).await,
            Some(Err(error)) => {
                warn!(%error, "Not claimed");
                tell(dir, Some(error.to_string()));
                sleep(wait).await;
                wait = (wait * 2).min(RETRY.1);
            }
        }
    }
}

async fn use_file(settings: &Gateway) -> Result<(), ClaimError> {
    let path = &settings.claim_file;
    let code = claim::read_code(path)?;
    let claimed = claim::claim(settings, &code).await?;
    info!(provider = %claimed.provider, "Claimed by the provisioning file");
    // The code is used up; a file that stays does no harm.
    if let Err(error) = std::fs::remove_file(path) {
        warn!(%error, "The used claim file cannot be removed");
    }
    Ok(())
}

fn tell(dir: &Path, problem: Option<String>) {
    let status = Status {
        link: LinkStatus::Unclaimed,
        last_error: problem.map(|text| LastError {
            cause: "unclaimed".to_owned(),
            text,
        }),
        ..Status::new(crate::VERSION)
    };
    if let Err(error) = status.store(dir) {
        warn!(%error, "The status cannot be written");
    }
}
