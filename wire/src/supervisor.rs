//! What the gateway and the supervisor of a box say to each other.
//!
//! One message is one packet of the socket pair that the supervisor made
//! before it started the gateway. The supervisor runs as root and takes
//! everything it hears here for foreign bytes: nothing here names a file, a
//! command or an address, and an update is judged by its signature alone.

use crate::frame::MAX_HEALTH;
use crate::update::MAX_BOARD;
use crate::{Decode, DecodeError, Encode, Reader, UnixMs, Writer};

/// Longest message, in bytes.
pub const MAX_MESSAGE: usize = 64 * 1024;
/// Bytes of a bundle in one message.
pub const MAX_DATA: usize = 32 * 1024;
/// Longest cause code, in bytes.
const MAX_CAUSE: usize = 32;
/// Longest sentence, in bytes.
const MAX_SENTENCE: usize = 512;

/// What the gateway says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromGateway {
    /// It lives; said every few seconds. The watchdog is fed on it.
    Health,
    /// Where the link stands, with the key's fingerprint for the console.
    LinkState {
        /// Where.
        link: LinkState,
        /// A cause code, as `doctor` prints them; empty: none.
        cause: String,
        /// A sentence; empty: none.
        sentence: String,
        /// The fingerprint of the box's key.
        fingerprint: String,
        /// The last authenticated time.
        link_time: Option<UnixMs>,
    },
    /// How many sessions run.
    Session(u32),
    /// A bundle follows: how long it is, and whether sessions may be cut.
    UpdateBegin {
        /// Bytes of the whole bundle.
        size: u64,
        /// Install even while a session runs.
        forced: bool,
    },
    /// The next bytes of the bundle.
    UpdateData(Vec<u8>),
    /// The bundle is complete.
    UpdateEnd,
}

/// Where the link stands, for LEDs and screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkState {
    /// No claim code was used yet.
    Unclaimed,
    /// No link.
    Down,
    /// The server sees two boxes with this key.
    Quarantined,
    /// Linked.
    Up,
}

impl LinkState {
    const ALL: [Self; 4] = [Self::Unclaimed, Self::Down, Self::Quarantined, Self::Up];

    const fn code(self) -> u8 {
        match self {
            Self::Unclaimed => 0,
            Self::Down => 1,
            Self::Quarantined => 2,
            Self::Up => 3,
        }
    }
}

/// What the supervisor says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromSupervisor {
    /// The customer pressed the button: no sessions (true), or again (false).
    Pause(bool),
    /// How far an update is, or why it is refused.
    Update(UpdateState),
    /// The box restarts: say goodbye to the server.
    Reboot,
    /// What runs here; said at the gateway's start and when it changes.
    System {
        /// The board, as releases name it.
        board: String,
        /// Version of the release that runs.
        version: u64,
        /// It was not healthy yet.
        trial: bool,
        /// Version of a release that was left; 0: none.
        failed: u64,
    },
    /// What is wrong with the box and does not stop it, for the portal; said at
    /// the gateway's start and when it changes.
    Trouble {
        /// A cause code; empty: nothing.
        code: String,
        /// A sentence without an address of the customer's network.
        sentence: String,
    },
}

/// How far an update is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpdateState {
    /// Bytes taken so far; the next may be sent.
    Taken(u64),
    /// Verified and written; it boots next.
    Installed {
        /// Its version.
        version: u64,
    },
    /// Refused, with the sentence for the portal.
    Refused(String),
}

impl Encode for FromGateway {
    fn encode(&self, out: &mut Writer) {
        match self {
            Self::Health => out.u8(0x01),
            Self::LinkState {
                link,
                cause,
                sentence,
                fingerprint,
                link_time,
            } => {
                out.u8(0x02);
                out.u8(link.code());
                out.text(cause, MAX_CAUSE);
                out.text(sentence, MAX_SENTENCE);
                out.text(fingerprint, MAX_CAUSE * 2);
                out.option(link_time.as_ref(), |out, time| time.encode(out));
            }
            Self::Session(count) => {
                out.u8(0x03);
                out.u32(*count);
            }
            Self::UpdateBegin { size, forced } => {
                out.u8(0x04);
                out.u64(*size);
                out.flag(*forced);
            }
            Self::UpdateData(bytes) => {
                out.u8(0x05);
                out.put(&bytes[..bytes.len().min(MAX_DATA)]);
            }
            Self::UpdateEnd => out.u8(0x06),
        }
    }
}

