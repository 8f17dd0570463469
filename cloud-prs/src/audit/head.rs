//! The head of a chain: number and hash of its last row, signed by the broker.
//! One line of text, so that it can be kept elsewhere.

use std::fmt;

use culvert_wire::UnixMs;
use culvert_wire::key::{Context, PublicKey, Signature, SigningKey};
use data_encoding::BASE32_NOPAD;

use super::{Chain, Hash};

/// Number and hash of a chain's last row, signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Whose chain.
    pub chain: Chain,
    /// The last row's number.
    pub seq: u64,
    /// When it was signed.
    pub at: UnixMs,
    /// The last row's hash.
    pub hash: Hash,
    /// The broker key that signed.
    pub signer: PublicKey,
    /// Its signature.
    pub signature: Signature,
}

impl Head {
    /// Signs the head of a chain.
    pub fn sign(chain: Chain, seq: u64, at: UnixMs, hash: Hash, broker: &SigningKey) -> Self {
        let message = message(chain, seq, at, hash);
        Self {
            chain,
            seq,
            at,
            hash,
            signer: broker.public(),
            signature: broker.sign(Context::AuditHead, &message),
        }
    }

    /// Whether its signer signed it.
    pub fn holds(&self) -> bool {
        let message = message(self.chain, self.seq, self.at, self.hash);
        self.signer
            .verify(Context::AuditHead, &message, &self.signature)
            .is_ok()
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let signature = BASE32_NOPAD.encode(&self.signature.0).to_ascii_lowercase();
        write!(
            f,
            "{} {} {} {} {} {signature}",
            self.chain, self.seq, self.at.0, self.hash, self.signer
        )
    }
}

impl std::str::FromStr for Head {
    type Err = ParseHeadError;

    fn from_str(text: &str) -> Result<Self, ParseHeadError> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let &[chain, seq, at, hash, signer, signature] = fields.as_slice() else {
            return Err(ParseHeadError);
        };
        let signature = BASE32_NOPAD
            .decode(signature.to_ascii_uppercase().as_bytes())
            .map_err(|_| ParseHeadError)?;
        Ok(Self {
            chain: chain.parse().map_err(|_| ParseHeadError)?,
            seq: seq.parse().map_err(|_| ParseHeadError)?,
            at: UnixMs(at.parse().map_err(|_| ParseHeadError)?),
            hash: hash.parse().map_err(|()| ParseHeadError)?,
            signer: signer.parse().map_err(|_| ParseHeadError)?,
            signature: Signature(signature.try_into().map_err(|_| ParseHeadError)?),
        })
    }
}

/// Text that is no head of a chain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a signed head of an audit chain")]
pub struct ParseHeadError;

fn message(chain: Chain, seq: u64, at: UnixMs, hash: Hash) -> Vec<u8> {
    let mut out = chain.to_string().into_bytes();
    out.push(0);
    out.extend_from_slice(&seq.to_be_bytes());
    out.extend_from_slice(&at.0.to_be_bytes());
    out.extend_from_slice(&hash.0);
    out
}
