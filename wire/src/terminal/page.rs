//! What the technician's end says on a terminal stream.

use bytes::Bytes;

use super::{
    MAX_ACCOUNT, MAX_ANSWER, MAX_NAME, MAX_NOTE, MAX_PRIVATE_KEY, MAX_QUESTIONS, Size, Token,
    framed,
};
use crate::codec::within;
use crate::secret::Secret;
use crate::{DecodeError, Reader, Writer};

/// Longest sealed credential, in bytes.
const MAX_SEALED: usize = 20 * 1024;

/// A message of the technician's end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromPage {
    /// Opens or resumes the terminal: the first message, once.
    Start(Start),
    /// Typed or pasted bytes, at most [`MAX_BODY`](super::MAX_BODY).
    Input(Bytes),
    /// The terminal's new size.
    Resize(Size),
    /// Answers to the prompt of this number, in its order.
    Answer {
        /// The prompt's number.
        prompt: u32,
        /// One for each question.
        answers: Vec<Secret>,
    },
    /// The answer to a question about the host's key.
    HostKey(HostKeyAnswer),
    /// A key instead of an answer to the prompt of this number.
    PrivateKey(PrivateKey),
    /// The technician is done: the host is told, nothing is kept.
    Close,
    /// The answer to [`ToPage::Legacy`](super::ToPage::Legacy).
    Legacy(Verdict),
    /// What whoever goes on with this terminal is to be given with
    /// [`ToPage::Note`](super::ToPage::Note), at most [`MAX_NOTE`] bytes; the
    /// newest counts, and the gateway never looks at it.
    Note(Bytes),
}

/// How a terminal begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// The size of the window.
    pub size: Size,
    /// What TERM shall be, such as `xterm-256color`.
    pub term: String,
    /// The account on the host; none is asked for.
    pub account: Option<String>,
    /// A terminal to go on with.
    pub resume: Option<Resume>,
    /// What the host is to be convinced with.
    pub credential: Credential,
}

/// Which kept terminal, and what of it is known already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resume {
    /// From [`Ready`](super::Ready).
    pub token: Token,
    /// Bytes of output received so far, since the terminal began.
    pub seen: u64,
}

/// What the host is to be convinced with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// Prompts are shown.
    None,
    /// A credential that only this gateway opens (`wire::sealed`), as the
    /// server stores it; the account is the one it was sealed for.
    Sealed(Bytes),
}

/// A yes or no that may be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// No.
    Refuse,
    /// Yes, this time.
    Once,
    /// Yes, and do not ask again.
    Remember,
    /// No, and never again.
    Never,
}

impl Verdict {
    const ALL: [(Self, u8); 4] = [
        (Self::Refuse, 0),
        (Self::Once, 1),
        (Self::Remember, 2),
        (Self::Never, 3),
    ];

    fn encode(self, out: &mut Writer) {
        for (verdict, code) in Self::ALL {
            if verdict == self {
                out.u8(code);
            }
        }
    }

    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let found = input.u8()?;
        let known = Self::ALL.into_iter().find(|(_, code)| *code == found);
        known
            .map(|(verdict, _)| verdict)
            .ok_or_else(|| DecodeError::Value {
                field: "verdict",
                value: u64::from(found),
            })
    }
}

/// The answer to a question about the host's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostKeyAnswer {
    /// Whether to go on.
    pub verdict: Verdict,
    /// The fingerprint that was shown: an answer to an older question counts
    /// for nothing.
    pub fingerprint: String,
}

/// A private key, for this sign-in only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrivateKey {
    /// The prompt it answers.
    pub prompt: u32,
    /// The key file, in OpenSSH's format or PKCS #8 PEM.
    pub key: Secret,
    /// Its passphrase; empty for none.
    pub passphrase: Secret,
}

mod kind {
    pub(super) const START: u8 = 0x01;
    pub(super) const INPUT: u8 = 0x02;
    pub(super) const RESIZE: u8 = 0x03;
    pub(super) const ANSWER: u8 = 0x04;
    pub(super) const HOST_KEY: u8 = 0x05;
    pub(super) const PRIVATE_KEY: u8 = 0x06;
    pub(super) const CLOSE: u8 = 0x07;
    pub(super) const LEGACY: u8 = 0x08;
    pub(super) const NOTE: u8 = 0x09;
}

