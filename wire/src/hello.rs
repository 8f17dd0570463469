//! The first messages of a link: the server proves itself inside TLS, then the
//! endpoint does.
//!
//! ```text
//! endpoint                                            server
//!   TLS 1.3 (any certificate; the handshake signature is checked)
//!   GET /link, Upgrade: websocket,
//!     Sec-WebSocket-Protocol: culvert.link.N, culvert.link.N-1
//!     Culvert-Nonce: <base32 of 32 bytes>        ─────►
//!                              ◄─── 101, culvert.link.N-1
//!                              ◄─── ServerProof
//!   LinkAuth (nothing secret before the proof holds) ─►
//!                              ◄─── Frame::Welcome or Frame::Refused
//! ```
//!
//! Both signatures cover the TLS exporter (RFC 8446 §7.5, label
//! [`EXPORTER_LABEL`]), so that neither works on another connection. Browsers
//! cannot read an exporter: they use [`BROWSER_BINDING`] and rely on web PKI.
//! Nor can a page set headers: a browser asks for [`BROWSER_LINK_PATH`], with
//! its nonce as a second subprotocol behind [`NONCE_PROTOCOL`].

use std::fmt;

use bytes::Bytes;

use crate::codec::within;
use crate::id::{BootId, ClaimId, Lease};
use crate::key::{BadSignature, Context, PublicKey, Signature, SigningKey};
use crate::statement::{
    MAX_ROTATIONS, NodeStatement, ProviderRotation, SignedStatement, StatementError,
    follow_rotations,
};
use crate::ticket::Ticket;
use crate::{Decode, DecodeError, Encode, Reader, UnixMs, Writer};

/// Path of the upgrade request.
pub const LINK_PATH: &str = "/link";
/// Path of a browser's upgrade request: cookie and origin are judged there.
pub const BROWSER_LINK_PATH: &str = "/link/browser";
/// A browser's nonce is the subprotocol that begins so, base32 without padding.
pub const NONCE_PROTOCOL: &str = "culvert.nonce.";
/// Request header that carries the endpoint's nonce, base32 without padding.
pub const NONCE_HEADER: &str = "culvert-nonce";
/// Subprotocols this version speaks, best first.
pub const SUBPROTOCOLS: [&str; 1] = ["culvert.link.1"];
/// Label of the TLS exporter; its context is empty, its length 32 bytes.
pub const EXPORTER_LABEL: &[u8] = b"EXPORTER-culvert-link";
/// Length of nonces and channel bindings, in bytes.
pub const NONCE_LEN: usize = 32;
/// What a browser signs instead of an exporter.
pub const BROWSER_BINDING: [u8; NONCE_LEN] = [0; NONCE_LEN];
/// Longest first message of either side, in bytes.
pub const MAX_HELLO: usize = 8 * 1024;
/// Longest version text, in bytes.
pub const MAX_VERSION: usize = 64;
/// Longest API token, in bytes.
pub const MAX_TOKEN: usize = 128;

/// What ties a signature to one TLS connection and one server hello.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Binding {
    /// The TLS exporter, or [`BROWSER_BINDING`].
    pub exporter: [u8; NONCE_LEN],
    /// The endpoint's nonce.
    pub client_nonce: [u8; NONCE_LEN],
    /// The server's nonce.
    pub server_nonce: [u8; NONCE_LEN],
}

impl Binding {
    /// Appends `body` to the binding: the message that is signed.
    pub fn message(&self, body: &[u8]) -> Vec<u8> {
        [
            &self.exporter[..],
            &self.client_nonce,
            &self.server_nonce,
            body,
        ]
        .concat()
    }
}

/// The server's first message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerProof {
    /// The provider's word on the node key.
    pub statement: SignedStatement,
    /// Newer provider keys, oldest rotation first, at most [`MAX_ROTATIONS`].
    pub rotations: Vec<ProviderRotation>,
    /// The server's clock.
    pub link_time: UnixMs,
    /// Fresh for this link.
    pub server_nonce: [u8; NONCE_LEN],
    signature: Signature,
}

/// What a proof that holds says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proven {
    /// The server's statement.
    pub statement: NodeStatement,
    /// The provider key to pin from now on (newer than the pin after a rotation).
    pub provider: PublicKey,
    /// The server's clock at the hello.
    pub link_time: UnixMs,
    /// What this link's other signatures cover.
    pub binding: Binding,
}

impl ServerProof {
    /// Makes the proof for one connection.
    pub fn sign(
        statement: SignedStatement,
        rotations: Vec<ProviderRotation>,
        link_time: UnixMs,
        binding: &Binding,
        node: &SigningKey,
    ) -> Self {
        let message = binding.message(&link_time.to_bytes());
        Self {
            statement,
            rotations,
            link_time,
            server_nonce: binding.server_nonce,
            signature: node.sign(Context::LinkProof, &message),
        }
    }

