//! The provider key's word on the keys of its servers, and its own rotation.
//!
//! Boxes and `culvert` pin only the provider key, which may live offline. A
//! statement names one node key, its roles and its last day; a rotation is
//! signed by the old and the new provider key.

use std::fmt;

use bytes::Bytes;

use crate::key::{BadSignature, Context, PublicKey, Signature, SigningKey};
use crate::{Decode, DecodeError, Encode, Reader, UnixMs, Writer};

/// Layout version of both messages.
const VERSION: u8 = 1;
/// A statement is valid for 90 days at most.
pub const STATEMENT_MAX_MS: u64 = 90 * 24 * 3600 * 1000;
/// Rotations a server may show in one proof.
pub const MAX_ROTATIONS: usize = 8;

/// What a node may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Roles {
    /// Forwards packets and holds links.
    pub relay: bool,
    /// Signs grants and revocations.
    pub broker: bool,
}

impl Roles {
    /// Bit 0: relay; bit 1: broker.
    const fn bits(self) -> u8 {
        self.relay as u8 | (self.broker as u8) << 1
    }
}

/// The provider's word on one node key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeStatement {
    /// The provider key that signs.
    pub provider: PublicKey,
    /// The node's key.
    pub node: PublicKey,
    /// What the node may do.
    pub roles: Roles,
    /// From when it is valid.
    pub issued: UnixMs,
    /// Until when it is valid, at most [`STATEMENT_MAX_MS`] after `issued`.
    pub not_after: UnixMs,
    /// Rises when the provider wants older statements forgotten.
    pub epoch: u32,
}

impl Encode for NodeStatement {
    fn encode(&self, out: &mut Writer) {
        out.u8(VERSION);
        self.provider.encode(out);
        self.node.encode(out);
        out.u8(self.roles.bits());
        self.issued.encode(out);
        self.not_after.encode(out);
        out.u32(self.epoch);
    }
}

impl Decode for NodeStatement {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        version(input)?;
        let provider = PublicKey::decode(input)?;
        let node = PublicKey::decode(input)?;
        let bits = input.u8()?;
        if bits > 3 {
            return Err(DecodeError::value("roles", bits));
        }
        Ok(Self {
            provider,
            node,
            roles: Roles {
                relay: bits & 1 != 0,
                broker: bits & 2 != 0,
            },
            issued: UnixMs::decode(input)?,
            not_after: UnixMs::decode(input)?,
            epoch: input.u32()?,
        })
    }
}

/// A statement with the provider's signature, not yet checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedStatement {
    statement: NodeStatement,
    signature: Signature,
}

impl SignedStatement {
    /// Signs a statement with the provider key.
    pub fn sign(statement: NodeStatement, provider: &SigningKey) -> Self {
        let signature = provider.sign(Context::NodeStatement, &statement.to_bytes());
        Self {
            statement,
            signature,
        }
    }

    /// The statement, after the signature, the dates and the epoch have been
    /// judged against `pin`, the time `now` and the highest epoch seen so far.
    ///
    /// # Errors
    /// [`StatementError`], one for each way to fail.
    pub fn verify(
        &self,
        pin: &PublicKey,
        now: UnixMs,
        epoch_floor: u32,
    ) -> Result<&NodeStatement, StatementError> {
        let said = &self.statement;
        if said.provider != *pin {
            return Err(StatementError::OtherProvider {
                shown: said.provider,
            });
        }
        pin.verify(Context::NodeStatement, &said.to_bytes(), &self.signature)?;
        if said.epoch < epoch_floor {
            return Err(StatementError::OldEpoch {
                epoch: said.epoch,
                floor: epoch_floor,
            });
        }
        if now < said.issued
            || now > said.not_after
            || said.not_after.ms_since(said.issued) > STATEMENT_MAX_MS
        {
            return Err(StatementError::NotValidNow);
        }
        Ok(said)
    }

    /// The provider key that this statement claims, for a first meeting; it
    /// says nothing until [`SignedStatement::verify`] succeeds with it.
    pub fn claimed_provider(&self) -> PublicKey {
        self.statement.provider
    }

    /// The content without any check: for the server that owns it.
    pub fn unverified(&self) -> &NodeStatement {
        &self.statement
    }
}

impl Encode for SignedStatement {
    fn encode(&self, out: &mut Writer) {
        self.statement.encode(out);
        self.signature.encode(out);
    }
}

impl Decode for SignedStatement {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            statement: NodeStatement::decode(input)?,
            signature: Signature::decode(input)?,
        })
    }
}

/// Why a node statement was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StatementError {
    /// It is of another provider.
    #[error("the server belongs to another provider (key {})", shown.fingerprint())]
    OtherProvider {
        /// The key it shows.
        shown: PublicKey,
    },
    /// The signature is wrong.
    #[error("the provider did not sign this server's key")]
    Signature(#[from] BadSignature),
    /// It was replaced by newer ones.
    #[error("the server's statement is of epoch {epoch}, older than {floor}")]
    OldEpoch {
        /// Its epoch.
        epoch: u32,
        /// The lowest one still good.
        floor: u32,
    },
    /// It is not valid at the link's time.
    #[error("the server's statement is not valid at this time: the provider has to sign a new one")]
    NotValidNow,
}

