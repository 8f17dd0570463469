//! Decoders of what other programs send: STUN, WebSocket, stream answers.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use culvert_link::ws::{Role, Ws};
use culvert_session::opening::AnswerReader;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Any datagram on the STUN port, and any answer to ours.
pub(crate) fn stun(input: &[u8]) {
    let from = ([192, 0, 2, 1], 4000).into();
    if let Some(answer) = culvert_path::stun::answer(input, from) {
        assert!(
            answer.len() <= input.len(),
            "the answer is longer: an amplifier"
        );
    }
    let _ = culvert_path::stun::mapped(input, [7; 12]);
}

/// A gateway's answer, in pieces of the size it asked for.
pub(crate) fn answer_pieces(input: &[u8]) {
    let mut reader = AnswerReader::default();
    let mut rest = input;
    while !rest.is_empty() && reader.wanted() > 0 {
        let (piece, behind) = rest.split_at(reader.wanted().min(rest.len()));
        match reader.push(piece) {
            Ok(None) => rest = behind,
            Ok(Some(_)) | Err(_) => return,
        }
    }
}

/// Any bytes of a peer, as either side.
pub(crate) fn websocket(input: &[u8]) {
    for role in [Role::Client, Role::Server] {
        let mut ws = Ws::new(Canned(input), role, 4096, &[]);
        let mut cx = Context::from_waker(Waker::noop());
        // Each message takes two bytes at least: more rounds would be a loop.
        for _ in 0..=input.len() {
            match ws.poll_next(&mut cx) {
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(_)) | Poll::Pending => break,
            }
        }
    }
}

/// A connection on which these bytes arrive and then the end.
struct Canned<'a>(&'a [u8]);

impl AsyncRead for Canned<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let (now, later) = self.0.split_at(buf.remaining().min(self.0.len()));
        buf.put_slice(now);
        self.0 = later;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Canned<'_> {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
