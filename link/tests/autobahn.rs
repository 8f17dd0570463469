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

use std::future::poll_fn;
use std::task::Poll;

use culvert_link::ws::{Incoming, Role, Ws, WsError};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role as TheirRole;

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
/// payload).
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

#[tokio::test]
async fn cases_1_messages_of_every_length_form_are_echoed() {
    let mut cases = Vec::new();
    for (kind, letter) in [(TEXT, b'*'), (BINARY, 0xfe)] {
        for (number, size) in [0, 125, 126, 127, 128, 65_535, 65_536]
            .into_iter()
            .enumerate()
        {
            let payload = vec![letter; size];
            let send = vec![frame(FIN | kind, &payload)];
            let back = vec![(FIN | kind, payload)];
            cases.push(case(format!("1.{kind}.{}", number + 1), send, back, None));
        }
        // 1.x.8: in chops of 997 bytes.
        let payload = vec![letter; 65_536];
        let chops = frame(FIN | kind, &payload)
            .chunks(997)
            .map(<[u8]>::to_vec)
            .collect();
        cases.push(case(
            format!("1.{kind}.8"),
            chops,
            vec![(FIN | kind, payload)],
            None,
        ));
    }
    check(cases).await;
}

#[tokio::test]
async fn cases_2_pings_are_answered_with_their_payload_and_pongs_ignored() {
    let ping = |payload: &[u8]| frame(FIN | PING, payload);
    let pong = |payload: &[u8]| (FIN | PONG, payload.to_vec());
    let odd = [0, 0xff, 0xfe, 0xfd, 0xfc, 0xfb, 0, 0xff];
    let many: Vec<Vec<u8>> = (0..10_u8).map(|number| vec![number; 3]).collect();
    let one_by_one = |bytes: Vec<u8>| bytes.into_iter().map(|byte| vec![byte]).collect();
    check(vec![
        case("2.1", vec![ping(b"")], vec![pong(b"")], None),
        case("2.2", vec![ping(b"Hello")], vec![pong(b"Hello")], None),
        case("2.3", vec![ping(&odd)], vec![pong(&odd)], None),
        case(
            "2.4",
            vec![ping(&[0xfe; 125])],
            vec![pong(&[0xfe; 125])],
            None,
        ),
        case("2.5", vec![ping(&[0xfe; 126])], vec![], Some(1002)),
        case(
            "2.6",
            one_by_one(ping(&[0xfe; 125])),
            vec![pong(&[0xfe; 125])],
            None,
        ),
        case("2.7", vec![frame(FIN | PONG, b"")], vec![], None),
        case("2.8", vec![frame(FIN | PONG, b"unsolicited")], vec![], None),
        case(
            "2.9",
            vec![frame(FIN | PONG, b"unsolicited"), ping(b"payload")],
            vec![pong(b"payload")],
            None,
        ),
        case(
            "2.10",
            many.iter().map(|payload| ping(payload)).collect(),
            many.iter().map(|payload| pong(payload)).collect(),
            None,
        ),
        case(
            "2.11",
            one_by_one(many.iter().flat_map(|payload| ping(payload)).collect()),
            many.iter().map(|payload| pong(payload)).collect(),
            None,
        ),
    ])
    .await;
}

#[tokio::test]
async fn cases_3_reserved_bits_fail_the_connection() {
    let mut cases = Vec::new();
    for bits in 1..8_u8 {
        for (kind, payload) in [
            (TEXT, &b"Hello"[..]),
            (BINARY, b"x"),
            (PING, b"x"),
            (CLOSE, b""),
        ] {
            let bad = frame(FIN | bits << 4 | kind, payload);
            let send = vec![frame(FIN | TEXT, b"first"), bad, frame(FIN | PING, b"")];
            cases.push(case(
                format!("3.{bits} kind {kind}"),
                send,
                vec![text(b"first")],
                Some(1002),
            ));
        }
    }
    check(cases).await;
}

