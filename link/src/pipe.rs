//! One task's loop over a WebSocket: batches out, messages in, keep-alive,
//! write time-out. Shared by the client's driver and the server's link task,
//! so that one task polls both directions and nothing is split or locked.
//!
//! Contract: when woken, call [`Pipe::poll_next`] until pending,
//! [`Pipe::poll_send`], and [`Pipe::poll_timer`]; any error ends the link.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use culvert_wire::Encode as _;
use culvert_wire::frame::{Frame, MAX_MESSAGE};
use culvert_wire::reason::Reason;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::keepalive::{Due, Keepalive};
use crate::queue::Outgoing;
use crate::ws::{Incoming, Ws, WsError};

/// A peer that takes nothing for this long is cut.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(20);
/// Time for the last words before the connection is dropped.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// WebSocket close code of an ordinary end.
const NORMAL: u16 = 1000;

/// Why a link's connection is over.
#[derive(Debug, thiserror::Error)]
pub enum PipeError {
    /// The connection broke, ended, or the peer broke WebSocket's rules.
    #[error(transparent)]
    WebSocket(#[from] WsError),
    /// Nothing was heard for too long.
    #[error("nothing was heard for too long")]
    Silent,
    /// The peer took nothing for too long.
    #[error("the other end takes no data")]
    Slow,
    /// The peer closed.
    #[error("the other end closed the connection")]
    Closed,
    /// A text message: links carry binary ones.
    #[error("text message on a link")]
    Text,
}

impl PipeError {
    /// The code for records and the peer.
    pub fn reason(&self) -> Reason {
        match self {
            Self::WebSocket(WsError::Fault(_)) | Self::Text => Reason::ProtocolError,
            Self::WebSocket(WsError::Io(_) | WsError::Ended) | Self::Closed => Reason::LinkLost,
            Self::Silent => Reason::KeepaliveTimeout,
            Self::Slow => Reason::LinkLost,
        }
    }
}

/// A WebSocket with its watch.
#[derive(Debug)]
pub struct Pipe<S> {
    ws: Ws<S>,
    watch: Keepalive,
    timer: Pin<Box<Sleep>>,
    /// Since when the peer takes nothing.
    blocked: Option<Instant>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Pipe<S> {
    /// Takes over a connection whose first messages were exchanged.
    pub fn new(mut ws: Ws<S>, watch: Keepalive) -> Self {
        ws.set_limit(MAX_MESSAGE);
        let timer = Box::pin(sleep_until(watch.poll_timeout()));
        Self {
            ws,
            watch,
            timer,
            blocked: None,
        }
    }

    /// Pings at least as often as the server wishes.
    pub fn shorten_keepalive(&mut self, wish: Duration) {
        self.watch.shorten(wish);
        self.timer.as_mut().reset(self.watch.poll_timeout());
    }

    /// The next binary message.
    ///
    /// # Errors
    /// [`PipeError`]; the link is over.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes, PipeError>> {
        loop {
            let message = ready!(self.ws.poll_next(cx))?;
            self.watch.handle_heard(Instant::now());
            match message {
                Incoming::Binary(data) => return Poll::Ready(Ok(data)),
                Incoming::Text(_) => {
                    self.ws.close(1003, "binary messages only");
                    return Poll::Ready(Err(PipeError::Text));
                }
                Incoming::Close { .. } => return Poll::Ready(Err(PipeError::Closed)),
                Incoming::Ping(_) | Incoming::Pong => {}
            }
        }
    }

