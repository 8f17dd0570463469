//! Reading and writing of explicit big-endian layouts.
//!
//! Never panics on foreign bytes and never trusts a length: a [`Reader`] hands
//! out slices of what is really there. Driven by every other module.

use bytes::{BufMut, Bytes, BytesMut};

/// A value with one byte layout, defined in `docs/wire.md`.
pub trait Encode {
    /// Appends the layout of this value.
    fn encode(&self, out: &mut Writer);

    /// The layout as one buffer.
    fn to_bytes(&self) -> Bytes {
        let mut out = Writer::default();
        self.encode(&mut out);
        out.finish()
    }
}

/// A value that can be read back from foreign bytes.
pub trait Decode: Sized {
    /// Reads one value and leaves the rest.
    ///
    /// # Errors
    /// [`DecodeError`] when the bytes are too short or not of this layout.
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError>;

    /// Reads a value that must fill `bytes` wholly.
    ///
    /// # Errors
    /// As [`Decode::decode`], and [`DecodeError::Trailing`] when bytes are left.
    fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut input = Reader::new(bytes);
        let value = Self::decode(&mut input)?;
        input.end()?;
        Ok(value)
    }
}

/// Why foreign bytes were refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes end before the value does.
    #[error("message ends {missing} bytes too early")]
    Short {
        /// How many bytes more were needed, at least.
        missing: usize,
    },
    /// Bytes are left after the value.
    #[error("{left} bytes too many in the message")]
    Trailing {
        /// How many bytes are left.
        left: usize,
    },
    /// A field holds a value that its definition does not allow.
    #[error("{field} has the value {value}, which this version does not know")]
    Value {
        /// Name of the field in `docs/wire.md`.
        field: &'static str,
        /// What was found.
        value: u64,
    },
    /// A list or text is longer than its limit.
    #[error("{field} is {length} long, the limit is {limit}")]
    TooLong {
        /// Name of the field.
        field: &'static str,
        /// Length found.
        length: usize,
        /// Length allowed.
        limit: usize,
    },
    /// A text field is not UTF-8 or holds control characters.
    #[error("{field} is not plain text")]
    Text {
        /// Name of the field.
        field: &'static str,
    },
    /// Bytes that should be a public key are no point of the curve.
    #[error("{field} is not an Ed25519 public key")]
    Key {
        /// Name of the field.
        field: &'static str,
    },
    /// A frame type that must be understood and is not.
    #[error("frame type {0:#04x} is unknown and must not be skipped")]
    UnknownFrame(u8),
}

impl DecodeError {
    pub(crate) fn value(field: &'static str, value: impl Into<u64>) -> Self {
        let value = value.into();
        Self::Value { field, value }
    }
}

