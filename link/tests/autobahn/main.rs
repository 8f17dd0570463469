//! The cases of the Autobahn WebSocket test suite against our layer with an
//! echo handler.
//!
//! `autobahntestsuite` 0.8.2 runs on Python 2.7 only, which the systems we
//! build on no longer carry: its cases are written down here as tables, by its
//! numbers (1 framing, 2 pings, 3 reserved bits, 4 opcodes, 5 fragmentation,
//! 6 UTF-8, 7 closing, 9 and 10 sizes and chops; 12 and 13 test an extension
//! that we do not speak). Where the suite calls a result "non-strict" ours is
//! asserted as it is. Frames are made by hand, so the tested code never judges
//! itself; a last test speaks with tungstenite, written by others.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod closing;
mod fragments;
mod frames;
mod sizes;
mod text;
mod tungstenite;

use std::future::poll_fn;
use std::task::Poll;

use culvert_link::ws::{Incoming, Role, Ws, WsError};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

const LIMIT: usize = 20 * 1024 * 1024;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;
const FIN: u8 = 0x80;
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A client's frame: masked, in the shortest form.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    match payload.len() {
        short @ 0..126 => out.push(0x80 | u8::try_from(short).unwrap()),
        length @ 126..0x1_0000 => {
            out.push(0x80 | 126);
            out.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
        length => {
            out.push(0x80 | 127);
            out.extend((length as u64).to_be_bytes());
        }
    }
    out.extend(MASK);
    out.extend(
        payload
            .iter()
            .zip(MASK.iter().cycle())
            .map(|(byte, mask)| byte ^ mask),
    );
    out
}

fn close(code: u16, reason: &[u8]) -> Vec<u8> {
    frame(FIN | CLOSE, &[&code.to_be_bytes()[..], reason].concat())
}

/// Echoes messages until the connection is over; answers as the layer does.
async fn echo(io: DuplexStream) -> Option<WsError> {
    let mut ws = Ws::new(io, Role::Server, LIMIT, &[]);
    let error = loop {
        let next = poll_fn(|cx| {
            if let Poll::Ready(Err(error)) = ws.poll_flush(cx) {
                return Poll::Ready(Err(error));
            }
            // One message at a time: the next one is read when there is room.
            match ws.has_room() {
                true => ws.poll_next(cx),
                false => Poll::Pending,
            }
        });
        match next.await {
            Ok(Incoming::Binary(data)) => ws.send(&[], data),
            Ok(Incoming::Text(data)) => ws.send_text(data),
            Ok(Incoming::Ping(_) | Incoming::Pong) => {}
            Ok(Incoming::Close { .. }) => break None,
            Err(error) => break Some(error),
        }
    };
    let _ = poll_fn(|cx| ws.poll_flush(cx)).await;
    let _ = poll_fn(|cx| ws.poll_shutdown(cx)).await;
    error
}

/// Sends chops to an echo server; gives everything it answers as (first byte,
/// payload). It is over when nobody has anything to do: time is virtual.
async fn run(chops: Vec<Vec<u8>>) -> Vec<(u8, Vec<u8>)> {
    let (near, far) = tokio::io::duplex(256 * 1024);
    let server = tokio::spawn(echo(far));
    let (mut read, mut write) = tokio::io::split(near);
    let writer = tokio::spawn(async move {
        for chop in chops {
            if write.write_all(&chop).await.is_err() {
                break;
            }
            tokio::task::yield_now().await;
        }
        // Kept open: the server ends what is to be ended.
        write
    });
    let mut bytes = Vec::new();
    let quiet = std::time::Duration::from_millis(200);
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match tokio::time::timeout(quiet, read.read(&mut buffer)).await {
            Ok(Ok(0) | Err(_)) => break,
            Ok(Ok(length)) => bytes.extend_from_slice(&buffer[..length]),
            Err(_) if writer.is_finished() => break,
            Err(_) => {}
        }
    }
    server.abort();
    parse(&bytes)
}

fn parse(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut frames = Vec::new();
    while let [first, short, rest @ ..] = bytes {
        assert_eq!(short & 0x80, 0, "a server never masks");
        let (length, rest) = match short {
            126 => (
                usize::from(u16::from_be_bytes(rest[..2].try_into().unwrap())),
                &rest[2..],
            ),
            127 => {
                let length = u64::from_be_bytes(rest[..8].try_into().unwrap());
                (usize::try_from(length).unwrap(), &rest[8..])
            }
            short => (usize::from(*short), rest),
        };
        frames.push((*first, rest[..length].to_vec()));
        bytes = &rest[length..];
    }
    frames
}

/// One case: what is sent, what comes back before the close, and the close
/// code if the server closes.
struct Case {
    name: String,
    send: Vec<Vec<u8>>,
    back: Vec<(u8, Vec<u8>)>,
    code: Option<u16>,
}

fn case(
    name: impl Into<String>,
    send: Vec<Vec<u8>>,
    back: Vec<(u8, Vec<u8>)>,
    code: Option<u16>,
) -> Case {
    Case {
        name: name.into(),
        send,
        back,
        code,
    }
}

async fn check(cases: Vec<Case>) {
    let mut running = tokio::task::JoinSet::new();
    for case in cases {
        running.spawn(async move {
            let mut got = run(case.send).await;
            let closed = match got.last() {
                Some((first, payload)) if *first == FIN | CLOSE => {
                    let code = payload
                        .first_chunk::<2>()
                        .map(|code| u16::from_be_bytes(*code));
                    got.pop();
                    Some(code.unwrap_or(1005))
                }
                _ => None,
            };
            assert_eq!(closed, case.code, "case {}: {got:?}", case.name);
            assert!(
                got == case.back,
                "case {}: {} frames back",
                case.name,
                got.len()
            );
        });
    }
    while let Some(done) = running.join_next().await {
        done.unwrap();
    }
}

fn text(payload: &[u8]) -> (u8, Vec<u8>) {
    (FIN | TEXT, payload.to_vec())
}
