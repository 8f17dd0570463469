//! The half that reads: the gateway's answer first, then the target's bytes.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use culvert_wire::reason::Reason;
use culvert_wire::stream::Answer;
use noq::RecvStream;
use tokio::io::{AsyncRead, ReadBuf};

use super::super::error::StreamError;
use super::super::life::Life;
use super::dropped;
use crate::Role;
use crate::ending::{code_of, reason_of};
use crate::opening::AnswerReader;

/// The reading half of a stream.
#[derive(Debug)]
pub struct StreamReader {
    role: Role,
    life: Arc<Life>,
    recv: RecvStream,
    head: Head,
    /// The peer's end was seen, or reading was given up.
    ended: bool,
}

/// What stands before the target's bytes.
#[derive(Debug)]
enum Head {
    Awaited(AnswerReader),
    Answered(Answer),
    /// The gateway reads no answer.
    None,
}

impl StreamReader {
    pub(super) fn new(role: Role, life: Arc<Life>, recv: RecvStream) -> Self {
        Self {
            role,
            life,
            recv,
            head: match role {
                Role::Technician => Head::Awaited(AnswerReader::default()),
                Role::Gateway => Head::None,
            },
            ended: false,
        }
    }

    /// Wants no more bytes; the peer is told why.
    pub fn stop(&mut self, reason: Reason) {
        if !std::mem::replace(&mut self.ended, true) {
            // Fails only when the peer ended the stream meanwhile.
            let _ = self.recv.stop(code_of(reason));
        }
    }

    /// The next bytes without a copy; `None` at the clean end.
    ///
    /// # Errors
    /// [`StreamError`] when the stream was broken or refused.
    pub async fn chunk(&mut self, limit: usize) -> Result<Option<Bytes>, StreamError> {
        std::future::poll_fn(|cx| self.poll_head(cx)).await?;
        match self.recv.read_chunk(limit).await {
            Ok(Some(chunk)) => Ok(Some(chunk)),
            Ok(None) => {
                self.ended = true;
                Ok(None)
            }
            Err(error) => Err(self.failed(&error)),
        }
    }

    /// Resolves when the peer resets the stream or the session ends, whatever
    /// still waits to be read.
    pub(in super::super) async fn broken(&mut self) -> StreamError {
        match self.recv.received_reset().await {
            Ok(Some(code)) => {
                self.ended = true;
                StreamError::Reset(reason_of(code))
            }
            // Everything has come: nothing can break any more.
            Ok(None) => std::future::pending().await,
            Err(error) => self.failed(&error.into()),
        }
    }

    pub(super) fn poll_answer(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Answer, StreamError>> {
        loop {
            let awaited = match &mut self.head {
                Head::Awaited(awaited) => awaited,
                Head::Answered(answer) => return Poll::Ready(Ok(answer.clone())),
                Head::None => return Poll::Ready(Err(StreamError::Misused)),
            };
            let mut buffer = [0; 64];
            let wanted = awaited.wanted().min(buffer.len());
            let read = match ready!(self.recv.poll_read(cx, &mut buffer[..wanted])) {
                Ok(0) => return Poll::Ready(Err(StreamError::Malformed)),
                Ok(read) => read,
                Err(error) => return Poll::Ready(Err(self.failed(&error))),
            };
            match awaited.push(&buffer[..read]) {
                Ok(None) => {}
                Ok(Some(answer)) => self.head = Head::Answered(answer),
                Err(_) => return Poll::Ready(Err(StreamError::Malformed)),
            }
        }
    }

    /// Ready when the target's bytes are next.
    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        if matches!(self.head, Head::None | Head::Answered(Answer::Accepted)) {
            return Poll::Ready(Ok(()));
        }
        let answer = ready!(self.poll_answer(cx))?;
        Poll::Ready(StreamError::refused(&answer).map_or(Ok(()), Err))
    }

    fn failed(&mut self, error: &noq::ReadError) -> StreamError {
        self.ended = true;
        self.life.read_failed(error)
    }
}

impl AsyncRead for StreamReader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_head(cx))?;
        let unfilled = buf.initialize_unfilled();
        let empty = unfilled.is_empty();
        match ready!(self.recv.poll_read(cx, unfilled)) {
            Ok(read) => {
                self.ended |= read == 0 && !empty;
                buf.advance(read);
                Poll::Ready(Ok(()))
            }
            Err(error) => Poll::Ready(Err(self.failed(&error).into())),
        }
    }
}

impl Drop for StreamReader {
    fn drop(&mut self) {
        self.stop(dropped(self.role));
    }
}
