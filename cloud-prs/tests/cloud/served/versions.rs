//! Programs of another version at the real server: what they have in common is
//! spoken, and where that is nothing they are told so (issue part 2: N and N-1).

use culvert_link::tls;
use culvert_link::ws::{Incoming, Role, Ws};
use culvert_wire::hello::{LinkAuth, SUBPROTOCOLS, ServerProof, TechnicianHello, Who};
use culvert_wire::{Decode as _, Encode as _};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::*;

const NONCE: [u8; 32] = [9; 32];

/// Asks for a link with these versions: the head of the answer.
async fn asks(prs: &Prs, offered: &str) -> (String, TlsStream<TcpStream>) {
    let tcp = TcpStream::connect(("127.0.0.1", prs.port)).await.unwrap();
    let connector = TlsConnector::from(Arc::clone(&tls::client_config()));
    let name = ServerName::try_from("localhost").unwrap();
    let mut tls = connector.connect(name, tcp).await.unwrap();
    let request = format!(
        "GET /link HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: {offered}\r\nCulvert-Nonce: {}\r\n\r\n",
        data_encoding::BASE32_NOPAD.encode(&NONCE)
    );
    tls.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(timeout(PATIENCE, tls.read_u8()).await.unwrap().unwrap());
    }
    (String::from_utf8(head).unwrap().to_lowercase(), tls)
}