/// Takes a layout apart.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Starts at the front of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The next `n` bytes.
    ///
    /// # Errors
    /// [`DecodeError::Short`] when fewer are left.
    pub fn take(&mut self, n: usize) -> Result<&'a [u8], DecodeError> {
        match self.rest.split_at_checked(n) {
            Some((head, rest)) => {
                self.rest = rest;
                Ok(head)
            }
            None => Err(DecodeError::Short {
                missing: n - self.rest.len(),
            }),
        }
    }

    /// The next `N` bytes as an array.
    ///
    /// # Errors
    /// [`DecodeError::Short`] when fewer are left.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        Ok(out)
    }

    /// One byte.
    ///
    /// # Errors
    /// [`DecodeError::Short`] at the end.
    pub fn u8(&mut self) -> Result<u8, DecodeError> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    /// A 16-bit number.
    ///
    /// # Errors
    /// [`DecodeError::Short`] at the end.
    pub fn u16(&mut self) -> Result<u16, DecodeError> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    /// A 32-bit number.
    ///
    /// # Errors
    /// [`DecodeError::Short`] at the end.
    pub fn u32(&mut self) -> Result<u32, DecodeError> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    /// A 64-bit number.
    ///
    /// # Errors
    /// [`DecodeError::Short`] at the end.
    pub fn u64(&mut self) -> Result<u64, DecodeError> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    /// Bytes behind a 16-bit length.
    ///
    /// # Errors
    /// [`DecodeError::TooLong`] over `limit`, [`DecodeError::Short`] at the end.
    pub fn bytes16(&mut self, field: &'static str, limit: usize) -> Result<&'a [u8], DecodeError> {
        let length = usize::from(self.u16()?);
        within(field, length, limit)?;
        self.take(length)
    }

    /// Bytes behind a 32-bit length.
    ///
    /// # Errors
    /// [`DecodeError::TooLong`] over `limit`, [`DecodeError::Short`] at the end.
    pub fn bytes32(&mut self, field: &'static str, limit: usize) -> Result<&'a [u8], DecodeError> {
        let length = usize::try_from(self.u32()?).unwrap_or(usize::MAX);
        within(field, length, limit)?;
        self.take(length)
    }

    /// UTF-8 without control characters, behind a 16-bit length.
    ///
    /// # Errors
    /// [`DecodeError::Text`] when it is not, else as [`Reader::bytes16`].
    pub fn text(&mut self, field: &'static str, limit: usize) -> Result<&'a str, DecodeError> {
        let text = std::str::from_utf8(self.bytes16(field, limit)?)
            .map_err(|_| DecodeError::Text { field })?;
        if text.chars().any(char::is_control) {
            return Err(DecodeError::Text { field });
        }
        Ok(text)
    }

    /// UTF-8 that may hold line ends and tabs, behind a 16-bit length; no other
    /// control character, and no mark that turns the direction of writing.
    ///
    /// # Errors
    /// [`DecodeError::Text`] when it is not, else as [`Reader::bytes16`].
    pub fn lines(&mut self, field: &'static str, limit: usize) -> Result<&'a str, DecodeError> {
        let text = std::str::from_utf8(self.bytes16(field, limit)?)
            .map_err(|_| DecodeError::Text { field })?;
        if text.chars().any(unfit_for_lines) {
            return Err(DecodeError::Text { field });
        }
        Ok(text)
    }

    /// A byte that says whether a value follows (1) or not (0).
    ///
    /// # Errors
    /// [`DecodeError::Value`] for any other byte, else what `read` returns.
    pub fn option<T>(
        &mut self,
        field: &'static str,
        read: impl FnOnce(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Option<T>, DecodeError> {
        match self.u8()? {
            0 => Ok(None),
            1 => read(self).map(Some),
            other => Err(DecodeError::value(field, other)),
        }
    }

    /// A byte that says yes (1) or no (0).
    ///
    /// # Errors
    /// [`DecodeError::Value`] for any other byte.
    pub fn flag(&mut self, field: &'static str) -> Result<bool, DecodeError> {
        Ok(self.option(field, |_| Ok(()))?.is_some())
    }

    /// The one of `all` whose code is the next byte.
    ///
    /// # Errors
    /// [`DecodeError::Value`] when there is none.
    pub fn one_of<T: Copy>(
        &mut self,
        field: &'static str,
        all: &[T],
        code: impl Fn(T) -> u8,
    ) -> Result<T, DecodeError> {
        let found = self.u8()?;
        let known = all.iter().copied().find(|one| code(*one) == found);
        known.ok_or_else(|| DecodeError::value(field, found))
    }

    /// All that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    /// How many bytes are left.
    pub fn len(&self) -> usize {
        self.rest.len()
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Confirms that nothing is left.
    ///
    /// # Errors
    /// [`DecodeError::Trailing`] when something is.
    pub fn end(&self) -> Result<(), DecodeError> {
        match self.rest.len() {
            0 => Ok(()),
            left => Err(DecodeError::Trailing { left }),
        }
    }
}

/// Puts a layout together.
#[derive(Debug, Default)]
pub struct Writer {
    out: BytesMut,
}

impl Writer {
    /// Appends bytes as they are.
    pub fn put(&mut self, bytes: &[u8]) {
        self.out.put_slice(bytes);
    }

    /// Appends one byte.
    pub fn u8(&mut self, value: u8) {
        self.out.put_u8(value);
    }

    /// Appends a 16-bit number.
    pub fn u16(&mut self, value: u16) {
        self.out.put_u16(value);
    }

    /// Appends a 32-bit number.
    pub fn u32(&mut self, value: u32) {
        self.out.put_u32(value);
    }

    /// Appends a 64-bit number.
    pub fn u64(&mut self, value: u64) {
        self.out.put_u64(value);
    }

    /// Appends bytes behind a 16-bit length; what exceeds 65,535 is cut.
    pub fn bytes16(&mut self, bytes: &[u8]) {
        let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
        self.u16(length);
        self.put(&bytes[..usize::from(length)]);
    }

    /// Appends bytes behind a 32-bit length; what exceeds it is cut.
    pub fn bytes32(&mut self, bytes: &[u8]) {
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.u32(length);
        self.put(&bytes[..usize::try_from(length).unwrap_or(bytes.len())]);
    }

    /// Appends text behind a 16-bit length: control characters become spaces,
    /// and what exceeds `limit` bytes is cut at a character.
    pub fn text(&mut self, text: &str, limit: usize) {
        let clean: String = text
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        self.bytes16(&clean.as_bytes()[..clean.floor_char_boundary(limit)]);
    }

    /// Appends text that may hold line ends and tabs behind a 16-bit length:
    /// what does not fit becomes a space, what exceeds `limit` is cut.
    pub fn lines(&mut self, text: &str, limit: usize) {
        let clean: String = text
            .chars()
            .map(|c| if unfit_for_lines(c) { ' ' } else { c })
            .collect();
        self.bytes16(&clean.as_bytes()[..clean.floor_char_boundary(limit)]);
    }

    /// Appends 1 and the value, or 0.
    pub fn option<T>(&mut self, value: Option<&T>, write: impl FnOnce(&mut Self, &T)) {
        match value {
            Some(value) => {
                self.u8(1);
                write(self, value);
            }
            None => self.u8(0),
        }
    }

    /// Appends 1 for yes, 0 for no.
    pub fn flag(&mut self, yes: bool) {
        self.u8(u8::from(yes));
    }

    /// What was written.
    pub fn finish(self) -> Bytes {
        self.out.freeze()
    }
}

/// Control characters, and the marks of Unicode's bidirectional algorithm that
/// make a text read otherwise than it is written.
fn unfit_for_lines(c: char) -> bool {
    let control = c.is_control() && c != '\n' && c != '\t';
    control || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Refuses a length over its limit.
pub(crate) fn within(field: &'static str, length: usize, limit: usize) -> Result<(), DecodeError> {
    if length > limit {
        return Err(DecodeError::TooLong {
            field,
            length,
            limit,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_input_says_how_much_is_missing() {
        let mut input = Reader::new(&[1, 2, 3]);

        assert_eq!(input.u32(), Err(DecodeError::Short { missing: 1 }));
    }

    #[test]
    fn a_length_beyond_the_input_allocates_nothing_and_is_refused() {
        let mut input = Reader::new(&[0xff, 0xff, 0xff, 0xff, 1]);

        assert!(matches!(
            input.bytes32("body", usize::MAX),
            Err(DecodeError::Short { .. })
        ));
    }

    #[test]
    fn control_characters_are_no_text() {
        let mut input = Reader::new(b"\x00\x02a\x1b");

        assert_eq!(
            input.text("name", 10),
            Err(DecodeError::Text { field: "name" })
        );
    }

    #[test]
    fn written_text_is_cut_at_a_character() {
        let mut out = Writer::default();
        out.text("aé", 2);

        assert_eq!(&out.finish()[..], b"\x00\x01a");
    }
}