    /// Judges the proof for one connection.
    ///
    /// `pin` is the provider key the endpoint trusts, `epoch_floor` the highest
    /// statement epoch it has seen, `clock_floor` a time that has certainly
    /// passed (build or last saved link time).
    ///
    /// # Errors
    /// [`ProofError`]: the connection must be closed and nothing secret sent.
    pub fn verify(
        &self,
        pin: &PublicKey,
        exporter: &[u8; NONCE_LEN],
        client_nonce: &[u8; NONCE_LEN],
        epoch_floor: u32,
        clock_floor: UnixMs,
    ) -> Result<Proven, ProofError> {
        let provider = follow_rotations(*pin, &self.rotations);
        let now = self.link_time.max(clock_floor);
        let statement = *self.statement.verify(&provider, now, epoch_floor)?;
        let binding = Binding {
            exporter: *exporter,
            client_nonce: *client_nonce,
            server_nonce: self.server_nonce,
        };
        let message = binding.message(&self.link_time.to_bytes());
        statement
            .node
            .verify(Context::LinkProof, &message, &self.signature)
            .map_err(ProofError::Connection)?;
        Ok(Proven {
            statement,
            provider,
            link_time: self.link_time,
            binding,
        })
    }
}

impl Encode for ServerProof {
    fn encode(&self, out: &mut Writer) {
        self.statement.encode(out);
        let rotations = &self.rotations[..self.rotations.len().min(MAX_ROTATIONS)];
        out.u8(u8::try_from(rotations.len()).expect("at most MAX_ROTATIONS"));
        for rotation in rotations {
            rotation.encode(out);
        }
        self.link_time.encode(out);
        out.put(&self.server_nonce);
        self.signature.encode(out);
    }
}

impl Decode for ServerProof {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let statement = SignedStatement::decode(input)?;
        let count = usize::from(input.u8()?);
        within("rotations", count, MAX_ROTATIONS)?;
        Ok(Self {
            statement,
            rotations: (0..count)
                .map(|_| ProviderRotation::decode(input))
                .collect::<Result<_, _>>()?,
            link_time: UnixMs::decode(input)?,
            server_nonce: input.array()?,
            signature: Signature::decode(input)?,
        })
    }
}

/// Why a server's proof was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The server's statement does not hold.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// The statement holds, but the node did not sign this connection:
    /// somebody in between opened TLS.
    #[error("the server's proof is not for this connection: TLS is opened on the way")]
    Connection(#[source] BadSignature),
}

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
        let value = |field, value: u8| DecodeError::Value {
            field,
            value: u64::from(value),
        };
        match input.u8()? {
            1 => {}
            other => return Err(value("hello version", other)),
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
            other => return Err(value("endpoint kind", other)),
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
    use super::*;
    use crate::statement::Roles;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed(&[seed; 32])
    }

    fn binding() -> Binding {
        Binding {
            exporter: [1; 32],
            client_nonce: [2; 32],
            server_nonce: [3; 32],
        }
    }

    fn proof(rotations: Vec<ProviderRotation>, provider: &SigningKey) -> ServerProof {
        let statement = NodeStatement {
            provider: provider.public(),
            node: key(2).public(),
            roles: Roles {
                relay: true,
                broker: true,
            },
            issued: UnixMs(1000),
            not_after: UnixMs(2000),
            epoch: 1,
        };
        let statement = SignedStatement::sign(statement, provider);
        ServerProof::sign(statement, rotations, UnixMs(1500), &binding(), &key(2))
    }

    #[test]
    fn a_proof_holds_on_its_own_connection_only() {
        let got = ServerProof::from_bytes(&proof(vec![], &key(1)).to_bytes()).unwrap();
        let pin = key(1).public();

        let proven = got.verify(&pin, &[1; 32], &[2; 32], 1, UnixMs(0)).unwrap();

        assert_eq!(proven.binding, binding());
        assert_eq!(proven.link_time, UnixMs(1500));
        assert!(matches!(
            got.verify(&pin, &[9; 32], &[2; 32], 1, UnixMs(0)),
            Err(ProofError::Connection(_))
        ));
        assert!(matches!(
            got.verify(&pin, &[1; 32], &[9; 32], 1, UnixMs(0)),
            Err(ProofError::Connection(_))
        ));
    }

    #[test]
    fn a_rotated_provider_key_is_followed_from_the_old_pin() {
        let rotation = ProviderRotation::sign(&key(1), &key(7));
        let got = proof(vec![rotation], &key(7));

        let proven = got
            .verify(&key(1).public(), &[1; 32], &[2; 32], 1, UnixMs(0))
            .unwrap();

        assert_eq!(proven.provider, key(7).public());
    }

    #[test]
    fn an_expired_statement_is_refused_even_if_the_server_lies_about_the_time() {
        let got = proof(vec![], &key(1));

        assert_eq!(
            got.verify(&key(1).public(), &[1; 32], &[2; 32], 1, UnixMs(2001)),
            Err(ProofError::Statement(StatementError::NotValidNow))
        );
    }

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
