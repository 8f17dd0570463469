//! A host's credential, sealed by the technician's end so that only one
//! gateway opens it, and only for one account on one target.
//!
//! HPKE (RFC 9180) base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256,
//! ChaCha20Poly1305, one message. `info` names everything the credential is
//! for: a ciphertext that is moved to another host, account or gateway does not
//! open. What is sealed is padded, so that its length tells little.
//!
//! No randomness: the ephemeral seed is an argument. Never prints a secret.
//! Driven by the browser's endpoint (seals) and the gateway (opens); the server
//! stores the bytes and is built without this module (feature `sealed`).

use std::convert::Infallible;

use bytes::Bytes;
use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::rand_core::{TryCryptoRng, TryRng};
use hpke::{Deserializable as _, Kem, OpModeR, OpModeS, Serializable as _};
use zeroize::Zeroizing;

use crate::grant::Target;
use crate::id::{CustomerId, HostId};
use crate::key::{KEY_LEN, PublicKey};
use crate::secret::Secret;
use crate::terminal::{MAX_ACCOUNT, MAX_ANSWER, MAX_PRIVATE_KEY};
use crate::{Decode, DecodeError, Encode, Reader, Writer};

/// What `info` begins with.
const CONTEXT: &[u8] = b"culvert sealed credential v1\0";
/// Layout version of the sealed bytes and of what is inside.
const VERSION: u8 = 1;
/// What is inside is padded to a multiple of this.
const BLOCK: usize = 256;
/// Longest ciphertext, in bytes.
const MAX_CIPHERTEXT: usize = MAX_PRIVATE_KEY + MAX_ANSWER + 2 * BLOCK;
/// Longest sealed credential, in bytes.
pub const MAX_SEALED: usize = MAX_CIPHERTEXT + MAX_ACCOUNT + 256;

/// What a credential may be used for, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purpose {
    /// The gateway that opens it.
    pub gateway: PublicKey,
    /// Whose host.
    pub customer: CustomerId,
    /// Which host.
    pub host: HostId,
    /// Where the host is and what is spoken, exactly as a grant names it.
    pub target: Target,
    /// The account on the host.
    pub account: String,
}

impl Purpose {
    /// HPKE's `info`.
    fn info(&self) -> Bytes {
        let mut out = Writer::default();
        out.put(CONTEXT);
        self.gateway.encode(&mut out);
        self.customer.encode(&mut out);
        self.host.encode(&mut out);
        self.target.encode(&mut out);
        out.text(&self.account, MAX_ACCOUNT);
        out.finish()
    }
}

/// What convinces a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Contents {
    /// A password.
    Password(Secret),
    /// A private key file and its passphrase, which may be empty.
    PrivateKey {
        /// In OpenSSH's format or PKCS #8 PEM.
        key: Secret,
        /// Empty for none.
        passphrase: Secret,
    },
}

impl Contents {
    fn padded(&self) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let empty = Secret::new(&[]);
        let (kind, secret, passphrase, limit) = match self {
            Self::Password(password) => (1, password, &empty, MAX_ANSWER),
            Self::PrivateKey { key, passphrase } => (2, key, passphrase, MAX_PRIVATE_KEY),
        };
        if secret.reveal().len() > limit || passphrase.reveal().len() > MAX_ANSWER {
            return Err(SealError::TooLong);
        }
        // Of the final length at once: a buffer that grows leaves copies behind.
        let length = 6 + secret.reveal().len() + passphrase.reveal().len();
        let mut out = Zeroizing::new(Vec::with_capacity(length.next_multiple_of(BLOCK)));
        out.extend_from_slice(&[VERSION, kind]);
        for part in [secret, passphrase] {
            let length = u16::try_from(part.reveal().len()).map_err(|_| SealError::TooLong)?;
            out.extend_from_slice(&length.to_be_bytes());
            out.extend_from_slice(part.reveal());
        }
        let padded = out.len().next_multiple_of(BLOCK);
        out.resize(padded, 0);
        Ok(out)
    }

    fn from_padded(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut input = Reader::new(bytes);
        let value = |field, value: u8| DecodeError::Value {
            field,
            value: u64::from(value),
        };
        match input.u8()? {
            VERSION => {}
            other => return Err(value("credential version", other)),
        }
        let kind = input.u8()?;
        let secret = Secret::new(input.bytes16("secret", MAX_PRIVATE_KEY)?);
        let passphrase = Secret::new(input.bytes16("passphrase", MAX_ANSWER)?);
        if let Some(&odd) = input.rest().iter().find(|byte| **byte != 0) {
            return Err(value("padding", odd));
        }
        match kind {
            1 if passphrase.is_empty() => Ok(Self::Password(secret)),
            2 => Ok(Self::PrivateKey {
                key: secret,
                passphrase,
            }),
            other => Err(value("credential kind", other)),
        }
    }
}

/// A sealed credential, as the server stores it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    customer: CustomerId,
    host: HostId,
    account: String,
    encapsulated: [u8; KEY_LEN],
    ciphertext: Bytes,
}

