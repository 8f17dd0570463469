//! The endpoint's first message: who it is, and that it holds its key.

use std::fmt;

use bytes::Bytes;

use super::{Binding, MAX_TOKEN, MAX_VERSION};
use crate::id::{BootId, ClaimId, Lease};
use crate::key::{BadSignature, Context, PublicKey, Signature, SigningKey};
use crate::ticket::Ticket;
use crate::{Decode, DecodeError, Encode, Reader, Writer};

/// A gateway's word about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayHello {
    /// Its identity key, bound at claim.
    pub identity: PublicKey,
    /// This run of its process.
    pub boot: BootId,
    /// The lease it has stored and acknowledged or was about to acknowledge.
    pub lease: Option<Lease>,
    /// The highest revocation counter it has obeyed.
    pub revocations: u64,
}

/// A new box's request to be bound to the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimHello {
    /// Which claim code.
    pub claim: ClaimId,
    /// The box's identity key.
    pub identity: PublicKey,
    /// Its X25519 sealing key.
    pub sealing: [u8; 32],
    /// The identity key's signature over `sealing`.
    pub sealing_signature: Signature,
    /// This run of its process.
    pub boot: BootId,
}

/// A technician's program.
#[derive(Clone, PartialEq, Eq)]
pub struct TechnicianHello {
    /// The device's key; sign-ins are bound to it.
    pub device: PublicKey,
    /// The sign-in or API token; none before signing in or to join by ticket.
    pub token: Option<Bytes>,
}

impl fmt::Debug for TechnicianHello {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let token = self.token.as_ref().map(|_| "MASKED");
        f.debug_struct("TechnicianHello")
            .field("device", &self.device)
            .field("token", &token)
            .finish()
    }
}

/// A page of the portal, as a technician's end. Who it is says the cookie of
/// its upgrade request; the ticket was given to the same sign-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrowserHello {
    /// A key made for this link alone.
    pub link: PublicKey,
    /// The one-time right to open one link.
    pub ticket: Ticket,
}

/// Who the endpoint says it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// A claimed gateway.
    Gateway(GatewayHello),
    /// A box that is being claimed; it goes on as a gateway on the same link.
    Claim(ClaimHello),
    /// A technician's program.
    Technician(TechnicianHello),
    /// A page of the portal.
    Browser(BrowserHello),
}

impl Who {
    /// The key whose signature the message carries.
    pub const fn key(&self) -> &PublicKey {
        match self {
            Self::Gateway(hello) => &hello.identity,
            Self::Claim(hello) => &hello.identity,
            Self::Technician(hello) => &hello.device,
            Self::Browser(hello) => &hello.link,
        }
    }
}

/// The endpoint's first message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkAuth {
    /// Who it is.
    pub who: Who,
    /// Program and version, for the list of boxes: `culvert-gateway 0.1.0`.
    pub version: String,
    signature: Signature,
    /// A claim carries the seed's signature too.
    seed_signature: Option<Signature>,
}

impl LinkAuth {
    /// Signs the message for one connection; `seed` is the claim code's key and
    /// needed for [`Who::Claim`] only.
    pub fn sign(
        who: Who,
        version: String,
        binding: &Binding,
        key: &SigningKey,
        seed: Option<&SigningKey>,
    ) -> Self {
        let message = binding.message(&body(&who, &version));
        Self {
            signature: key.sign(Context::LinkAuth, &message),
            seed_signature: seed.map(|seed| seed.sign(Context::Claim, &message)),
            who,
            version,
        }
    }

    /// Confirms that the endpoint holds its key, on this connection.
    ///
    /// # Errors
    /// [`BadSignature`] when it does not.
    pub fn verify(&self, binding: &Binding) -> Result<&Who, BadSignature> {
        let message = binding.message(&body(&self.who, &self.version));
        self.who
            .key()
            .verify(Context::LinkAuth, &message, &self.signature)?;
        if let Who::Claim(claim) = &self.who {
            claim.identity.verify(
                Context::SealingKey,
                &claim.sealing,
                &claim.sealing_signature,
            )?;
        }
        Ok(&self.who)
    }

    /// Confirms that a claim was made with the claim code whose public half is
    /// `seed`.
    ///
    /// # Errors
    /// [`BadSignature`] when it was not.
    pub fn verify_claim(&self, binding: &Binding, seed: &PublicKey) -> Result<(), BadSignature> {
        let message = binding.message(&body(&self.who, &self.version));
        match &self.seed_signature {
            Some(signature) => seed.verify(Context::Claim, &message, signature),
            None => Err(BadSignature(Context::Claim)),
        }
    }
}

