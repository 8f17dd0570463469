//! The first bytes of a stream inside a session's QUIC connection.
//!
//! The technician's end opens every bidirectional stream and begins it with an
//! [`Open`]; the gateway begins its direction with an [`Answer`]. After an
//! accepted answer both directions carry the target's bytes, unparsed. The
//! opener may send target bytes at once, without waiting for the answer.
//!
//! A QUIC `CONNECTION_CLOSE` and `RESET_STREAM` carry a [`Reason`] code as
//! application error code.

use crate::reason::Reason;
use crate::{Decode, DecodeError, Encode, Reader, Writer};

/// ALPN of a session (RFC 7301).
pub const ALPN: &[u8] = b"culvert/1";
/// Layout version.
const VERSION: u8 = 1;
/// Length of an [`Open`], in bytes.
pub const OPEN_LEN: usize = 4;
/// Length of an [`Answer`] before its text, in bytes.
pub const ANSWER_HEAD_LEN: usize = 4;
/// Longest text of an answer, in bytes.
pub const MAX_ANSWER_TEXT: usize = 255;

/// A class of traffic; the order is the priority, first goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// Keys, pointer, terminals and the session's own control.
    Input,
    /// Pictures.
    Screen,
    /// Clipboard and chat.
    Clipboard,
    /// Files and everything that can wait.
    Bulk,
}

impl Lane {
    /// All lanes, most urgent first.
    pub const ALL: [Self; 4] = [Self::Input, Self::Screen, Self::Clipboard, Self::Bulk];

    /// QUIC stream priority: higher goes first.
    pub const fn priority(self) -> i32 {
        match self {
            Self::Input => 30,
            Self::Screen => 20,
            Self::Clipboard => 10,
            Self::Bulk => 0,
        }
    }

    const fn code(self) -> u8 {
        match self {
            Self::Input => 0,
            Self::Screen => 1,
            Self::Clipboard => 2,
            Self::Bulk => 3,
        }
    }
}

/// What the opener wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// The grant's target of this index.
    Target(u8),
    /// Try the target and report, without passing a byte (S39).
    Test(u8),
    /// A terminal on the grant's target of this index, which must be SSH: the
    /// gateway speaks SSH, and the stream carries [`crate::terminal`].
    Terminal(u8),
}

/// The opener's first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Open {
    /// What.
    pub service: Service,
    /// How urgent.
    pub lane: Lane,
}

impl Encode for Open {
    fn encode(&self, out: &mut Writer) {
        out.u8(VERSION);
        let (kind, index) = match self.service {
            Service::Target(index) => (1, index),
            Service::Test(index) => (2, index),
            Service::Terminal(index) => (3, index),
        };
        out.u8(kind);
        out.u8(index);
        out.u8(self.lane.code());
    }
}

impl Decode for Open {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match input.u8()? {
            VERSION => {}
            other => return Err(DecodeError::value("stream version", other)),
        }
        let kind = input.u8()?;
        let index = input.u8()?;
        let service = match kind {
            1 => Service::Target(index),
            2 => Service::Test(index),
            3 => Service::Terminal(index),
            other => return Err(DecodeError::value("stream service", other)),
        };
        Ok(Self {
            service,
            lane: input.one_of("lane", &Lane::ALL, Lane::code)?,
        })
    }
}

/// The gateway's first bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Connected; the target's bytes follow. For a test: it answered.
    Accepted,
    /// Not connected; nothing follows.
    Refused {
        /// Why.
        reason: Reason,
        /// A sentence more, at most [`MAX_ANSWER_TEXT`] bytes.
        text: String,
    },
}

impl Encode for Answer {
    fn encode(&self, out: &mut Writer) {
        let (reason, text) = match self {
            Self::Accepted => (Reason::Finished, ""),
            Self::Refused { reason, text } => (*reason, text.as_str()),
        };
        reason.encode(out);
        out.text(text, MAX_ANSWER_TEXT);
    }
}

impl Decode for Answer {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let reason = Reason::decode(input)?;
        // An accepted answer is followed by the target's bytes, never by a text.
        let limit = if reason == Reason::Finished {
            0
        } else {
            MAX_ANSWER_TEXT
        };
        let text = input.text("answer text", limit)?.to_owned();
        if reason == Reason::Finished {
            return Ok(Self::Accepted);
        }
        Ok(Self::Refused { reason, text })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_opening_survives_the_wire_in_its_stated_length() {
        for lane in Lane::ALL {
            for service in [
                Service::Target(0),
                Service::Target(15),
                Service::Test(3),
                Service::Terminal(7),
            ] {
                let open = Open { service, lane };
                assert_eq!(open.to_bytes().len(), OPEN_LEN);
                assert_eq!(Open::from_bytes(&open.to_bytes()), Ok(open));
            }
        }
    }

    #[test]
    fn answers_survive_the_wire() {
        for answer in [
            Answer::Accepted,
            Answer::Refused {
                reason: Reason::HostRefused,
                text: "port 22".into(),
            },
        ] {
            assert_eq!(Answer::from_bytes(&answer.to_bytes()), Ok(answer));
        }
    }

    #[test]
    fn urgent_lanes_have_higher_priority() {
        assert!(Lane::ALL.is_sorted_by(|a, b| a.priority() > b.priority()));
    }
}
