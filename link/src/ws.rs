//! WebSocket (RFC 6455) over any byte stream: the server's side and ours.
//!
//! Written for relaying: one task polls both directions, a long message is
//! never copied on its way out, and an idle connection holds no buffer. Takes
//! every legal frame of any peer, sends only unfragmented ones, speaks no
//! extension. The upgrade itself is `client`'s and the HTTP server's.
//! Decision 0005 says why this is not a library.

mod frame;
mod inbound;
mod outbound;
mod pool;

use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::{BufMut as _, Bytes};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};

use self::frame::{MAX_CONTROL, Opcode};
use self::inbound::Inbound;
use self::outbound::Outbound;

/// Read at once while no payload is awaited, in bytes: on the stack, so an
/// idle connection needs none of it.
const PEEK: usize = 2048;

/// What a server answers to a `Sec-WebSocket-Key` (RFC 6455 §4.2.2).
pub fn accept_key(key: &[u8]) -> String {
    tokio_tungstenite::tungstenite::handshake::derive_accept_key(key)
}

/// A copy in a buffer that comes back to the pool once it was sent.
pub(crate) fn copied(bytes: &[u8]) -> Bytes {
    let mut own = pool::take(bytes.len());
    own.extend_from_slice(bytes);
    own.freeze()
}

/// An empty pooled buffer.
pub(crate) fn buffer(length: usize) -> bytes::BytesMut {
    pool::take(length)
}

/// Gives such a buffer back.
pub(crate) fn recycle_buffer(buffer: bytes::BytesMut) {
    pool::give_buffer(buffer);
}

/// Gives a message's buffer back once nobody needs it; only for speed.
pub fn recycle(message: Bytes) {
    pool::give(message);
}

/// Which side of the upgrade this end is; clients mask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Asked for the upgrade.
    Client,
    /// Granted it.
    Server,
}

/// What a peer sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    /// A binary message.
    Binary(Bytes),
    /// A text message; it is UTF-8.
    Text(Bytes),
    /// A ping; the pong is on its way already.
    Ping(Bytes),
    /// A pong.
    Pong,
    /// The peer closes; the answer is on its way already.
    Close {
        /// Its code, if it gave one.
        code: Option<u16>,
        /// Its reason; may be empty.
        text: String,
    },
}

/// What a peer did wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// An extension's bit without an extension.
    #[error("WebSocket frame with reserved bits")]
    ReservedBits,
    /// An opcode that no RFC defines.
    #[error("WebSocket frame with reserved opcode {0}")]
    Opcode(u8),
    /// A control frame that is too long, in pieces or of one byte.
    #[error("malformed WebSocket control frame")]
    Control,
    /// A length not in its shortest form.
    #[error("malformed WebSocket frame length")]
    Length,
    /// A client that does not mask.
    #[error("unmasked WebSocket frame from a client")]
    Unmasked,
    /// A server that masks.
    #[error("masked WebSocket frame from a server")]
    Masked,
    /// A fragment without a beginning, or a beginning inside a message.
    #[error("WebSocket fragment out of place")]
    Continuation,
    /// Longer than allowed here.
    #[error("WebSocket message is too long")]
    TooLong,
    /// Text that is not UTF-8.
    #[error("WebSocket text is not UTF-8")]
    Utf8,
    /// A close code that must not be sent.
    #[error("WebSocket close code {0} must not be sent")]
    CloseCode(u16),
}

impl Fault {
    /// The close code to answer with (§7.4.1).
    pub const fn code(self) -> u16 {
        match self {
            Self::Utf8 => 1007,
            Self::TooLong => 1009,
            Self::ReservedBits
            | Self::Opcode(_)
            | Self::Control
            | Self::Length
            | Self::Unmasked
            | Self::Masked
            | Self::Continuation
            | Self::CloseCode(_) => 1002,
        }
    }
}

