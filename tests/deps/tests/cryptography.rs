//! Standard security only, no scheme of our own (R2, R37, R38): TLS 1.3 and
//! QUIC by rustls with ring, Ed25519, X25519, SHA-256, Argon2id, HPKE.

use culvert_deps::{packages, read};

/// Crates that do cryptography, and whether we use them directly.
const KNOWN: [(&str, bool); 17] = [
    ("rustls", true),
    ("tokio-rustls", true),
    ("ed25519-dalek", true),
    ("x25519-dalek", true),
    ("sha2", true),
    ("argon2", true),
    ("subtle", true),
    ("hpke", true),
    ("chacha20poly1305", true),
    ("rcgen", true),
    ("ring", false),
    ("openssl", false),
    ("native-tls", false),
    ("aes", false),
    ("chacha20", false),
    ("rsa", false),
    ("sodiumoxide", false),
];

#[test]
fn only_the_named_cryptography_is_used_directly() {
    for (package, edges) in packages() {
        for edge in edges {
            let banned = KNOWN.iter().any(|(name, used)| *name == edge.to && !used);
            assert!(!banned, "{package} uses {} directly", edge.to);
        }
    }
}

#[test]
fn one_tls_library_and_one_provider_are_in_the_lock_file() {
    let lock = read("Cargo.lock");
    for banned in ["openssl-sys", "native-tls", "aws-lc-sys", "mbedtls"] {
        assert!(
            !lock.contains(&format!("name = \"{banned}\"")),
            "{banned} is in Cargo.lock"
        );
    }
    assert!(
        lock.contains("name = \"ring\""),
        "the control found nothing"
    );
}
