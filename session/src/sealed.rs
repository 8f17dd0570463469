//! Seals a host's credential so that only one gateway opens it, and only for one
//! account on one target; and opens it there.
//!
//! HPKE (RFC 9180) base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256,
//! ChaCha20Poly1305, one message; the layout is `culvert_wire::sealed`. No
//! randomness: the ephemeral seed is an argument. Never prints a secret. Driven
//! by the browser's endpoint (seals) and the gateway (opens); the server's
//! package cannot even name it.

use std::convert::Infallible;

use culvert_wire::DecodeError;
use culvert_wire::grant::Target;
use culvert_wire::key::{KEY_LEN, PublicKey};
use culvert_wire::sealed::{Contents, Purpose, Sealed, TooLong};
use culvert_wire::terminal::MAX_ACCOUNT;
use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::rand_core::{TryCryptoRng, TryRng};
use hpke::{Deserializable as _, Kem, OpModeR, OpModeS, Serializable as _};
use zeroize::Zeroizing;

/// Why a credential cannot be sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The password, the key or the passphrase is too long.
    #[error(transparent)]
    TooLong(#[from] TooLong),
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
) -> Result<Sealed, SealError> {
    if purpose.account.len() > MAX_ACCOUNT || purpose.account.chars().any(char::is_control) {
        return Err(SealError::Account);
    }
    let padded = contents.padded()?;
    let (encapsulated, ciphertext) = seal_base(sealing_key, &purpose.info(), b"", &padded, seed)?;
    Ok(Sealed::new(purpose, encapsulated, ciphertext.into())?)
}

/// Opens with the gateway's sealing key, for the target of a verified grant.
///
/// # Errors
/// [`OpenError`] when it was sealed for anything else, or damaged.
pub fn open(
    sealed: &Sealed,
    gateway: PublicKey,
    target: &Target,
    secret: &[u8; KEY_LEN],
) -> Result<Contents, OpenError> {
    let info = sealed.purpose(gateway, target).info();
    let padded = open_base(
        secret,
        sealed.encapsulated(),
        &info,
        b"",
        sealed.ciphertext(),
    )?;
    Ok(Contents::from_padded(&padded)?)
}

type Private = <X25519HkdfSha256 as Kem>::PrivateKey;
type Public = <X25519HkdfSha256 as Kem>::PublicKey;
type Encapsulated = <X25519HkdfSha256 as Kem>::EncappedKey;

/// RFC 9180 §6.1 `SealBase`, with the ephemeral key of DeriveKeyPair(seed).
fn seal_base(
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
fn open_base(
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
