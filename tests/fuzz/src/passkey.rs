//! What a browser sends about a passkey: JSON and CBOR of whoever opens the
//! sign-in page.
//!
//! An input is parts, each after its length (two bytes): the client data, then
//! an attestation object, or authenticator data, a signature and a stored key.
//! The seeds are Chromium's own.

use culvert_cloud_prs::webauthn::{
    self, AssertionResponse, AttestationResponse, Expected, Registration,
};
use data_encoding::BASE64URL_NOPAD;

/// Takes any bytes.
pub(crate) fn passkey(input: &[u8]) {
    let _ = taken(input);
}

/// Whether an input makes a passkey, or signs in with one.
fn taken(input: &[u8]) -> bool {
    let mut rest = input;
    let client = part(&mut rest);
    let (object, signature, key) = (part(&mut rest), part(&mut rest), part(&mut rest));
    // What was asked stands in the client data: a good seed gets through.
    let asked: serde_json::Value = serde_json::from_slice(client).unwrap_or_default();
    let text = |name: &str| asked[name].as_str().unwrap_or_default().to_owned();
    let challenge = BASE64URL_NOPAD.decode(text("challenge").as_bytes());
    let challenge = challenge.ok().and_then(|bytes| bytes.try_into().ok());
    let challenge: [u8; 32] = challenge.unwrap_or([0; 32]);
    let origin = text("origin");
    let host = origin.split("//").nth(1).unwrap_or_default();
    let expected = Expected {
        challenge: &challenge,
        origin: &origin,
        site: host.split(':').next().unwrap_or_default(),
        verified: false,
    };
    let coded = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
    let new = Registration {
        response: AttestationResponse {
            client_data: coded(client),
            attestation_object: coded(object),
        },
    };
    let known = AssertionResponse {
        client_data: coded(client),
        authenticator_data: coded(object),
        signature: coded(signature),
        user_handle: None,
    };
    if let Ok(new) = webauthn::register(&new, &expected) {
        let used = webauthn::authenticate(&known, &expected, &new.key, new.counter);
        assert!(used.is_err(), "a registration signs in");
        return true;
    }
    // A counter goes forward, or stands at 0 for ever.
    if let Ok(counter) = webauthn::authenticate(&known, &expected, key, 0) {
        let again = webauthn::authenticate(&known, &expected, key, counter);
        assert!(counter == 0 || again.is_err(), "the same answer twice");
        return true;
    }
    false
}

fn part<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let Some((length, after)) = rest.split_first_chunk::<2>() else {
        return &[];
    };
    let length = usize::from(u16::from_be_bytes(*length)).min(after.len());
    let (part, after) = after.split_at(length);
    *rest = after;
    part
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Else the corpus would never leave the doorstep.
    #[test]
    fn what_chromium_says_is_taken_and_nothing_with_a_byte_less() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/passkey");
        let mut seeds = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let bytes = std::fs::read(&path).unwrap();
            assert!(taken(&bytes), "{}", path.display());
            assert!(!taken(&bytes[..bytes.len() - 1]), "{}", path.display());
            seeds += 1;
        }
        assert_eq!(seeds, 6);
    }
}
