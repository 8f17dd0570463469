//! Waits until the box has keys and a memory that can be used.
//!
//! In a box there is nobody to start this process with better ones: it lives
//! on, says what is wrong, and never makes others in their place. Only a
//! factory reset does.

use std::path::Path;
use std::time::Duration;

use tokio::time::sleep;
use tracing::error;

use super::RunError;
use crate::identity::{Identity, IdentityError};
use crate::state::{State, StateError};
use crate::status::{LastError, LinkStatus, Status};
use crate::supervised::Supervised;

/// What the supervisor calls it, and what helps.
type Trouble = (&'static str, &'static str);
/// Nothing will mend it.
const DAMAGED: Trouble = (
    "identity_damaged",
    "this box cannot prove who it is any more: make it as new (hold its button for ten seconds; \
     without one, write its card again) and claim it again",
);
/// Nothing is lost: the disk may be full, or not ready yet.
const UNUSABLE: Trouble = (
    "data_unusable",
    "this box cannot read or keep its keys: it tries again; when that does not help, try \
     another card",
);
/// A disk may need a moment; its damage stays.
const AGAIN: Duration = Duration::from_secs(10);

/// The box's keys.
///
/// # Errors
/// [`RunError`] where no supervisor runs this process: people read it then.
pub(super) async fn ready(dir: &Path, supervised: &mut Supervised) -> Result<Identity, RunError> {
    loop {
        let problem = match usable(dir) {
            Ok(identity) => return Ok(identity),
            Err(problem) if !supervised.present() => return Err(problem),
            Err(problem) => problem,
        };
        // What is wrong with which file helps nobody who stands before a box.
        error!(error = %problem, "The box's keys cannot be used");
        let (cause, text) = trouble(&problem);
        let status = Status {
            link: LinkStatus::Down,
            last_error: Some(LastError {
                cause: cause.to_owned(),
                text: text.to_owned(),
            }),
            ..Status::new(crate::VERSION)
        };
        supervised.tell(&status);
        // No address and no claim: a word of the supervisor changes nothing.
        let waits = async {
            loop {
                supervised.next().await;
            }
        };
        tokio::select! {
            () = waits => {}
            () = sleep(AGAIN) => {}
        }
    }
}

fn trouble(problem: &RunError) -> Trouble {
    let damaged = matches!(
        problem,
        RunError::Identity(IdentityError::Damaged { .. } | IdentityError::Gone { .. })
            | RunError::State(StateError::Damaged { .. })
    );
    if damaged { DAMAGED } else { UNUSABLE }
}

fn usable(dir: &Path) -> Result<Identity, RunError> {
    let identity = Identity::load_or_make(dir)?;
    State::load(dir)?;
    Ok(identity)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::net::UnixDatagram;

    use culvert_wire::Decode as _;
    use culvert_wire::supervisor::{FromGateway, LinkState};

    use super::*;

    /// S27, P6: a damaged key is told to whoever stands before the box, and is
    /// still there afterwards.
    #[tokio::test(start_paused = true)]
    async fn damaged_keys_are_told_and_kept_and_the_process_lives() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("identity.key");
        let made = usable(dir.path()).unwrap().signing.public();
        let good = fs::read(&file).unwrap();
        for damaged in [&b""[..], &good[..40]] {
            fs::write(&file, damaged).unwrap();
            let (ours, theirs) = UnixDatagram::pair().unwrap();
            let mut supervised = Supervised::over(Some(ours)).unwrap();
            theirs.set_nonblocking(true).unwrap();

            let waited = ready(dir.path(), &mut supervised);
            let ended = tokio::time::timeout(AGAIN * 6, waited).await;

            assert!(ended.is_err(), "{ended:?}");
            let (cause, sentence, beats) = heard(&theirs);
            assert_eq!((cause.as_str(), sentence.as_str()), DAMAGED);
            assert!(beats >= 10, "it must be seen to live: {beats}");
            assert_eq!(fs::read(&file).unwrap(), damaged);
        }

        fs::write(&file, good).unwrap();
        let mut alone = Supervised::over(None).unwrap();
        let again = ready(dir.path(), &mut alone).await.unwrap();
        assert_eq!(again.signing.public(), made);
    }

    /// A box that has lost nothing is not told to forget all it has.
    #[tokio::test(start_paused = true)]
    async fn keys_that_cannot_be_written_are_no_damage() {
        let dir = tempfile::tempdir().unwrap();
        // A file where the folder would be: nobody, not even root, can write there.
        let data = dir.path().join("data");
        fs::write(&data, b"").unwrap();
        let (ours, theirs) = UnixDatagram::pair().unwrap();
        let mut supervised = Supervised::over(Some(ours)).unwrap();
        theirs.set_nonblocking(true).unwrap();

        let waited = ready(&data, &mut supervised);
        assert!(tokio::time::timeout(AGAIN * 3, waited).await.is_err());

        let (cause, sentence, _) = heard(&theirs);
        assert_eq!((cause.as_str(), sentence.as_str()), UNUSABLE);
    }

    fn heard(theirs: &UnixDatagram) -> (String, String, usize) {
        let (mut told, mut beats, mut buffer) = (None, 0, [0; 4096]);
        while let Ok(length) = theirs.recv(&mut buffer) {
            match FromGateway::from_bytes(&buffer[..length]).unwrap() {
                FromGateway::Health => beats += 1,
                FromGateway::LinkState {
                    link: LinkState::Down,
                    cause,
                    sentence,
                    ..
                } => told = Some((cause, sentence)),
                FromGateway::Session(0) => {}
                other @ (FromGateway::LinkState { .. }
                | FromGateway::Session(_)
                | FromGateway::UpdateBegin { .. }
                | FromGateway::UpdateData(_)
                | FromGateway::UpdateEnd) => panic!("{other:?}"),
            }
        }
        let (cause, sentence) = told.unwrap();
        (cause, sentence, beats)
    }
}
