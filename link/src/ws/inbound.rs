//! Puts a peer's bytes together to messages (RFC 6455 §5.4 to §5.6, §8.1).
//!
//! Every payload gets a buffer of its own, short ones of their own size, so that
//! a queued short message never pins a long buffer. Nothing is held between
//! messages: an idle connection costs no buffer. No I/O: [`super::Ws`] feeds
//! it, either through [`Inbound::feed`] or straight into [`Inbound::body`].

use bytes::{Buf as _, Bytes, BytesMut};

use super::frame::{Head, Opcode, apply_mask};
use super::{Fault, Incoming, Role, pool};

/// Most that is allocated on the strength of a length alone, in bytes.
const TRUSTED: usize = 66 * 1024;

/// The receiving half of one connection.
#[derive(Debug)]
pub(crate) struct Inbound {
    role: Role,
    limit: usize,
    state: State,
    /// Bytes not looked at yet.
    rest: BytesMut,
    /// A message of which more fragments follow.
    partial: Option<Partial>,
}

#[derive(Debug)]
enum State {
    Head,
    Body { head: Head, payload: BytesMut },
    Closed,
}

#[derive(Debug)]
struct Partial {
    text: bool,
    data: BytesMut,
    /// How much of `data` is known to be UTF-8.
    valid: usize,
}

impl Inbound {
    /// Waits for a first frame; messages over `limit` bytes are refused.
    pub(crate) fn new(role: Role, limit: usize, leftover: &[u8]) -> Self {
        Self {
            role,
            limit,
            state: State::Head,
            rest: BytesMut::from(leftover),
            partial: None,
        }
    }

    /// Another limit from the next frame on.
    pub(crate) fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Takes bytes that were read.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
    }

    /// Where to read to and how much, when a payload is known to be missing.
    pub(crate) fn body(&mut self) -> Option<(&mut BytesMut, usize)> {
        match &mut self.state {
            State::Body { head, payload } if self.rest.is_empty() => {
                let missing = length(head) - payload.len();
                if missing > 0 && payload.len() == payload.capacity() {
                    payload.reserve(missing.min(TRUSTED));
                }
                Some((payload, missing))
            }
            State::Head | State::Body { .. } | State::Closed => None,
        }
    }

    /// The next message that is whole.
    pub(crate) fn poll(&mut self) -> Result<Option<Incoming>, Fault> {
        loop {
            match std::mem::replace(&mut self.state, State::Closed) {
                State::Head => {
                    let Some(head) = self.head()? else {
                        self.state = State::Head;
                        return Ok(None);
                    };
                    let payload = pool::take(length(&head).min(TRUSTED));
                    self.state = State::Body { head, payload };
                }
                State::Body { head, mut payload } => {
                    let missing = length(&head) - payload.len();
                    let have = missing.min(self.rest.len());
                    payload.extend_from_slice(&self.rest[..have]);
                    self.consume(have);
                    if have < missing {
                        self.state = State::Body { head, payload };
                        return Ok(None);
                    }
                    self.state = State::Head;
                    if let Some(mask) = head.mask {
                        apply_mask(&mut payload, mask, 0);
                    }
                    if let Some(message) = self.frame(head, payload)? {
                        return Ok(Some(message));
                    }
                }
                State::Closed => return Ok(None),
            }
        }
    }

    fn head(&mut self) -> Result<Option<Head>, Fault> {
        let Some((head, used)) = Head::parse(&self.rest)? else {
            return Ok(None);
        };
        self.consume(used);
        let masked = head.mask.is_some();
        match self.role {
            Role::Server if !masked => return Err(Fault::Unmasked),
            Role::Client if masked => return Err(Fault::Masked),
            Role::Server | Role::Client => {}
        }
        match (head.opcode, &self.partial) {
            (Opcode::Continue, None) => return Err(Fault::Continuation),
            (Opcode::Text | Opcode::Binary, Some(_)) => return Err(Fault::Continuation),
            _ => {}
        }
        let before = self
            .partial
            .as_ref()
            .map_or(0, |partial| partial.data.len());
        let room = self.limit.saturating_sub(before) as u64;
        if !head.opcode.is_control() && head.length > room {
            return Err(Fault::TooLong);
        }
        Ok(Some(head))
    }

    /// Forgets bytes, and their buffer with the last of them.
    fn consume(&mut self, used: usize) {
        self.rest.advance(used);
        if self.rest.is_empty() {
            self.rest = BytesMut::new();
        }
    }

    fn frame(&mut self, head: Head, payload: BytesMut) -> Result<Option<Incoming>, Fault> {
        match head.opcode {
            Opcode::Ping => Ok(Some(Incoming::Ping(payload.freeze()))),
            Opcode::Pong => Ok(Some(Incoming::Pong)),
            Opcode::Close => {
                self.state = State::Closed;
                self.rest = BytesMut::new();
                close(&payload).map(Some)
            }
            Opcode::Binary if head.fin => Ok(Some(Incoming::Binary(payload.freeze()))),
            Opcode::Continue => self.fragment(head.fin, payload),
            Opcode::Text | Opcode::Binary => {
                self.partial = Some(Partial {
                    text: head.opcode == Opcode::Text,
                    data: BytesMut::new(),
                    valid: 0,
                });
                self.fragment(head.fin, payload)
            }
        }
    }

    fn fragment(&mut self, fin: bool, payload: BytesMut) -> Result<Option<Incoming>, Fault> {
        let Some(mut partial) = self.partial.take() else {
            return Err(Fault::Continuation);
        };
        if partial.data.is_empty() {
            partial.data = payload;
        } else {
            partial.data.extend_from_slice(&payload);
        }
        if partial.text {
            partial.check_text(fin)?;
        }
        if !fin {
            self.partial = Some(partial);
            return Ok(None);
        }
        let data = partial.data.freeze();
        Ok(Some(match partial.text {
            true => Incoming::Text(data),
            false => Incoming::Binary(data),
        }))
    }
}