#[tokio::test]
async fn cases_4_reserved_opcodes_fail_the_connection() {
    let mut cases = Vec::new();
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        for payload in [&b""[..], b"payload"] {
            let bad = frame(FIN | opcode, payload);
            let send = vec![frame(FIN | TEXT, b"first"), bad, frame(FIN | PING, b"")];
            cases.push(case(
                format!("4 opcode {opcode}"),
                send,
                vec![text(b"first")],
                Some(1002),
            ));
        }
    }
    check(cases).await;
}

#[tokio::test]
async fn cases_5_fragments_become_one_message_with_control_frames_in_between() {
    let first = || frame(TEXT, b"fragment1");
    let last = || frame(FIN, b"fragment2");
    let whole = || text(b"fragment1fragment2");
    let ping = || frame(FIN | PING, b"ping");
    let pong = || (FIN | PONG, b"ping".to_vec());
    let single = |frames: Vec<Vec<u8>>| frames.concat().into_iter().map(|b| vec![b]).collect();
    let next = || frame(0, b"f");
    check(vec![
        case(
            "5.1",
            vec![frame(PING, b"a"), frame(FIN, b"b")],
            vec![],
            Some(1002),
        ),
        case(
            "5.2",
            vec![frame(PONG, b"a"), frame(FIN, b"b")],
            vec![],
            Some(1002),
        ),
        case("5.3", vec![first(), last()], vec![whole()], None),
        case("5.4", vec![[first(), last()].concat()], vec![whole()], None),
        case("5.5", single(vec![first(), last()]), vec![whole()], None),
        case(
            "5.6",
            vec![first(), ping(), last()],
            vec![pong(), whole()],
            None,
        ),
        case(
            "5.8",
            single(vec![first(), ping(), last()]),
            vec![pong(), whole()],
            None,
        ),
        case(
            "5.9",
            vec![last(), frame(FIN | TEXT, b"x")],
            vec![],
            Some(1002),
        ),
        case(
            "5.12",
            vec![frame(0, b"x"), frame(FIN | TEXT, b"x")],
            vec![],
            Some(1002),
        ),
        case(
            "5.15",
            vec![first(), last(), frame(0, b"x")],
            vec![whole()],
            Some(1002),
        ),
        case(
            "5.18",
            vec![first(), frame(FIN | TEXT, b"x")],
            vec![],
            Some(1002),
        ),
        case(
            "5.19",
            vec![first(), next(), ping(), next(), ping(), last()],
            vec![pong(), pong(), text(b"fragment1fffragment2")],
            None,
        ),
        case(
            "empty fragments",
            vec![frame(BINARY, b""), frame(0, b""), frame(FIN, b"")],
            vec![(FIN | BINARY, vec![])],
            None,
        ),
        case(
            "binary inside",
            vec![frame(BINARY, b"a"), frame(BINARY, b"b")],
            vec![],
            Some(1002),
        ),
    ])
    .await;
}

