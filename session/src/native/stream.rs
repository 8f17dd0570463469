//! A stream of a session: bytes both ways, each way ended on its own.
//!
//! `shutdown` ends one way cleanly. A half that is dropped before its end is
//! reset, so that a cut copy never looks whole.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use culvert_wire::reason::Reason;
use culvert_wire::stream::{Answer, Lane};
use noq::{RecvStream, SendStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

mod reader;
mod writer;

pub use reader::StreamReader;
pub use writer::StreamWriter;

use super::error::StreamError;
use super::life::Life;
use crate::Role;

/// Both halves of a stream.
#[derive(Debug)]
pub struct Stream {
    role: Role,
    life: Arc<Life>,
    reader: StreamReader,
    writer: StreamWriter,
}

impl Stream {
    /// One end's halves of a stream whose opening was written or read.
    pub(super) fn new(
        role: Role,
        lane: Lane,
        life: &Arc<Life>,
        (send, recv): (SendStream, RecvStream),
    ) -> Self {
        // Fails only when the peer was faster to end the stream.
        let _ = send.set_priority(lane.priority());
        Self {
            role,
            life: life.clone(),
            reader: StreamReader::new(role, life.clone(), recv),
            writer: StreamWriter::new(role, life.clone(), send),
        }
    }

    /// Which end this is.
    pub fn role(&self) -> Role {
        self.role
    }

    /// What the gateway said (technician). Reading the stream does this too:
    /// a refusal is then the read's error, see [`StreamError::of`].
    ///
    /// # Errors
    /// [`StreamError`] when the stream or the session ended before.
    pub async fn answer(&mut self) -> Result<Answer, StreamError> {
        std::future::poll_fn(|cx| self.reader.poll_answer(cx)).await
    }

    /// Accepts or refuses what was asked for (gateway), once and before any
    /// byte is written. A refused stream is over.
    ///
    /// # Errors
    /// [`StreamError`] when the stream or the session ended before.
    pub async fn reply(&mut self, answer: Answer) -> Result<(), StreamError> {
        self.writer.reply(&answer).await?;
        if let Answer::Refused { reason, .. } = answer {
            self.writer.finish();
            self.reader.stop(reason);
        }
        Ok(())
    }

    /// Breaks both ways with a reason.
    pub fn reset(&mut self, reason: Reason) {
        self.writer.reset(reason);
        self.reader.stop(reason);
    }

    pub(super) fn life(&self) -> Arc<Life> {
        self.life.clone()
    }

    /// Two halves for two tasks.
    pub fn into_split(self) -> (StreamReader, StreamWriter) {
        (self.reader, self.writer)
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.reader).poll_read(cx, buf)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.writer).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.writer).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.writer).poll_shutdown(cx)
    }
}

/// What a half says when it is dropped before its end.
fn dropped(role: Role) -> Reason {
    match role {
        Role::Technician => Reason::ClosedByTechnician,
        Role::Gateway => Reason::Internal,
    }
}
