//! The code that binds a new box to a provider, once.
//!
//! The seed is an Ed25519 key of which the server keeps only the public half:
//! a stolen database opens no box. Text form: `culvert-claim-1:` and base32.

use std::fmt;
use std::str::FromStr;

use data_encoding::{BASE32_NOPAD, BASE32_NOPAD_NOCASE};
use zeroize::Zeroizing;

use crate::codec::within;
use crate::id::ClaimId;
use crate::key::{KEY_LEN, PublicKey, SigningKey};
use crate::{Decode, DecodeError, Encode, Reader, Writer};

/// Layout version.
const VERSION: u8 = 1;
/// What the text form begins with.
pub const CLAIM_PREFIX: &str = "culvert-claim-1:";
/// Server addresses one code may carry.
pub const MAX_SERVERS: usize = 8;
/// Longest `host:port` of a server, in bytes.
pub const MAX_SERVER: usize = 262;

/// A claim code.
#[derive(Clone)]
pub struct ClaimCode {
    /// `host:port` of each server, tried in jittered order.
    pub servers: Vec<String>,
    /// The provider key to pin.
    pub provider: PublicKey,
    /// Which code it is.
    pub claim: ClaimId,
    /// The key that proves possession of the code.
    pub seed: SigningKey,
}

/// What the label of a box shows of its claim code: enough to tell a shelf of
/// boxes apart, and no secret.
pub fn label(claim: ClaimId) -> String {
    let text = claim.to_string().to_ascii_uppercase();
    format!("{}-{}", &text[..4], &text[4..8])
}

impl ClaimCode {
    /// The secret as text, for a file, a label or a QR code only.
    pub fn reveal(&self) -> Zeroizing<String> {
        let bytes = Zeroizing::new(self.to_bytes().to_vec());
        let text = BASE32_NOPAD.encode(&bytes).to_ascii_lowercase();
        Zeroizing::new(format!("{CLAIM_PREFIX}{text}"))
    }
}

impl fmt::Debug for ClaimCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClaimCode({}, MASKED)", self.claim)
    }
}

impl FromStr for ClaimCode {
    type Err = ParseClaimError;

    fn from_str(text: &str) -> Result<Self, ParseClaimError> {
        let plain: String = text.split_whitespace().collect();
        let code = plain
            .strip_prefix(CLAIM_PREFIX)
            .ok_or(ParseClaimError::Prefix)?;
        let bytes = BASE32_NOPAD_NOCASE
            .decode(code.as_bytes())
            .map_err(|_| ParseClaimError::Damaged)?;
        Self::from_bytes(&bytes).map_err(|_| ParseClaimError::Damaged)
    }
}

/// Why text is no claim code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseClaimError {
    /// It does not begin as one.
    #[error("a claim code begins with {CLAIM_PREFIX}")]
    Prefix,
    /// Characters are missing or wrong.
    #[error("the claim code is damaged or incomplete: copy it again, whole")]
    Damaged,
}

impl Encode for ClaimCode {
    fn encode(&self, out: &mut Writer) {
        let mut body = Writer::default();
        body.u8(VERSION);
        self.claim.encode(&mut body);
        self.provider.encode(&mut body);
        body.put(&self.seed.seed()[..]);
        let servers = &self.servers[..self.servers.len().min(MAX_SERVERS)];
        body.u8(u8::try_from(servers.len()).expect("at most MAX_SERVERS"));
        for server in servers {
            body.text(server, MAX_SERVER);
        }
        let body = body.finish();
        out.put(&body);
        out.put(&checksum(&body));
    }
}

impl Decode for ClaimCode {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let whole = input.clone();
        let before = input.len();
        let version = input.u8()?;
        if version != VERSION {
            return Err(DecodeError::value("claim code version", version));
        }
        let claim = ClaimId::decode(input)?;
        let provider = PublicKey::decode(input)?;
        let seed = Zeroizing::new(input.array::<KEY_LEN>()?);
        let count = usize::from(input.u8()?);
        within("servers", count, MAX_SERVERS)?;
        let servers = (0..count)
            .map(|_| input.text("server", MAX_SERVER).map(str::to_owned))
            .collect::<Result<_, _>>()?;
        let body = whole.clone().take(before - input.len())?;
        let sum: [u8; 4] = input.array()?;
        if sum != checksum(body) {
            return Err(DecodeError::value("checksum", u32::from_be_bytes(sum)));
        }
        Ok(Self {
            servers,
            provider,
            claim,
            seed: SigningKey::from_seed(&seed),
        })
    }
}

/// Four bytes that tell a mistyped code from a wrong one.
fn checksum(body: &[u8]) -> [u8; 4] {
    use sha2::{Digest as _, Sha256};
    let digest = Sha256::digest(body);
    [digest[0], digest[1], digest[2], digest[3]]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code() -> ClaimCode {
        ClaimCode {
            servers: vec!["prs.example.com:443".into(), "[2001:db8::1]:443".into()],
            provider: SigningKey::from_seed(&[1; 32]).public(),
            claim: ClaimId::from_random([2; 16]),
            seed: SigningKey::from_seed(&[3; 32]),
        }
    }

    #[test]
    fn a_code_comes_back_from_its_text_even_broken_into_lines() {
        let text = code().reveal();
        let (a, b) = text.split_at(40);

        let got: ClaimCode = format!(" {a}\r\n{} \n", b.to_uppercase()).parse().unwrap();

        assert_eq!(got.servers, code().servers);
        assert_eq!(got.provider, code().provider);
        assert_eq!(got.seed.public(), code().seed.public());
    }

    #[test]
    fn a_mistyped_code_says_that_it_is_damaged() {
        let text = code().reveal();
        let mut wrong = text.to_string().into_bytes();
        wrong[60] = if wrong[60] == b'a' { b'b' } else { b'a' };

        let got = String::from_utf8(wrong).unwrap().parse::<ClaimCode>();

        assert_eq!(got.unwrap_err(), ParseClaimError::Damaged);
        assert_eq!(
            "hello".parse::<ClaimCode>().unwrap_err(),
            ParseClaimError::Prefix
        );
    }

    #[test]
    fn a_code_never_prints() {
        let shown = format!("{:?}", code());

        assert!(shown.contains("MASKED"), "{shown}");
    }
}