#[tokio::test]
async fn cases_6_text_is_utf8_or_the_connection_fails_at_once() {
    let mut cases = Vec::new();
    let valid: &[&[u8]] = &[
        b"",
        "Hello-µ@ßöäüàá-UTF-8!!".as_bytes(),
        "κόσμε".as_bytes(),
        "\u{80}\u{7ff}\u{800}\u{ffff}\u{10000}\u{10ffff}\u{d7ff}\u{e000}\u{fffd}\u{0}".as_bytes(),
    ];
    for (number, payload) in valid.iter().enumerate() {
        let send = vec![frame(FIN | TEXT, payload)];
        cases.push(case(
            format!("6 valid {number}"),
            send,
            vec![text(payload)],
            None,
        ));
        let mut bytes: Vec<Vec<u8>> = payload.iter().map(|byte| frame(0, &[*byte])).collect();
        bytes.insert(0, frame(TEXT, b""));
        bytes.push(frame(FIN, b""));
        cases.push(case(
            format!("6 byte frames {number}"),
            bytes,
            vec![text(payload)],
            None,
        ));
    }
    // From Markus Kuhn's test file, as the suite takes them.
    let invalid: &[&[u8]] = &[
        b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited",
        b"\xf4\x90\x80\x80",
        b"\xf8\x88\x80\x80\x80",
        b"\xfc\x84\x80\x80\x80\x80",
        b"\x80",
        b"\xbf",
        b"\x80\xbf\x80",
        b"\xc0 \xc1 ",
        b"\xe0 \xe1 ",
        b"\xf0 ",
        b"\xc0",
        b"\xdf",
        b"\xe0\x80",
        b"\xef\xbf",
        b"\xf7\xbf\xbf",
        b"\xfe",
        b"\xff",
        b"\xc0\xaf",
        b"\xe0\x80\xaf",
        b"\xf0\x80\x80\xaf",
        b"\xc1\xbf",
        b"\xed\xa0\x80",
        b"\xed\xbf\xbf",
        b"\xed\xa0\x80\xed\xb0\x80",
        b"\xf5\x80\x80\x80",
    ];
    for (number, payload) in invalid.iter().enumerate() {
        let send = vec![frame(FIN | TEXT, payload)];
        cases.push(case(
            format!("6 invalid {number}"),
            send,
            vec![],
            Some(1007),
        ));
    }
    // 6.4: fails before the message is whole.
    let send = vec![frame(TEXT, b"\xce\xba\xe1\xbd\xb9\xf4"), frame(0, b"\x90")];
    cases.push(case("6.4.1", send, vec![], Some(1007)));
    let send = vec![frame(TEXT, b"\xce"), frame(FIN, b"")];
    cases.push(case("6 cut off at the end", send, vec![], Some(1007)));
    check(cases).await;
}

#[tokio::test]
async fn cases_7_closing_is_answered_and_nothing_follows() {
    let mut cases = vec![
        case(
            "7.1.1",
            vec![frame(FIN | TEXT, b"a"), frame(FIN | CLOSE, b"")],
            vec![text(b"a")],
            Some(1005),
        ),
        case(
            "7.1.2",
            vec![close(1000, b""), close(1000, b"")],
            vec![],
            Some(1000),
        ),
        case(
            "7.1.3",
            vec![close(1000, b""), frame(FIN | PING, b"")],
            vec![],
            Some(1000),
        ),
        case(
            "7.1.4",
            vec![close(1000, b""), frame(FIN | TEXT, b"x")],
            vec![],
            Some(1000),
        ),
        case(
            "7.1.5",
            vec![frame(TEXT, b"x"), close(1000, b""), frame(FIN, b"y")],
            vec![],
            Some(1000),
        ),
        case("7.3.2", vec![frame(FIN | CLOSE, b"a")], vec![], Some(1002)),
        case(
            "7.3.4",
            vec![close(1000, b"Hello World!")],
            vec![],
            Some(1000),
        ),
        case("7.3.5", vec![close(1000, &[b'*'; 123])], vec![], Some(1000)),
        case("7.3.6", vec![close(1000, &[b'*'; 124])], vec![], Some(1002)),
        case(
            "7.5.1",
            vec![close(1000, b"\xce\xba\xe1\xbd\xb9\xcf\x83\xed\xa0\x80")],
            vec![],
            Some(1007),
        ),
    ];
    for code in [
        1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999,
    ] {
        cases.push(case(
            format!("7.7 {code}"),
            vec![close(code, b"")],
            vec![],
            Some(code),
        ));
    }
    for code in [
        0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535,
    ] {
        cases.push(case(
            format!("7.9 {code}"),
            vec![close(code, b"")],
            vec![],
            Some(1002),
        ));
    }
    check(cases).await;
}

