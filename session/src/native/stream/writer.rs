//! The half that writes: a gateway's answer first, then the target's bytes.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use culvert_wire::Encode as _;
use culvert_wire::reason::Reason;
use culvert_wire::stream::Answer;
use noq::{SendStream, Stopped};
use tokio::io::AsyncWrite;

use super::super::error::StreamError;
use super::super::life::Life;
use super::dropped;
use crate::Role;
use crate::ending::{code_of, reason_of};

/// The writing half of a stream.
#[derive(Debug)]
pub struct StreamWriter {
    role: Role,
    life: Arc<Life>,
    send: SendStream,
    /// The gateway's answer was written, or is not this end's to write.
    answered: bool,
    /// Finished or reset.
    ended: bool,
}

impl StreamWriter {
    pub(super) fn new(role: Role, life: Arc<Life>, send: SendStream) -> Self {
        Self {
            role,
            life,
            send,
            answered: match role {
                Role::Technician => true,
                Role::Gateway => false,
            },
            ended: false,
        }
    }

    /// Says cleanly that no more bytes come; those written still arrive.
    pub fn finish(&mut self) {
        if !std::mem::replace(&mut self.ended, true) {
            // Fails only when the peer stopped the stream meanwhile.
            let _ = self.send.finish();
        }
    }

    /// Breaks the stream; bytes on the way are given up.
    pub fn reset(&mut self, reason: Reason) {
        if !std::mem::replace(&mut self.ended, true) {
            // Fails only when the stream ended meanwhile.
            let _ = self.send.reset(code_of(reason));
        }
    }

    /// Writes without a copy.
    ///
    /// # Errors
    /// [`StreamError`] when the peer stopped the stream or the session ended.
    pub async fn chunk(&mut self, bytes: Bytes) -> Result<(), StreamError> {
        self.usable()?;
        let written = self.send.write_chunk(bytes).await;
        written.map_err(|error| self.life.write_failed(&error))
    }

    /// After [`StreamWriter::finish`]: waits until the peer has everything.
    /// A session closed earlier takes what is still on the way with it.
    ///
    /// # Errors
    /// [`StreamError`] when the peer gave up, or the session ended before.
    pub async fn delivered(&mut self) -> Result<(), StreamError> {
        match self.send.stopped().await {
            Ok(None) => Ok(()),
            Ok(Some(code)) => Err(StreamError::Reset(reason_of(code))),
            Err(error) => Err(self.life.write_failed(&error.into())),
        }
    }

    /// Resolves when the peer wants no more bytes, or has all.
    pub(in super::super) fn stopped(&self) -> Stopped {
        self.send.stopped()
    }

    pub(super) async fn reply(&mut self, answer: &Answer) -> Result<(), StreamError> {
        if self.answered {
            return Err(StreamError::Misused);
        }
        self.answered = true;
        let written = self.send.write_all(&answer.to_bytes()).await;
        written.map_err(|error| self.life.write_failed(&error))
    }

    fn usable(&self) -> Result<(), StreamError> {
        if self.answered && !self.ended {
            Ok(())
        } else {
            Err(StreamError::Misused)
        }
    }
}

impl AsyncWrite for StreamWriter {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.usable()?;
        let written = ready!(Pin::new(&mut self.send).poll_write(cx, buf));
        Poll::Ready(written.map_err(|error| self.life.write_failed(&error).into()))
    }

    /// QUIC sends as soon as it may.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.finish();
        Poll::Ready(Ok(()))
    }
}

impl Drop for StreamWriter {
    fn drop(&mut self) {
        self.reset(dropped(self.role));
    }
}
