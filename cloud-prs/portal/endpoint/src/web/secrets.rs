//! Sealing for JavaScript, and how random bytes are written.

use data_encoding::BASE32_NOPAD;
use wasm_bindgen::prelude::*;

use crate::seal::{self, Ask};

/// Seals a secret (`kind`: `password` or `private_key`). `texts` are, in this
/// order: gateway key, sealing key, signature, customer, host, address,
/// protocol, account.
#[wasm_bindgen]
pub fn seal(
    texts: Vec<String>,
    port: u16,
    kind: &str,
    secret: &[u8],
    passphrase: &[u8],
) -> Result<Vec<u8>, JsError> {
    let [
        gateway_key,
        sealing_key,
        signature,
        customer,
        host,
        address,
        protocol,
        account,
    ] = texts.as_slice()
    else {
        return Err(JsError::new("eight texts are needed"));
    };
    let ask = Ask {
        gateway_key,
        sealing_key,
        signature,
        customer,
        host,
        address,
        port,
        protocol,
        account,
    };
    let contents = seal::contents(kind, secret, passphrase)?;
    Ok(seal::seal(&ask, &contents, super::random()?)?)
}

/// Base32 without padding, lower case: how nonces are written.
pub(super) fn base32(bytes: &[u8]) -> String {
    BASE32_NOPAD.encode(bytes).to_ascii_lowercase()
}
