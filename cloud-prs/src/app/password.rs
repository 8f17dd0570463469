//! Argon2id, a few at a time, and the same work whether or not the name exists.

use std::sync::OnceLock;

use argon2::Argon2;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash};
use culvert_wire::api::Secret;
use culvert_wire::reason::Reason;
use tokio::sync::Semaphore;

use super::AppError;

/// Shortest password that is taken, in characters (NIST SP 800-63B-4: 8 beside a
/// second factor, 15 without one). The API's description says it, and from there
/// the portal's pages.
pub(crate) const MIN_PASSWORD: usize = 12;
/// Longest one, in bytes: beyond any phrase, below any nuisance.
const MAX_PASSWORD: usize = 1024;
/// Hashes at one time: each takes 19 MiB.
const AT_ONCE: usize = 2;

/// Hashes and compares passwords.
pub(crate) struct Passwords {
    turns: Semaphore,
    /// The hash that a wrong name is compared with.
    nobody: OnceLock<String>,
}

impl Default for Passwords {
    fn default() -> Self {
        Self {
            turns: Semaphore::new(AT_ONCE),
            nobody: OnceLock::new(),
        }
    }
}

impl Passwords {
    /// Hashes a new password.
    pub(crate) async fn hash(&self, password: &Secret) -> Result<String, AppError> {
        let length = password.reveal().chars().count();
        if length < MIN_PASSWORD || password.reveal().len() > MAX_PASSWORD {
            return Err(AppError::invalid(format!(
                "a password has {MIN_PASSWORD} characters or more, and at most {MAX_PASSWORD} bytes"
            )));
        }
        let _turn = self.turns.acquire().await;
        let password = password.clone();
        tokio::task::spawn_blocking(move || hash(&password))
            .await
            .unwrap_or_else(|_| Err(failed()))
    }

    /// Whether a password fits a stored hash; with none, or with what is no hash, the
    /// same work is done and the answer is no.
    pub(crate) async fn fits(&self, password: &Secret, stored: Option<String>) -> bool {
        let Ok(_turn) = self.turns.acquire().await else {
            return false;
        };
        let (stored, known) = self.compared_with(stored);
        let password = password.clone();
        let fits = tokio::task::spawn_blocking(move || {
            let long = password.reveal().len() > MAX_PASSWORD;
            let text = if long { "" } else { password.reveal() };
            PasswordHash::new(&stored).is_ok_and(|stored| {
                Argon2::default()
                    .verify_password(text.as_bytes(), &stored)
                    .is_ok()
            })
        })
        .await
        .unwrap_or(false);
        fits && known
    }

    /// The hash that a password is compared with, and whether it is anybody's. After
    /// "Lost phone" an account has none.
    fn compared_with(&self, stored: Option<String>) -> (String, bool) {
        let known = stored.filter(|stored| PasswordHash::new(stored).is_ok());
        match known {
            Some(stored) => (stored, true),
            None => (self.nobody(), false),
        }
    }

    fn nobody(&self) -> String {
        let text = data_encoding::BASE32_NOPAD.encode(&rand::random::<[u8; 16]>());
        self.nobody
            .get_or_init(|| hash(&Secret::new(text)).unwrap_or_default())
            .clone()
    }
}

fn hash(password: &Secret) -> Result<String, AppError> {
    let salt = rand::random::<[u8; 16]>();
    Argon2::default()
        .hash_password_with_salt(password.reveal().as_bytes(), &salt)
        .map(|hash| hash.to_string())
        .map_err(|_| failed())
}

fn failed() -> AppError {
    AppError::new(Reason::Internal, "the password could not be hashed")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Threat 28: an account that has no password takes the work that an unknown
    /// name takes.
    #[tokio::test]
    async fn no_password_is_compared_with_the_hash_of_nobody() {
        let passwords = Passwords::default();
        let own = hash(&Secret::new("correct horse battery".into())).unwrap();
        for stored in [None, Some(String::new()), Some("no hash".into())] {
            let (against, known) = passwords.compared_with(stored.clone());
            assert_eq!((against, known), (passwords.nobody(), false), "{stored:?}");
            for typed in ["", "no hash", "correct horse battery"] {
                let typed = Secret::new(typed.into());
                assert!(!passwords.fits(&typed, stored.clone()).await);
            }
        }
        let nobody = passwords.nobody();
        assert!(PasswordHash::new(&nobody).is_ok());
        // The same work: all but the salt and the sum.
        let work = |hash: &str| hash.split('$').take(4).collect::<Vec<_>>().join("$");
        assert_eq!(work(&nobody), work(&own));
        assert!(passwords.compared_with(Some(own)).1);
    }
}