impl Partial {
    /// Refuses text as soon as it cannot become UTF-8 any more (§8.1).
    fn check_text(&mut self, last: bool) -> Result<(), Fault> {
        match std::str::from_utf8(&self.data[self.valid..]) {
            Ok(_) => {
                self.valid = self.data.len();
                Ok(())
            }
            Err(error) if error.error_len().is_none() && !last => {
                self.valid += error.valid_up_to();
                Ok(())
            }
            Err(_) => Err(Fault::Utf8),
        }
    }
}

fn length(head: &Head) -> usize {
    usize::try_from(head.length).unwrap_or(usize::MAX)
}

/// The content of a close frame (§5.5.1, §7.4).
fn close(payload: &[u8]) -> Result<Incoming, Fault> {
    let Some((code, text)) = payload.split_first_chunk::<2>() else {
        return match payload.is_empty() {
            true => Ok(Incoming::Close {
                code: None,
                text: String::new(),
            }),
            false => Err(Fault::Control),
        };
    };
    let code = u16::from_be_bytes(*code);
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(Fault::CloseCode(code));
    }
    let text = std::str::from_utf8(text).map_err(|_| Fault::Utf8)?;
    Ok(Incoming::Close {
        code: Some(code),
        text: text.to_owned(),
    })
}

/// A message's bytes, for callers that do not care of which kind it is.
impl From<Incoming> for Bytes {
    fn from(message: Incoming) -> Self {
        match message {
            Incoming::Binary(data) | Incoming::Text(data) | Incoming::Ping(data) => data,
            Incoming::Pong | Incoming::Close { .. } => Self::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMIT: usize = 100_000;

    /// Feeds bytes in pieces of `step`, through both doors, as `Ws` does.
    fn run(role: Role, bytes: &[u8], step: usize) -> (Vec<Incoming>, Option<Fault>) {
        let mut inbound = Inbound::new(role, LIMIT, &[]);
        let mut messages = Vec::new();
        let mut rest = bytes;
        loop {
            match inbound.poll() {
                Ok(Some(message)) => {
                    messages.push(message);
                    continue;
                }
                Ok(None) if rest.is_empty() => return (messages, None),
                Ok(None) => {}
                Err(fault) => return (messages, Some(fault)),
            }
            let (piece, after) = rest.split_at(step.min(rest.len()));
            match inbound.body() {
                Some((payload, missing)) => {
                    let (now, _) = piece.split_at(missing.min(piece.len()));
                    payload.extend_from_slice(now);
                    rest = &rest[now.len()..];
                }
                None => {
                    inbound.feed(piece);
                    rest = after;
                }
            }
            assert!(
                inbound.held() <= (2 * LIMIT).saturating_add(step),
                "memory is bounded"
            );
        }
    }

    impl Inbound {
        fn held(&self) -> usize {
            let body = match &self.state {
                State::Body { payload, .. } => payload.len(),
                State::Head | State::Closed => 0,
            };
            let partial = self
                .partial
                .as_ref()
                .map_or(0, |partial| partial.data.len());
            self.rest.len() + body + partial
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_give_messages_or_one_fault_however_they_are_cut(
            bytes in prop::collection::vec(any::<u8>(), 0..2000),
            client: bool,
            step in 1_usize..300,
        ) {
            let role = if client { Role::Client } else { Role::Server };
            prop_assert_eq!(run(role, &bytes, step), run(role, &bytes, usize::MAX));
        }

        #[test]
        fn nearly_valid_frames_give_the_same_in_any_pieces(
            frames in prop::collection::vec((0_u8..16, any::<bool>(), 0_usize..5000), 1..12),
            flip: Option<(usize, u8)>,
            step in 1_usize..6000,
        ) {
            let mut bytes = Vec::new();
            for (opcode, fin, length) in frames {
                bytes.push(opcode | u8::from(fin) << 7);
                match u8::try_from(length) {
                    Ok(short @ 0..126) => bytes.push(short),
                    _ => {
                        bytes.push(126);
                        bytes.extend(u16::try_from(length).unwrap().to_be_bytes());
                    }
                }
                bytes.extend(std::iter::repeat_n(b'a', length));
            }
            if let Some((at, mask)) = flip {
                let length = bytes.len();
                bytes[at % length] ^= mask;
            }
            prop_assert_eq!(
                run(Role::Client, &bytes, step),
                run(Role::Client, &bytes, usize::MAX)
            );
        }
    }
}
