//! Secrets that the server needs back, encrypted before they are stored.
//!
//! The key is derived from a file of the data folder that is not in the
//! database: a stolen database, or a backup without keys, does not hold what
//! makes second factors. ChaCha20-Poly1305 (RFC 8439) with a random nonce; what
//! the secret is about is authenticated with it, so that one row's cannot be
//! put into another.

use data_encoding::BASE64;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Salt};

/// What the derived key is for.
const PURPOSE: &[u8] = b"culvert second factors 1";

/// Encrypts and decrypts.
pub(crate) struct Vault {
    key: LessSafeKey,
}

impl Vault {
    /// A vault whose key comes from the server's secret file.
    pub(crate) fn new(secret: &[u8; 32]) -> Self {
        let extracted = Salt::new(HKDF_SHA256, &[]).extract(secret);
        let expanded = extracted.expand(&[PURPOSE], &CHACHA20_POLY1305);
        let key = expanded.expect("the purpose is short");
        Self {
            key: LessSafeKey::new(UnboundKey::from(key)),
        }
    }

    /// Encrypts a secret about something.
    pub(crate) fn seal(&self, about: &str, plain: &[u8]) -> String {
        let nonce: [u8; NONCE_LEN] = rand::random();
        let mut bytes = plain.to_vec();
        self.key
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(about.as_bytes()),
                &mut bytes,
            )
            .expect("a secret is short");
        BASE64.encode(&[nonce.as_slice(), &bytes].concat())
    }

    /// Decrypts what was sealed about the same thing with the same key.
    pub(crate) fn open(&self, about: &str, sealed: &str) -> Option<Vec<u8>> {
        let bytes = BASE64.decode(sealed.as_bytes()).ok()?;
        let (nonce, rest) = bytes.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut rest = rest.to_vec();
        let plain = self
            .key
            .open_in_place(nonce, Aad::from(about.as_bytes()), &mut rest);
        plain.ok().map(|plain| plain.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_opens_with_its_key_about_its_own_thing_and_unaltered() {
        let vault = Vault::new(&[1; 32]);
        let sealed = vault.seal("ann", b"secret");

        assert_eq!(vault.open("ann", &sealed).as_deref(), Some(&b"secret"[..]));
        assert_eq!(vault.open("bob", &sealed), None);
        assert_eq!(Vault::new(&[2; 32]).open("ann", &sealed), None);
        let mut bytes = BASE64.decode(sealed.as_bytes()).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        assert_eq!(vault.open("ann", &BASE64.encode(&bytes)), None);
        for junk in ["", "AAAA", "not base64"] {
            assert_eq!(vault.open("ann", junk), None, "{junk}");
        }
        assert_ne!(vault.seal("ann", b"secret"), sealed);
    }
}
