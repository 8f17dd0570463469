//! What is not allowed costs the one who did it, and nobody else: bytes of
//! every kind at every stage, connections that never say anything, floods.

use std::time::Duration;

use culvert_cloud_prs::plane::Limits;
use culvert_link::ws::{Incoming, Role, Ws};
use culvert_link::{ConnectError, Me};
use culvert_wire::frame::{Channel, Frame, MAX_MESSAGE, Refused};
use culvert_wire::hello::{Binding, BrowserHello, LinkAuth, ServerProof, TechnicianHello, Who};
use culvert_wire::reason::Reason;
use culvert_wire::{Decode as _, Encode as _, UnixMs};
use data_encoding::BASE32_NOPAD;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::http::tls_to;
use crate::world::{World, key, start, start_with, through, ticket};

/// A client made by hand, up to its WebSocket.
async fn upgraded(world: &World) -> (Ws<TlsStream<TcpStream>>, [u8; 32], [u8; 32]) {
    let mut tls = tls_to(world).await;
    let exporter = culvert_link::tls::exporter(tls.get_ref().1).unwrap();
    let nonce = [9; 32];
    let request = format!(
        "GET /link HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: culvert.link.1\r\nCulvert-Nonce: {}\r\n\r\n",
        BASE32_NOPAD.encode(&nonce)
    );
    tls.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(tls.read_u8().await.unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "));
    (
        Ws::new(tls, Role::Client, MAX_MESSAGE, &[]),
        exporter,
        nonce,
    )
}

fn device() -> Who {
    Who::Technician(TechnicianHello {
        device: key(50).public(),
        token: None,
    })
}

/// Sends and reads until the server ends it; the last frame that came.
async fn until_closed(ws: &mut Ws<TlsStream<TcpStream>>, messages: Vec<Vec<u8>>) -> Option<Frame> {
    let mut messages = messages.into_iter();
    let mut last = None;
    let all = async {
        loop {
            let next = std::future::poll_fn(|cx| {
                while ws.has_room()
                    && let Some(message) = messages.next()
                {
                    ws.send(&[], message.into());
                }
                if let std::task::Poll::Ready(Err(error)) = ws.poll_flush(cx) {
                    return std::task::Poll::Ready(Err(error));
                }
                ws.poll_next(cx)
            });
            match next.await {
                Ok(Incoming::Binary(data)) => {
                    if let Ok(Some(frame)) = Frame::from_message(data) {
                        last = Some(frame);
                    }
                }
                Ok(Incoming::Close { .. }) | Err(_) => return,
                Ok(_) => {}
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), all)
        .await
        .expect("the server ends it");
    last
}

/// The same, up to the server's proof; what to sign.
async fn proved(world: &World) -> (Ws<TlsStream<TcpStream>>, Binding) {
    let (mut ws, exporter, nonce) = upgraded(world).await;
    let Incoming::Binary(proof) = std::future::poll_fn(|cx| ws.poll_next(cx)).await.unwrap() else {
        panic!("no proof");
    };
    let proof = ServerProof::from_bytes(&proof).unwrap();
    let provider = key(1).public();
    let proven = proof
        .verify(&provider, &exporter, &nonce, 0, UnixMs(0))
        .unwrap();
    (ws, proven.binding)
}

/// A technician by hand, welcomed.
async fn technician(world: &World) -> Ws<TlsStream<TcpStream>> {
    let (mut ws, binding) = proved(world).await;
    let auth = LinkAuth::sign(device(), "x".into(), &binding, &key(50), None);
    ws.send(&[], auth.to_bytes());
    std::future::poll_fn(|cx| ws.poll_flush(cx)).await.unwrap();
    let welcome = std::future::poll_fn(|cx| ws.poll_next(cx)).await.unwrap();
    let welcome = Frame::from_message(welcome.into()).unwrap();
    assert!(matches!(welcome, Some(Frame::Welcome(_))));
    ws
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_message_that_is_none_ends_the_connection_and_nobody_arrives() {
    let world = start().await;
    let mut random = StdRng::seed_from_u64(3);
    let mut first: Vec<Vec<u8>> = vec![vec![], vec![0], vec![0xff; 8000], vec![1; 9000]];
    first.extend((0..30).map(|_| {
        let length = random.random_range(1..400);
        (0..length).map(|_| random.random()).collect()
    }));
    for message in first {
        let (mut ws, ..) = upgraded(&world).await;
        until_closed(&mut ws, vec![message]).await;
    }
    assert_eq!(world.plane.counters().links, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_of_another_connection_or_key_lets_nobody_in() {
    let world = start().await;
    let (mut ws, binding) = proved(&world).await;
    let foreign = LinkAuth::sign(device(), "x".into(), &binding, &key(51), None);
    let good = LinkAuth::sign(device(), "x".into(), &binding, &key(50), None);
    until_closed(&mut ws, vec![foreign.to_bytes().to_vec()]).await;

    let (mut second, ..) = upgraded(&world).await;
    until_closed(&mut second, vec![good.to_bytes().to_vec()]).await;

    assert_eq!(world.plane.counters().links, 0, "replayed or foreign");
}

/// Cookie and origin stand for a browser; at the door of programs there are
/// none.
#[tokio::test(flavor = "multi_thread")]
async fn a_browsers_hello_is_worth_nothing_at_the_door_of_programs() {
    let world = start().await;
    let (mut ws, binding) = proved(&world).await;
    let who = Who::Browser(BrowserHello {
        link: key(50).public(),
        ticket: ticket(1),
    });
    let auth = LinkAuth::sign(who, "x".into(), &binding, &key(50), None);

    until_closed(&mut ws, vec![auth.to_bytes().to_vec()]).await;

    assert_eq!(world.plane.counters().links, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_that_make_no_sense_end_their_link_with_one_reason_and_no_other() {
    let world = start().await;
    let ends = world.ends(1).await;
    let mut random = StdRng::seed_from_u64(4);
    let encoded = |frame: Frame| frame.to_bytes().to_vec();
    let mut messages = vec![
        vec![],
        vec![0x7f],
        vec![3, 0, 0, 0, 1],
        vec![3, 0, 0, 0, 9, 0, 1, b'x'],
        vec![3; 70_000],
        encoded(Frame::Joined {
            channel: Channel(1),
            peer: true,
        }),
        encoded(Frame::Revoked(1)),
        encoded(Frame::Drain {
            come_back_ms: 0,
            sessions_end_ms: 0,
        }),
    ];
    messages.extend((0..40).map(|_| {
        let length = random.random_range(1..300);
        // Types that must be understood, then anything.
        let mut bytes: Vec<u8> = (0..length).map(|_| random.random()).collect();
        bytes[0] = 0x40;
        bytes
    }));
    for message in messages {
        let mut ws = technician(&world).await;
        let last = until_closed(&mut ws, vec![message.clone()]).await;
        let Some(Frame::Goodbye { reason, .. }) = last else {
            panic!("{message:?}: {last:?}");
        };
        assert_eq!(reason, Reason::ProtocolError, "{message:?}");
        through(&ends.near, &ends.far, b"unharmed").await;
    }
    while world.plane.counters().links > 2 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_frames_that_may_be_skipped_are_and_text_is_not() {
    let world = start().await;
    let mut ws = technician(&world).await;
    ws.send(&[0x90, 1, 2, 3], bytes::Bytes::new());
    ws.send(&[], Frame::Ping(7).to_bytes());
    std::future::poll_fn(|cx| ws.poll_flush(cx)).await.unwrap();
    let pong = std::future::poll_fn(|cx| ws.poll_next(cx)).await.unwrap();
    assert_eq!(
        Frame::from_message(pong.into()).unwrap(),
        Some(Frame::Pong(7))
    );

    ws.send_text(bytes::Bytes::from_static(b"hello"));
    let last = until_closed(&mut ws, vec![]).await;
    assert!(last.is_none_or(|frame| matches!(frame, Frame::Goodbye { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_prove_nothing_are_limited_and_run_out() {
    let world = start_with(Limits {
        unproved: 6,
        unproved_per_address: 6,
        ..Limits::default()
    })
    .await;
    let mut slow = tls_to(&world).await;
    slow.write_all(b"GET /hello HTTP/1.1\r\nX: ").await.unwrap();
    let (_ws, ..) = upgraded(&world).await;
    // The last, because they have the least time.
    let mut silent = Vec::new();
    for _ in 0..4 {
        silent.push(TcpStream::connect(world.address).await.unwrap());
    }
    while world.plane.counters().unproved < 6 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut refused = TcpStream::connect(world.address).await.unwrap();
    assert!(refused.read_u8().await.is_err(), "dropped unread");
    assert!(world.plane.counters().refused_connections >= 1);

    // Slowloris: a byte now and then does not help.
    let until = tokio::time::Instant::now() + Duration::from_secs(40);
    while world.plane.counters().unproved > 0 {
        let _ = slow.write_all(b"a").await;
        assert!(
            tokio::time::Instant::now() < until,
            "{:?}",
            world.plane.counters()
        );
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    world.technician(50).await;
}

/// Threats 20 and 21: links and HTTP do not share their places.
#[tokio::test(flavor = "multi_thread")]
async fn http_connections_that_stay_keep_no_link_out() {
    let world = start_with(Limits {
        unproved: 6,
        unproved_per_address: 6,
        ..Limits::default()
    })
    .await;
    let mut flood = Vec::new();
    for _ in 0..6 {
        let mut tls = tls_to(&world).await;
        assert!(asked(&mut tls).await.starts_with("HTTP/1.1 200 "));
        // A second request on it takes no second place.
        assert!(asked(&mut tls).await.starts_with("HTTP/1.1 200 "));
        flood.push(tls);
    }

    let mut refused = tls_to(&world).await;
    let answer = asked(&mut refused).await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    drop(refused);
    let (link, _events) = world.gateway(200).await;

    assert!(!link.is_closed());
    drop(flood);
    while world.plane.counters().unproved > 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The head of the answer to a small request.
async fn asked(tls: &mut TlsStream<TcpStream>) -> String {
    tls.write_all(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    let mut head = vec![0; 4096];
    let read = tls.read(&mut head).await.unwrap();
    String::from_utf8_lossy(&head[..read]).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_refused_is_told_why_and_when_to_come_back() {
    let world = start().await;
    let refused = Refused {
        reason: Reason::Quarantined,
        retry_after_ms: 5000,
        text: "two boxes".into(),
    };
    *world.app.refuse.lock().unwrap() = Some(refused.clone());
    let me = Me::Technician {
        key: key(50),
        token: None,
    };

    let (link, mut events) = world.connect(me).await.unwrap();

    assert_eq!(
        events.next().await,
        Some(culvert_link::Event::Refused(refused))
    );
    assert_eq!(link.closed().await.0, Reason::Quarantined);
    assert_eq!(world.plane.counters().links, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_server_says_so() {
    let world = start_with(Limits {
        links: 1,
        ..Limits::default()
    })
    .await;
    let (_one, _events) = world.technician(50).await;
    let me = Me::Technician {
        key: key(51),
        token: None,
    };
    let (link, _events) = world.connect(me).await.unwrap();
    assert_eq!(link.closed().await.0, Reason::ServerFull);
}

/// Somebody else's node, or the right one's statement without its key.
#[tokio::test]
async fn a_client_refuses_a_server_without_the_nodes_key() {
    let world = start().await;
    let mut dial = world.dial();
    dial.provider = key(33).public();
    let me = || Me::Technician {
        key: key(50),
        token: None,
    };
    let refused = culvert_link::connect(&dial, me(), "x").await.unwrap_err();
    assert_eq!(refused.cause(), "other_provider");
    assert!(matches!(refused, ConnectError::Proof(_)));
}