#[tokio::test]
async fn cases_9_and_10_large_messages_in_frames_and_chops() {
    let mut cases = Vec::new();
    for kind in [TEXT, BINARY] {
        for size in [64 * 1024, 256 * 1024, 1024 * 1024, 4 * 1024 * 1024] {
            let payload = vec![b'*'; size];
            let back = vec![(FIN | kind, payload.clone())];
            let send = vec![frame(FIN | kind, &payload)];
            cases.push(case(format!("9.{kind} {size}"), send, back, None));
        }
        for fragment in [64, 256, 1024, 4096, 16_384, 65_536] {
            let payload = vec![b'*'; 256 * 1024];
            let mut send: Vec<Vec<u8>> = payload
                .chunks(fragment)
                .map(|part| frame(0, part))
                .collect();
            send[0][0] = kind;
            send.last_mut().unwrap()[0] |= FIN;
            cases.push(case(
                format!("9.{kind} of {fragment}"),
                send,
                vec![(FIN | kind, payload)],
                None,
            ));
        }
    }
    let payload = vec![b'*'; 65_536];
    let chops = frame(FIN | TEXT, &payload)
        .chunks(1300)
        .map(<[u8]>::to_vec)
        .collect();
    cases.push(case("10.1.1", chops, vec![text(&payload)], None));
    check(cases).await;
}

#[tokio::test]
async fn what_is_longer_than_the_limit_is_refused_before_it_is_stored() {
    let head = [
        FIN | BINARY,
        0x80 | 127,
        0,
        0,
        0,
        0,
        0x40,
        0,
        0,
        0,
        1,
        2,
        3,
        4,
    ];
    let mut parts: Vec<Vec<u8>> = (0..22).map(|_| frame(0, &vec![0; 1024 * 1024])).collect();
    parts[0][0] = BINARY;
    let unmasked = vec![FIN | BINARY, 1, b'x'];
    check(vec![
        case("1 GiB announced", vec![head.to_vec()], vec![], Some(1009)),
        case("22 MiB in fragments", parts, vec![], Some(1009)),
        case(
            "a client that does not mask",
            vec![unmasked],
            vec![],
            Some(1002),
        ),
    ])
    .await;
}

/// Both roles against another implementation, sizes around every boundary.
#[tokio::test]
async fn tungstenite_understands_us_and_we_it() {
    let sizes = [0, 1, 125, 126, 4096, 4097, 65_535, 65_536, 300_000];
    let (near, far) = tokio::io::duplex(4096);
    let server = tokio::spawn(echo(far));
    let mut theirs = WebSocketStream::from_raw_socket(near, TheirRole::Client, None).await;
    for size in sizes {
        let sent = vec![7; size];
        theirs
            .send(Message::Binary(sent.clone().into()))
            .await
            .unwrap();
        assert_eq!(theirs.next().await.unwrap().unwrap().into_data(), sent);
    }
    theirs.send(Message::Ping(vec![1].into())).await.unwrap();
    assert_eq!(
        theirs.next().await.unwrap().unwrap(),
        Message::Pong(vec![1].into())
    );
    theirs.close(None).await.unwrap();
    assert!(matches!(
        theirs.next().await,
        Some(Ok(Message::Close(None))) | None
    ));
    assert!(server.await.unwrap().is_none());

    let (near, far) = tokio::io::duplex(4096);
    let mut theirs = WebSocketStream::from_raw_socket(far, TheirRole::Server, None).await;
    let server = tokio::spawn(async move {
        while let Some(Ok(message)) = theirs.next().await {
            if message.is_binary() {
                theirs.send(message).await.unwrap();
            }
        }
    });
    let mut ours = Ws::new(near, Role::Client, LIMIT, &[]);
    for size in sizes {
        let sent = vec![7; size];
        ours.send(b"front", sent.clone().into());
        let got = poll_fn(|cx| {
            if let Poll::Ready(Err(error)) = ours.poll_flush(cx) {
                return Poll::Ready(Err(error));
            }
            ours.poll_next(cx)
        });
        let Incoming::Binary(got) = got.await.unwrap() else {
            panic!("not binary");
        };
        assert!(got.starts_with(b"front") && got[5..] == sent);
    }
    ours.close(1000, "done");
    poll_fn(|cx| ours.poll_flush(cx)).await.unwrap();
    let got = poll_fn(|cx| ours.poll_next(cx)).await.unwrap();
    assert!(matches!(
        got,
        Incoming::Close {
            code: Some(1000),
            ..
        }
    ));
    server.await.unwrap();
}