impl FromPage {
    /// The whole message.
    pub fn to_message(&self) -> Bytes {
        let mut out = Writer::default();
        let kind = match self {
            Self::Start(start) => {
                start.encode(&mut out);
                kind::START
            }
            Self::Input(bytes) => return framed(kind::INPUT, bytes),
            Self::Resize(size) => {
                size.encode(&mut out);
                kind::RESIZE
            }
            Self::Answer { prompt, answers } => {
                out.u32(*prompt);
                let answers = &answers[..answers.len().min(MAX_QUESTIONS)];
                out.u8(u8::try_from(answers.len()).expect("at most MAX_QUESTIONS"));
                for answer in answers {
                    out.bytes16(answer.reveal());
                }
                kind::ANSWER
            }
            Self::HostKey(answer) => {
                answer.verdict.encode(&mut out);
                out.text(&answer.fingerprint, MAX_NAME);
                kind::HOST_KEY
            }
            Self::PrivateKey(key) => {
                out.u32(key.prompt);
                out.bytes16(key.key.reveal());
                out.bytes16(key.passphrase.reveal());
                kind::PRIVATE_KEY
            }
            Self::Close => kind::CLOSE,
            Self::Legacy(verdict) => {
                verdict.encode(&mut out);
                kind::LEGACY
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
            kind::START => Self::Start(Start::decode(&mut input)?),
            kind::INPUT => return Ok(Some(Self::Input(body.clone()))),
            kind::RESIZE => Self::Resize(Size::decode(&mut input)?),
            kind::ANSWER => answer(&mut input)?,
            kind::HOST_KEY => Self::HostKey(HostKeyAnswer {
                verdict: Verdict::decode(&mut input)?,
                fingerprint: input.text("fingerprint", MAX_NAME)?.to_owned(),
            }),
            kind::PRIVATE_KEY => Self::PrivateKey(PrivateKey {
                prompt: input.u32()?,
                key: Secret::new(input.bytes16("private key", MAX_PRIVATE_KEY)?),
                passphrase: Secret::new(input.bytes16("passphrase", MAX_ANSWER)?),
            }),
            kind::CLOSE => Self::Close,
            kind::LEGACY => Self::Legacy(Verdict::decode(&mut input)?),
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

fn answer(input: &mut Reader<'_>) -> Result<FromPage, DecodeError> {
    let prompt = input.u32()?;
    let count = usize::from(input.u8()?);
    within("answers", count, MAX_QUESTIONS)?;
    let mut answers = Vec::with_capacity(count);
    for _ in 0..count {
        answers.push(Secret::new(input.bytes16("answer", MAX_ANSWER)?));
    }
    Ok(FromPage::Answer { prompt, answers })
}

impl Start {
    fn encode(&self, out: &mut Writer) {
        self.size.encode(out);
        out.text(&self.term, MAX_NAME);
        out.option(self.account.as_ref(), |out, account| {
            out.text(account, MAX_ACCOUNT);
        });
        out.option(self.resume.as_ref(), |out, resume| {
            out.put(resume.token.as_bytes());
            out.u64(resume.seen);
        });
        match &self.credential {
            Credential::None => out.u8(0),
            Credential::Sealed(sealed) => {
                out.u8(1);
                out.bytes16(sealed);
            }
        }
    }

    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            size: Size::decode(input)?,
            term: input.text("term", MAX_NAME)?.to_owned(),
            account: input.option("account", |input| {
                Ok(input.text("account", MAX_ACCOUNT)?.to_owned())
            })?,
            resume: input.option("resume", |input| {
                Ok(Resume {
                    token: Token::from_random(input.array()?),
                    seen: input.u64()?,
                })
            })?,
            credential: match input.u8()? {
                0 => Credential::None,
                1 => Credential::Sealed(Bytes::copy_from_slice(
                    input.bytes16("sealed credential", MAX_SEALED)?,
                )),
                other => {
                    return Err(DecodeError::Value {
                        field: "credential",
                        value: u64::from(other),
                    });
                }
            },
        })
    }
}
