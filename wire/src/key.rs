//! Ed25519 keys (RFC 8032), fingerprints and domain-separated signatures.
//!
//! Every signature covers a [`Context`] first, so that bytes signed for one
//! purpose can never serve another. Never draws randomness: seeds come in.

use std::fmt;
use std::str::FromStr;

use data_encoding::{BASE32_NOPAD, BASE32_NOPAD_NOCASE};
use ed25519_dalek::Signer as _;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::{Decode, DecodeError, Encode, Reader, Writer};

/// Length of a public key and of a private key's seed, in bytes.
pub const KEY_LEN: usize = 32;
/// Length of a signature in bytes.
pub const SIGNATURE_LEN: usize = 64;
/// RFC 8410: the bytes before the seed in a PKCS #8 private key.
const PKCS8_PREFIX: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];
/// RFC 8410: the bytes before the key in a `SubjectPublicKeyInfo`.
const SPKI_PREFIX: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

/// What a signature is for; its text is the first thing signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Context {
    /// A provider key over a node statement.
    NodeStatement,
    /// An old and a new provider key over a rotation.
    ProviderRotation,
    /// A node key over a link's proof.
    LinkProof,
    /// An endpoint's key over its first message on a link.
    LinkAuth,
    /// A claim code's seed key over a claim.
    Claim,
    /// A gateway's identity key over its sealing key.
    SealingKey,
    /// A session end's key over a join.
    Join,
    /// A broker key over a grant.
    Grant,
    /// A broker key over a revocation.
    Revocation,
    /// A broker key over the head of an audit chain.
    AuditHead,
    /// A root key over a list of release keys.
    UpdateKeys,
    /// A release key over a manifest.
    UpdateManifest,
}

impl Context {
    /// The text signed before the message, ended by a zero byte.
    const fn prefix(self) -> &'static [u8] {
        match self {
            Self::NodeStatement => b"culvert node statement v1\0",
            Self::ProviderRotation => b"culvert provider rotation v1\0",
            Self::LinkProof => b"culvert link proof v1\0",
            Self::LinkAuth => b"culvert link auth v1\0",
            Self::Claim => b"culvert claim v1\0",
            Self::SealingKey => b"culvert sealing key v1\0",
            Self::Join => b"culvert join v1\0",
            Self::Grant => b"culvert grant v1\0",
            Self::Revocation => b"culvert revocation v1\0",
            Self::AuditHead => b"culvert audit head v1\0",
            Self::UpdateKeys => b"culvert update keys v1\0",
            Self::UpdateManifest => b"culvert update manifest v1\0",
        }
    }
}

/// An Ed25519 public key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublicKey([u8; KEY_LEN]);

impl PublicKey {
    /// Takes 32 bytes that must be a point of the curve.
    ///
    /// # Errors
    /// [`DecodeError::Key`] when they are not.
    pub fn from_slice(field: &'static str, bytes: &[u8]) -> Result<Self, DecodeError> {
        let bytes: [u8; KEY_LEN] = bytes.try_into().map_err(|_| DecodeError::Key { field })?;
        let key = ed25519_dalek::VerifyingKey::from_bytes(&bytes)
            .map_err(|_| DecodeError::Key { field })?;
        // A key of small order would verify signatures that nobody made.
        if key.is_weak() {
            return Err(DecodeError::Key { field });
        }
        Ok(Self(bytes))
    }

    /// The 32 bytes of RFC 8032.
    pub const fn as_bytes(&self) -> &[u8; KEY_LEN] {
        &self.0
    }

    /// DER `SubjectPublicKeyInfo` (RFC 8410), the form of RFC 7250 raw keys.
    pub fn spki_der(&self) -> Vec<u8> {
        [&SPKI_PREFIX[..], &self.0].concat()
    }

    /// Reads back what [`PublicKey::spki_der`] made.
    ///
    /// # Errors
    /// [`DecodeError::Key`] for any other DER.
    pub fn from_spki_der(der: &[u8]) -> Result<Self, DecodeError> {
        let field = "raw public key";
        let bytes = der
            .strip_prefix(&SPKI_PREFIX)
            .ok_or(DecodeError::Key { field })?;
        Self::from_slice(field, bytes)
    }

    /// Checks a signature made with [`SigningKey::sign`].
    ///
    /// # Errors
    /// [`BadSignature`] when it was not made over `message` for `context`.
    pub fn verify(
        &self,
        context: Context,
        message: &[u8],
        signature: &Signature,
    ) -> Result<(), BadSignature> {
        let key =
            ed25519_dalek::VerifyingKey::from_bytes(&self.0).map_err(|_| BadSignature(context))?;
        let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
        key.verify_strict(&[context.prefix(), message].concat(), &signature)
            .map_err(|_| BadSignature(context))
    }