impl Decode for FromGateway {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match input.u8()? {
            0x01 => Self::Health,
            0x02 => Self::LinkState {
                link: input.one_of("link state", &LinkState::ALL, LinkState::code)?,
                cause: input.text("cause", MAX_CAUSE)?.to_owned(),
                sentence: input.text("sentence", MAX_SENTENCE)?.to_owned(),
                fingerprint: input.text("fingerprint", MAX_CAUSE * 2)?.to_owned(),
                link_time: input.option("link time", UnixMs::decode)?,
            },
            0x03 => Self::Session(input.u32()?),
            0x04 => Self::UpdateBegin {
                size: input.u64()?,
                forced: input.flag("forced")?,
            },
            0x05 => {
                if input.len() > MAX_DATA {
                    return Err(DecodeError::TooLong {
                        field: "update data",
                        length: input.len(),
                        limit: MAX_DATA,
                    });
                }
                Self::UpdateData(input.rest().to_vec())
            }
            0x06 => Self::UpdateEnd,
            other => return Err(unknown(other)),
        })
    }
}

impl Encode for FromSupervisor {
    fn encode(&self, out: &mut Writer) {
        match self {
            Self::Pause(on) => {
                out.u8(0x41);
                out.flag(*on);
            }
            Self::Update(state) => {
                out.u8(0x42);
                match state {
                    UpdateState::Taken(bytes) => {
                        out.u8(0);
                        out.u64(*bytes);
                    }
                    UpdateState::Installed { version } => {
                        out.u8(1);
                        out.u64(*version);
                    }
                    UpdateState::Refused(sentence) => {
                        out.u8(2);
                        out.text(sentence, MAX_SENTENCE);
                    }
                }
            }
            Self::Reboot => out.u8(0x43),
            Self::System {
                board,
                version,
                trial,
                failed,
            } => {
                out.u8(0x44);
                out.text(board, MAX_BOARD);
                out.u64(*version);
                out.flag(*trial);
                out.u64(*failed);
            }
            Self::Trouble { code, sentence } => {
                out.u8(0x45);
                out.text(code, MAX_CAUSE);
                out.text(sentence, MAX_HEALTH);
            }
        }
    }
}

impl Decode for FromSupervisor {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match input.u8()? {
            0x41 => Self::Pause(input.flag("pause")?),
            0x42 => Self::Update(match input.u8()? {
                0 => UpdateState::Taken(input.u64()?),
                1 => UpdateState::Installed {
                    version: input.u64()?,
                },
                2 => UpdateState::Refused(input.text("sentence", MAX_SENTENCE)?.to_owned()),
                other => {
                    return Err(DecodeError::value("update state", other));
                }
            }),
            0x43 => Self::Reboot,
            0x44 => Self::System {
                board: input.text("board", MAX_BOARD)?.to_owned(),
                version: input.u64()?,
                trial: input.flag("trial")?,
                failed: input.u64()?,
            },
            0x45 => Self::Trouble {
                code: input.text("cause", MAX_CAUSE)?.to_owned(),
                sentence: input.text("sentence", MAX_HEALTH)?.to_owned(),
            },
            other => return Err(unknown(other)),
        })
    }
}

fn unknown(code: u8) -> DecodeError {
    DecodeError::value("message type", code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_survives_the_socket_pair() {
        let said = [
            FromGateway::Health,
            FromGateway::LinkState {
                link: LinkState::Quarantined,
                cause: "dns".into(),
                sentence: "a name was not found".into(),
                fingerprint: "aaaaa-bbbbb".into(),
                link_time: Some(UnixMs(5)),
            },
            FromGateway::Session(3),
            FromGateway::UpdateBegin {
                size: 1 << 40,
                forced: true,
            },
            FromGateway::UpdateData(vec![7; MAX_DATA]),
            FromGateway::UpdateEnd,
        ];
        for message in said {
            let bytes = message.to_bytes();
            assert!(bytes.len() <= MAX_MESSAGE);
            assert_eq!(FromGateway::from_bytes(&bytes), Ok(message));
        }
        let answers = [
            FromSupervisor::Pause(true),
            FromSupervisor::Update(UpdateState::Taken(9)),
            FromSupervisor::Update(UpdateState::Installed { version: 2 }),
            FromSupervisor::Update(UpdateState::Refused("no".into())),
            FromSupervisor::Reboot,
            FromSupervisor::System {
                board: "rock64".into(),
                version: 3,
                trial: true,
                failed: 4,
            },
            FromSupervisor::Trouble {
                code: "settings".into(),
                sentence: "line 1: unknown key".into(),
            },
        ];
        for message in answers {
            assert_eq!(FromSupervisor::from_bytes(&message.to_bytes()), Ok(message));
        }
    }

    #[test]
    fn a_message_of_the_other_direction_is_refused() {
        let reboot = FromSupervisor::Reboot.to_bytes();

        assert!(FromGateway::from_bytes(&reboot).is_err());
        assert!(FromGateway::from_bytes(&[5; MAX_DATA + 2]).is_err());
    }
}