    /// Sends what `next` gives until that is nothing or the peer takes no more.
    ///
    /// # Errors
    /// [`PipeError`]; the link is over.
    pub fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        mut next: impl FnMut() -> Option<Outgoing>,
    ) -> Poll<Result<(), PipeError>> {
        loop {
            let mut sent = false;
            // A full batch of an earlier call stands before what `next` has.
            let asked = self.ws.has_room();
            while self.ws.has_room() {
                match next() {
                    Some(Outgoing::Frame(frame)) => self.ws.send(&[], frame),
                    Some(Outgoing::Packets { header, payload }) => self.ws.send(&header, payload),
                    None => break,
                }
                sent = true;
            }
            if sent {
                self.watch.handle_sent(Instant::now());
            }
            match self.ws.poll_flush(cx)? {
                Poll::Ready(()) => self.blocked = None,
                Poll::Pending => {
                    self.note_blocked();
                    return Poll::Pending;
                }
            }
            if !sent && (asked || !self.ws.has_room()) {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Acts on time: `Some` is a ping to queue.
    ///
    /// # Errors
    /// [`PipeError::Silent`] or [`PipeError::Slow`]; the link is over.
    pub fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes, PipeError>> {
        loop {
            ready!(self.timer.as_mut().poll(cx));
            let now = Instant::now();
            if self
                .blocked
                .is_some_and(|since| now - since >= WRITE_TIMEOUT)
            {
                return Poll::Ready(Err(PipeError::Slow));
            }
            let due = self.watch.handle_timeout(now);
            if let Due::Ping(_) = due {
                // Counts as sent when queued, or a blocked link would ping in a row.
                self.watch.handle_sent(now);
            }
            self.rearm();
            match due {
                Due::Nothing => {}
                Due::Ping(number) => return Poll::Ready(Ok(Frame::Ping(number).to_bytes())),
                Due::Dead => return Poll::Ready(Err(PipeError::Silent)),
            }
        }
    }

    /// Sends one last frame, then as [`Pipe::dismiss`].
    pub async fn dismiss_with(mut self, last: &Frame, reason: Reason, text: &str) {
        if self.ws.has_room() {
            self.ws.send(&[], last.to_bytes());
        }
        self.dismiss(reason, text).await;
    }

    /// Says goodbye to an end that may still be talking, and lets it close
    /// first, in bounded time. A connection closed with something unread in it
    /// is reset, and whoever writes into a reset connection may never read why
    /// (RFC 9112 section 9.6).
    pub async fn dismiss(mut self, reason: Reason, text: &str) {
        let parting = async {
            self.say_goodbye(reason, text).await;
            std::future::poll_fn(|cx| self.ws.poll_discard(cx)).await;
        };
        let _ = tokio::time::timeout(LAST_WORDS, parting).await;
    }

    /// Says goodbye and drops the connection, in bounded time.
    pub async fn finish(mut self, reason: Reason, text: &str) {
        // Whoever does not take it in time hears nothing more.
        let _ = tokio::time::timeout(LAST_WORDS, self.say_goodbye(reason, text)).await;
    }

    async fn say_goodbye(&mut self, reason: Reason, text: &str) {
        if self.ws.has_room() {
            let goodbye = Frame::Goodbye {
                reason,
                text: text.to_owned(),
            };
            self.ws.send(&[], goodbye.to_bytes());
        }
        self.ws.close(NORMAL, "");
        let last = std::future::poll_fn(|cx| {
            ready!(self.ws.poll_flush(cx))?;
            self.ws.poll_shutdown(cx)
        });
        // It may be gone already.
        let _ = last.await;
    }

    fn note_blocked(&mut self) {
        if self.blocked.is_none() {
            self.blocked = Some(Instant::now());
            self.rearm();
        }
    }

    fn rearm(&mut self) {
        let watch = self.watch.poll_timeout();
        let slow = self.blocked.map(|since| since + WRITE_TIMEOUT);
        let at = slow.map_or(watch, |slow| slow.min(watch));
        self.timer.as_mut().reset(at);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::future::poll_fn;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::ws::Role;

    /// Else the rest would wait for some other event, up to the next ping.
    #[tokio::test]
    async fn sending_is_done_only_when_nothing_is_left_to_send() {
        let (near, mut far) = duplex(10_000);
        let ws = Ws::new(near, Role::Server, MAX_MESSAGE, &[]);
        let mut pipe = Pipe::new(ws, Keepalive::server(Instant::now()));
        let body = Bytes::from(vec![0x80; 60_000]);
        let mut waiting: VecDeque<Outgoing> =
            (0..20).map(|_| Outgoing::Frame(body.clone())).collect();
        let reading = tokio::spawn(async move {
            let mut all = Vec::new();
            far.read_to_end(&mut all).await.map(|_| all.len())
        });

        let sent = poll_fn(|cx| pipe.poll_send(cx, || waiting.pop_front())).await;

        sent.unwrap();
        assert_eq!(waiting.len(), 0);
        drop(pipe);
        assert!(reading.await.unwrap().unwrap() > 20 * 60_000);
    }

    /// It would else be told by a reset, which costs a browser the reason.
    #[tokio::test]
    async fn whoever_is_still_talking_reads_why_it_is_dismissed() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut talker = TcpStream::connect(address).await.unwrap();
        let (near, _) = listener.accept().await.unwrap();
        let ws = Ws::new(near, Role::Server, MAX_MESSAGE, &[]);
        let pipe = Pipe::new(ws, Keepalive::server(Instant::now()));
        talker.write_all(&[0x82; 10_000]).await.unwrap();

        let dismissing = tokio::spawn(async move {
            pipe.dismiss(Reason::SignedOut, "").await;
        });
        let mut first = [0];
        talker.read_exact(&mut first).await.unwrap();
        for _ in 0..20 {
            talker.write_all(&[0x82; 1000]).await.unwrap();
            tokio::task::yield_now().await;
        }
        let mut rest = Vec::new();
        talker.read_to_end(&mut rest).await.unwrap();
        drop(talker);

        dismissing.await.unwrap();
        let goodbye = Frame::Goodbye {
            reason: Reason::SignedOut,
            text: String::new(),
        };
        let body = goodbye.to_bytes();
        assert_eq!(&rest[1..=body.len()], &body[..]);
    }
}