    /// What people compare: SHA-256 of the key, 40 characters in groups of 5.
    pub fn fingerprint(&self) -> Fingerprint {
        let digest = Sha256::digest(self.0);
        let mut out = [0; FINGERPRINT_LEN];
        out.copy_from_slice(&digest[..FINGERPRINT_LEN]);
        Fingerprint(out)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE32_NOPAD.encode(&self.0).to_ascii_lowercase())
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.fingerprint())
    }
}

impl FromStr for PublicKey {
    type Err = DecodeError;

    fn from_str(text: &str) -> Result<Self, DecodeError> {
        let field = "public key";
        let bytes = BASE32_NOPAD_NOCASE
            .decode(text.as_bytes())
            .map_err(|_| DecodeError::Key { field })?;
        Self::from_slice(field, &bytes)
    }
}

impl Encode for PublicKey {
    fn encode(&self, out: &mut Writer) {
        out.put(&self.0);
    }
}

impl Decode for PublicKey {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Self::from_slice("public key", input.take(KEY_LEN)?)
    }
}

#[cfg(feature = "api")]
impl serde::Serialize for PublicKey {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

#[cfg(feature = "api")]
impl<'de> serde::Deserialize<'de> for PublicKey {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Length of a fingerprint in bytes: 200 bits, beyond any search.
pub const FINGERPRINT_LEN: usize = 25;

/// Short form of a public key that people read aloud and compare.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; FINGERPRINT_LEN]);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = BASE32_NOPAD.encode(&self.0).to_ascii_lowercase();
        let groups: Vec<&str> = (0..text.len())
            .step_by(5)
            .map(|at| &text[at..(at + 5).min(text.len())])
            .collect();
        f.write_str(&groups.join("-"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Fingerprint {
    type Err = ParseFingerprintError;

    fn from_str(text: &str) -> Result<Self, ParseFingerprintError> {
        let plain: String = text
            .chars()
            .filter(|c| !matches!(c, '-' | ' ' | ':'))
            .collect();
        let bytes = BASE32_NOPAD_NOCASE
            .decode(plain.as_bytes())
            .map_err(|_| ParseFingerprintError)?;
        Ok(Self(bytes.try_into().map_err(|_| ParseFingerprintError)?))
    }
}

/// Text that is not a fingerprint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a fingerprint is 40 letters and digits in 8 groups of 5")]
pub struct ParseFingerprintError;

/// An Ed25519 private key; prints as `MASKED`, is wiped when dropped.
#[derive(Clone)]
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    /// The key of a 32-byte seed that the caller drew or stored.
    pub fn from_seed(seed: &[u8; KEY_LEN]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    /// The seed, for storing.
    pub fn seed(&self) -> Zeroizing<[u8; KEY_LEN]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// Signs `message` for one purpose.
    pub fn sign(&self, context: Context, message: &[u8]) -> Signature {
        Signature(
            self.0
                .sign(&[context.prefix(), message].concat())
                .to_bytes(),
        )
    }

    /// DER PKCS #8 (RFC 8410), the form TLS libraries take.
    pub fn pkcs8_der(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new([&PKCS8_PREFIX[..], self.0.as_bytes()].concat())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(MASKED)")
    }
}

/// An Ed25519 signature.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature(pub [u8; SIGNATURE_LEN]);

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signature(..)")
    }
}

impl Encode for Signature {
    fn encode(&self, out: &mut Writer) {
        out.put(&self.0);
    }
}

impl Decode for Signature {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self(input.array()?))
    }
}

/// A signature that does not fit its key, its purpose or its message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("signature does not verify ({0:?})")]
pub struct BadSignature(pub Context);

#[cfg(test)]
mod tests {
    use super::*;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed(&[seed; KEY_LEN])
    }

    #[test]
    fn a_signature_serves_one_purpose_only() {
        let signature = key(1).sign(Context::Grant, b"message");

        let public = key(1).public();
        assert_eq!(
            public.verify(Context::Grant, b"message", &signature),
            Ok(())
        );
        assert!(
            public
                .verify(Context::Join, b"message", &signature)
                .is_err()
        );
        assert!(
            public
                .verify(Context::Grant, b"massage", &signature)
                .is_err()
        );
        assert!(
            key(2)
                .public()
                .verify(Context::Grant, b"message", &signature)
                .is_err()
        );
    }

    #[test]
    fn spki_and_text_forms_come_back() {
        let public = key(3).public();

        assert_eq!(PublicKey::from_spki_der(&public.spki_der()), Ok(public));
        assert_eq!(public.to_string().parse(), Ok(public));
        assert_eq!(
            public.fingerprint().to_string().parse(),
            Ok(public.fingerprint())
        );
    }

    #[test]
    fn keys_of_small_order_are_refused() {
        assert!(PublicKey::from_slice("key", &[0; KEY_LEN]).is_err());
        let mut one = [0; KEY_LEN];
        one[0] = 1;
        assert!(PublicKey::from_slice("key", &one).is_err());
    }

    #[test]
    fn a_private_key_never_prints() {
        assert_eq!(format!("{:?}", key(4)), "SigningKey(MASKED)");
    }
}
