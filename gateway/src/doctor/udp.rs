//! Whether UDP gets out: asks the server's STUN service on the port of the
//! same number (RFC 8489).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use culvert_path::stun;
use tokio::net::UdpSocket;
use tokio::time::timeout;

/// Requests, because UDP may lose one.
const TRIES: usize = 3;
/// For each answer.
const LIMIT: Duration = Duration::from_secs(1);

/// The address the server sees, or why there is none.
pub(super) async fn probe(server: &str) -> Result<SocketAddr, String> {
    let (host, port) = split(server).ok_or("the address is not host:port")?;
    let found = culvert_link::resolve(&host, port)
        .await
        .map_err(|error| error.to_string())?;
    let server = *found.first().ok_or("the name has no address")?;
    let local: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((local, 0))
        .await
        .map_err(|e| e.to_string())?;
    socket.connect(server).await.map_err(|e| e.to_string())?;
    for _ in 0..TRIES {
        if let Some(seen) = once(&socket).await {
            return Ok(seen);
        }
    }
    Err("no answer".to_owned())
}

async fn once(socket: &UdpSocket) -> Option<SocketAddr> {
    let transaction = rand::random();
    socket.send(&stun::request(transaction)).await.ok()?;
    let mut buffer = [0; 600];
    let answered = timeout(LIMIT, async {
        loop {
            let length = socket.recv(&mut buffer).await.ok()?;
            if let Ok(seen) = stun::mapped(&buffer[..length], transaction) {
                return Some(seen);
            }
        }
    });
    answered.await.ok()?
}

/// Takes `host:port` or `host` apart; 443 unless named.
pub(super) fn split(server: &str) -> Option<(String, u16)> {
    if let Some(rest) = server.strip_prefix('[') {
        let (host, after) = rest.split_once(']')?;
        let port = match after {
            "" => 443,
            after => after.strip_prefix(':')?.parse().ok()?,
        };
        return Some((host.to_owned(), port));
    }
    match server.split_once(':') {
        Some((host, port)) => Some((host.to_owned(), port.parse().ok()?)),
        None if server.is_empty() => None,
        None => Some((server.to_owned(), 443)),
    }
}