fn body(who: &Who, version: &str) -> Bytes {
    let mut out = Writer::default();
    out.u8(1);
    match who {
        Who::Gateway(hello) => {
            out.u8(1);
            hello.identity.encode(&mut out);
            hello.boot.encode(&mut out);
            out.option(hello.lease.as_ref(), |out, lease| lease.encode(out));
            out.u64(hello.revocations);
        }
        Who::Claim(hello) => {
            out.u8(2);
            hello.claim.encode(&mut out);
            hello.identity.encode(&mut out);
            out.put(&hello.sealing);
            hello.sealing_signature.encode(&mut out);
            hello.boot.encode(&mut out);
        }
        Who::Technician(hello) => {
            out.u8(3);
            hello.device.encode(&mut out);
            out.option(hello.token.as_ref(), |out, token| out.bytes16(token));
        }
        Who::Browser(hello) => {
            out.u8(4);
            hello.link.encode(&mut out);
            hello.ticket.encode(&mut out);
        }
    }
    out.text(version, MAX_VERSION);
    out.finish()
}

impl Encode for LinkAuth {
    fn encode(&self, out: &mut Writer) {
        out.put(&body(&self.who, &self.version));
        self.signature.encode(out);
        out.option(self.seed_signature.as_ref(), |out, s| s.encode(out));
    }
}

impl Decode for LinkAuth {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match input.u8()? {
            1 => {}
            other => return Err(DecodeError::value("hello version", other)),
        }
        let who = match input.u8()? {
            1 => Who::Gateway(GatewayHello {
                identity: PublicKey::decode(input)?,
                boot: BootId::decode(input)?,
                lease: input.option("lease", Lease::decode)?,
                revocations: input.u64()?,
            }),
            2 => Who::Claim(ClaimHello {
                claim: ClaimId::decode(input)?,
                identity: PublicKey::decode(input)?,
                sealing: input.array()?,
                sealing_signature: Signature::decode(input)?,
                boot: BootId::decode(input)?,
            }),
            3 => Who::Technician(TechnicianHello {
                device: PublicKey::decode(input)?,
                token: input.option("token", |input| {
                    input
                        .bytes16("token", MAX_TOKEN)
                        .map(Bytes::copy_from_slice)
                })?,
            }),
            4 => Who::Browser(BrowserHello {
                link: PublicKey::decode(input)?,
                ticket: Ticket::decode(input)?,
            }),
            other => return Err(DecodeError::value("endpoint kind", other)),
        };
        Ok(Self {
            who,
            version: input.text("version", MAX_VERSION)?.to_owned(),
            signature: Signature::decode(input)?,
            seed_signature: input.option("seed signature", Signature::decode)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::rig::{binding, key};
    use super::*;

    #[test]
    fn each_kind_of_endpoint_survives_the_wire_and_proves_its_key() {
        let sealing = [5; 32];
        for (who, seed) in [
            (
                Who::Gateway(GatewayHello {
                    identity: key(3).public(),
                    boot: BootId::from_random([1; 16]),
                    lease: Some(Lease::from_random([2; 16])),
                    revocations: 9,
                }),
                None,
            ),
            (
                Who::Claim(ClaimHello {
                    claim: ClaimId::from_random([4; 16]),
                    identity: key(3).public(),
                    sealing,
                    sealing_signature: key(3).sign(Context::SealingKey, &sealing),
                    boot: BootId::from_random([1; 16]),
                }),
                Some(key(6)),
            ),
            (
                Who::Technician(TechnicianHello {
                    device: key(3).public(),
                    token: Some(Bytes::from_static(b"token")),
                }),
                None,
            ),
            (
                Who::Browser(BrowserHello {
                    link: key(3).public(),
                    ticket: Ticket::from_random([8; 32]),
                }),
                None,
            ),
        ] {
            let sent = LinkAuth::sign(
                who.clone(),
                "x 1".into(),
                &binding(),
                &key(3),
                seed.as_ref(),
            );
            let got = LinkAuth::from_bytes(&sent.to_bytes()).unwrap();

            assert_eq!(got.verify(&binding()), Ok(&who));
            let mut other = binding();
            other.exporter[0] ^= 1;
            assert!(got.verify(&other).is_err());
            assert_eq!(
                got.verify_claim(&binding(), &key(6).public()).is_ok(),
                seed.is_some()
            );
        }
    }
}
