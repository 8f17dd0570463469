//! The broker's order to end access, counted per gateway and acknowledged.
//!
//! It can only take away; no remote order erases or changes anything else.

use crate::codec::within;
use crate::id::{SessionId, UserId};
use crate::key::{BadSignature, Context, PublicKey, Signature, SigningKey};
use crate::reason::Reason;
use crate::{Decode, DecodeError, Encode, Reader, Writer};

/// Layout version.
const VERSION: u8 = 1;
/// Sessions that one revocation may name.
pub const MAX_SESSIONS: usize = 64;

/// What shall end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// These sessions, at most [`MAX_SESSIONS`].
    Sessions(Vec<SessionId>),
    /// Every session of this person.
    Technician(UserId),
    /// Every session.
    All,
}

/// An order to end sessions at one gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// The broker key that signs.
    pub broker: PublicKey,
    /// The gateway that shall obey.
    pub gateway: PublicKey,
    /// Counts up for each gateway; a lower or equal one was obeyed already.
    pub counter: u64,
    /// What ends.
    pub scope: Scope,
    /// Why, for both ends' records.
    pub reason: Reason,
}

impl Encode for Revocation {
    fn encode(&self, out: &mut Writer) {
        out.u8(VERSION);
        self.broker.encode(out);
        self.gateway.encode(out);
        out.u64(self.counter);
        self.reason.encode(out);
        match &self.scope {
            Scope::Sessions(sessions) => {
                let sessions = &sessions[..sessions.len().min(MAX_SESSIONS)];
                out.u8(0);
                out.u8(u8::try_from(sessions.len()).expect("at most MAX_SESSIONS"));
                for session in sessions {
                    session.encode(out);
                }
            }
            Scope::Technician(user) => {
                out.u8(1);
                user.encode(out);
            }
            Scope::All => out.u8(2),
        }
    }
}

impl Decode for Revocation {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match input.u8()? {
            VERSION => {}
            other => return Err(DecodeError::value("revocation version", other)),
        }
        Ok(Self {
            broker: PublicKey::decode(input)?,
            gateway: PublicKey::decode(input)?,
            counter: input.u64()?,
            reason: Reason::decode(input)?,
            scope: match input.u8()? {
                0 => {
                    let count = usize::from(input.u8()?);
                    within("sessions", count, MAX_SESSIONS)?;
                    let sessions: Result<_, _> =
                        (0..count).map(|_| SessionId::decode(input)).collect();
                    Scope::Sessions(sessions?)
                }
                1 => Scope::Technician(UserId::decode(input)?),
                2 => Scope::All,
                other => return Err(DecodeError::value("revocation scope", other)),
            },
        })
    }
}

/// A revocation with the broker's signature, not yet checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedRevocation {
    revocation: Revocation,
    signature: Signature,
}

impl SignedRevocation {
    /// Signs a revocation with the broker key.
    pub fn sign(revocation: Revocation, broker: &SigningKey) -> Self {
        let signature = broker.sign(Context::Revocation, &revocation.to_bytes());
        Self {
            revocation,
            signature,
        }
    }

    /// The revocation, once `broker` is known to be a broker of the provider.
    ///
    /// # Errors
    /// [`BadSignature`] if another key is named or the signature is wrong.
    pub fn verify(&self, broker: &PublicKey) -> Result<&Revocation, BadSignature> {
        if self.revocation.broker != *broker {
            return Err(BadSignature(Context::Revocation));
        }
        let message = self.revocation.to_bytes();
        broker.verify(Context::Revocation, &message, &self.signature)?;
        Ok(&self.revocation)
    }
}

impl Encode for SignedRevocation {
    fn encode(&self, out: &mut Writer) {
        self.revocation.encode(out);
        self.signature.encode(out);
    }
}

impl Decode for SignedRevocation {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            revocation: Revocation::decode(input)?,
            signature: Signature::decode(input)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_scope_survives_the_wire_and_verifies() {
        let broker = SigningKey::from_seed(&[1; 32]);
        for scope in [
            Scope::Sessions(vec![SessionId::from_random([3; 16]); 2]),
            Scope::Technician(UserId::from_random([4; 16])),
            Scope::All,
        ] {
            let revocation = Revocation {
                broker: broker.public(),
                gateway: SigningKey::from_seed(&[2; 32]).public(),
                counter: 7,
                scope,
                reason: Reason::AccessRevoked,
            };
            let signed = SignedRevocation::sign(revocation.clone(), &broker);

            let got = SignedRevocation::from_bytes(&signed.to_bytes()).unwrap();

            assert_eq!(got.verify(&broker.public()), Ok(&revocation));
        }
    }
}
