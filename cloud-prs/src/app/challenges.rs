//! Sign-ins that wait for their second step, and passkeys' challenges.
//!
//! In memory only: after a restart people begin again. Each is good for five
//! minutes and a few tries; the oldest goes when there are too many.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use culvert_wire::UnixMs;
use culvert_wire::api::Secret;
use culvert_wire::id::{TokenId, UserId};
use culvert_wire::key::PublicKey;
use data_encoding::BASE64URL_NOPAD;

use super::tokens::token_hash;

/// How long one is good, in milliseconds.
const GOOD_MS: u64 = 5 * 60 * 1000;
/// Wrong answers to one at most.
const TRIES: u8 = 5;
/// Waiting ones at most.
const MOST: usize = 10_000;

/// What a challenge is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum For {
    /// A password fitted; a second factor is needed.
    SecondStep {
        /// Whose.
        user: UserId,
        /// The link's device key; none for a browser.
        device: Option<PublicKey>,
        /// What the list of sign-ins will show.
        label: String,
        /// From where the password came.
        from: IpAddr,
    },
    /// A passkey alone, of whoever has it: to sign in, or once more.
    Passkey,
    /// A new passkey of somebody who is signed in so.
    NewPasskey(TokenId),
}

/// One that waits.
#[derive(Debug, Clone)]
pub(super) struct Waiting {
    /// What for.
    pub(super) what: For,
    /// What a passkey has to sign.
    pub(super) nonce: [u8; 32],
    until: UnixMs,
    tries: u8,
}

/// Those that wait, by the hash of what names them.
#[derive(Default)]
pub(super) struct Challenges {
    waiting: Mutex<HashMap<String, Waiting>>,
}

impl Challenges {
    /// Makes one, and what names it.
    pub(super) fn make(&self, what: For, now: UnixMs) -> (Secret, [u8; 32]) {
        let name = BASE64URL_NOPAD.encode(&rand::random::<[u8; 32]>());
        let nonce = rand::random();
        let mut waiting = self.lock();
        waiting.retain(|_, one| now < one.until);
        if waiting.len() >= MOST {
            let oldest = waiting.iter().min_by_key(|(_, one)| one.until);
            if let Some(name) = oldest.map(|(name, _)| name.clone()) {
                waiting.remove(&name);
            }
        }
        let one = Waiting {
            what,
            nonce,
            until: now.plus_ms(GOOD_MS),
            tries: 0,
        };
        waiting.insert(token_hash(name.as_bytes()), one);
        (Secret::new(name), nonce)
    }

    /// Looks at one without using a try up.
    pub(super) fn look(&self, name: &Secret, now: UnixMs) -> Option<Waiting> {
        let waiting = self.lock();
        let one = waiting.get(&token_hash(name.reveal().as_bytes()));
        one.filter(|one| now < one.until).cloned()
    }

    /// Takes one try of one; the last try takes it away.
    pub(super) fn attempt(&self, name: &Secret, now: UnixMs) -> Option<Waiting> {
        let hash = token_hash(name.reveal().as_bytes());
        let mut waiting = self.lock();
        let one = waiting.get_mut(&hash).filter(|one| now < one.until)?;
        one.tries += 1;
        let found = one.clone();
        if found.tries >= TRIES {
            waiting.remove(&hash);
        }
        Some(found)
    }

    /// Uses one up; says whether it was still there.
    pub(super) fn done(&self, name: &Secret) -> bool {
        let hash = token_hash(name.reveal().as_bytes());
        self.lock().remove(&hash).is_some()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_is_good_for_five_minutes_and_five_tries() {
        let all = Challenges::default();
        let (name, nonce) = all.make(For::Passkey, UnixMs(0));
        let late = UnixMs(GOOD_MS);
        assert!(all.look(&name, late).is_none() && all.attempt(&name, late).is_none());
        for _ in 0..TRIES {
            assert_eq!(all.attempt(&name, UnixMs(1)).unwrap().nonce, nonce);
        }
        assert!(all.attempt(&name, UnixMs(1)).is_none());
        assert!(!all.done(&name));
    }

    #[test]
    fn a_flood_takes_bounded_memory() {
        let all = Challenges::default();
        for n in 0..MOST as u64 + 10 {
            all.make(For::Passkey, UnixMs(n));
        }
        assert_eq!(all.lock().len(), MOST);
        let (last, _) = all.make(For::Passkey, UnixMs(MOST as u64));
        assert!(all.done(&last));
    }
}
