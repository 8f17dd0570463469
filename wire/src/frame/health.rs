//! What a gateway says of its own way to the server.

use crate::hello::MAX_VERSION;
use crate::{Decode, DecodeError, Encode, Reader, Writer};

/// Longest code of a [`Health`], in bytes.
const MAX_CODE: usize = 64;
/// Longest sentence of a [`Health`], in bytes.
pub const MAX_HEALTH: usize = 255;

/// The code of a box whose card was in another board before. The server puts
/// such a box aside when it first says so.
pub const CARD_MOVED: &str = "card_moved";

/// What a gateway says of its own way to the server; a server that does not
/// know it skips it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// The code of the doctor's cause, such as `ok` or `udp_blocked`.
    pub code: String,
    /// What it means, in a sentence.
    pub text: String,
    /// The program's version.
    pub version: String,
    /// For how long the program has run, in seconds.
    pub uptime_s: u64,
}

impl Encode for Health {
    fn encode(&self, out: &mut Writer) {
        out.text(&self.code, MAX_CODE);
        out.text(&self.text, MAX_HEALTH);
        out.text(&self.version, MAX_VERSION);
        out.u64(self.uptime_s);
    }
}

impl Decode for Health {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            code: input.text("code", MAX_CODE)?.to_owned(),
            text: input.text("text", MAX_HEALTH)?.to_owned(),
            version: input.text("version", MAX_VERSION)?.to_owned(),
            uptime_s: input.u64()?,
        })
    }
}
