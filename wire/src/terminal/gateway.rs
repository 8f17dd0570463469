//! What the gateway says on a terminal stream.

use bytes::Bytes;

use super::{
    MAX_ACCOUNT, MAX_BANNER, MAX_INSTRUCTION, MAX_NAME, MAX_NOTE, MAX_QUESTIONS, MAX_SENTENCE,
    Token, framed,
};
use crate::codec::within;
use crate::reason::Reason;
use crate::{Decode as _, DecodeError, Encode as _, Reader, UnixMs, Writer};

/// A message of the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToPage {
    /// The shell runs (or a kept terminal was found): input may be sent.
    Ready(Ready),
    /// Only the technician can say whether this is the right host.
    HostKeyQuestion(HostKeyQuestion),
    /// The host, or the gateway, wants to know something.
    Prompt(Prompt),
    /// What the host shows before the sign-in: text, never terminal bytes.
    Banner(String),
    /// What the terminal shows, at most [`MAX_BODY`](super::MAX_BODY) bytes.
    Output(Bytes),
    /// The remote end is over; nothing follows.
    Exit(Exit),
    /// The terminal did not begin, or cannot go on; nothing follows.
    Refused {
        /// Why.
        reason: Reason,
        /// A sentence more; may be empty.
        text: String,
    },
    /// Behind the [`ToPage::Ready`] of a resumption: output follows from here.
    Replayed {
        /// The number of the first byte that follows. More than what was
        /// seen: the bytes between are lost.
        from: u64,
        /// Bytes of input the host got so far: later ones must be sent again.
        input: u64,
    },
    /// The host knows only old algorithms, named here; may they be used?
    Legacy(String),
    /// A sentence of the gateway's own for the technician.
    Notice(String),
    /// Behind the [`ToPage::Replayed`] of a resumption: the last note of the
    /// ends before, at most [`MAX_NOTE`] bytes; for telnet always, if only empty.
    Note(Bytes),
}

/// The terminal runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ready {
    /// To go on after a loss of the stream or the session.
    pub token: Token,
    /// The account that the host accepted.
    pub account: String,
    /// The host's key: its algorithm.
    pub algorithm: String,
    /// The host's key, as OpenSSH shows it: `SHA256:…`.
    pub fingerprint: String,
}

/// What the gateway knows of a host's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// The first key seen at this address and port.
    New,
    /// Another key than the pinned one.
    Changed,
    /// A key that somebody refused for good: it cannot be accepted.
    Revoked,
}

/// A question about the host's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostKeyQuestion {
    /// What is known.
    pub state: KeyState,
    /// Such as `ssh-ed25519`.
    pub algorithm: String,
    /// As OpenSSH shows it: `SHA256:…`.
    pub fingerprint: String,
    /// The pinned key's fingerprint, if there is one.
    pub old_fingerprint: Option<String>,
    /// Since when that one is pinned.
    pub since: Option<UnixMs>,
}

/// Who asks, and for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PromptKind {
    /// The gateway: the account's name.
    Account,
    /// The host: the account's password (RFC 4252).
    Password,
    /// The host: questions of its own (RFC 4256).
    Interactive,
    /// The gateway: the host takes keys only; answer with a private key.
    Key,
    /// The gateway: the private key's passphrase.
    Passphrase,
}

impl PromptKind {
    const ALL: [(Self, u8); 5] = [
        (Self::Account, 0),
        (Self::Password, 1),
        (Self::Interactive, 2),
        (Self::Key, 3),
        (Self::Passphrase, 4),
    ];
}

impl KeyState {
    const ALL: [(Self, u8); 3] = [(Self::New, 0), (Self::Changed, 1), (Self::Revoked, 2)];
}

/// Questions to the technician.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// To be repeated in the answer.
    pub id: u32,
    /// Who asks.
    pub kind: PromptKind,
    /// A title; may be empty.
    pub name: String,
    /// Lines above the questions; may be empty.
    pub instruction: String,
    /// None to [`MAX_QUESTIONS`].
    pub questions: Vec<Question>,
}

/// One question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// What is asked.
    pub text: String,
    /// Whether what is typed may be seen.
    pub echo: bool,
}

