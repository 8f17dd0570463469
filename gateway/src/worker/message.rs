//! What the gateway and a worker say to each other over their pair.
//!
//! The same framing as a terminal stream, and mostly its messages. The gateway
//! reads what a worker sends as foreign bytes: a worker that a hostile host has
//! taken over may send anything, and can say only what is listed here. Pure.
//! Driven by [`super::pair`]; fuzzed in `tests/fuzz`.

use bytes::Bytes;
use culvert_wire::reason::Reason;
use culvert_wire::sealed::Contents;
use culvert_wire::secret::Secret;
use culvert_wire::terminal::{
    FromPage, MAX_ACCOUNT, MAX_ANSWER, MAX_NAME, MAX_PRIVATE_KEY, MAX_SENTENCE, Size, ToPage,
    framed,
};
use culvert_wire::{Decode as _, DecodeError, Encode as _, Reader, Writer};

/// Longest host key, in bytes: RSA with 16,384 bits takes about 2 KiB.
pub const MAX_HOST_KEY: usize = 8 * 1024;

/// What the gateway says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToWorker {
    /// First and once.
    Begin(Begin),
    /// Whether the host's key is the right one.
    Verdict(Verdict),
    /// What the technician's end said; never a `Start`.
    Page(FromPage),
}

/// How to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Begin {
    /// The window.
    pub size: Size,
    /// TERM.
    pub term: String,
    /// The account, if it is known.
    pub account: Option<String>,
    /// Whether old algorithms may be used.
    pub legacy: bool,
    /// The algorithm of the pinned key: asked for first.
    pub pinned: Option<String>,
}

/// The gateway's word on a host key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Go away.
    Refused,
    /// Go on, with the stored credential if there is one.
    Accepted(Option<Contents>),
}

/// What a worker says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromWorker {
    /// The host has proved that it holds this key; nothing goes on before the
    /// verdict.
    HostKey {
        /// Its algorithm.
        algorithm: String,
        /// The key as SSH encodes it (RFC 4253 §6.6).
        key: Bytes,
    },
    /// The shell runs, for this account.
    Ready {
        /// The account that the host accepted.
        account: String,
    },
    /// Something for the technician: only a prompt, a banner, a notice, output
    /// or an exit.
    Page(ToPage),
    /// It did not come to a shell; nothing follows.
    Failed {
        /// Why.
        reason: Reason,
        /// A sentence more.
        text: String,
    },
    /// The host offers only old algorithms, named here; nothing follows.
    Legacy(String),
}

mod kind {
    pub(super) const BEGIN: u8 = 0x10;
    pub(super) const VERDICT: u8 = 0x11;
    pub(super) const HOST_KEY: u8 = 0x90;
    pub(super) const READY: u8 = 0x91;
    pub(super) const FAILED: u8 = 0x92;
    pub(super) const LEGACY: u8 = 0x93;
}

impl ToWorker {
    /// The whole message.
    pub fn to_message(&self) -> Bytes {
        let mut out = Writer::default();
        let kind = match self {
            Self::Page(message) => return message.to_message(),
            Self::Begin(begin) => {
                out.u16(begin.size.columns);
                out.u16(begin.size.rows);
                out.text(&begin.term, MAX_NAME);
                out.option(begin.account.as_ref(), |out, account| {
                    out.text(account, MAX_ACCOUNT);
                });
                out.u8(u8::from(begin.legacy));
                out.option(begin.pinned.as_ref(), |out, pinned| {
                    out.text(pinned, MAX_NAME);
                });
                kind::BEGIN
            }
            Self::Verdict(verdict) => {
                encode_verdict(verdict, &mut out);
                kind::VERDICT
            }
        };
        framed(kind, &out.finish())
    }

