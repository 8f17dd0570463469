//! The provider's and the node's keys: making, loading, renewing, rotating.
//!
//! The provider key is needed for statements only and may be kept elsewhere;
//! every function that needs it takes the file. Rotations and statements are
//! wire messages, base32, one a line.

use std::path::Path;

use culvert_wire::key::{KEY_LEN, PublicKey, SigningKey};
use culvert_wire::statement::{
    NodeStatement, ProviderRotation, Roles, STATEMENT_MAX_MS, SignedStatement,
};
use culvert_wire::{Decode as _, DecodeError, Encode as _, UnixMs};
use data_encoding::BASE32_NOPAD;

use crate::data::{Data, DataError, write_private};

/// What a private key's file begins with.
const KEY_PREFIX: &str = "culvert-key-1:";
/// The provider key's file, unless it was moved away.
pub const PROVIDER_KEY: &str = "keys/provider.key";
const NODE_KEY: &str = "keys/node.key";
const SECRETS: &str = "keys/secrets.key";
const STATEMENT: &str = "keys/statement";
const ROTATIONS: &str = "keys/rotations";
const FORMER: &str = "keys/former-nodes";
/// Lets a statement begin a little before it is signed: clocks differ.
const EARLIER_MS: u64 = 3_600_000;
/// A day in milliseconds.
const DAY_MS: u64 = 24 * 3600 * 1000;
/// Longest life of a statement, in days.
pub const MAX_DAYS: u16 = 90;

/// Why keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A file cannot be read or written.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A file does not hold what it should.
    #[error("{file} does not hold {what}")]
    Content {
        /// Which file.
        file: String,
        /// What should be there.
        what: &'static str,
    },
    /// The provider key is another one.
    #[error("the provider key in {file} is not the one that boxes trust ({trusted})")]
    OtherProvider {
        /// Which file.
        file: String,
        /// The fingerprint of the right one.
        trusted: String,
    },
    /// Out of range.
    #[error("a statement is valid for 1 to {MAX_DAYS} days")]
    Days,
}

/// What a server needs to prove itself.
#[derive(Debug, Clone)]
pub struct Keys {
    /// The node's key.
    pub node: SigningKey,
    /// The provider's word on it.
    pub statement: SignedStatement,
    /// Newer provider keys, oldest rotation first.
    pub rotations: Vec<ProviderRotation>,
    /// Keys that were the node's before.
    pub former: Vec<PublicKey>,
}

impl Keys {
    /// Makes a provider key, a node key and a statement in an empty folder.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn make(data: &Data, now: UnixMs) -> Result<Self, KeyError> {
        let provider = SigningKey::from_seed(&rand::random());
        let node = SigningKey::from_seed(&rand::random());
        let keys = Self {
            statement: sign(&provider, &node, now, MAX_DAYS, 1)?,
            node,
            rotations: Vec::new(),
            former: Vec::new(),
        };
        write_key(&data.path(PROVIDER_KEY), &provider)?;
        keys.save(data)?;
        Ok(keys)
    }

    /// Reads what [`Keys::make`] made.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn load(data: &Data) -> Result<Self, KeyError> {
        let statement = data.read(STATEMENT)?;
        let what = "a node statement";
        let keys = Self {
            node: read_key(&data.path(NODE_KEY))?,
            statement: decode(
                STATEMENT,
                what,
                statement.trim(),
                SignedStatement::from_bytes,
            )?,
            rotations: lines(data, ROTATIONS, |line| {
                decode(ROTATIONS, "rotations", line, ProviderRotation::from_bytes)
            })?,
            former: lines(data, FORMER, |line| {
                line.parse().map_err(|_| content(FORMER, "public keys"))
            })?,
        };
        if keys.statement.unverified().node != keys.node.public() {
            return Err(content(STATEMENT, "a statement about this node's key"));
        }
        Ok(keys)
    }

    /// The provider key that boxes pin (or follow to).
    pub fn provider(&self) -> PublicKey {
        self.statement.unverified().provider
    }

    /// Until when the statement is valid.
    pub fn valid_until(&self) -> UnixMs {
        self.statement.unverified().not_after
    }

    /// Whether the statement holds at a time.
    pub fn holds(&self, now: UnixMs) -> bool {
        self.statement.verify(&self.provider(), now, 0).is_ok()
    }

    /// Signs a new statement with the same keys.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn renew(
        &mut self,
        data: &Data,
        provider_key: &Path,
        now: UnixMs,
        days: u16,
    ) -> Result<(), KeyError> {
        let provider = self.read_provider(provider_key)?;
        let epoch = self.statement.unverified().epoch;
        self.statement = sign(&provider, &self.node, now, days, epoch)?;
        self.save(data)
    }

    /// Makes a new node key; statements of the old one are forgotten by
    /// whoever has seen the new epoch.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn rotate_node(
        &mut self,
        data: &Data,
        provider_key: &Path,
        now: UnixMs,
    ) -> Result<(), KeyError> {
        let provider = self.read_provider(provider_key)?;
        let epoch = self.statement.unverified().epoch.saturating_add(1);
        self.former.push(self.node.public());
        self.node = SigningKey::from_seed(&rand::random());
        self.statement = sign(&provider, &self.node, now, MAX_DAYS, epoch)?;
        self.save(data)
    }

    /// Makes a new provider key, signed by the old one; boxes follow at their
    /// next link. The old key's file is replaced.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn rotate_provider(
        &mut self,
        data: &Data,
        provider_key: &Path,
        now: UnixMs,
    ) -> Result<(), KeyError> {
        let old = self.read_provider(provider_key)?;
        let new = SigningKey::from_seed(&rand::random());
        let epoch = self.statement.unverified().epoch;
        self.rotations.push(ProviderRotation::sign(&old, &new));
        self.statement = sign(&new, &self.node, now, MAX_DAYS, epoch)?;
        // The new key first: without it the new statement could not be renewed.
        let beside = provider_key.with_extension("key.new-provider");
        write_key(&beside, &new)?;
        self.save(data)?;
        write_key(provider_key, &new)?;
        let removed = std::fs::remove_file(&beside);
        removed.map_err(|source| {
            KeyError::Data(DataError {
                verb: "remove",
                path: beside,
                source,
            })
        })
    }

    fn read_provider(&self, path: &Path) -> Result<SigningKey, KeyError> {
        let key = read_key(path)?;
        if key.public() != self.provider() {
            return Err(KeyError::OtherProvider {
                file: path.display().to_string(),
                trusted: self.provider().fingerprint().to_string(),
            });
        }
        Ok(key)
    }

    fn save(&self, data: &Data) -> Result<(), KeyError> {
        let rotations = self.rotations.iter().map(|r| text(&r.to_bytes()));
        data.write(ROTATIONS, &joined(rotations))?;
        data.write(FORMER, &joined(self.former.iter().map(ToString::to_string)))?;
        write_key(&data.path(NODE_KEY), &self.node)?;
        data.write(
            STATEMENT,
            &format!("{}\n", text(&self.statement.to_bytes())),
        )?;
        Ok(())
    }
}