/// How the remote end was over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exit {
    /// The shell ended with this status.
    Status(u32),
    /// A signal ended it.
    Signal {
        /// Its name without `SIG`.
        name: String,
        /// What the host adds.
        text: String,
    },
    /// It was lost.
    Lost {
        /// Why.
        reason: Reason,
        /// A sentence more; may be empty.
        text: String,
    },
}

mod kind {
    pub(super) const READY: u8 = 0x81;
    pub(super) const HOST_KEY_QUESTION: u8 = 0x82;
    pub(super) const PROMPT: u8 = 0x83;
    pub(super) const BANNER: u8 = 0x84;
    pub(super) const OUTPUT: u8 = 0x85;
    pub(super) const EXIT: u8 = 0x86;
    pub(super) const REFUSED: u8 = 0x87;
    pub(super) const REPLAYED: u8 = 0x88;
    pub(super) const LEGACY: u8 = 0x89;
    pub(super) const NOTICE: u8 = 0x8a;
    pub(super) const NOTE: u8 = 0x8b;
}

impl ToPage {
    /// The whole message.
    pub fn to_message(&self) -> Bytes {
        let mut out = Writer::default();
        let kind = match self {
            Self::Ready(ready) => {
                out.put(ready.token.as_bytes());
                out.text(&ready.account, MAX_ACCOUNT);
                out.text(&ready.algorithm, MAX_NAME);
                out.text(&ready.fingerprint, MAX_NAME);
                kind::READY
            }
            Self::HostKeyQuestion(question) => {
                question.encode(&mut out);
                kind::HOST_KEY_QUESTION
            }
            Self::Prompt(prompt) => {
                prompt.encode(&mut out);
                kind::PROMPT
            }
            Self::Banner(text) => {
                out.lines(text, MAX_BANNER);
                kind::BANNER
            }
            Self::Output(bytes) => return framed(kind::OUTPUT, bytes),
            Self::Exit(exit) => {
                exit.encode(&mut out);
                kind::EXIT
            }
            Self::Refused { reason, text } => {
                reason.encode(&mut out);
                out.lines(text, MAX_SENTENCE);
                kind::REFUSED
            }
            Self::Replayed { from, input } => {
                out.u64(*from);
                out.u64(*input);
                kind::REPLAYED
            }
            Self::Legacy(text) => {
                out.lines(text, MAX_SENTENCE);
                kind::LEGACY
            }
            Self::Notice(text) => {
                out.lines(text, MAX_SENTENCE);
                kind::NOTICE
            }
            Self::Note(note) => return framed(kind::NOTE, note),
        };
        framed(kind, &out.finish())
    }

    /// Reads a message that [`Unframer`](super::Unframer) cut out; `None` is a
    /// type that may be skipped.
    ///
    /// # Errors
    /// [`DecodeError`] when it is not one of this version.
    pub fn decode(kind: u8, body: &Bytes) -> Result<Option<Self>, DecodeError> {
        let mut input = Reader::new(body);
        let message = match kind {
            kind::READY => Self::Ready(Ready {
                token: Token::from_random(input.array()?),
                account: input.text("account", MAX_ACCOUNT)?.to_owned(),
                algorithm: input.text("algorithm", MAX_NAME)?.to_owned(),
                fingerprint: input.text("fingerprint", MAX_NAME)?.to_owned(),
            }),
            kind::HOST_KEY_QUESTION => Self::HostKeyQuestion(HostKeyQuestion::decode(&mut input)?),
            kind::PROMPT => Self::Prompt(Prompt::decode(&mut input)?),
            kind::BANNER => Self::Banner(input.lines("banner", MAX_BANNER)?.to_owned()),
            kind::OUTPUT => return Ok(Some(Self::Output(body.clone()))),
            kind::EXIT => Self::Exit(Exit::decode(&mut input)?),
            kind::REFUSED => Self::Refused {
                reason: Reason::decode(&mut input)?,
                text: input.lines("text", MAX_SENTENCE)?.to_owned(),
            },
            kind::REPLAYED => Self::Replayed {
                from: input.u64()?,
                input: input.u64()?,
            },
            kind::LEGACY => Self::Legacy(input.lines("text", MAX_SENTENCE)?.to_owned()),
            kind::NOTICE => Self::Notice(input.lines("text", MAX_SENTENCE)?.to_owned()),
            kind::NOTE => {
                within("note", body.len(), MAX_NOTE)?;
                return Ok(Some(Self::Note(body.clone())));
            }
            skipped if super::skippable(skipped) => return Ok(None),
            unknown => return Err(DecodeError::UnknownFrame(unknown)),
        };
        input.end()?;
        Ok(Some(message))
    }
}