    /// Reads a message.
    ///
    /// # Errors
    /// [`DecodeError`] when it is none.
    pub fn decode(kind: u8, body: &Bytes) -> Result<Self, DecodeError> {
        let mut input = Reader::new(body);
        let message = match kind {
            kind::BEGIN => Self::Begin(Begin {
                size: Size {
                    columns: input.u16()?,
                    rows: input.u16()?,
                },
                term: input.text("term", MAX_NAME)?.to_owned(),
                account: input.option("account", |input| {
                    Ok(input.text("account", MAX_ACCOUNT)?.to_owned())
                })?,
                legacy: flag(&mut input, "legacy")?,
                pinned: input.option("pinned", |input| {
                    Ok(input.text("pinned", MAX_NAME)?.to_owned())
                })?,
            }),
            kind::VERDICT => Self::Verdict(decode_verdict(&mut input)?),
            page => {
                return match FromPage::decode(page, body)? {
                    Some(message) if !matches!(message, FromPage::Start(_)) => {
                        Ok(Self::Page(message))
                    }
                    Some(_) | None => Err(DecodeError::UnknownFrame(page)),
                };
            }
        };
        input.end()?;
        Ok(message)
    }
}

fn encode_verdict(verdict: &Verdict, out: &mut Writer) {
    match verdict {
        Verdict::Refused => out.u8(0),
        Verdict::Accepted(None) => out.u8(1),
        Verdict::Accepted(Some(Contents::Password(password))) => {
            out.u8(2);
            out.bytes16(password.reveal());
        }
        Verdict::Accepted(Some(Contents::PrivateKey { key, passphrase })) => {
            out.u8(3);
            out.bytes16(key.reveal());
            out.bytes16(passphrase.reveal());
        }
    }
}

fn decode_verdict(input: &mut Reader<'_>) -> Result<Verdict, DecodeError> {
    Ok(match input.u8()? {
        0 => Verdict::Refused,
        1 => Verdict::Accepted(None),
        2 => {
            let password = Secret::new(input.bytes16("password", MAX_ANSWER)?);
            Verdict::Accepted(Some(Contents::Password(password)))
        }
        3 => Verdict::Accepted(Some(Contents::PrivateKey {
            key: Secret::new(input.bytes16("private key", MAX_PRIVATE_KEY)?),
            passphrase: Secret::new(input.bytes16("passphrase", MAX_ANSWER)?),
        })),
        other => {
            return Err(DecodeError::Value {
                field: "verdict",
                value: u64::from(other),
            });
        }
    })
}

fn flag(input: &mut Reader<'_>, field: &'static str) -> Result<bool, DecodeError> {
    match input.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        other => Err(DecodeError::Value {
            field,
            value: u64::from(other),
        }),
    }
}

impl FromWorker {
    /// The whole message.
    pub fn to_message(&self) -> Bytes {
        let mut out = Writer::default();
        let kind = match self {
            Self::Page(message) => return message.to_message(),
            Self::HostKey { algorithm, key } => {
                out.text(algorithm, MAX_NAME);
                out.bytes16(key);
                kind::HOST_KEY
            }
            Self::Ready { account } => {
                out.text(account, MAX_ACCOUNT);
                kind::READY
            }
            Self::Failed { reason, text } => {
                reason.encode(&mut out);
                out.lines(text, MAX_SENTENCE);
                kind::FAILED
            }
            Self::Legacy(text) => {
                out.lines(text, MAX_SENTENCE);
                kind::LEGACY
            }
        };
        framed(kind, &out.finish())
    }

    /// Reads a message of a worker that may be hostile.
    ///
    /// # Errors
    /// [`DecodeError`] when it is none that a worker may send: the worker is
    /// then ended.
    pub fn decode(kind: u8, body: &Bytes) -> Result<Self, DecodeError> {
        let mut input = Reader::new(body);
        let message = match kind {
            kind::HOST_KEY => Self::HostKey {
                algorithm: input.text("algorithm", MAX_NAME)?.to_owned(),
                key: Bytes::copy_from_slice(input.bytes16("host key", MAX_HOST_KEY)?),
            },
            kind::READY => Self::Ready {
                account: input.text("account", MAX_ACCOUNT)?.to_owned(),
            },
            kind::FAILED => Self::Failed {
                reason: Reason::decode(&mut input)?,
                text: input.lines("text", MAX_SENTENCE)?.to_owned(),
            },
            kind::LEGACY => Self::Legacy(input.lines("text", MAX_SENTENCE)?.to_owned()),
            page => return of_page(page, body),
        };
        input.end()?;
        Ok(message)
    }
}

