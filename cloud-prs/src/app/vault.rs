//! Secrets that the server needs back, encrypted before they are stored.
//!
//! The key is derived from a file of the data folder that is not in the
//! database: a stolen database, or a backup without keys, does not hold what
//! makes second factors. ChaCha20-Poly1305 (RFC 8439) with a random nonce; what
//! the secret is about is authenticated with it, so that one row's cannot be
//! put into another.

use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{ChaCha20Poly1305, KeyInit as _, Nonce};
use data_encoding::BASE64;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

/// What the derived key is for.
const PURPOSE: &[u8] = b"culvert second factors 1";
/// Bytes of a nonce (RFC 8439 §2.8).
const NONCE_LEN: usize = 12;

/// Encrypts and decrypts.
pub(crate) struct Vault {
    cipher: ChaCha20Poly1305,
}

impl Vault {
    /// A vault whose key comes from the server's secret file: HKDF-SHA256
    /// without salt (RFC 5869), whose first block is the whole key.
    pub(crate) fn new(secret: &[u8; 32]) -> Self {
        let extracted = hmac(&[], &[secret]);
        let key = hmac(&extracted, &[PURPOSE, &[1]]);
        Self {
            cipher: ChaCha20Poly1305::new(&key.into()),
        }
    }

    /// Encrypts a secret about something.
    pub(crate) fn seal(&self, about: &str, plain: &[u8]) -> String {
        let nonce: [u8; NONCE_LEN] = rand::random();
        let payload = Payload {
            msg: plain,
            aad: about.as_bytes(),
        };
        let sealed = self.cipher.encrypt(&Nonce::from(nonce), payload);
        let sealed = sealed.expect("a secret is shorter than 256 GiB");
        BASE64.encode(&[nonce.as_slice(), &sealed].concat())
    }

    /// Decrypts what was sealed about the same thing with the same key.
    pub(crate) fn open(&self, about: &str, sealed: &str) -> Option<Vec<u8>> {
        let bytes = BASE64.decode(sealed.as_bytes()).ok()?;
        let (nonce, rest) = bytes.split_first_chunk::<NONCE_LEN>()?;
        let payload = Payload {
            msg: rest,
            aad: about.as_bytes(),
        };
        self.cipher.decrypt(&Nonce::from(*nonce), payload).ok()
    }
}

fn hmac(key: &[u8], message: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length will do");
    for part in message {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
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

    /// RFC 5869, appendix A.3: no salt; the first block is the first 32 bytes.
    #[test]
    fn the_key_is_hkdf_s() {
        let extracted = hmac(&[], &[&[0x0b; 22]]);
        let expanded = hmac(&extracted, &[&[], &[1]]);

        assert_eq!(
            data_encoding::HEXLOWER.encode(&expanded),
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"
        );
    }

    /// Sealed by another implementation, as every stored secret was.
    #[test]
    fn what_was_stored_before_still_opens() {
        let stored = "AAECAwQFBgcICQoLSerfEC3tyi950vRqif9lwyAWPdKeBSHrwQ9SsHx/wPI=";

        let opened = Vault::new(&[7; 32]).open("ann", stored);

        assert_eq!(opened.as_deref(), Some(&b"JBSWY3DPEHPK3PXP"[..]));
    }
}
