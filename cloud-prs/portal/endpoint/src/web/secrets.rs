//! Sealing a host's credential for JavaScript (HPKE, RFC 9180).

use data_encoding::BASE32_NOPAD;

/// Base32 without padding, lower case: how nonces are written.
pub fn base32(bytes: &[u8]) -> String {
    BASE32_NOPAD.encode(bytes).to_ascii_lowercase()
}
