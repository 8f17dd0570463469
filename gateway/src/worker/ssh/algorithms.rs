//! Which algorithms are offered to a host: today's, or, when the technician
//! said so for this host, also yesterday's.

use std::borrow::Cow;

use russh::keys::{Algorithm, EcdsaCurve, HashAlg};
use russh::{Preferred, cipher, compression, kex, mac};

const KEX: [kex::Name; 11] = [
    kex::MLKEM768X25519_SHA256,
    kex::CURVE25519,
    kex::CURVE25519_PRE_RFC_8731,
    kex::ECDH_SHA2_NISTP256,
    kex::ECDH_SHA2_NISTP384,
    kex::ECDH_SHA2_NISTP521,
    kex::DH_G16_SHA512,
    kex::DH_G14_SHA256,
    kex::DH_GEX_SHA256,
    // RFC 8308, and OpenSSH's answer to CVE-2023-48795.
    kex::EXTENSION_SUPPORT_AS_CLIENT,
    kex::EXTENSION_OPENSSH_STRICT_KEX_AS_CLIENT,
];
/// SHA-1 (RFC 9142: "should not", "must not").
const OLD_KEX: [kex::Name; 3] = [kex::DH_GEX_SHA1, kex::DH_G14_SHA1, kex::DH_G1_SHA1];

const CIPHERS: [cipher::Name; 6] = [
    cipher::CHACHA20_POLY1305,
    cipher::AES_256_GCM,
    cipher::AES_128_GCM,
    cipher::AES_256_CTR,
    cipher::AES_192_CTR,
    cipher::AES_128_CTR,
];
const OLD_CIPHERS: [cipher::Name; 4] = [
    cipher::AES_256_CBC,
    cipher::AES_192_CBC,
    cipher::AES_128_CBC,
    cipher::TRIPLE_DES_CBC,
];

const MACS: [mac::Name; 4] = [
    mac::HMAC_SHA512_ETM,
    mac::HMAC_SHA256_ETM,
    mac::HMAC_SHA512,
    mac::HMAC_SHA256,
];
const OLD_MACS: [mac::Name; 2] = [mac::HMAC_SHA1_ETM, mac::HMAC_SHA1];

fn keys() -> Vec<Algorithm> {
    let curves = [
        EcdsaCurve::NistP256,
        EcdsaCurve::NistP384,
        EcdsaCurve::NistP521,
    ];
    let mut keys = vec![Algorithm::Ed25519];
    keys.extend(curves.map(|curve| Algorithm::Ecdsa { curve }));
    keys.extend([HashAlg::Sha512, HashAlg::Sha256].map(|hash| Algorithm::Rsa { hash: Some(hash) }));
    keys
}

/// `ssh-rsa` with SHA-1, and DSA.
const OLD_KEYS: [Algorithm; 2] = [Algorithm::Rsa { hash: None }, Algorithm::Dsa];

/// What is offered; the pinned key's algorithm first, so that a host that got
/// a second key is not taken for another one.
pub(super) fn offered(legacy: bool, pinned: Option<&str>) -> Preferred {
    let mut keys = keys();
    let mut kex = KEX.to_vec();
    let mut ciphers = CIPHERS.to_vec();
    let mut macs = MACS.to_vec();
    if legacy {
        keys.extend(OLD_KEYS);
        kex.extend(OLD_KEX);
        ciphers.extend(OLD_CIPHERS);
        macs.extend(OLD_MACS);
    }
    let family = |name: &str| match name {
        "rsa-sha2-512" | "rsa-sha2-256" => "ssh-rsa".to_owned(),
        other => other.to_owned(),
    };
    let pinned = pinned.map(family);
    // Stable: the order within a family stays.
    keys.sort_by_key(|key| Some(family(key.as_str())) != pinned);
    Preferred {
        kex: kex.into(),
        key: keys.into(),
        host_key_certificates: Cow::Borrowed(&[]),
        cipher: ciphers.into(),
        mac: macs.into(),
        // Compression is where small packets become large ones.
        compression: Cow::Borrowed(&[compression::NONE]),
    }
}

/// Of what a host offers, the old algorithms that would help.
pub(super) fn would_help(theirs: &[String]) -> Vec<&str> {
    let old: Vec<&str> = OLD_KEX
        .iter()
        .map(AsRef::as_ref)
        .chain(OLD_CIPHERS.iter().map(AsRef::as_ref))
        .chain(OLD_MACS.iter().map(AsRef::as_ref))
        .chain(["ssh-rsa", "ssh-dss"])
        .collect();
    theirs
        .iter()
        .map(String::as_str)
        .filter(|offer| old.contains(offer))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_algorithms_are_offered_only_when_allowed() {
        let modern = offered(false, None);
        assert!(!modern.kex.iter().any(|kex| OLD_KEX.contains(kex)));
        assert!(!modern.key.iter().any(|key| OLD_KEYS.contains(key)));
        assert!(!modern.mac.iter().any(|mac| OLD_MACS.contains(mac)));
        let old = offered(true, None);
        assert!(OLD_CIPHERS.iter().all(|name| old.cipher.contains(name)));
        // Even then the good ones come first.
        assert_eq!(old.kex[0], modern.kex[0]);
    }

    #[test]
    fn the_pinned_algorithm_is_asked_for_first() {
        assert_eq!(offered(false, None).key[0], Algorithm::Ed25519);
        let rsa = offered(false, Some("ssh-rsa"));
        assert_eq!(
            rsa.key[0],
            Algorithm::Rsa {
                hash: Some(HashAlg::Sha512)
            }
        );
        assert_eq!(rsa.key.len(), offered(false, None).key.len());
    }

    #[test]
    fn only_old_offers_that_would_help_are_named() {
        let theirs = ["ssh-rsa", "x@example", "ssh-dss"].map(String::from);

        assert_eq!(would_help(&theirs), ["ssh-rsa", "ssh-dss"]);
    }
}
