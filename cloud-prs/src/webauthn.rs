//! Checks passkeys: WebAuthn Level 3 §7.1 (registration, attestation `none`)
//! and §7.2 (authentication).
//!
//! Pure: bytes in, a verdict out; challenges and stored keys are arguments. Why
//! not a library: decision 0014. CBOR is `ciborium`'s, signatures are checked by
//! what checks certificates' (rustls with *ring*).
//! Nothing here trusts an attestation: what kind of authenticator a person uses
//! is her own business.

use ciborium::Value;
use data_encoding::BASE64URL_NOPAD;
use rustls::pki_types::{AlgorithmIdentifier, alg_id};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

/// Algorithms that are offered, the preferred first: EdDSA, ES256, RS256
/// (RFC 9053, RFC 8812).
pub const ALGORITHMS: [i64; 3] = [-8, -7, -257];
/// Longest credential id, in bytes (WebAuthn §4).
const MAX_CREDENTIAL: usize = 1023;
/// Longest message that is looked at, in bytes.
const MAX_MESSAGE: usize = 16 * 1024;
/// Nesting of CBOR that is followed.
const MAX_DEPTH: usize = 8;

const USER_PRESENT: u8 = 0x01;
const USER_VERIFIED: u8 = 0x04;
const HAS_CREDENTIAL: u8 = 0x40;

/// Why a passkey's message is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasskeyError {
    /// Not what the standard says.
    #[error("the message is malformed")]
    Malformed,
    /// Another step of the protocol.
    #[error("the message is for something else")]
    Type,
    /// Another challenge: replayed, or somebody else's.
    #[error("the challenge is another one")]
    Challenge,
    /// Made on another site's page.
    #[error("the origin is another one")]
    Origin,
    /// Made for another site.
    #[error("the passkey is for another site")]
    Site,
    /// Nobody touched it.
    #[error("nobody confirmed at the authenticator")]
    Presence,
    /// The authenticator did not check who touched it.
    #[error("the authenticator did not check who confirmed")]
    Verification,
    /// No algorithm of [`ALGORITHMS`].
    #[error("the key's algorithm is not known")]
    Algorithm,
    /// Not signed with the key.
    #[error("the signature is wrong")]
    Signature,
    /// It has counted backwards: it may be a copy.
    #[error("the counter went back: the passkey may have been copied")]
    Counter,
}

/// What a page sends for a new passkey (`RegistrationResponseJSON`).
#[derive(Debug, Clone, Deserialize)]
pub struct Registration {
    /// Its response.
    pub response: AttestationResponse,
}

/// The response inside.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AttestationResponse {
    /// base64url.
    #[serde(rename = "clientDataJSON")]
    pub client_data: String,
    /// base64url of CBOR.
    pub attestation_object: String,
}

/// What a page sends for one that is known (`AuthenticationResponseJSON`).
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Assertion {
    /// The credential's id, base64url.
    pub id: String,
    /// Its response.
    pub response: AssertionResponse,
}

/// The response inside.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AssertionResponse {
    /// base64url.
    #[serde(rename = "clientDataJSON")]
    pub client_data: String,
    /// base64url.
    pub authenticator_data: String,
    /// base64url.
    pub signature: String,
    /// base64url of the account's id.
    #[serde(default)]
    pub user_handle: Option<String>,
}

/// What the server expects of a message.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// What was to be signed.
    pub challenge: &'a [u8; 32],
    /// The page's origin.
    pub origin: &'a str,
    /// The site's name: the origin's host.
    pub site: &'a str,
    /// Whether the authenticator has to have checked the person.
    pub verified: bool,
}

/// A new passkey.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPasskey {
    /// The credential's id.
    pub credential: Vec<u8>,
    /// The public key, a `COSE_Key` as the authenticator wrote it.
    pub key: Vec<u8>,
    /// Its counter.
    pub counter: u32,
}

/// Checks a new passkey's message.
///
/// # Errors
/// [`PasskeyError`].
pub fn register(
    message: &Registration,
    expected: &Expected<'_>,
) -> Result<NewPasskey, PasskeyError> {
    client_data(&message.response.client_data, "webauthn.create", expected)?;
    let object = bytes(&message.response.attestation_object)?;
    let (object, rest) = cbor(&object)?;
    if !rest.is_empty() {
        return Err(PasskeyError::Malformed);
    }
    let data = entry(&object, |key| key.as_text() == Some("authData"))
        .and_then(Value::as_bytes)
        .ok_or(PasskeyError::Malformed)?;
    let data = AuthenticatorData::read(data)?;
    data.fits(expected)?;
    let (credential, key) = data.credential.ok_or(PasskeyError::Malformed)?;
    PublicKey::read(&key)?;
    Ok(NewPasskey {
        credential,
        key,
        counter: data.counter,
    })
}