/// Why nothing more comes from a connection.
#[derive(Debug, thiserror::Error)]
pub enum WsError {
    /// The stream below failed.
    #[error("the connection broke")]
    Io(#[from] io::Error),
    /// The stream below ended without a closing handshake.
    #[error("the connection ended")]
    Ended,
    /// The peer broke the protocol; a close frame is on its way.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// One WebSocket connection after its upgrade.
///
/// One task drives it: [`Ws::poll_next`] and [`Ws::poll_flush`] whenever it is
/// woken. Nothing is written but by `poll_flush`.
#[derive(Debug)]
pub struct Ws<S> {
    io: S,
    inbound: Inbound,
    outbound: Outbound,
    /// A pong or close that waits for the batch before it.
    reply: Option<(Opcode, Bytes)>,
    flushed: bool,
    closing: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Ws<S> {
    /// Goes on after an upgrade; `leftover` was read behind its head.
    pub fn new(io: S, role: Role, limit: usize, leftover: &[u8]) -> Self {
        Self {
            io,
            inbound: Inbound::new(role, limit, leftover),
            outbound: Outbound::new(role),
            reply: None,
            flushed: true,
            closing: false,
        }
    }

    /// Accepts messages of another length from the next frame on.
    pub fn set_limit(&mut self, limit: usize) {
        self.inbound.set_limit(limit);
    }

    /// The stream below.
    pub fn io(&self) -> &S {
        &self.io
    }

    /// The next message. Pings and closes are answered by the next
    /// [`Ws::poll_flush`].
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Incoming, WsError>> {
        loop {
            match self.inbound.poll() {
                Ok(None) => {}
                Ok(Some(message)) => {
                    self.answer(&message);
                    return Poll::Ready(Ok(message));
                }
                Err(fault) => {
                    self.close(fault.code(), "");
                    return Poll::Ready(Err(fault.into()));
                }
            }
            if ready!(self.poll_read(cx))? == 0 {
                return Poll::Ready(Err(WsError::Ended));
            }
        }
    }

    /// Whether [`Ws::send`] may be called.
    pub fn has_room(&self) -> bool {
        !self.closing && self.flushed_or_gathering()
    }

    /// Adds a binary message of two parts; only while [`Ws::has_room`].
    pub fn send(&mut self, front: &[u8], body: Bytes) {
        self.outbound.push(Opcode::Binary, front, body);
        self.flushed = false;
    }

    /// Adds a text message; only while [`Ws::has_room`].
    pub fn send_text(&mut self, body: Bytes) {
        self.outbound.push(Opcode::Text, &[], body);
        self.flushed = false;
    }

    /// Says goodbye after what was sent; nothing may be sent any more.
    pub fn close(&mut self, code: u16, text: &str) {
        if self.closing {
            return;
        }
        let text = &text[..text.floor_char_boundary(MAX_CONTROL - 2)];
        let body = [&code.to_be_bytes()[..], text.as_bytes()].concat();
        self.reply = Some((Opcode::Close, body.into()));
        self.closing = true;
    }

    /// Writes what waits; ready when all of it is in the kernel's hands.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), WsError>> {
        loop {
            if self.outbound.has_room()
                && let Some((opcode, body)) = self.reply.take()
            {
                self.outbound.push(opcode, &[], body);
                self.flushed = false;
            }
            while !self.outbound.is_empty() {
                let written = ready!(
                    Pin::new(&mut self.io).poll_write_vectored(cx, &self.outbound.slices())
                )?;
                if written == 0 {
                    return Poll::Ready(Err(WsError::Ended));
                }
                self.outbound.advance(written);
            }
            if !self.flushed {
                ready!(Pin::new(&mut self.io).poll_flush(cx))?;
                self.flushed = true;
            }
            if self.reply.is_none() {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Ends the stream below after everything was flushed.
    pub fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), WsError>> {
        Pin::new(&mut self.io).poll_shutdown(cx).map_err(Into::into)
    }

    /// Throws away what still comes, until the other end closes.
    pub fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let mut waste = [0; PEEK];
            let mut room = ReadBuf::new(&mut waste);
            let read = ready!(Pin::new(&mut self.io).poll_read(cx, &mut room));
            if read.is_err() || room.filled().is_empty() {
                return Poll::Ready(());
            }
        }
    }

    fn flushed_or_gathering(&self) -> bool {
        self.outbound.has_room() && (self.flushed || !self.outbound.is_empty())
    }

    fn answer(&mut self, message: &Incoming) {
        match message {
            Incoming::Ping(data) if !self.closing => {
                self.reply = Some((Opcode::Pong, data.clone()));
            }
            Incoming::Close { code, .. } => match code {
                Some(code) => self.close(*code, ""),
                None if !self.closing => {
                    self.reply = Some((Opcode::Close, Bytes::new()));
                    self.closing = true;
                }
                None => {}
            },
            Incoming::Binary(_) | Incoming::Text(_) | Incoming::Ping(_) | Incoming::Pong => {}
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if let Some((payload, missing)) = self.inbound.body() {
            let mut room = payload.limit(missing);
            return pin!(self.io.read_buf(&mut room)).as_mut().poll(cx);
        }
        let mut peek = [0; PEEK];
        let mut room = ReadBuf::new(&mut peek);
        ready!(Pin::new(&mut self.io).poll_read(cx, &mut room))?;
        self.inbound.feed(room.filled());
        Poll::Ready(Ok(room.filled().len()))
    }
}
