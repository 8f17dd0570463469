//! Which keys may sign releases: lists that count up, each signed by the root
//! key before it.

use super::{UpdateError, version};
use crate::codec::within;
use crate::key::{Context, PublicKey, Signature, SigningKey};
use crate::{Decode, DecodeError, Encode, Reader, Writer};

use super::VERSION;

/// Release keys in one list.
pub const MAX_RELEASE_KEYS: usize = 8;
/// Lists that one manifest may carry.
pub const MAX_CHAIN: usize = 32;

/// Who may sign releases from a generation on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyList {
    /// Counts up; the newest list alone is valid.
    pub generation: u32,
    /// The root key that signs the next list.
    pub root: PublicKey,
    /// The release keys. A key that is not named any more is revoked.
    pub release: Vec<PublicKey>,
}

impl Encode for KeyList {
    fn encode(&self, out: &mut Writer) {
        out.u8(VERSION);
        out.u32(self.generation);
        self.root.encode(out);
        let keys = &self.release[..self.release.len().min(MAX_RELEASE_KEYS)];
        out.u8(u8::try_from(keys.len()).expect("at most MAX_RELEASE_KEYS"));
        for key in keys {
            key.encode(out);
        }
    }
}

impl Decode for KeyList {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        version("key list version", input)?;
        let generation = input.u32()?;
        let root = PublicKey::decode(input)?;
        let count = usize::from(input.u8()?);
        within("release keys", count, MAX_RELEASE_KEYS)?;
        Ok(Self {
            generation,
            root,
            release: (0..count)
                .map(|_| PublicKey::decode(input))
                .collect::<Result<_, _>>()?,
        })
    }
}

/// A list with the signatures of the root before it and of its own root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedKeyList {
    list: KeyList,
    by_former: Signature,
    by_own: Signature,
}

impl SignedKeyList {
    /// Signs a list with the root key in force and the one it names, which is
    /// mostly the same.
    pub fn sign(list: KeyList, former: &SigningKey, own: &SigningKey) -> Self {
        let message = list.to_bytes();
        Self {
            by_former: former.sign(Context::UpdateKeys, &message),
            by_own: own.sign(Context::UpdateKeys, &message),
            list,
        }
    }

    /// The list as it claims to be.
    pub fn unverified(&self) -> &KeyList {
        &self.list
    }

    fn verify(&self, root: &PublicKey) -> Result<&KeyList, UpdateError> {
        let message = self.list.to_bytes();
        let signed =
            |key: &PublicKey, by: &Signature| key.verify(Context::UpdateKeys, &message, by);
        signed(root, &self.by_former)
            .and_then(|()| signed(&self.list.root, &self.by_own))
            .map_err(|_| UpdateError::Chain {
                generation: self.list.generation,
            })?;
        Ok(&self.list)
    }
}

impl Encode for SignedKeyList {
    fn encode(&self, out: &mut Writer) {
        self.list.encode(out);
        self.by_former.encode(out);
        self.by_own.encode(out);
    }
}

impl Decode for SignedKeyList {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            list: KeyList::decode(input)?,
            by_former: Signature::decode(input)?,
            by_own: Signature::decode(input)?,
        })
    }
}

/// The newest list that `chain` leads to from `trusted`. Lists that are not
/// newer are passed over: a chain may begin long before.
pub(super) fn follow(trusted: &KeyList, chain: &[SignedKeyList]) -> Result<KeyList, UpdateError> {
    let mut newest = trusted.clone();
    for signed in chain {
        if signed.list.generation > newest.generation {
            newest = signed.verify(&newest.root)?.clone();
        }
    }
    Ok(newest)
}
