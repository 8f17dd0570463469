//! The box's keys, made on its first start and never leaving it: Ed25519 for
//! its identity, X25519 for what is sealed to it.
//!
//! One file of mode 0600 holds both, so that a power cut never leaves one
//! without the other: 8 bytes of name and version, the identity's seed, the
//! sealing key's secret.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use culvert_session::sealed::{self, OpenError};
use culvert_wire::grant::Target;
use culvert_wire::key::{Context, KEY_LEN, Signature, SigningKey};
use culvert_wire::sealed::{Contents, Sealed};
use x25519_dalek::StaticSecret;
use zeroize::Zeroizing;

use crate::files;
use crate::state::{State, StateError};

/// The file's name in the data folder.
const FILE: &str = "identity.key";
/// The file's first bytes: name and version.
const MAGIC: &[u8; 8] = b"culvert1";
/// The file's length.
const LEN: usize = MAGIC.len() + 2 * KEY_LEN;

/// The box's keys; prints as its fingerprint.
#[derive(Clone)]
pub struct Identity {
    /// Proves the box on links and in sessions.
    pub signing: SigningKey,
    sealing: StaticSecret,
}

impl Identity {
    /// Reads the keys, or makes them on a box that belongs to nobody yet. The
    /// kernel gives no random bytes before its pool is initialised (`getrandom`
    /// without flags waits): a box that has just started makes its keys later,
    /// never worse.
    ///
    /// # Errors
    /// [`IdentityError`]; keys that cannot be read are never overwritten, and
    /// keys that are gone are not replaced by others.
    pub fn load_or_make(dir: &Path) -> Result<Self, IdentityError> {
        if let Some(identity) = Self::load(dir)? {
            return Ok(identity);
        }
        match State::load(dir) {
            Ok(State { claim: None, .. }) => Self::make(dir),
            Err(StateError::File { path, source }) => Err(IdentityError::File { path, source }),
            Ok(_) | Err(StateError::Damaged { .. }) => Err(IdentityError::Gone {
                path: dir.join(FILE),
            }),
        }
    }

    /// Reads the keys; none before the first start.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub fn load(dir: &Path) -> Result<Option<Self>, IdentityError> {
        let path = dir.join(FILE);
        let failed = |source| IdentityError::File {
            path: path.clone(),
            source,
        };
        let Some(bytes) = files::read(&path).map_err(failed)?.map(Zeroizing::new) else {
            return Ok(None);
        };
        if files::make_private(&path).map_err(failed)? {
            tracing::warn!("The key file could be read by others; now it is private");
        }
        Self::decode(&bytes)
            .map(Some)
            .ok_or(IdentityError::Damaged { path })
    }

    fn make(dir: &Path) -> Result<Self, IdentityError> {
        let mut bytes = Zeroizing::new([0; LEN]);
        bytes[..MAGIC.len()].copy_from_slice(MAGIC);
        rand::fill(&mut bytes[MAGIC.len()..]);
        let path = dir.join(FILE);
        let made = files::make_dir(dir).and_then(|()| files::create_once(&path, &bytes[..]));
        // Another process may have been first: its keys are the box's.
        let kept = made.and_then(|()| files::read(&path)).map_err(|source| {
            let path = path.clone();
            IdentityError::File { path, source }
        })?;
        let kept = Zeroizing::new(kept.unwrap_or_default());
        Self::decode(&kept).ok_or(IdentityError::Damaged { path })
    }

    /// The public half of the sealing key.
    pub fn sealing_public(&self) -> [u8; KEY_LEN] {
        x25519_dalek::PublicKey::from(&self.sealing).to_bytes()
    }

    /// The identity's word on the sealing key.
    pub fn sealing_signature(&self) -> Signature {
        self.signing
            .sign(Context::SealingKey, &self.sealing_public())
    }

    /// Opens a credential that was sealed for this box and this target.
    ///
    /// # Errors
    /// [`OpenError`] when it was sealed for anything else.
    pub fn unseal(&self, sealed: &Sealed, target: &Target) -> Result<Contents, OpenError> {
        let secret = Zeroizing::new(self.sealing.to_bytes());
        sealed::open(sealed, self.signing.public(), target, &secret)
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let keys = bytes.strip_prefix(MAGIC)?;
        let (seed, secret) = keys.split_first_chunk::<KEY_LEN>()?;
        let secret: Zeroizing<[u8; KEY_LEN]> = Zeroizing::new(secret.try_into().ok()?);
        Some(Self {
            signing: SigningKey::from_seed(seed),
            sealing: StaticSecret::from(*secret),
        })
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.signing.public().fingerprint())
    }
}

