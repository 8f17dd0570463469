//! The host keys that technicians have accepted, by address and port.
//!
//! One file, replaced as a whole and on the disk before a key counts as pinned.
//! It is read each time, so that `culvert-gateway pins forget` works on a
//! running box. The cloud holds a copy for display and can change none of it.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use culvert_wire::UnixMs;
use culvert_wire::grant::Target;
use serde::{Deserialize, Serialize};

use crate::files::{self, Durable};

/// The file's name in the data folder.
const FILE: &str = "host-keys.json";
/// Layout version.
const VERSION: u32 = 1;
/// Hosts that are remembered.
const MAX_HOSTS: usize = 4096;
/// Refused keys that are remembered for one host.
const MAX_REFUSED: usize = 8;

/// The pins of a box.
#[derive(Debug)]
pub struct Pins {
    path: PathBuf,
    /// One change at a time.
    changing: Mutex<()>,
}

/// What is known of one host.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Pin {
    /// The accepted key.
    pub key: Option<Key>,
    /// Fingerprints that were refused for good.
    #[serde(default)]
    pub refused: Vec<String>,
    /// Whether old algorithms may be used with this host.
    #[serde(default)]
    pub legacy: bool,
}

/// An accepted key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// Such as `ssh-ed25519`.
    pub algorithm: String,
    /// `SHA256:…`.
    pub fingerprint: String,
    /// Link time of the acceptance.
    pub since_ms: u64,
}

/// What a shown key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// The pinned one.
    Pinned,
    /// The first one of this host.
    New,
    /// Another one than this.
    Changed(Key),
    /// One that somebody refused for good.
    Revoked(Option<Key>),
}

#[derive(Serialize, Deserialize)]
struct Raw {
    version: u32,
    hosts: BTreeMap<String, Pin>,
}

/// Why pins cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PinsError {
    /// The file cannot be read or written.
    #[error("cannot use {}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file holds something else.
    #[error("{} is damaged or of a newer version: remove it to accept every host's key anew", path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
    },
    /// No room.
    #[error(
        "{MAX_HOSTS} hosts' keys are remembered already: forget some with `culvert-gateway pins forget`"
    )]
    Full,
    /// Somebody has refused the key for good.
    #[error("this key was refused for good: `culvert-gateway pins forget` on the box lifts that")]
    Refused,
    /// Somebody has pinned another key than the one that was shown as pinned.
    #[error("another key was pinned meanwhile")]
    Overtaken,
}

impl Pins {
    /// The pins in a data folder.
    pub fn of(dir: &Path) -> Self {
        Self {
            path: dir.join(FILE),
            changing: Mutex::new(()),
        }
    }

    /// What is known of a target's host.
    ///
    /// # Errors
    /// [`PinsError`]: then no key is trusted.
    pub fn read(&self, target: &Target) -> Result<Pin, PinsError> {
        Ok(self.load()?.remove(&place(target)).unwrap_or_default())
    }

    /// Every host, as `address port`, with what is known of it.
    ///
    /// # Errors
    /// [`PinsError`].
    pub fn all(&self) -> Result<BTreeMap<String, Pin>, PinsError> {
        self.load()
    }

    /// Pins a key for somebody who was told that `told` is pinned, and gives the key
    /// that it replaces.
    ///
    /// # Errors
    /// [`PinsError`]; the key is then not pinned. One that was refused for good
    /// stays refused, and one that a colleague has pinned meanwhile stays pinned.
    pub fn accept(
        &self,
        target: &Target,
        algorithm: &str,
        fingerprint: &str,
        told: Option<&Key>,
        now: UnixMs,
    ) -> Result<Option<Key>, PinsError> {
        self.change(target, |pin| {
            pin.allows(fingerprint, told)?;
            if pin.judge(fingerprint) == Judgement::Pinned {
                return Ok(None);
            }
            Ok(pin.key.replace(Key {
                algorithm: algorithm.to_owned(),
                fingerprint: fingerprint.to_owned(),
                since_ms: now.0,
            }))
        })
    }

    /// Refuses a key for good; the pinned key stays pinned unless it is this one.
    ///
    /// # Errors
    /// [`PinsError`].
    pub fn refuse(&self, target: &Target, fingerprint: &str) -> Result<(), PinsError> {
        self.change(target, |pin| {
            pin.key.take_if(|key| key.fingerprint == fingerprint);
            if !pin.refused.iter().any(|refused| refused == fingerprint) {
                pin.refused.truncate(MAX_REFUSED - 1);
                pin.refused.insert(0, fingerprint.to_owned());
            }
            Ok(())
        })
    }