impl Sealed {
    /// Seals for the gateway whose X25519 sealing key this is. The caller has
    /// checked that the gateway's identity signed that key, and drew `seed`
    /// at random for this call alone.
    ///
    /// # Errors
    /// [`SealError`] when a part is too long or the key is no good.
    pub fn seal(
        purpose: &Purpose,
        contents: &Contents,
        sealing_key: &[u8; KEY_LEN],
        seed: [u8; KEY_LEN],
    ) -> Result<Self, SealError> {
        if purpose.account.len() > MAX_ACCOUNT || purpose.account.chars().any(char::is_control) {
            return Err(SealError::Account);
        }
        let (encapsulated, ciphertext) =
            seal(sealing_key, &purpose.info(), b"", &contents.padded()?, seed)?;
        Ok(Self {
            customer: purpose.customer,
            host: purpose.host,
            account: purpose.account.clone(),
            encapsulated,
            ciphertext: ciphertext.into(),
        })
    }

    /// The account it is for, as its bytes claim; true once it opens.
    pub fn account(&self) -> &str {
        &self.account
    }

    /// Opens with the gateway's sealing key, for the target of a verified grant.
    ///
    /// # Errors
    /// [`OpenError`] when it was sealed for anything else, or damaged.
    pub fn open(
        &self,
        gateway: PublicKey,
        target: &Target,
        secret: &[u8; KEY_LEN],
    ) -> Result<Contents, OpenError> {
        let purpose = Purpose {
            gateway,
            customer: self.customer,
            host: self.host,
            target: target.clone(),
            account: self.account.clone(),
        };
        let info = purpose.info();
        let padded = open(secret, &self.encapsulated, &info, b"", &self.ciphertext)?;
        Ok(Contents::from_padded(&padded)?)
    }
}

impl Encode for Sealed {
    fn encode(&self, out: &mut Writer) {
        out.u8(VERSION);
        self.customer.encode(out);
        self.host.encode(out);
        out.text(&self.account, MAX_ACCOUNT);
        out.put(&self.encapsulated);
        out.bytes16(&self.ciphertext);
    }
}

impl Decode for Sealed {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match input.u8()? {
            VERSION => {}
            other => {
                return Err(DecodeError::Value {
                    field: "sealed version",
                    value: u64::from(other),
                });
            }
        }
        Ok(Self {
            customer: CustomerId::decode(input)?,
            host: HostId::decode(input)?,
            account: input.text("account", MAX_ACCOUNT)?.to_owned(),
            encapsulated: input.array()?,
            ciphertext: Bytes::copy_from_slice(input.bytes16("ciphertext", MAX_CIPHERTEXT)?),
        })
    }
}

/// Why a credential cannot be sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The password, the key or the passphrase is too long.
    #[error("the credential is too long: 1,024 bytes for passwords, 16,384 for keys")]
    TooLong,
    /// The account is no account.
    #[error("the account is too long or holds control characters")]
    Account,
    /// The gateway's sealing key is not usable.
    #[error("the gateway's sealing key is not valid")]
    Key,
}

/// Why a sealed credential does not open.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Sealed for another gateway, customer, host, target or account.
    #[error("the credential was sealed for something else, or is damaged")]
    NotForThis,
    /// Opened, but of a newer version.
    #[error("the credential is of a newer version: {0}")]
    Contents(#[from] DecodeError),
}

type Private = <X25519HkdfSha256 as Kem>::PrivateKey;
type Public = <X25519HkdfSha256 as Kem>::PublicKey;
type Encapsulated = <X25519HkdfSha256 as Kem>::EncappedKey;

/// RFC 9180 §6.1 `SealBase`, with the ephemeral key of DeriveKeyPair(seed).
fn seal(
    to: &[u8; KEY_LEN],
    info: &[u8],
    aad: &[u8],
    plaintext: &[u8],
    seed: [u8; KEY_LEN],
) -> Result<([u8; KEY_LEN], Vec<u8>), SealError> {
    let to = Public::from_bytes(to).map_err(|_| SealError::Key)?;
    let mut seed = Seed(Zeroizing::new(seed));
    let (encapsulated, ciphertext) = hpke::single_shot_seal_with_rng::<
        ChaCha20Poly1305,
        HkdfSha256,
        X25519HkdfSha256,
    >(&OpModeS::Base, &to, info, plaintext, aad, &mut seed)
    .map_err(|_| SealError::Key)?;
    Ok((encapsulated.to_bytes().into(), ciphertext))
}

/// RFC 9180 §6.1 `OpenBase`.
fn open(
    secret: &[u8; KEY_LEN],
    encapsulated: &[u8; KEY_LEN],
    info: &[u8],
    aad: &[u8],
    ciphertext: &[u8],
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let secret = Private::from_bytes(secret).map_err(|_| OpenError::NotForThis)?;
    let encapsulated = Encapsulated::from_bytes(encapsulated).map_err(|_| OpenError::NotForThis)?;
    hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
        &OpModeR::Base,
        &secret,
        &encapsulated,
        info,
        ciphertext,
        aad,
    )
    .map(Zeroizing::new)
    .map_err(|_| OpenError::NotForThis)
}

/// The caller's seed as the one draw that HPKE makes: 32 bytes from which it
/// derives the ephemeral key.
struct Seed(Zeroizing<[u8; KEY_LEN]>);

impl TryRng for Seed {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut word = [0; 4];
        self.try_fill_bytes(&mut word)?;
        Ok(u32::from_be_bytes(word))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut word = [0; 8];
        self.try_fill_bytes(&mut word)?;
        Ok(u64::from_be_bytes(word))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        for (byte, seed) in out.iter_mut().zip(self.0.iter()) {
            *byte = *seed;
        }
        Ok(())
    }
}

impl TryCryptoRng for Seed {}

#[cfg(test)]
mod tests;
