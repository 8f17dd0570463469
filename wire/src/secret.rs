//! Bytes that nobody may print: passwords, passphrases, private keys.
//!
//! Overwritten when dropped. Never shown: `Debug` prints `MASKED`.

use std::fmt;

use zeroize::Zeroizing;

/// A secret in memory.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Copies a secret; the source is the caller's to overwrite.
    pub fn new(bytes: &[u8]) -> Self {
        Self(Zeroizing::new(bytes.to_vec()))
    }

    /// The bytes, for the one who uses them.
    pub fn reveal(&self) -> &[u8] {
        &self.0
    }

    /// The bytes as text, for the one who uses them.
    pub fn reveal_text(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// Whether it is of no length.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MASKED")
    }
}
