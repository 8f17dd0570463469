//! A host's credential, sealed by the technician's end so that only one
//! gateway opens it, and only for one account on one target.
//!
//! The layout only: `culvert_session::sealed` seals and opens (HPKE, RFC 9180).
//! `info` names everything the credential is for: a ciphertext that is moved to
//! another host, account or gateway does not open. What is sealed is padded, so
//! that its length tells little. Never prints a secret. Driven by the browser's
//! endpoint and the gateway; the server stores the bytes as they are.

use bytes::Bytes;
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
    pub fn info(&self) -> Bytes {
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
    /// What is sealed: a multiple of 256 bytes.
    ///
    /// # Errors
    /// [`TooLong`].
    pub fn padded(&self) -> Result<Zeroizing<Vec<u8>>, TooLong> {
        let empty = Secret::new(&[]);
        let (kind, secret, passphrase, limit) = match self {
            Self::Password(password) => (1, password, &empty, MAX_ANSWER),
            Self::PrivateKey { key, passphrase } => (2, key, passphrase, MAX_PRIVATE_KEY),
        };
        if secret.reveal().len() > limit || passphrase.reveal().len() > MAX_ANSWER {
            return Err(TooLong);
        }
        // Of the final length at once: a buffer that grows leaves copies behind.
        let length = 6 + secret.reveal().len() + passphrase.reveal().len();
        let mut out = Zeroizing::new(Vec::with_capacity(length.next_multiple_of(BLOCK)));
        out.extend_from_slice(&[VERSION, kind]);
        for part in [secret, passphrase] {
            let length = u16::try_from(part.reveal().len()).map_err(|_| TooLong)?;
            out.extend_from_slice(&length.to_be_bytes());
            out.extend_from_slice(part.reveal());
        }
        let padded = out.len().next_multiple_of(BLOCK);
        out.resize(padded, 0);
        Ok(out)
    }

    /// Reads what [`Self::padded`] wrote.
    ///
    /// # Errors
    /// [`DecodeError`] when it is anything else.
    pub fn from_padded(bytes: &[u8]) -> Result<Self, DecodeError> {
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
    /// What was sealed for a purpose.
    ///
    /// # Errors
    /// [`TooLong`] when the account or the ciphertext is no account or ciphertext
    /// of a credential.
    pub fn new(
        purpose: &Purpose,
        encapsulated: [u8; KEY_LEN],
        ciphertext: Bytes,
    ) -> Result<Self, TooLong> {
        if purpose.account.len() > MAX_ACCOUNT || ciphertext.len() > MAX_CIPHERTEXT {
            return Err(TooLong);
        }
        Ok(Self {
            customer: purpose.customer,
            host: purpose.host,
            account: purpose.account.clone(),
            encapsulated,
            ciphertext,
        })
    }

    /// The account it is for, as its bytes claim; true once it opens.
    pub fn account(&self) -> &str {
        &self.account
    }

    /// What it has to have been sealed for to open at a gateway for a target.
    pub fn purpose(&self, gateway: PublicKey, target: &Target) -> Purpose {
        Purpose {
            gateway,
            customer: self.customer,
            host: self.host,
            target: target.clone(),
            account: self.account.clone(),
        }
    }

    /// The sender's ephemeral key (RFC 9180 §4.1, `enc`).
    pub fn encapsulated(&self) -> &[u8; KEY_LEN] {
        &self.encapsulated
    }

    /// The ciphertext with its tag.
    pub fn ciphertext(&self) -> &[u8] {
        &self.ciphertext
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

/// A part is longer than a credential's may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the credential is too long: 1,024 bytes for passwords, 16,384 for keys")]
pub struct TooLong;
