//! The host's side of a running terminal: a worker that speaks SSH, or the
//! connection itself to a host that speaks Telnet. Telnet's bytes go through
//! unread: the technician's end negotiates its options.
//!
//! Cancel-safe to read, and a host that does not read or never stops can only
//! stop itself. Driven by [`super::keeper`].

use std::io;

use bytes::{Bytes, BytesMut};
use culvert_wire::grant::Target;
use culvert_wire::reason::Reason;
use culvert_wire::terminal::{FromPage, ToPage};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpStream, tcp, unix};

use super::Terminals;
use crate::bridge::Ahead;
use crate::session::Refusal;
use crate::worker::message::{FromWorker, ToWorker};
use crate::worker::pair::{Messages, PairError};
use crate::worker::{self, Slot, Worker};

/// Bytes read at once from a host without a worker.
const PIECE: usize = 16 * 1024;

/// What a terminal shows, and what its input goes to; gone when dropped.
#[derive(Debug)]
pub(super) enum Remote {
    Worker(Box<Worker>),
    Line(Line),
}

/// A connection to a host, and the room that it takes up here.
#[derive(Debug)]
pub(super) struct Line {
    read: tcp::OwnedReadHalf,
    write: tcp::OwnedWriteHalf,
    _slot: Slot,
}

impl Line {
    pub(super) fn new(lan: TcpStream, slot: Slot) -> Self {
        let (read, write) = lan.into_split();
        Self {
            read,
            write,
            _slot: slot,
        }
    }
}

impl Remote {
    /// Both directions at once, for a loop that must not wait for either.
    pub(super) fn both(&mut self) -> (Reading<'_>, Writing<'_>) {
        match self {
            Self::Worker(worker) => {
                let (messages, write) = worker.both();
                (Reading::Worker(messages), Writing::Worker(write))
            }
            Self::Line(line) => (Reading::Line(&line.read), Writing::Line(&mut line.write)),
        }
    }

    /// What the page wants of it, as bytes for [`Writing`]; none when a host
    /// without a worker learns it from the page itself.
    pub(super) fn coded(&self, message: FromPage) -> Bytes {
        match (self, message) {
            (Self::Worker(_), message) => ToWorker::Page(message).to_message(),
            (Self::Line(_), FromPage::Input(bytes)) => bytes,
            (Self::Line(_), _) => Bytes::new(),
        }
    }

    /// Ends it; says in a sentence how that was, if not as it should be.
    pub(super) async fn end(self) -> Option<String> {
        match self {
            Self::Worker(worker) => worker.end().await,
            Self::Line(_) => None,
        }
    }
}

/// Where the host's words come from.
pub(super) enum Reading<'a> {
    Worker(&'a mut Messages<unix::OwnedReadHalf>),
    Line(&'a tcp::OwnedReadHalf),
}

impl Reading<'_> {
    /// What comes next; may be dropped and called again.
    pub(super) async fn next(&mut self) -> Result<Option<FromWorker>, PairError> {
        match self {
            Self::Worker(messages) => worker::next(messages).await,
            Self::Line(read) => Ok(Some(match piece(read).await {
                Ok(piece) if piece.is_empty() => failed(Reason::ClosedByHost),
                Ok(piece) => FromWorker::Page(ToPage::Output(piece)),
                Err(_) => failed(Reason::HostReset),
            })),
        }
    }
}

/// Where the technician's words go.
pub(super) enum Writing<'a> {
    Worker(&'a mut unix::OwnedWriteHalf),
    Line(&'a mut tcp::OwnedWriteHalf),
}

impl Writing<'_> {
    /// Writes as much as is taken now; `false` when nobody takes anything.
    pub(super) async fn push(&mut self, bytes: &mut BytesMut) -> bool {
        match self {
            Self::Worker(write) => worker::push(write, bytes).await.is_ok(),
            Self::Line(write) => write.write_buf(bytes).await.is_ok(),
        }
    }
}

fn failed(reason: Reason) -> FromWorker {
    let text = String::new();
    FromWorker::Failed { reason, text }
}

/// What the host has sent; empty at its end.
async fn piece(read: &tcp::OwnedReadHalf) -> io::Result<Bytes> {
    loop {
        read.readable().await?;
        let mut piece = BytesMut::with_capacity(PIECE);
        match read.try_read_buf(&mut piece) {
            Ok(_) => return Ok(piece.freeze()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

impl Terminals {
    /// A connection to the target, and room for what will use it.
    pub(super) async fn reach(
        &self,
        target: &Target,
        ahead: Option<Ahead>,
    ) -> Result<(TcpStream, Slot), Refusal> {
        let dialled = match ahead {
            Some(ahead) => ahead.take().await,
            None => None,
        };
        let lan = match dialled {
            Some(dialled) => dialled?,
            None => self.0.dialer.dial(target).await?,
        };
        let slot = self.room().await.ok_or_else(|| {
            let text = "as many terminals as the gateway carries are open";
            Refusal::new(Reason::TooManySessions, text)
        })?;
        Ok((lan, slot))
    }
}
