//! What the box must not forget: its claim, and the floors that keep an old
//! server, an old clock and an old order from coming back.
//!
//! One small JSON file, replaced as a whole. It holds no secret.

use std::io;
use std::path::{Path, PathBuf};

use culvert_wire::UnixMs;
use culvert_wire::id::{ClaimId, GatewayId, Lease};
use culvert_wire::key::PublicKey;
use serde::{Deserialize, Serialize};

use crate::files::{self, Durable};

/// The file's name in the data folder.
const FILE: &str = "state.json";
/// Layout version.
const VERSION: u32 = 1;
/// A time that has certainly passed: when this source was written,
/// 2026-11-21. A box without a clock judges statements from here on.
pub const BUILD_FLOOR: UnixMs = UnixMs(1_795_219_200_000);

/// The box's memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// Its provider and servers, once it is claimed.
    pub claim: Option<Claim>,
    /// The last link time seen, at least [`BUILD_FLOOR`].
    pub clock_floor: UnixMs,
    /// The last lease stored, to notice clones.
    pub lease: Option<Lease>,
    /// The highest revocation counter obeyed.
    pub revocations: u64,
}

/// Whom the box belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The provider key it trusts; moves only along signed rotations.
    pub provider: PublicKey,
    /// `host:port` of each server of the claim code.
    pub servers: Vec<String>,
    /// The highest statement epoch seen.
    pub epoch_floor: u32,
    /// Its place in the provider's list, once told.
    pub gateway: Option<GatewayId>,
    /// The code that it was claimed with; none is known of older claims.
    pub code: Option<ClaimId>,
    /// Whether the server has confirmed the claim. A claim whose answer was
    /// lost stays unconfirmed until the server is asked again.
    pub confirmed: bool,
}

impl Default for State {
    fn default() -> Self {
        Self {
            claim: None,
            clock_floor: BUILD_FLOOR,
            lease: None,
            revocations: 0,
        }
    }
}

impl State {
    /// Reads the state; the default before the first start.
    ///
    /// # Errors
    /// [`StateError`]; a damaged state is never replaced by an empty one.
    pub fn load(dir: &Path) -> Result<Self, StateError> {
        let path = dir.join(FILE);
        let read = files::read(&path);
        let bytes = match read {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Ok(Self::default()),
            Err(source) => return Err(StateError::File { path, source }),
        };
        Self::decode(&bytes).ok_or(StateError::Damaged { path })
    }

    /// Writes the state; on return it is on the disk.
    ///
    /// # Errors
    /// [`StateError::File`]; the old state is then still there.
    pub fn store(&self, dir: &Path) -> Result<(), StateError> {
        let path = dir.join(FILE);
        let text = serde_json::to_vec_pretty(&Raw::from(self)).expect("plain texts and numbers");
        files::make_dir(dir)
            .and_then(|()| files::replace(&path, &text, Durable::Synced))
            .map_err(|source| StateError::File { path, source })
    }

    /// The claim, if the server has confirmed it.
    pub fn confirmed(&self) -> Option<&Claim> {
        self.claim.as_ref().filter(|claim| claim.confirmed)
    }

    /// Keeps the lease that the server has given; one that gives none, to a box
    /// in quarantine, takes none away. Acknowledged only when it is on the disk.
    pub fn keep_lease(&mut self, given: Option<Lease>) {
        self.lease = given.or(self.lease);
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let raw: Raw = serde_json::from_slice(bytes).ok()?;
        raw.check()
    }
}

/// The file as written.
#[derive(Serialize, Deserialize)]
struct Raw {
    version: u32,
    claim: Option<RawClaim>,
    clock_floor_ms: u64,
    lease: Option<String>,
    revocations: u64,
}

#[derive(Serialize, Deserialize)]
struct RawClaim {
    provider: String,
    servers: Vec<String>,
    epoch_floor: u32,
    gateway: Option<String>,
    #[serde(default)]
    code: Option<String>,
    confirmed: bool,
}

impl From<&State> for Raw {
    fn from(state: &State) -> Self {
        Self {
            version: VERSION,
            claim: state.claim.as_ref().map(|claim| RawClaim {
                provider: claim.provider.to_string(),
                servers: claim.servers.clone(),
                epoch_floor: claim.epoch_floor,
                gateway: claim.gateway.map(|id| id.to_string()),
                code: claim.code.map(|id| id.to_string()),
                confirmed: claim.confirmed,
            }),
            clock_floor_ms: state.clock_floor.0,
            lease: state.lease.map(|lease| lease.to_string()),
            revocations: state.revocations,
        }
    }
}