    /// Allows old algorithms with this host from now on.
    ///
    /// # Errors
    /// [`PinsError`].
    pub fn allow_legacy(&self, target: &Target) -> Result<(), PinsError> {
        self.change(target, |pin| {
            pin.legacy = true;
            Ok(())
        })
    }

    /// Forgets a host, named as [`Pins::all`] names it.
    ///
    /// # Errors
    /// [`PinsError`].
    pub fn forget(&self, place: &str) -> Result<bool, PinsError> {
        let _one = self.one();
        let mut hosts = self.load()?;
        let known = hosts.remove(place).is_some();
        if known {
            self.store(hosts)?;
        }
        Ok(known)
    }

    fn change<T>(
        &self,
        target: &Target,
        change: impl FnOnce(&mut Pin) -> Result<T, PinsError>,
    ) -> Result<T, PinsError> {
        let _one = self.one();
        let mut hosts = self.load()?;
        let place = place(target);
        if !hosts.contains_key(&place) && hosts.len() >= MAX_HOSTS {
            return Err(PinsError::Full);
        }
        let changed = change(hosts.entry(place).or_default())?;
        self.store(hosts)?;
        Ok(changed)
    }

    fn one(&self) -> std::sync::MutexGuard<'_, ()> {
        // It guards no data.
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn load(&self) -> Result<BTreeMap<String, Pin>, PinsError> {
        let path = self.path.clone();
        match files::read(&self.path) {
            Ok(None) => Ok(BTreeMap::new()),
            Ok(Some(bytes)) => match serde_json::from_slice::<Raw>(&bytes) {
                Ok(raw) if raw.version == VERSION => Ok(raw.hosts),
                Ok(_) | Err(_) => Err(PinsError::Damaged { path }),
            },
            Err(source) => Err(PinsError::File { path, source }),
        }
    }

    fn store(&self, hosts: BTreeMap<String, Pin>) -> Result<(), PinsError> {
        let raw = Raw {
            version: VERSION,
            hosts,
        };
        let text = serde_json::to_vec_pretty(&raw).expect("plain texts and numbers");
        files::replace(&self.path, &text, Durable::Synced).map_err(|source| PinsError::File {
            path: self.path.clone(),
            source,
        })
    }
}

impl Pin {
    /// What a key of this fingerprint is.
    pub fn judge(&self, fingerprint: &str) -> Judgement {
        if self.refused.iter().any(|refused| refused == fingerprint) {
            return Judgement::Revoked(self.key.clone());
        }
        match &self.key {
            None => Judgement::New,
            Some(key) if key.fingerprint == fingerprint => Judgement::Pinned,
            Some(key) => Judgement::Changed(key.clone()),
        }
    }

    /// Whether somebody may accept a key who was told that `told` is pinned:
    /// colleagues may have answered while her question was open.
    ///
    /// # Errors
    /// [`PinsError::Refused`], [`PinsError::Overtaken`].
    pub fn allows(&self, fingerprint: &str, told: Option<&Key>) -> Result<(), PinsError> {
        let told = told.map(|key| &key.fingerprint);
        match self.judge(fingerprint) {
            Judgement::Revoked(_) => Err(PinsError::Refused),
            Judgement::Changed(key) if told != Some(&key.fingerprint) => Err(PinsError::Overtaken),
            Judgement::New | Judgement::Pinned | Judgement::Changed(_) => Ok(()),
        }
    }
}

/// How a host is named in the file. The protocol is not in it: SSH keys are
/// what is pinned here.
fn place(target: &Target) -> String {
    format!("{} {}", target.address, target.port)
}

#[cfg(test)]
mod tests {
    use culvert_wire::grant::Protocol;

    use super::*;

    fn target(address: &str, port: u16) -> Target {
        Target {
            address: address.parse().unwrap(),
            port,
            protocol: Protocol::Ssh,
        }
    }

    const HERE: &str = "192.168.7.9";