/// Checks a known passkey's message against its key and counter; gives the new
/// counter.
///
/// # Errors
/// [`PasskeyError`].
pub fn authenticate(
    message: &AssertionResponse,
    expected: &Expected<'_>,
    key: &[u8],
    counter: u32,
) -> Result<u32, PasskeyError> {
    let client = client_data(&message.client_data, "webauthn.get", expected)?;
    let raw = bytes(&message.authenticator_data)?;
    let data = AuthenticatorData::read(&raw)?;
    data.fits(expected)?;
    let signed = [raw.as_slice(), &Sha256::digest(&client)].concat();
    PublicKey::read(key)?.verify(&signed, &bytes(&message.signature)?)?;
    // Those that do not count say 0 for ever.
    let counts = data.counter != 0 || counter != 0;
    if counts && data.counter <= counter {
        return Err(PasskeyError::Counter);
    }
    Ok(data.counter)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClientData {
    r#type: String,
    challenge: String,
    origin: String,
    #[serde(default)]
    cross_origin: bool,
}

/// Checks what the browser says it was asked, and gives its bytes.
fn client_data(text: &str, r#type: &str, expected: &Expected<'_>) -> Result<Vec<u8>, PasskeyError> {
    let raw = bytes(text)?;
    let data: ClientData = serde_json::from_slice(&raw).map_err(|_| PasskeyError::Malformed)?;
    if data.r#type != r#type {
        return Err(PasskeyError::Type);
    }
    if bytes(&data.challenge)? != expected.challenge {
        return Err(PasskeyError::Challenge);
    }
    if data.origin != expected.origin || data.cross_origin {
        return Err(PasskeyError::Origin);
    }
    Ok(raw)
}

/// Authenticator data (WebAuthn §6.1).
struct AuthenticatorData {
    site: [u8; 32],
    flags: u8,
    counter: u32,
    /// Id and key of a new credential.
    credential: Option<(Vec<u8>, Vec<u8>)>,
}

impl AuthenticatorData {
    fn read(data: &[u8]) -> Result<Self, PasskeyError> {
        let wrong = PasskeyError::Malformed;
        let (site, rest) = data.split_first_chunk::<32>().ok_or(wrong)?;
        let (flags, rest) = rest.split_first().ok_or(wrong)?;
        let (counter, rest) = rest.split_first_chunk::<4>().ok_or(wrong)?;
        let mut credential = None;
        if flags & HAS_CREDENTIAL != 0 {
            // The model's id says nothing that is used.
            let (_, rest) = rest.split_first_chunk::<16>().ok_or(wrong)?;
            let (length, rest) = rest.split_first_chunk::<2>().ok_or(wrong)?;
            let length = usize::from(u16::from_be_bytes(*length));
            let (id, rest) = rest.split_at_checked(length).ok_or(wrong)?;
            if id.is_empty() || id.len() > MAX_CREDENTIAL {
                return Err(wrong);
            }
            let (_, after) = cbor(rest)?;
            let key = &rest[..rest.len() - after.len()];
            credential = Some((id.to_vec(), key.to_vec()));
        }
        Ok(Self {
            site: *site,
            flags: *flags,
            counter: u32::from_be_bytes(*counter),
            credential,
        })
    }

    fn fits(&self, expected: &Expected<'_>) -> Result<(), PasskeyError> {
        if self.site[..] != Sha256::digest(expected.site)[..] {
            return Err(PasskeyError::Site);
        }
        if self.flags & USER_PRESENT == 0 {
            return Err(PasskeyError::Presence);
        }
        if expected.verified && self.flags & USER_VERIFIED == 0 {
            return Err(PasskeyError::Verification);
        }
        Ok(())
    }
}

/// A `COSE_Key` (RFC 9052 §7) of a known algorithm.
enum PublicKey {
    Ed25519(Vec<u8>),
    P256(Vec<u8>),
    Rsa { n: Vec<u8>, e: Vec<u8> },
}

