//! Sign-ins that wait for their second step, and passkeys' challenges.
//!
//! In memory only: after a restart people begin again. Each is good for five
//! minutes and a few tries; the oldest of its kind goes when there are too many.

use std::collections::{HashMap, VecDeque};
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
/// Those of one kind at most.
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

/// Those that wait.
#[derive(Default)]
pub(super) struct Challenges {
    inside: Mutex<Inside>,
}

/// A table for each kind: anybody may ask for a passkey's challenge, and pushes out
/// none that came from a right password.
#[derive(Default)]
struct Inside {
    second_step: Table,
    passkey: Table,
    new_passkey: Table,
}

#[derive(Default)]
struct Table {
    /// By the hash of what names them.
    waiting: HashMap<String, Waiting>,
    /// The oldest first, with those that were used meanwhile.
    order: VecDeque<(UnixMs, String)>,
}

impl Challenges {
    /// Makes one, and what names it.
    pub(super) fn make(&self, what: For, now: UnixMs) -> (Secret, [u8; 32]) {
        let name = BASE64URL_NOPAD.encode(&rand::random::<[u8; 32]>());
        let nonce = rand::random();
        let one = Waiting {
            what,
            nonce,
            until: now.plus_ms(GOOD_MS),
            tries: 0,
        };
        let hash = token_hash(name.as_bytes());
        self.lock().table(&one.what).add(hash, one, now);
        (Secret::new(name), nonce)
    }

    /// Looks at one without using a try up.
    pub(super) fn look(&self, name: &Secret, now: UnixMs) -> Option<Waiting> {
        let hash = token_hash(name.reveal().as_bytes());
        let mut inside = self.lock();
        let mut tables = inside.tables().into_iter();
        let one = tables.find_map(|table| table.waiting.get(&hash));
        one.filter(|one| now < one.until).cloned()
    }

    /// Takes one try of one; the last try takes it away.
    pub(super) fn attempt(&self, name: &Secret, now: UnixMs) -> Option<Waiting> {
        let hash = token_hash(name.reveal().as_bytes());
        let mut inside = self.lock();
        let mut tables = inside.tables().into_iter();
        let table = tables.find(|table| table.waiting.contains_key(&hash))?;
        let one = table.waiting.get_mut(&hash)?;
        if now >= one.until {
            return None;
        }
        one.tries += 1;
        let found = one.clone();
        if found.tries >= TRIES {
            table.waiting.remove(&hash);
        }
        Some(found)
    }

    /// Uses one up; says whether it was still there.
    pub(super) fn done(&self, name: &Secret) -> bool {
        let hash = token_hash(name.reveal().as_bytes());
        let mut inside = self.lock();
        let mut tables = inside.tables().into_iter();
        tables.any(|table| table.waiting.remove(&hash).is_some())
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inside {
    fn table(&mut self, what: &For) -> &mut Table {
        match what {
            For::SecondStep { .. } => &mut self.second_step,
            For::Passkey => &mut self.passkey,
            For::NewPasskey(_) => &mut self.new_passkey,
        }
    }

    fn tables(&mut self) -> [&mut Table; 3] {
        let Self {
            second_step,
            passkey,
            new_passkey,
        } = self;
        [second_step, passkey, new_passkey]
    }
}

impl Table {
    /// Adds one; those in front that are over go, and the oldest of too many.
    fn add(&mut self, hash: String, one: Waiting, now: UnixMs) {
        while let Some((until, oldest)) = self.order.front() {
            if now < *until && self.order.len() < MOST {
                break;
            }
            self.waiting.remove(oldest);
            self.order.pop_front();
        }
        self.order.push_back((one.until, hash.clone()));
        self.waiting.insert(hash, one);
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
        assert_eq!(sizes(&all), (MOST, MOST));
        let (last, _) = all.make(For::Passkey, UnixMs(MOST as u64));
        assert!(all.done(&last));
        // Those that were used take no room for ever either.
        for _ in 0..2 * MOST {
            let (name, _) = all.make(For::Passkey, UnixMs(MOST as u64));
            assert!(all.done(&name));
        }
        assert_eq!(sizes(&all), (0, MOST));
        all.make(For::Passkey, UnixMs(MOST as u64 + GOOD_MS));
        assert_eq!(sizes(&all), (1, 1));
    }

    #[test]
    fn a_flood_of_strangers_pushes_out_no_sign_in_that_waits_for_its_second_step() {
        let all = Challenges::default();
        let second = For::SecondStep {
            user: UserId::from_random([1; 16]),
            device: None,
            label: String::new(),
            from: IpAddr::from([192, 0, 2, 7]),
        };
        let (waiting, _) = all.make(second.clone(), UnixMs(0));
        let new = For::NewPasskey(TokenId::from_random([2; 16]));
        let (adding, _) = all.make(new.clone(), UnixMs(0));
        for _ in 0..2 * MOST {
            all.make(For::Passkey, UnixMs(1));
        }
        assert_eq!(all.look(&waiting, UnixMs(2)).unwrap().what, second);
        assert_eq!(all.look(&adding, UnixMs(2)).unwrap().what, new);
        assert!(all.done(&waiting) && all.done(&adding));
    }

    /// How many passkeys' challenges wait, and how many are in the order.
    fn sizes(all: &Challenges) -> (usize, usize) {
        let table = &all.lock().passkey;
        (table.waiting.len(), table.order.len())
    }
}
