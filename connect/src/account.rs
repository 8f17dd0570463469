//! Which server this user works with, and the sign-in there.
//!
//! The provider key is pinned here, with the highest statement epoch and the
//! latest server time seen, so that nobody can show an older truth. The
//! device's key is made once and kept; a sign-in is bound to it. Sign-ins
//! print as `MASKED` and live 12 hours at most.

use std::fmt;
use std::time::Duration;

use culvert_wire::UnixMs;
use culvert_wire::key::{PublicKey, SigningKey};
use data_encoding::{BASE32_NOPAD, BASE32_NOPAD_NOCASE};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::home::{Home, HomeError};
use crate::keyring;

const ACCOUNT: &str = "account.json";
const DEVICE: &str = "device.key";
const SIGN_IN: &str = "sign-in.json";
/// The sign-in's name in the system's keyring.
const KEYRING: &str = "culvert:sign-in";

/// The server and what is known of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// `host:port` of each server.
    pub servers: Vec<String>,
    /// The provider key; the only thing that is trusted.
    pub provider: PublicKey,
    /// The user's name at the provider.
    pub user: String,
    /// Statements of a lower epoch are refused.
    pub epoch_floor: u32,
    /// A time that has certainly passed.
    pub clock_floor: UnixMs,
}

impl Account {
    /// The stored account, if there is one.
    ///
    /// # Errors
    /// [`HomeError`] when it cannot be read.
    pub fn load(home: &Home) -> Result<Option<Self>, HomeError> {
        load(home, ACCOUNT)
    }

    /// Stores the account.
    ///
    /// # Errors
    /// [`HomeError`] when it cannot be written.
    pub fn save(&self, home: &Home) -> Result<(), HomeError> {
        save(home, ACCOUNT, self)
    }

    /// Takes what a proven server said; true if there is something to store.
    pub fn learn(&mut self, provider: PublicKey, epoch: u32, now: UnixMs) -> bool {
        // Storing each second of every command would wear the disk for nothing.
        const STEP_MS: u64 = 60 * 60 * 1000;
        let changed = provider != self.provider
            || epoch > self.epoch_floor
            || now.ms_since(self.clock_floor) > STEP_MS;
        self.provider = provider;
        self.epoch_floor = self.epoch_floor.max(epoch);
        self.clock_floor = self.clock_floor.max(now);
        changed
    }
}

/// A sign-in at the server.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignIn {
    /// The secret; empty in the file when the system's keyring holds it.
    pub token: String,
    /// When it ends, by the server's clock.
    pub expires: UnixMs,
}

impl SignIn {
    /// The stored sign-in, if there is one.
    ///
    /// # Errors
    /// [`HomeError`] when it cannot be read, or others could read it.
    pub fn load(home: &Home) -> Result<Option<Self>, HomeError> {
        let Some(mut stored) = load::<Self>(home, SIGN_IN)? else {
            return Ok(None);
        };
        if stored.token.is_empty() {
            // It ended there by itself, or the computer was started anew.
            let Some(token) = keyring::secret(KEYRING) else {
                return Ok(None);
            };
            stored.token = token;
        }
        Ok(Some(stored))
    }

    /// Stores the sign-in, which holds for `keep` from now: in the system's
    /// keyring where there is one, else in a private file.
    ///
    /// # Errors
    /// [`HomeError`] when it cannot be written.
    pub fn save(&self, home: &Home, keep: Duration) -> Result<(), HomeError> {
        let mut stored = self.clone();
        if home.is_users_own() && keyring::put(KEYRING, &self.token, keep) {
            stored.token.clear();
        }
        save(home, SIGN_IN, &stored)
    }

    /// Forgets the sign-in.
    ///
    /// # Errors
    /// [`HomeError`] when the file cannot be removed.
    pub fn forget(home: &Home) -> Result<(), HomeError> {
        if home.is_users_own() {
            keyring::forget(KEYRING);
        }
        home.remove(SIGN_IN)
    }
}

