//! Decoders of what other programs send: STUN, WebSocket, stream answers.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::Bytes;
use culvert_endpoint::Session;
use culvert_link::ws::{Role, Ws};
use culvert_session::opening::AnswerReader;
use culvert_wire::key::SigningKey;
use culvert_wire::ticket::Ticket;
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

/// What a server may send to a browser's end: a first message, then another.
pub(crate) fn browser_link(input: &[u8]) {
    let now = Instant::now();
    let mut session = Session::new(SigningKey::from_seed(&[1; 32]), now);
    session.link_begins(Ticket::from_random([2; 32]), [3; 32], &[4; 32], now);
    let (length, rest) = match input {
        [high, low, rest @ ..] => (u16::from_be_bytes([*high, *low]), rest),
        _ => (0, input),
    };
    let (first, second) = rest.split_at(usize::from(length).min(rest.len()));
    for message in [first, second] {
        session.handle_message(Bytes::copy_from_slice(message), now);
        while session.poll_event().is_some() {}
        while session.poll_message(true, now).is_some() {}
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