/// A worker says nothing in the gateway's name: no `Ready`, no question about
/// keys, no refusal.
fn of_page(kind: u8, body: &Bytes) -> Result<FromWorker, DecodeError> {
    match ToPage::decode(kind, body)? {
        Some(
            message @ (ToPage::Prompt(_)
            | ToPage::Banner(_)
            | ToPage::Output(_)
            | ToPage::Notice(_)
            | ToPage::Exit(_)),
        ) => Ok(FromWorker::Page(message)),
        Some(
            ToPage::Ready(_)
            | ToPage::HostKeyQuestion(_)
            | ToPage::Refused { .. }
            | ToPage::Replayed { .. }
            | ToPage::Legacy(_)
            | ToPage::Note(_),
        )
        | None => Err(DecodeError::UnknownFrame(kind)),
    }
}

#[cfg(test)]
mod tests {
    use culvert_wire::terminal::{Exit, Start, Token, Unframer};

    use super::*;

    fn one(message: &Bytes) -> (u8, Bytes) {
        let mut unframer = Unframer::default();
        unframer.push(message);
        unframer.next().unwrap().unwrap()
    }

    #[test]
    fn every_message_survives_the_pair() {
        let size = Size {
            columns: 80,
            rows: 24,
        };
        let key = Contents::PrivateKey {
            key: Secret::new(b"key"),
            passphrase: Secret::new(b""),
        };
        for message in [
            ToWorker::Begin(Begin {
                size,
                term: "xterm".into(),
                account: Some("root".into()),
                legacy: true,
                pinned: Some("ssh-ed25519".into()),
            }),
            ToWorker::Verdict(Verdict::Refused),
            ToWorker::Verdict(Verdict::Accepted(None)),
            ToWorker::Verdict(Verdict::Accepted(Some(key))),
            ToWorker::Page(FromPage::Resize(size)),
        ] {
            let (kind, body) = one(&message.to_message());
            assert_eq!(ToWorker::decode(kind, &body), Ok(message));
        }
        for message in [
            FromWorker::HostKey {
                algorithm: "ssh-ed25519".into(),
                key: Bytes::from_static(b"blob"),
            },
            FromWorker::Ready {
                account: "root".into(),
            },
            FromWorker::Page(ToPage::Exit(Exit::Status(3))),
            FromWorker::Failed {
                reason: Reason::HostSignIn,
                text: "no".into(),
            },
            FromWorker::Legacy("ssh-dss".into()),
        ] {
            let (kind, body) = one(&message.to_message());
            assert_eq!(FromWorker::decode(kind, &body), Ok(message));
        }
    }

    /// Threat 14: a worker that was taken over cannot speak for the gateway.
    #[test]
    fn a_worker_can_say_nothing_in_the_gateway_s_name() {
        for message in [
            ToPage::Ready(culvert_wire::terminal::Ready {
                token: Token::from_random([0; 16]),
                account: String::new(),
                algorithm: String::new(),
                fingerprint: String::new(),
            }),
            ToPage::Refused {
                reason: Reason::NotAllowed,
                text: String::new(),
            },
            ToPage::Replayed { from: 0, input: 0 },
        ] {
            let (kind, body) = one(&message.to_message());
            assert!(FromWorker::decode(kind, &body).is_err());
        }
    }

    #[test]
    fn a_start_is_never_passed_on() {
        let start = FromPage::Start(Start {
            size: Size {
                columns: 1,
                rows: 1,
            },
            term: String::new(),
            account: None,
            resume: None,
            credential: culvert_wire::terminal::Credential::None,
        });
        let (kind, body) = one(&start.to_message());
        assert!(ToWorker::decode(kind, &body).is_err());
    }
}