/// What the key of stored secrets is derived from; made when it is missing.
/// Servers on one database share the file.
///
/// # Errors
/// [`KeyError`].
pub fn secrets(data: &Data) -> Result<[u8; 32], KeyError> {
    let path = data.path(SECRETS);
    if !data.has(SECRETS) {
        write_key(&path, &SigningKey::from_seed(&rand::random()))?;
    }
    Ok(*read_key(&path)?.seed())
}

fn sign(
    provider: &SigningKey,
    node: &SigningKey,
    now: UnixMs,
    days: u16,
    epoch: u32,
) -> Result<SignedStatement, KeyError> {
    if days == 0 || days > MAX_DAYS {
        return Err(KeyError::Days);
    }
    let issued = UnixMs(now.0.saturating_sub(EARLIER_MS));
    let life = (u64::from(days) * DAY_MS).min(STATEMENT_MAX_MS - EARLIER_MS);
    let statement = NodeStatement {
        provider: provider.public(),
        node: node.public(),
        roles: Roles {
            relay: true,
            broker: true,
        },
        issued,
        not_after: now.plus_ms(life),
        epoch,
    };
    Ok(SignedStatement::sign(statement, provider))
}

fn write_key(path: &Path, key: &SigningKey) -> Result<(), KeyError> {
    let seed = zeroize_text(key);
    Ok(write_private(path, &seed)?)
}

fn zeroize_text(key: &SigningKey) -> String {
    let seed = BASE32_NOPAD.encode(&key.seed()[..]).to_ascii_lowercase();
    format!("{KEY_PREFIX}{seed}\n")
}

fn read_key(path: &Path) -> Result<SigningKey, KeyError> {
    let text = std::fs::read_to_string(path).map_err(|source| DataError {
        verb: "read",
        path: path.to_owned(),
        source,
    })?;
    let seed = text
        .trim()
        .strip_prefix(KEY_PREFIX)
        .and_then(|seed| {
            BASE32_NOPAD
                .decode(seed.to_ascii_uppercase().as_bytes())
                .ok()
        })
        .and_then(|seed| <[u8; KEY_LEN]>::try_from(seed).ok());
    match seed {
        Some(seed) => Ok(SigningKey::from_seed(&seed)),
        None => Err(content(&path.display().to_string(), "a private key")),
    }
}

fn lines<T>(
    data: &Data,
    name: &str,
    parse: impl Fn(&str) -> Result<T, KeyError>,
) -> Result<Vec<T>, KeyError> {
    let text = data.read(name)?;
    text.lines()
        .filter(|line| !line.is_empty())
        .map(parse)
        .collect()
}