impl fmt::Debug for SignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignIn")
            .field("token", &"MASKED")
            .field("expires", &self.expires)
            .finish()
    }
}

/// The device's key; made with `draw` and stored when there is none.
///
/// # Errors
/// [`HomeError`] when it cannot be read or stored.
pub fn device_key(home: &Home, draw: impl FnOnce() -> [u8; 32]) -> Result<SigningKey, HomeError> {
    if let Some(text) = home.read(DEVICE)?.map(Zeroizing::new) {
        return stored_key(&text).ok_or_else(|| HomeError::Damaged {
            path: home.path(DEVICE),
            why: "it holds no key: remove it and sign in again".into(),
        });
    }
    let seed = Zeroizing::new(draw());
    let text = Zeroizing::new(BASE32_NOPAD.encode(&seed[..]));
    home.write(DEVICE, &text)?;
    Ok(SigningKey::from_seed(&seed))
}

fn stored_key(text: &str) -> Option<SigningKey> {
    let bytes = Zeroizing::new(BASE32_NOPAD_NOCASE.decode(text.trim().as_bytes()).ok()?);
    let seed = Zeroizing::new(<[u8; 32]>::try_from(bytes.as_slice()).ok()?);
    Some(SigningKey::from_seed(&seed))
}

fn load<T: for<'de> Deserialize<'de>>(home: &Home, name: &str) -> Result<Option<T>, HomeError> {
    let Some(text) = home.read(name)?.map(Zeroizing::new) else {
        return Ok(None);
    };
    let value = serde_json::from_str(&text).map_err(|error| HomeError::Damaged {
        path: home.path(name),
        why: format!("{error}; sign in again with `culvert login`"),
    })?;
    Ok(Some(value))
}

fn save(home: &Home, name: &str, value: &impl Serialize) -> Result<(), HomeError> {
    let text = serde_json::to_string_pretty(value).expect("plain fields always serialise");
    home.write(name, &Zeroizing::new(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account() -> Account {
        Account {
            servers: vec!["prs.example.com:443".into()],
            provider: SigningKey::from_seed(&[1; 32]).public(),
            user: "eva".into(),
            epoch_floor: 3,
            clock_floor: UnixMs(1_000),
        }
    }

    #[test]
    fn account_sign_in_and_device_key_come_back() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path());
        let sign_in = SignIn {
            token: "t0ken".into(),
            expires: UnixMs(5),
        };
        account().save(&home).unwrap();
        sign_in.save(&home, Duration::from_secs(60)).unwrap();

        let made = device_key(&home, || [7; 32]).unwrap();
        let kept = device_key(&home, || panic!("a device key is made once")).unwrap();

        assert_eq!(Account::load(&home).unwrap(), Some(account()));
        assert_eq!(SignIn::load(&home).unwrap(), Some(sign_in));
        assert_eq!(made.public(), kept.public());
    }

    #[test]
    fn a_sign_in_never_prints_its_token() {
        let sign_in = SignIn {
            token: "t0ken".into(),
            expires: UnixMs(5),
        };

        assert!(!format!("{sign_in:?}").contains("t0ken"));
    }

    #[test]
    fn floors_only_rise_and_small_steps_are_not_stored() {
        let mut at = account();
        let provider = at.provider;

        assert!(!at.learn(provider, 2, UnixMs(500)));
        assert_eq!((at.epoch_floor, at.clock_floor), (3, UnixMs(1_000)));
        assert!(!at.learn(provider, 3, UnixMs(61_000)));
        assert!(at.learn(provider, 4, UnixMs(61_000)));
        assert!(at.learn(provider, 4, UnixMs(99_999_999)));
    }

    #[test]
    fn damaged_files_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path());
        home.write(DEVICE, "short").unwrap();
        home.write(ACCOUNT, "{}").unwrap();

        let device = device_key(&home, || [7; 32]).unwrap_err();
        let account = Account::load(&home).unwrap_err();

        assert!(device.to_string().contains(DEVICE));
        assert!(account.to_string().contains(ACCOUNT));
    }
}
