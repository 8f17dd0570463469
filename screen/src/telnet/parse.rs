//! Takes a telnet stream apart, byte by byte. Pure.

use super::{DO, DONT, IAC, SB, SE, WILL, WONT};

/// Longest body of a subnegotiation that is kept; ours are a byte long.
const MAX_SUB: usize = 64;

/// What one byte completed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A byte for the screen.
    Data(u8),
    /// DO, DONT, WILL or WONT.
    Negotiate {
        /// Which of them.
        verb: u8,
        /// About what.
        option: u8,
    },
    /// A whole subnegotiation.
    Sub {
        /// About what.
        option: u8,
        /// Its body, cut at [`MAX_SUB`].
        body: Vec<u8>,
    },
}

/// Where in the stream we are.
#[derive(Debug, Default)]
pub(super) enum Parser {
    /// Between commands.
    #[default]
    Data,
    /// After IAC.
    Command,
    /// After DO, DONT, WILL or WONT.
    Option {
        /// Which of them.
        verb: u8,
    },
    /// After IAC SB.
    SubOption,
    /// In a subnegotiation.
    Sub {
        /// About what.
        option: u8,
        /// So far.
        body: Vec<u8>,
        /// The last byte was IAC.
        escaped: bool,
    },
}

impl Parser {
    /// Takes one byte.
    pub(super) fn feed(&mut self, byte: u8) -> Option<Event> {
        let (next, event) = match std::mem::take(self) {
            Self::Data if byte == IAC => (Self::Command, None),
            Self::Data => (Self::Data, Some(Event::Data(byte))),
            Self::Command => match byte {
                IAC => (Self::Data, Some(Event::Data(IAC))),
                DO | DONT | WILL | WONT => (Self::Option { verb: byte }, None),
                SB => (Self::SubOption, None),
                // NOP, GA, AYT and the like need no answer from a client.
                _ => (Self::Data, None),
            },
            Self::Option { verb } => (Self::Data, Some(Event::Negotiate { verb, option: byte })),
            Self::SubOption => (
                Self::Sub {
                    option: byte,
                    body: Vec::new(),
                    escaped: false,
                },
                None,
            ),
            Self::Sub {
                option,
                body,
                escaped,
            } => Self::in_sub(option, body, escaped, byte),
        };
        *self = next;
        event
    }

    fn in_sub(option: u8, mut body: Vec<u8>, escaped: bool, byte: u8) -> (Self, Option<Event>) {
        match (escaped, byte) {
            (true, SE) => return (Self::Data, Some(Event::Sub { option, body })),
            (false, IAC) => {}
            (_, byte) if body.len() < MAX_SUB => body.push(byte),
            (_, _) => {}
        }
        let escaped = !escaped && byte == IAC;
        let next = Self::Sub {
            option,
            body,
            escaped,
        };
        (next, None)
    }
}
