//! K16, K17: links, the API and the web side share one port. Here: the router,
//! and wrong upgrade requests.

use std::sync::Arc;

use culvert_link::tls;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::world::{World, start};

pub(crate) async fn tls_to(world: &World) -> TlsStream<TcpStream> {
    let tcp = TcpStream::connect(world.address).await.unwrap();
    let name = ServerName::try_from("prs.example").unwrap();
    let connector = TlsConnector::from(Arc::clone(&tls::client_config()));
    connector.connect(name, tcp).await.unwrap()
}

pub(crate) async fn ask(world: &World, request: &str) -> String {
    let mut tls = tls_to(world).await;
    tls.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // The server may close without a TLS farewell: what came counts.
    let _ = tls.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn every_other_path_is_the_applications_with_the_callers_address() {
    let world = start().await;
    let close = "Host: x\r\nConnection: close\r\n\r\n";
    let answer = ask(&world, &format!("GET /hello HTTP/1.1\r\n{close}")).await;
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.ends_with("127.0.0.1"),
        "{answer}"
    );
    let answer = ask(&world, &format!("GET /nope HTTP/1.1\r\n{close}")).await;
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
}

#[tokio::test]
async fn upgrade_requests_that_are_none_say_what_is_missing() {
    let world = start().await;
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let upgrade =
        "Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\n";
    let protocol = "Sec-WebSocket-Protocol: culvert.link.9, culvert.link.1\r\n";
    for (method, headers, status) in [
        ("POST", String::new(), 405),
        ("GET", String::new(), 426),
        ("GET", upgrade.replace("13", "8"), 426),
        (
            "GET",
            format!("{upgrade}{key}Sec-WebSocket-Protocol: culvert.link.9\r\n"),
            400,
        ),
        ("GET", format!("{upgrade}{protocol}"), 400),
        ("GET", format!("{upgrade}{protocol}{key}"), 400),
        (
            "GET",
            format!("{upgrade}{protocol}{key}Culvert-Nonce: abc\r\n"),
            400,
        ),
    ] {
        let rest = match headers.contains("Connection") {
            true => headers.replace("keep-alive", "close"),
            false => format!("{headers}Connection: close\r\n"),
        };
        let request = format!("{method} /link HTTP/1.1\r\nHost: x\r\n{rest}\r\n");
        let answer = ask(&world, &request).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{request}{answer}"
        );
    }
}