fn decode<T>(
    file: &str,
    what: &'static str,
    line: &str,
    read: impl Fn(&[u8]) -> Result<T, DecodeError>,
) -> Result<T, KeyError> {
    let bytes = BASE32_NOPAD.decode(line.to_ascii_uppercase().as_bytes());
    let bytes = bytes.map_err(|_| content(file, what))?;
    read(&bytes).map_err(|_| content(file, what))
}

fn text(bytes: &[u8]) -> String {
    BASE32_NOPAD.encode(bytes).to_ascii_lowercase()
}

fn joined(lines: impl Iterator<Item = String>) -> String {
    lines.map(|line| line + "\n").collect()
}

fn content(file: &str, what: &'static str) -> KeyError {
    KeyError::Content {
        file: file.to_owned(),
        what,
    }
}

#[cfg(test)]
mod tests {
    use culvert_wire::statement::follow_rotations;

    use super::*;

    const NOW: UnixMs = UnixMs(1_800_000_000_000);

    fn folder() -> (tempfile::TempDir, Data) {
        let dir = tempfile::tempdir().unwrap();
        let data = Data::at(dir.path().join("data"));
        data.make().unwrap();
        (dir, data)
    }

    #[test]
    fn made_keys_come_back_and_their_statement_holds_90_days_at_most() {
        let (_dir, data) = folder();
        let made = Keys::make(&data, NOW).unwrap();

        let keys = Keys::load(&data).unwrap();

        assert_eq!(keys.provider(), made.provider());
        assert_eq!(keys.node.public(), made.node.public());
        assert!(keys.holds(NOW));
        assert!(keys.holds(NOW.plus_ms(89 * DAY_MS)));
        assert!(!keys.holds(NOW.plus_ms(91 * DAY_MS)));
    }

    #[test]
    fn a_renewed_statement_holds_longer_with_the_same_keys() {
        let (dir, data) = folder();
        let mut keys = Keys::make(&data, NOW).unwrap();
        // The provider key may live elsewhere.
        let away = dir.path().join("usb-stick.key");
        std::fs::rename(data.path(PROVIDER_KEY), &away).unwrap();
        let later = NOW.plus_ms(80 * DAY_MS);

        keys.renew(&data, &away, later, 90).unwrap();

        let keys = Keys::load(&data).unwrap();
        assert!(keys.holds(later.plus_ms(89 * DAY_MS)));
        assert_eq!(keys.statement.unverified().epoch, 1);
    }

    #[test]
    fn a_new_node_key_has_a_higher_epoch_and_the_old_one_is_remembered() {
        let (_dir, data) = folder();
        let mut keys = Keys::make(&data, NOW).unwrap();
        let old = keys.clone();

        keys.rotate_node(&data, &data.path(PROVIDER_KEY), NOW)
            .unwrap();

        let keys = Keys::load(&data).unwrap();
        assert_ne!(keys.node.public(), old.node.public());
        assert_eq!(keys.former, vec![old.node.public()]);
        let pin = keys.provider();
        let said = keys.statement.verify(&pin, NOW, 0).unwrap();
        assert!(old.statement.verify(&pin, NOW, said.epoch).is_err());
    }

    #[test]
    fn boxes_follow_a_new_provider_key_from_the_old_one() {
        let (_dir, data) = folder();
        let mut keys = Keys::make(&data, NOW).unwrap();
        let first = keys.provider();
        for _ in 0..2 {
            keys.rotate_provider(&data, &data.path(PROVIDER_KEY), NOW)
                .unwrap();
        }

        let mut keys = Keys::load(&data).unwrap();

        let followed = follow_rotations(first, &keys.rotations);
        assert_eq!(followed, keys.provider());
        assert_ne!(followed, first);
        assert!(keys.statement.verify(&followed, NOW, 0).is_ok());
        // The file holds the newest key: it can sign again.
        keys.renew(&data, &data.path(PROVIDER_KEY), NOW, 30)
            .unwrap();
    }

    #[test]
    fn another_providers_key_is_refused() {
        let (dir, data) = folder();
        let mut keys = Keys::make(&data, NOW).unwrap();
        let foreign = dir.path().join("foreign.key");
        write_key(&foreign, &SigningKey::from_seed(&[9; 32])).unwrap();

        let error = keys.renew(&data, &foreign, NOW, 90).unwrap_err();

        assert!(matches!(error, KeyError::OtherProvider { .. }));
        assert!(matches!(
            keys.renew(&data, &data.path(PROVIDER_KEY), NOW, 91),
            Err(KeyError::Days)
        ));
    }

    #[test]
    fn key_files_are_for_the_owner_only() {
        use std::os::unix::fs::PermissionsExt as _;
        let (_dir, data) = folder();
        Keys::make(&data, NOW).unwrap();

        for name in [PROVIDER_KEY, NODE_KEY] {
            let mode = std::fs::metadata(data.path(name))
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
    }
}