/// Proves itself with the nonce it sent, and is welcomed.
async fn is_welcomed(prs: &Prs, tls: TlsStream<TcpStream>) {
    let exporter = tls::exporter(tls.get_ref().1).unwrap();
    let mut ws = Ws::new(tls, Role::Client, 1 << 20, &[]);
    let next = std::future::poll_fn(|cx| ws.poll_next(cx)).await;
    let Incoming::Binary(proof) = next.unwrap() else {
        panic!("no proof");
    };
    let proof = ServerProof::from_bytes(&proof).unwrap();
    let provider = prs.dial().provider;
    let other = proof.verify(&provider, &exporter, &[8; 32], 1, UnixMs(0));
    assert!(other.is_err(), "the proof is for our nonce");
    let proven = proof
        .verify(&provider, &exporter, &NONCE, 1, UnixMs(0))
        .unwrap();
    let device = SigningKey::from_seed(&[5; 32]);
    let who = Who::Technician(TechnicianHello {
        device: device.public(),
        token: None,
    });
    let auth = LinkAuth::sign(who, "culvert 2.0".into(), &proven.binding, &device, None);
    ws.send(&[], auth.to_bytes());
    std::future::poll_fn(|cx| ws.poll_flush(cx)).await.unwrap();
    let next = std::future::poll_fn(|cx| ws.poll_next(cx)).await;
    let Incoming::Binary(welcome) = next.unwrap() else {
        panic!("not welcomed");
    };
    let welcome = Frame::from_message(welcome).unwrap();
    assert!(matches!(welcome, Some(Frame::Welcome(_))), "{welcome:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_one_version_newer_or_older_is_served_in_the_common_one() {
    let mut prs = Prs::bare(tempfile::tempdir().unwrap(), "localhost", &[]);
    prs.serve();
    let ours: u32 = SUBPROTOCOLS[0].rsplit('.').next().unwrap().parse().unwrap();
    let version = |n: u32| format!("culvert.link.{n}");
    let (older, newer) = (version(ours - 1), version(ours + 1));
    for offered in [
        format!("{newer}, {}", version(ours)),
        format!("{},{older}", version(ours)),
        version(ours),
    ] {
        let (head, tls) = asks(&prs, &offered).await;
        assert!(head.starts_with("http/1.1 101 "), "{offered}: {head}");
        let chosen = format!("sec-websocket-protocol: {}\r\n", version(ours));
        assert!(head.contains(&chosen), "{offered}: {head}");
        is_welcomed(&prs, tls).await;
    }
    let both = SUBPROTOCOLS.contains(&older.as_str());
    for (offered, served) in [
        (newer, false),
        (older, both),
        ("culvert.link.".into(), false),
    ] {
        let (head, _tls) = asks(&prs, &offered).await;
        assert_eq!(
            head.starts_with("http/1.1 101 "),
            served,
            "{offered}: {head}"
        );
        assert!(
            served || head.starts_with("http/1.1 400 "),
            "{offered}: {head}"
        );
        assert!(
            served || head.contains("culvert-reason: version_unsupported\r\n"),
            "{head}"
        );
    }
}

/// Bad input at the door itself: whatever comes, the connection ends or is
/// answered in a few words, and a link that is up does not notice.
#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_kilobytes_of_anything_at_the_door_disturb_nobody() {
    let mut prs = Prs::new();
    prs.serve();
    let (key, gateway, mut events, _) = prs.claim().await;
    let device = SigningKey::from_seed(&[1; 32]);
    let (technician, _signed) = prs.sign_in("tech", &device).await;
    let noise: Vec<u8> = (0..65_536_u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 13).to_be_bytes()[3])
        .collect();
    let long = "x".repeat(65_536);
    let head = "Host: localhost\r\n";
    let requests: Vec<Vec<u8>> = vec![
        noise.clone(),
        vec![0; 65_536],
        vec![b'\n'; 65_536],
        format!("GET /{long} HTTP/1.1\r\n{head}\r\n").into_bytes(),
        format!("{long} / HTTP/1.1\r\n{head}\r\n").into_bytes(),
        format!("GET /api/v1/me HTTP/1.1\r\n{head}X: {long}\r\n\r\n").into_bytes(),
        format!("GET /api/v1/me HTTP/1.1\r\n{head}{}\r\n", "a: b\r\n".repeat(10_000)).into_bytes(),
        format!("GET /link HTTP/1.1\r\n{head}Upgrade: {long}\r\n\r\n").into_bytes(),
        format!("POST /api/v1/sign-in HTTP/1.1\r\n{head}Content-Length: 99999999999999\r\n\r\n{long}").into_bytes(),
        format!("POST /api/v1/sign-in HTTP/1.1\r\n{head}Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\n{long}").into_bytes(),
        format!("POST /api/v1/sign-in HTTP/1.1\r\n{head}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n{long}").into_bytes(),
        format!("GET /api/v1/me HTTP/1.1\r\n{head}\r\n").repeat(2000).into_bytes(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
    ];
    for request in &requests {
        // Inside TLS.
        let tcp = TcpStream::connect(("127.0.0.1", prs.port)).await.unwrap();
        let connector = TlsConnector::from(Arc::clone(&tls::client_config()));
        let name = ServerName::try_from("localhost").unwrap();
        let mut tls = connector.connect(name, tcp).await.unwrap();
        // The server may have ended it before all of it was sent.
        let _ = timeout(PATIENCE, tls.write_all(request)).await.unwrap();
        let _ = tls.shutdown().await;
        let answer = to_the_end(&mut tls).await;
        let first = String::from_utf8_lossy(&answer[..answer.len().min(12)]).into_owned();
        let fine = first.is_empty() || first.starts_with("HTTP/1.1 4");
        let asked = String::from_utf8_lossy(&request[..request.len().min(60)]).into_owned();
        assert!(fine, "{asked:?}: {first:?}");
        // And instead of it.
        let mut tcp = TcpStream::connect(("127.0.0.1", prs.port)).await.unwrap();
        let _ = timeout(PATIENCE, tcp.write_all(request)).await.unwrap();
        let _ = tcp.shutdown().await;
        let answer = to_the_end(&mut tcp).await;
        assert!(answer.len() < 64, "{} bytes without TLS", answer.len());
    }

    // The links that were up go on: a box's and a technician's with a session.
    let me: serde_json::Value = api(&technician, Method::Get, "/api/v1/me", &())
        .await
        .unwrap();
    assert_eq!(me["user"]["name"], "tech");
    session(&technician, &gateway, &mut events, &key).await;
    assert!(!prs.log.lock().unwrap().contains("panicked"));
}

/// All that comes until it ends or breaks; nothing may keep us waiting.
async fn to_the_end(from: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let mut answer = Vec::new();
    while let Ok(1..) = timeout(PATIENCE, from.read_buf(&mut answer))
        .await
        .expect("it goes on or ends")
    {}
    answer
}