impl PublicKey {
    fn read(key: &[u8]) -> Result<Self, PasskeyError> {
        let (map, rest) = cbor(key)?;
        if !rest.is_empty() {
            return Err(PasskeyError::Malformed);
        }
        let number = |label: i64| {
            let value = entry(&map, |key| is_number(key, label)).and_then(Value::as_integer);
            value.and_then(|value| i64::try_from(value).ok())
        };
        let field = |label: i64, length: Option<usize>| {
            entry(&map, |key| is_number(key, label))
                .and_then(Value::as_bytes)
                .filter(|bytes| length.is_none_or(|length| bytes.len() == length))
                .cloned()
                .ok_or(PasskeyError::Malformed)
        };
        // Key type, algorithm, curve.
        match (number(1), number(3), number(-1)) {
            (Some(1), Some(-8), Some(6)) => Ok(Self::Ed25519(field(-2, Some(32))?)),
            (Some(2), Some(-7), Some(1)) => {
                let point = [vec![4], field(-2, Some(32))?, field(-3, Some(32))?];
                Ok(Self::P256(point.concat()))
            }
            (Some(3), Some(-257), _) => Ok(Self::Rsa {
                n: field(-1, None)?,
                e: field(-2, None)?,
            }),
            _ => Err(PasskeyError::Algorithm),
        }
    }

    fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), PasskeyError> {
        let fits = match self {
            Self::Ed25519(key) => verify([alg_id::ED25519; 2], key, message, signature),
            Self::P256(key) => {
                let algorithms = [alg_id::ECDSA_P256, alg_id::ECDSA_SHA256];
                verify(algorithms, key, message, signature)
            }
            Self::Rsa { n, e } => {
                let algorithms = [alg_id::RSA_ENCRYPTION, alg_id::RSA_PKCS1_SHA256];
                verify(algorithms, &rsa_public_key(n, e), message, signature)
            }
        };
        fits.then_some(()).ok_or(PasskeyError::Signature)
    }
}

/// Whether a signature is right, for the algorithms of key and signature.
fn verify(
    [of_key, of_signature]: [AlgorithmIdentifier; 2],
    key: &[u8],
    message: &[u8],
    signature: &[u8],
) -> bool {
    let provider = rustls::crypto::ring::default_provider();
    let mut known = provider.signature_verification_algorithms.all.iter();
    known
        .find(|known| {
            known.public_key_alg_id() == of_key && known.signature_alg_id() == of_signature
        })
        .is_some_and(|known| known.verify_signature(key, message, signature).is_ok())
}

/// `RSAPublicKey` of RFC 8017 §A.1.1, DER.
fn rsa_public_key(n: &[u8], e: &[u8]) -> Vec<u8> {
    let parts = [n, e].map(|number| {
        let leading = number.iter().take_while(|byte| **byte == 0).count();
        let number = &number[leading..];
        // A number whose first bit is set would be negative.
        let sign: &[u8] = match number.first() {
            Some(..0x80) => &[],
            _ => &[0],
        };
        der(0x02, &[sign, number].concat())
    });
    der(0x30, &parts.concat())
}

/// Tag, length, contents (X.690 §8.1).
fn der(tag: u8, contents: &[u8]) -> Vec<u8> {
    let length = contents.len().to_be_bytes();
    let leading = length.iter().take_while(|byte| **byte == 0).count();
    let length = &length[leading..];
    let mut out = vec![tag];
    match length {
        [] => out.push(0),
        [short @ ..0x80] => out.push(*short),
        long => {
            out.push(0x80 | u8::try_from(long.len()).unwrap_or(8));
            out.extend_from_slice(long);
        }
    }
    out.extend_from_slice(contents);
    out
}

/// base64url, as the page wrote it.
fn bytes(text: &str) -> Result<Vec<u8>, PasskeyError> {
    if text.len() > MAX_MESSAGE {
        return Err(PasskeyError::Malformed);
    }
    let plain = text.trim_end_matches('=');
    BASE64URL_NOPAD
        .decode(plain.as_bytes())
        .map_err(|_| PasskeyError::Malformed)
}

/// One CBOR value, and what comes after it.
fn cbor(mut data: &[u8]) -> Result<(Value, &[u8]), PasskeyError> {
    let value = ciborium::de::from_reader_with_recursion_limit(&mut data, MAX_DEPTH);
    value
        .map(|value| (value, data))
        .map_err(|_| PasskeyError::Malformed)
}

fn entry(map: &Value, is: impl Fn(&Value) -> bool) -> Option<&Value> {
    let found = map.as_map()?.iter().find(|(key, _)| is(key));
    found.map(|(_, value)| value)
}

fn is_number(key: &Value, label: i64) -> bool {
    key.as_integer() == Some(label.into())
}

#[cfg(test)]
mod tests;