/// The change from one provider key to the next, signed by both.
#[derive(Clone, PartialEq, Eq)]
pub struct ProviderRotation {
    /// The key so far.
    pub old: PublicKey,
    /// The key from now on.
    pub new: PublicKey,
    old_signature: Signature,
    new_signature: Signature,
}

impl ProviderRotation {
    /// Makes a rotation; needs both private keys.
    pub fn sign(old: &SigningKey, new: &SigningKey) -> Self {
        let message = Self::message(&old.public(), &new.public());
        Self {
            old: old.public(),
            new: new.public(),
            old_signature: old.sign(Context::ProviderRotation, &message),
            new_signature: new.sign(Context::ProviderRotation, &message),
        }
    }

    /// Confirms both signatures.
    ///
    /// # Errors
    /// [`BadSignature`] if either is wrong.
    pub fn verify(&self) -> Result<(), BadSignature> {
        let message = Self::message(&self.old, &self.new);
        let context = Context::ProviderRotation;
        self.old.verify(context, &message, &self.old_signature)?;
        self.new.verify(context, &message, &self.new_signature)
    }

    fn message(old: &PublicKey, new: &PublicKey) -> Bytes {
        let mut out = Writer::default();
        out.u8(VERSION);
        old.encode(&mut out);
        new.encode(&mut out);
        out.finish()
    }
}

impl fmt::Debug for ProviderRotation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "ProviderRotation({} -> {})",
            self.old.fingerprint(),
            self.new.fingerprint()
        )
    }
}

impl Encode for ProviderRotation {
    fn encode(&self, out: &mut Writer) {
        out.put(&Self::message(&self.old, &self.new));
        self.old_signature.encode(out);
        self.new_signature.encode(out);
    }
}

impl Decode for ProviderRotation {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        version(input)?;
        Ok(Self {
            old: PublicKey::decode(input)?,
            new: PublicKey::decode(input)?,
            old_signature: Signature::decode(input)?,
            new_signature: Signature::decode(input)?,
        })
    }
}

/// Follows a chain of rotations from `pin` as far as it is signed.
pub fn follow_rotations(pin: PublicKey, rotations: &[ProviderRotation]) -> PublicKey {
    rotations.iter().fold(pin, |at, rotation| {
        if rotation.old == at && rotation.verify().is_ok() {
            rotation.new
        } else {
            at
        }
    })
}

fn version(input: &mut Reader<'_>) -> Result<(), DecodeError> {
    match input.u8()? {
        VERSION => Ok(()),
        other => Err(DecodeError::value("version", other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 24 * 3600 * 1000;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed(&[seed; 32])
    }

    fn signed(days: u64, epoch: u32) -> SignedStatement {
        SignedStatement::sign(
            NodeStatement {
                provider: key(1).public(),
                node: key(2).public(),
                roles: Roles {
                    relay: true,
                    broker: false,
                },
                issued: UnixMs(DAY),
                not_after: UnixMs(DAY + days * DAY),
                epoch,
            },
            &key(1),
        )
    }

    #[test]
    fn a_statement_survives_the_wire_and_verifies() {
        let sent = signed(90, 3);

        let got = SignedStatement::from_bytes(&sent.to_bytes()).unwrap();

        assert_eq!(
            got.verify(&key(1).public(), UnixMs(2 * DAY), 3),
            Ok(sent.unverified())
        );
    }

    #[test]
    fn each_way_to_fail_has_its_own_error() {
        let pin = key(1).public();
        let now = UnixMs(2 * DAY);
        assert!(matches!(
            signed(90, 3).verify(&key(9).public(), now, 0),
            Err(StatementError::OtherProvider { .. })
        ));
        assert_eq!(
            signed(90, 3).verify(&pin, now, 4),
            Err(StatementError::OldEpoch { epoch: 3, floor: 4 })
        );
        for (days, at) in [(90, 0), (90, 92 * DAY), (91, 2 * DAY)] {
            assert_eq!(
                signed(days, 3).verify(&pin, UnixMs(at), 0),
                Err(StatementError::NotValidNow)
            );
        }
        let mut forged = signed(90, 3).to_bytes().to_vec();
        forged[65] ^= 2;
        assert!(matches!(
            SignedStatement::from_bytes(&forged)
                .unwrap()
                .verify(&pin, now, 0),
            Err(StatementError::Signature(_))
        ));
    }

    #[test]
    fn a_rotation_chain_is_followed_only_while_both_keys_signed() {
        let first = ProviderRotation::sign(&key(1), &key(2));
        let second = ProviderRotation::sign(&key(2), &key(3));
        let mut forged = ProviderRotation::sign(&key(3), &key(4));
        forged.new = key(5).public();

        let end = follow_rotations(key(1).public(), &[first, second, forged]);

        assert_eq!(end, key(3).public());
    }
}
