//! The demonstration's plain listener: the router for this machine's browser,
//! never a link, and no name but the machine's own.

use std::sync::Arc;

use axum::{Extension, Router, routing::get};
use culvert_cloud_prs::plane::ConnInfo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::world::start;

async fn ask(port: u16, head: &str) -> String {
    let mut tcp = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let request = format!("{head}\r\nConnection: close\r\n\r\n");
    tcp.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    tcp.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn the_plain_listener_serves_this_machine_by_its_own_names_and_no_links() {
    let world = start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let plain = |Extension(info): Extension<ConnInfo>| async move { info.plain.to_string() };
    let router = Router::new().route("/plain", get(plain));
    let (plane, app) = (world.plane.clone(), Arc::clone(&world.app));
    let serving =
        tokio::spawn(async move { plane.serve_loopback(Some(listener), router, app).await });

    for name in ["localhost", "LOCALHOST", "127.0.0.1", "[::1]"] {
        let answer = ask(port, &format!("GET /plain HTTP/1.1\r\nHost: {name}:{port}")).await;
        assert!(answer.ends_with("true"), "{answer}");
    }
    // DNS rebinding: somebody's own name that points here.
    for name in ["evil.example", "localhost.evil.example", "192.168.1.1", ""] {
        let answer = ask(port, &format!("GET /plain HTTP/1.1\r\nHost: {name}")).await;
        assert!(answer.starts_with("HTTP/1.1 421"), "{answer}");
    }
    let upgrade = "Upgrade: websocket\r\nSec-WebSocket-Version: 13";
    let answer = ask(
        port,
        &format!("GET /link HTTP/1.1\r\nHost: localhost\r\n{upgrade}"),
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
    serving.abort();
}
