//! Who may do what on which targets until when, signed by a broker.
//!
//! The gateway judges a grant by itself, by link time, before any packet goes
//! to a LAN host. A grant with `serial` 0 opens a session; higher ones renew
//! it (same session, same ends, targets no wider).

mod protocol;
mod target;

use crate::codec::within;
use crate::id::{SessionId, UserId};
use crate::key::{BadSignature, Context, PublicKey, Signature, SigningKey};
use crate::{Decode, DecodeError, Encode, Reader, UnixMs, Writer};

pub use protocol::{ParseProtocolError, Protocol};
pub use target::{HostAddress, MAX_ADDRESS, ParseAddressError, Target};

/// Layout version.
const VERSION: u8 = 1;
/// Targets one grant may name.
pub const MAX_TARGETS: usize = 16;
/// A session must be joined within this time after the grant was issued.
pub const JOIN_WITHIN_MS: u64 = 60_000;

/// What the technician may do inside the session, one bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rights(pub u32);

impl Rights {
    /// Open streams to the targets.
    pub const CONNECT: Self = Self(1);
    /// Send input (without it a screen is view-only).
    pub const CONTROL: Self = Self(1 << 1);
    /// Exchange the clipboard.
    pub const CLIPBOARD: Self = Self(1 << 2);
    /// All of this version.
    pub const ALL: Self = Self(7);

    /// Whether all bits of `other` are set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// A broker's word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The broker key that signs.
    pub broker: PublicKey,
    /// The session, and the nonce of this grant together with `serial`.
    pub session: SessionId,
    /// 0 opens the session, each renewal counts one up.
    pub serial: u32,
    /// The gateway that shall act on it.
    pub gateway: PublicKey,
    /// The technician, for the gateway's own record.
    pub technician: UserId,
    /// The key the technician's end proves inside QUIC, fresh for the session.
    pub technician_end: PublicKey,
    /// 1 to [`MAX_TARGETS`] targets.
    pub targets: Vec<Target>,
    /// What is allowed on them.
    pub rights: Rights,
    /// When the broker signed.
    pub issued: UnixMs,
    /// Until when the session must be joined, at most [`JOIN_WITHIN_MS`] later.
    pub join_by: UnixMs,
    /// When it ends unless renewed.
    pub ends_at: UnixMs,
}

impl Encode for Grant {
    fn encode(&self, out: &mut Writer) {
        out.u8(VERSION);
        self.broker.encode(out);
        self.session.encode(out);
        out.u32(self.serial);
        self.gateway.encode(out);
        self.technician.encode(out);
        self.technician_end.encode(out);
        out.u32(self.rights.0);
        self.issued.encode(out);
        self.join_by.encode(out);
        self.ends_at.encode(out);
        let targets = &self.targets[..self.targets.len().min(MAX_TARGETS)];
        out.u8(u8::try_from(targets.len()).expect("at most MAX_TARGETS"));
        for target in targets {
            target.encode(out);
        }
    }
}

impl Decode for Grant {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let version = input.u8()?;
        if version != VERSION {
            return Err(DecodeError::value("grant version", version));
        }
        let mut grant = Self {
            broker: PublicKey::decode(input)?,
            session: SessionId::decode(input)?,
            serial: input.u32()?,
            gateway: PublicKey::decode(input)?,
            technician: UserId::decode(input)?,
            technician_end: PublicKey::decode(input)?,
            rights: Rights(input.u32()?),
            issued: UnixMs::decode(input)?,
            join_by: UnixMs::decode(input)?,
            ends_at: UnixMs::decode(input)?,
            targets: Vec::new(),
        };
        let count = usize::from(input.u8()?);
        within("targets", count, MAX_TARGETS)?;
        if count == 0 {
            return Err(DecodeError::value("targets", 0_u8));
        }
        for _ in 0..count {
            grant.targets.push(Target::decode(input)?);
        }
        Ok(grant)
    }
}

/// A grant with the broker's signature, not yet checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedGrant {
    grant: Grant,
    signature: Signature,
}

impl SignedGrant {
    /// Signs a grant with the broker key.
    pub fn sign(grant: Grant, broker: &SigningKey) -> Self {
        let signature = broker.sign(Context::Grant, &grant.to_bytes());
        Self { grant, signature }
    }

    /// The grant, once `broker` is known to be a broker of the provider and
    /// its signature fits. Times, gateway, nonce and targets are the caller's.
    ///
    /// # Errors
    /// [`BadSignature`] if another key is named or the signature is wrong.
    pub fn verify(&self, broker: &PublicKey) -> Result<&Grant, BadSignature> {
        if self.grant.broker != *broker {
            return Err(BadSignature(Context::Grant));
        }
        broker.verify(Context::Grant, &self.grant.to_bytes(), &self.signature)?;
        Ok(&self.grant)
    }

    /// The session it names, unchecked: to say which invitation was refused.
    pub fn claimed_session(&self) -> SessionId {
        self.grant.session
    }

    /// The serial it names, unchecked: to say which invitation was refused.
    pub fn claimed_serial(&self) -> u32 {
        self.grant.serial
    }
}

impl Encode for SignedGrant {
    fn encode(&self, out: &mut Writer) {
        self.grant.encode(out);
        self.signature.encode(out);
    }
}

impl Decode for SignedGrant {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            grant: Grant::decode(input)?,
            signature: Signature::decode(input)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed(&[seed; 32])
    }

    fn grant() -> Grant {
        Grant {
            broker: key(1).public(),
            session: SessionId::from_random([1; 16]),
            serial: 0,
            gateway: key(2).public(),
            technician: UserId::from_random([2; 16]),
            technician_end: key(3).public(),
            targets: vec![Target {
                address: "192.168.7.9".parse().unwrap(),
                port: 22,
                protocol: Protocol::Ssh,
            }],
            rights: Rights::ALL,
            issued: UnixMs(1000),
            join_by: UnixMs(61_000),
            ends_at: UnixMs(3_601_000),
        }
    }

    #[test]
    fn a_grant_survives_the_wire_and_verifies_for_its_broker_only() {
        let signed = SignedGrant::sign(grant(), &key(1));

        let got = SignedGrant::from_bytes(&signed.to_bytes()).unwrap();

        assert_eq!(got.verify(&key(1).public()), Ok(&grant()));
        assert!(got.verify(&key(2).public()).is_err());
        assert_eq!(got.claimed_session(), grant().session);
        assert_eq!(got.claimed_serial(), grant().serial);
    }

    #[test]
    fn every_changed_byte_breaks_the_grant() {
        let bytes = SignedGrant::sign(grant(), &key(1)).to_bytes();
        for at in 0..bytes.len() {
            let mut forged = bytes.to_vec();
            forged[at] ^= 1;
            let verified = SignedGrant::from_bytes(&forged)
                .is_ok_and(|got| got.verify(&key(1).public()).is_ok());
            assert!(!verified, "byte {at}");
        }
    }

    #[test]
    fn no_target_and_port_zero_are_refused() {
        let mut none = grant();
        none.targets.clear();
        let mut zero = grant();
        zero.targets[0].port = 0;

        assert!(Grant::from_bytes(&none.to_bytes()).is_err());
        assert!(Grant::from_bytes(&zero.to_bytes()).is_err());
    }
}
