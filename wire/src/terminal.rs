//! The messages of a terminal stream ([`Service::Terminal`]): what the
//! technician's end and the gateway say to each other after the answer.
//!
//! Each message is a type (`u8`), a length (`u24`) and that many bytes, at most
//! [`MAX_BODY`]. [`Unframer`] cuts a stream of pieces into messages and never
//! holds more than one message and one piece. Texts that a host wrote arrive
//! without control characters and without marks that turn the direction of
//! writing: they can only be read.
//!
//! Never interprets terminal output. Driven by the gateway, by the browser's
//! coder (`cloud-prs/portal/src/session/terminal.ts`) and by tests.
//!
//! [`Service::Terminal`]: crate::stream::Service::Terminal

mod gateway;
mod page;

pub use gateway::{Exit, HostKeyQuestion, KeyState, Prompt, PromptKind, Question, Ready, ToPage};
pub use page::{Credential, FromPage, HostKeyAnswer, PrivateKey, Resume, Start, Verdict};

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use data_encoding::BASE64_NOPAD;
use sha2::{Digest as _, Sha256};

use crate::codec::within;
use crate::{DecodeError, Writer};

/// Longest body of a message, in bytes.
pub const MAX_BODY: usize = 64 * 1024;
/// Bytes before a body: type and length.
pub const HEAD: usize = 4;
/// Longest terminal type and algorithm name, in bytes.
pub const MAX_NAME: usize = 64;
/// Longest account, and title of a prompt, in bytes.
pub const MAX_ACCOUNT: usize = 255;
/// Longest sentence, and longest text of one question, in bytes.
pub const MAX_SENTENCE: usize = 512;
/// Longest instruction of a prompt, in bytes.
pub const MAX_INSTRUCTION: usize = 2048;
/// Longest banner, in bytes; what is longer is cut.
pub const MAX_BANNER: usize = 16 * 1024;
/// Questions of one prompt.
pub const MAX_QUESTIONS: usize = 16;
/// Longest answer and passphrase, in bytes.
pub const MAX_ANSWER: usize = 1024;
/// Longest private key file, in bytes.
pub const MAX_PRIVATE_KEY: usize = 16 * 1024;
/// Length of a resume token, in bytes.
pub const TOKEN_LEN: usize = 16;
/// Columns and rows are 1 to this.
pub const MAX_SIZE: u16 = 1000;
/// Longest note, in bytes.
pub const MAX_NOTE: usize = 64;
/// How much of its last output a terminal keeps for a resumption, in bytes.
pub const KEPT: usize = 1024 * 1024;
/// How long a terminal without its stream waits for its technician.
pub const KEPT_FOR: Duration = Duration::from_secs(120);

/// A terminal's size in characters; each side is 1 to [`MAX_SIZE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Characters in a row.
    pub columns: u16,
    /// Rows.
    pub rows: u16,
}

impl Size {
    fn encode(self, out: &mut Writer) {
        out.u16(self.columns.clamp(1, MAX_SIZE));
        out.u16(self.rows.clamp(1, MAX_SIZE));
    }

    fn decode(input: &mut crate::Reader<'_>) -> Result<Self, DecodeError> {
        let mut side = |field| match input.u16()? {
            fits @ 1..=MAX_SIZE => Ok(fits),
            other => Err(DecodeError::value(field, other)),
        };
        Ok(Self {
            columns: side("columns")?,
            rows: side("rows")?,
        })
    }
}

/// Names a kept terminal to the gateway that keeps it; useless to another user
/// or for another target. Prints as `MASKED`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token([u8; TOKEN_LEN]);

impl Token {
    /// Makes a token of random bytes that the caller drew.
    pub const fn from_random(bytes: [u8; TOKEN_LEN]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; TOKEN_LEN] {
        &self.0
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MASKED")
    }
}

/// How OpenSSH shows a host's key (`ssh-keygen -l`): SHA-256 of the key as SSH
/// encodes it, in base64 without padding.
pub fn host_key_fingerprint(key: &[u8]) -> String {
    let digest = Sha256::digest(key);
    format!("SHA256:{}", BASE64_NOPAD.encode(&digest))
}

/// Puts a body behind its type and length; a body over [`MAX_BODY`] is a bug
/// of the caller and is cut.
pub fn framed(kind: u8, body: &[u8]) -> Bytes {
    debug_assert!(body.len() <= MAX_BODY, "callers split what is longer");
    let body = &body[..body.len().min(MAX_BODY)];
    let [_, a, b, c] = u32::try_from(body.len())
        .expect("at most MAX_BODY")
        .to_be_bytes();
    let mut out = Writer::default();
    out.put(&[kind, a, b, c]);
    out.put(body);
    out.finish()
}

/// Cuts the pieces of a stream into messages.
#[derive(Debug, Default)]
pub struct Unframer {
    held: BytesMut,
}

impl Unframer {
    /// Takes the next piece. Call [`Unframer::next`] until it gives none
    /// before the next piece: that keeps the memory bounded.
    pub fn push(&mut self, piece: &[u8]) {
        self.held.extend_from_slice(piece);
    }

    /// The next whole message: its type and body.
    ///
    /// # Errors
    /// [`DecodeError::TooLong`]: the stream cannot be read any further.
    #[expect(
        clippy::should_implement_trait,
        reason = "an iterator would have to hide that it goes on after more was pushed"
    )]
    pub fn next(&mut self) -> Result<Option<(u8, Bytes)>, DecodeError> {
        let Some(&[kind, a, b, c]) = self.held.first_chunk::<HEAD>() else {
            return Ok(None);
        };
        let length = usize::try_from(u32::from_be_bytes([0, a, b, c])).unwrap_or(usize::MAX);
        within("terminal message", length, MAX_BODY)?;
        if self.held.len() < HEAD + length {
            self.held.reserve(HEAD + length - self.held.len());
            return Ok(None);
        }
        let mut message = self.held.split_to(HEAD + length).freeze();
        Ok(Some((kind, message.split_off(HEAD))))
    }

    /// Whether a message was begun and not ended.
    pub fn is_mid_message(&self) -> bool {
        !self.held.is_empty()
    }
}

/// Whether a receiver may skip messages of this type when it does not know it.
pub const fn skippable(kind: u8) -> bool {
    kind & 0x40 != 0
}