/// Writes the code of one of a few known values.
fn put_code<T: Copy + PartialEq>(out: &mut Writer, known: &[(T, u8)], value: T) {
    for (_, code) in known.iter().filter(|(known, _)| *known == value) {
        out.u8(*code);
    }
}

/// Reads the code of one of a few known values.
fn code_of<T: Copy>(
    input: &mut Reader<'_>,
    field: &'static str,
    known: &[(T, u8)],
) -> Result<T, DecodeError> {
    Ok(input.one_of(field, known, |(_, code)| code)?.0)
}

impl HostKeyQuestion {
    fn encode(&self, out: &mut Writer) {
        put_code(out, &KeyState::ALL, self.state);
        out.text(&self.algorithm, MAX_NAME);
        out.text(&self.fingerprint, MAX_NAME);
        out.option(self.old_fingerprint.as_ref(), |out, old| {
            out.text(old, MAX_NAME);
        });
        out.option(self.since.as_ref(), |out, since| since.encode(out));
    }

    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            state: code_of(input, "key state", &KeyState::ALL)?,
            algorithm: input.text("algorithm", MAX_NAME)?.to_owned(),
            fingerprint: input.text("fingerprint", MAX_NAME)?.to_owned(),
            old_fingerprint: input.option("old fingerprint", |input| {
                Ok(input.text("old fingerprint", MAX_NAME)?.to_owned())
            })?,
            since: input.option("since", UnixMs::decode)?,
        })
    }
}

impl Prompt {
    fn encode(&self, out: &mut Writer) {
        out.u32(self.id);
        put_code(out, &PromptKind::ALL, self.kind);
        out.text(&self.name, MAX_ACCOUNT);
        out.lines(&self.instruction, MAX_INSTRUCTION);
        let questions = &self.questions[..self.questions.len().min(MAX_QUESTIONS)];
        out.u8(u8::try_from(questions.len()).expect("at most MAX_QUESTIONS"));
        for question in questions {
            out.lines(&question.text, MAX_SENTENCE);
            out.flag(question.echo);
        }
    }

    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut prompt = Self {
            id: input.u32()?,
            kind: code_of(input, "prompt kind", &PromptKind::ALL)?,
            name: input.text("prompt name", MAX_ACCOUNT)?.to_owned(),
            instruction: input.lines("instruction", MAX_INSTRUCTION)?.to_owned(),
            questions: Vec::new(),
        };
        let count = usize::from(input.u8()?);
        within("questions", count, MAX_QUESTIONS)?;
        for _ in 0..count {
            prompt.questions.push(Question {
                text: input.lines("question", MAX_SENTENCE)?.to_owned(),
                echo: input.flag("echo")?,
            });
        }
        Ok(prompt)
    }
}

impl Exit {
    fn encode(&self, out: &mut Writer) {
        match self {
            Self::Status(status) => {
                out.u8(0);
                out.u32(*status);
            }
            Self::Signal { name, text } => {
                out.u8(1);
                out.text(name, MAX_NAME);
                out.lines(text, MAX_SENTENCE);
            }
            Self::Lost { reason, text } => {
                out.u8(2);
                reason.encode(out);
                out.lines(text, MAX_SENTENCE);
            }
        }
    }

    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match input.u8()? {
            0 => Self::Status(input.u32()?),
            1 => Self::Signal {
                name: input.text("signal", MAX_NAME)?.to_owned(),
                text: input.lines("text", MAX_SENTENCE)?.to_owned(),
            },
            2 => Self::Lost {
                reason: Reason::decode(input)?,
                text: input.lines("text", MAX_SENTENCE)?.to_owned(),
            },
            other => {
                return Err(DecodeError::value("exit", other));
            }
        })
    }
}
