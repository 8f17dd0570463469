//! Signatures of every algorithm on offer; the protocol around them is tested
//! with an authenticator in `tests/cloud/passkeys.rs`.

use ciborium::Value;
use rcgen::{KeyPair, PublicKeyData as _, SigningKey as _};

use super::*;

const MESSAGE: &[u8] = b"signed by a passkey";
/// `openssl genrsa 2048`: the modulus; the exponent is 65537.
const MODULUS: &str = "d203c3dcf860cddfd35e40184f630e10effca2b587aa1d6ca73315d8cabe7a2c21e95e74\
         09aa55f89f2ef0940b5aeef0b4a3055dac48d3593415fdae65beb09203c10b6ee0c37c45\
         7c8da5fe4466f5bcb3bf1ba233c7107499b339d348e8c785e899996dc6457513399ad716\
         2bd59f2db34e06cbbe3f34fa6b1df14f43f07e9f670443b1c5516ae548c212991c31140d\
         4f7ae98e48877c08080258aa3966f632bc61d21edc498fa070bbd51b585791060859beb2\
         f61d0ce0a65b2ea0b88c34cd6ecad9b1c90a51740254ca8ac7e52a09b8f2ef85fafff5e7\
         9655dcbf713c30300028977c8da62b64a2084a5cfd0f13362a4d262b4ea90ff5cb3f2199\
         6146cd8b";
/// `openssl dgst -sha256 -sign` of the message.
const RS256: &str = "8ccdbade64002b4fa54a4d28737186e5016417dc316526c3ce56b93d0578289fb069a6d0\
         589d4fac654e1588f9475d58668bb8a439aca47407a88abf5d962821387a8b02f7cf5102\
         7e7c9e9db4bbebbea9b1bfd25c1235380cb56475da8a45f8a8c2fc206bd0db06580fc802\
         4cee11a95ce74f164e737addfe6e75e6ff4d84e817bfb35285a3512f39db45230c860c13\
         46a193f037f2af3d363459948363725527937ad25069c8c81bb05e8977e005559e7f5108\
         c4da30c8c9d197d76688bad48d3099cd173438dd6ee1686c2cbcdb1a13645a538a4b07f3\
         5d33e1b78fce49de28baee17d8cad716e9ed199254459a511d7dbb65af64f515bdce840a\
         ceb2d68d";

fn hex(text: &str) -> Vec<u8> {
    data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap()
}

/// A `COSE_Key` of labels and values.
fn cose(numbers: &[(i64, i64)], fields: &[(i64, &[u8])]) -> Vec<u8> {
    let label = |n: i64| Value::Integer(n.into());
    let numbers = numbers.iter().map(|&(n, value)| (label(n), label(value)));
    let fields = fields
        .iter()
        .map(|&(n, bytes)| (label(n), Value::Bytes(bytes.to_vec())));
    let mut out = Vec::new();
    ciborium::into_writer(&Value::Map(numbers.chain(fields).collect()), &mut out).unwrap();
    out
}

fn is_right_for_this_message_only(key: &[u8], signature: &[u8]) {
    let key = PublicKey::read(key).unwrap();
    let wrong = Err(PasskeyError::Signature);
    let mut spoiled = signature.to_vec();
    spoiled[20] ^= 1;

    assert_eq!(key.verify(MESSAGE, signature), Ok(()));
    assert_eq!(key.verify(b"another message", signature), wrong);
    assert_eq!(key.verify(MESSAGE, &spoiled), wrong);
    assert_eq!(key.verify(MESSAGE, &[]), wrong);
}

#[test]
fn an_rs256_signature_is_checked_with_or_without_a_leading_zero() {
    let plain = hex(MODULUS);
    let padded = [&[0], plain.as_slice()].concat();
    for n in [plain, padded] {
        let key = cose(&[(1, 3), (3, -257)], &[(-1, &n), (-2, &[1, 0, 1])]);
        is_right_for_this_message_only(&key, &hex(RS256));
    }
}

#[test]
fn an_eddsa_signature_is_checked() {
    let pair = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let key = cose(&[(1, 1), (3, -8), (-1, 6)], &[(-2, pair.der_bytes())]);

    is_right_for_this_message_only(&key, &pair.sign(MESSAGE).unwrap());
}

#[test]
fn an_es256_signature_is_checked() {
    let pair = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let point = pair.der_bytes();
    let (x, y) = (&point[1..33], &point[33..]);
    let key = cose(&[(1, 2), (3, -7), (-1, 1)], &[(-2, x), (-3, y)]);

    is_right_for_this_message_only(&key, &pair.sign(MESSAGE).unwrap());
}

/// An RSA key that is no key, or too small to be worth anything, signs nothing.
#[test]
fn a_key_of_no_use_checks_no_signature() {
    for (n, e) in [(&[][..], &[][..]), (&[0, 0], &[0]), (&[0xff; 64], &[3])] {
        let key = cose(&[(1, 3), (3, -257)], &[(-1, n), (-2, e)]);
        let key = PublicKey::read(&key).unwrap();
        assert_eq!(
            key.verify(MESSAGE, &hex(RS256)),
            Err(PasskeyError::Signature)
        );
    }
}