    #[test]
    fn a_key_is_new_then_pinned_and_another_one_is_a_change() {
        let dir = tempfile::tempdir().unwrap();
        let pins = Pins::of(dir.path());
        let here = target(HERE, 22);
        let judge = |fingerprint| pins.read(&here).unwrap().judge(fingerprint);
        assert_eq!(judge("SHA256:a"), Judgement::New);

        pins.accept(&here, "ssh-ed25519", "SHA256:a", None, UnixMs(7))
            .unwrap();

        assert_eq!(judge("SHA256:a"), Judgement::Pinned);
        let Judgement::Changed(old) = judge("SHA256:b") else {
            panic!("not a change");
        };
        assert_eq!((old.fingerprint.as_str(), old.since_ms), ("SHA256:a", 7));
        // Another port or address is another host.
        for other in [target(HERE, 2222), target("192.168.7.10", 22)] {
            assert_eq!(pins.read(&other).unwrap().judge("SHA256:a"), Judgement::New);
        }
    }

    #[test]
    fn a_key_that_a_colleague_pinned_meanwhile_is_replaced_only_by_who_was_told_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let pins = Pins::of(dir.path());
        let here = target(HERE, 22);
        let accept = |fingerprint, told: Option<&Key>, at| {
            pins.accept(&here, "ssh-ed25519", fingerprint, told, UnixMs(at))
        };
        let pinned = || pins.read(&here).unwrap().key.unwrap();
        // All were asked when the host was new.
        assert_eq!(accept("SHA256:a", None, 1).unwrap(), None);
        let first = pinned();
        let overtaken = accept("SHA256:b", None, 2);
        assert!(matches!(overtaken, Err(PinsError::Overtaken)));
        assert_eq!(accept("SHA256:a", None, 3).unwrap(), None);
        assert_eq!(pinned(), first);

        // Two were told of the first one.
        let replaced = accept("SHA256:b", Some(&first), 4).unwrap();
        assert_eq!(replaced.as_ref(), Some(&first));
        let overtaken = accept("SHA256:c", Some(&first), 5);
        assert!(matches!(overtaken, Err(PinsError::Overtaken)));
        assert_eq!(pinned().fingerprint, "SHA256:b");
        assert_eq!(accept("SHA256:b", Some(&first), 6).unwrap(), None);
        // Forgotten meanwhile: nothing is replaced.
        pins.forget("192.168.7.9 22").unwrap();
        assert_eq!(accept("SHA256:c", Some(&first), 7).unwrap(), None);
    }

    #[test]
    fn a_refused_key_stays_refused_until_it_is_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let pins = Pins::of(dir.path());
        let here = target(HERE, 22);
        for number in 0..20 {
            pins.refuse(&here, &format!("SHA256:{number}")).unwrap();
        }

        let pin = pins.read(&here).unwrap();

        assert_eq!(pin.judge("SHA256:19"), Judgement::Revoked(None));
        let accepted = pins.accept(&here, "ssh-ed25519", "SHA256:19", None, UnixMs(7));
        assert!(matches!(accepted, Err(PinsError::Refused)));
        assert_eq!(pins.read(&here).unwrap(), pin);
        assert_eq!(pin.refused.len(), MAX_REFUSED);
        assert!(pins.forget("192.168.7.9 22").unwrap());
        assert!(!pins.forget("192.168.7.9 22").unwrap());
        assert_eq!(pins.read(&here).unwrap(), Pin::default());
    }

    /// P6: whatever byte a power cut hits, the pins are the old or the new ones.
    #[test]
    fn a_power_cut_at_any_byte_leaves_the_old_pins() {
        let dir = tempfile::tempdir().unwrap();
        let pins = Pins::of(dir.path());
        let here = target(HERE, 22);
        pins.accept(&here, "ssh-ed25519", "SHA256:a", None, UnixMs(7))
            .unwrap();
        let whole = std::fs::read(dir.path().join(FILE)).unwrap();
        for cut in 0..whole.len() {
            std::fs::write(dir.path().join("host-keys.new"), &whole[..cut]).unwrap();
            assert_eq!(
                pins.read(&here).unwrap().judge("SHA256:a"),
                Judgement::Pinned
            );
        }
        pins.allow_legacy(&here).unwrap();
        assert!(pins.read(&here).unwrap().legacy);
    }

    #[test]
    fn a_damaged_file_trusts_no_key() {
        for text in ["", "{}", "{\"version\":2,\"hosts\":{}}"] {
            let dir = tempfile::tempdir().unwrap();
            std::fs::write(dir.path().join(FILE), text).unwrap();

            let read = Pins::of(dir.path()).read(&target(HERE, 22));

            assert!(matches!(read, Err(PinsError::Damaged { .. })), "{text}");
        }
    }
}
