//! The gateway's first bytes of a stream, read piece by piece.
//!
//! Never takes a byte that belongs to the target: it says how many bytes it
//! wants next. Driven by the shells' streams.

use culvert_wire::stream::{ANSWER_HEAD_LEN, Answer, MAX_ANSWER_TEXT};
use culvert_wire::{Decode as _, DecodeError};

/// Collects one [`Answer`].
#[derive(Debug, Default)]
pub struct AnswerReader {
    bytes: Vec<u8>,
}

impl AnswerReader {
    /// How many bytes to push next; never more than the answer has left.
    pub fn wanted(&self) -> usize {
        self.length() - self.bytes.len()
    }

    /// Takes at most [`AnswerReader::wanted`] bytes; an answer when complete.
    ///
    /// # Errors
    /// [`DecodeError`] when it is none; the stream is of no use then.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Option<Answer>, DecodeError> {
        debug_assert!(bytes.len() <= self.wanted(), "took the target's bytes");
        self.bytes.extend_from_slice(bytes);
        let length = self.length();
        if length > ANSWER_HEAD_LEN + MAX_ANSWER_TEXT {
            return Err(DecodeError::TooLong {
                field: "answer text",
                length: length - ANSWER_HEAD_LEN,
                limit: MAX_ANSWER_TEXT,
            });
        }
        if self.bytes.len() < length {
            return Ok(None);
        }
        Answer::from_bytes(&self.bytes).map(Some)
    }

    /// The length as far as it is known: the text's own is in the head.
    fn length(&self) -> usize {
        match self.bytes.get(..ANSWER_HEAD_LEN) {
            Some(&[_, _, high, low]) => {
                ANSWER_HEAD_LEN + usize::from(u16::from_be_bytes([high, low]))
            }
            Some(_) | None => ANSWER_HEAD_LEN,
        }
    }
}

#[cfg(test)]
mod tests {
    use culvert_wire::Encode as _;
    use culvert_wire::reason::Reason;

    use super::*;

    fn refused() -> Answer {
        Answer::Refused {
            reason: Reason::HostRefused,
            text: "nothing listens on port 22".into(),
        }
    }

    #[test]
    fn an_answer_in_single_bytes_is_read_and_nothing_behind_it_taken() {
        for answer in [Answer::Accepted, refused()] {
            let bytes = answer.to_bytes();
            let mut reader = AnswerReader::default();
            let mut got = None;
            for (at, byte) in bytes.iter().enumerate() {
                assert!(got.is_none() && (1..=bytes.len() - at).contains(&reader.wanted()));
                got = reader.push(&[*byte]).expect("a whole answer");
            }
            assert_eq!(got, Some(answer));
        }
    }

    #[test]
    fn an_answer_that_announces_too_much_is_refused_before_it_is_read() {
        let mut reader = AnswerReader::default();
        assert!(reader.push(&[0, 200, 0xff, 0xff]).is_err());
    }
}