/// Why the box has no keys.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The file cannot be read or written.
    #[error("cannot use {}: {source}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file holds something else.
    #[error(
        "{} is damaged: to make a new identity remove it and state.json beside it, \
         and claim the box again",
        path.display()
    )]
    Damaged {
        /// Which file.
        path: PathBuf,
    },
    /// The box belongs to somebody, and its keys are not there.
    #[error(
        "{} is gone: to make a new identity remove state.json beside it and claim the \
         box again",
        path.display()
    )]
    Gone {
        /// Which file.
        path: PathBuf,
    },
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::state::Claim;

    #[test]
    fn keys_are_made_once_and_stay() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");

        let made = Identity::load_or_make(&data).unwrap();
        let again = Identity::load_or_make(&data).unwrap();

        assert_eq!(made.signing.public(), again.signing.public());
        assert_eq!(made.sealing_public(), again.sealing_public());
        made.signing
            .public()
            .verify(
                Context::SealingKey,
                &again.sealing_public(),
                &again.sealing_signature(),
            )
            .unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&data.join(FILE)), 0o600);
        assert_eq!(mode(&data), 0o700);
    }

    #[test]
    fn two_boxes_never_share_a_key() {
        let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());

        let a = Identity::load_or_make(a.path()).unwrap();
        let b = Identity::load_or_make(b.path()).unwrap();

        assert_ne!(a.signing.public(), b.signing.public());
        assert_ne!(a.sealing_public(), b.sealing_public());
    }

    #[test]
    fn damaged_keys_are_named_and_never_overwritten() {
        for damaged in [&b""[..], b"culvert1short", &[0; LEN], &[b'c'; LEN + 1]] {
            let dir = tempfile::tempdir().unwrap();
            fs::write(dir.path().join(FILE), damaged).unwrap();

            let error = Identity::load_or_make(dir.path()).unwrap_err();

            assert!(matches!(error, IdentityError::Damaged { .. }), "{error}");
            assert_eq!(fs::read(dir.path().join(FILE)).unwrap(), damaged);
        }
    }

    /// P6: a box that belongs to somebody does not become another one by itself.
    #[test]
    fn keys_that_are_gone_are_not_replaced_once_the_box_is_claimed() {
        let dir = tempfile::tempdir().unwrap();
        let made = Identity::load_or_make(dir.path()).unwrap();
        let claim = Claim {
            provider: made.signing.public(),
            servers: vec!["prs.example.com:443".into()],
            epoch_floor: 0,
            gateway: None,
            code: None,
            confirmed: true,
        };
        let state = State {
            claim: Some(claim),
            ..State::default()
        };
        state.store(dir.path()).unwrap();
        fs::remove_file(dir.path().join(FILE)).unwrap();

        let error = Identity::load_or_make(dir.path()).unwrap_err();

        assert!(matches!(error, IdentityError::Gone { .. }), "{error}");
        fs::write(dir.path().join("state.json"), "{").unwrap();
        assert!(Identity::load_or_make(dir.path()).is_err());
        assert!(!dir.path().join(FILE).exists());
    }

    #[test]
    fn keys_never_print() {
        let dir = tempfile::tempdir().unwrap();
        let identity = Identity::load_or_make(dir.path()).unwrap();

        let shown = format!("{identity:?}");

        assert_eq!(
            shown,
            format!("Identity({})", identity.signing.public().fingerprint())
        );
    }
}