impl Raw {
    fn check(self) -> Option<State> {
        if self.version != VERSION {
            return None;
        }
        let claim = match self.claim {
            None => None,
            Some(raw) => Some(Claim {
                provider: raw.provider.parse().ok()?,
                servers: raw.servers,
                epoch_floor: raw.epoch_floor,
                gateway: raw.gateway.map(|id| id.parse()).transpose().ok()?,
                code: raw.code.map(|id| id.parse()).transpose().ok()?,
                confirmed: raw.confirmed,
            }),
        };
        Some(State {
            claim,
            clock_floor: UnixMs(self.clock_floor_ms).max(BUILD_FLOOR),
            lease: self.lease.map(|lease| lease.parse()).transpose().ok()?,
            revocations: self.revocations,
        })
    }
}

/// Why the box's memory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The file cannot be read or written.
    #[error("cannot use {}: {source}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file holds something else, or is of a newer version.
    #[error(
        "{} is damaged or of a newer version: to start anew remove it and claim the box again",
        path.display()
    )]
    Damaged {
        /// Which file.
        path: PathBuf,
    },
}

#[cfg(test)]
mod tests {
    use culvert_wire::key::SigningKey;

    use super::*;

    fn state() -> State {
        State {
            claim: Some(Claim {
                provider: SigningKey::from_seed(&[1; 32]).public(),
                servers: vec!["prs.example.com:443".into()],
                epoch_floor: 3,
                gateway: Some(GatewayId::from_random([2; 16])),
                code: Some(ClaimId::from_random([4; 16])),
                confirmed: true,
            }),
            clock_floor: BUILD_FLOOR.plus_ms(5),
            lease: Some(Lease::from_random([3; 16])),
            revocations: 9,
        }
    }

    #[test]
    fn the_state_survives_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(State::load(dir.path()).unwrap(), State::default());

        state().store(dir.path()).unwrap();

        assert_eq!(State::load(dir.path()).unwrap(), state());
    }

    /// P9, threat 34: a stored 1970 does not lower the floor.
    #[test]
    fn the_clock_floor_never_lies_before_the_build() {
        let dir = tempfile::tempdir().unwrap();
        let old = State {
            clock_floor: UnixMs(0),
            ..state()
        };

        old.store(dir.path()).unwrap();

        assert_eq!(State::load(dir.path()).unwrap().clock_floor, BUILD_FLOOR);
    }

    #[test]
    fn a_state_of_a_claim_whose_code_was_not_kept_is_read() {
        let dir = tempfile::tempdir().unwrap();
        state().store(dir.path()).unwrap();
        let path = dir.path().join(FILE);
        let text = std::fs::read_to_string(&path).unwrap();
        let older: String = text
            .lines()
            .filter(|line| !line.contains("\"code\""))
            .collect();
        std::fs::write(&path, older).unwrap();

        let read = State::load(dir.path()).unwrap();

        assert_eq!(read.confirmed().unwrap().code, None);
    }

    #[test]
    fn a_damaged_or_newer_state_is_named_and_kept() {
        for text in ["", "{}", "null", "{\"version\":2}"] {
            let dir = tempfile::tempdir().unwrap();
            std::fs::write(dir.path().join(FILE), text).unwrap();

            let error = State::load(dir.path()).unwrap_err();

            assert!(matches!(error, StateError::Damaged { .. }), "{error}");
        }
    }

    /// P6: whatever byte a power cut hits, the state is the old or the new one.
    #[test]
    fn a_power_cut_at_any_byte_leaves_the_old_or_the_new_state() {
        let dir = tempfile::tempdir().unwrap();
        state().store(dir.path()).unwrap();
        let whole = std::fs::read(dir.path().join(FILE)).unwrap();
        for cut in 0..whole.len() {
            std::fs::write(dir.path().join("state.new"), &whole[..cut]).unwrap();

            assert_eq!(State::load(dir.path()).unwrap(), state());
        }
        let newer = State {
            revocations: 10,
            ..state()
        };
        newer.store(dir.path()).unwrap();
        assert_eq!(State::load(dir.path()).unwrap(), newer);
    }
}
