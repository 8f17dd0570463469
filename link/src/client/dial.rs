//! TCP and TLS to a server, directly or through a proxy.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{ConnectError, Step, within};
use crate::proxy::{self, Attempt, ProxyPolicy, ProxyServer, TunnelError};
use crate::{ahead::Ahead, socket};

/// Head start of one address before the next is tried too (RFC 8305 §5).
const STAGGER: Duration = Duration::from_millis(250);
/// Addresses of one name that are tried.
const MAX_ADDRESSES: usize = 8;
/// Sign-ins with one proxy: a first one and one with a fresh nonce.
const MAX_LOGINS: usize = 2;

/// A TCP connection on which the server speaks TLS.
pub(super) async fn open(
    host: &str,
    port: u16,
    policy: &ProxyPolicy,
) -> Result<TcpStream, ConnectError> {
    match policy.for_server(host, port)? {
        None => tcp(host, port).await,
        Some(proxy) => tunnel(&proxy, &authority(host, port)).await,
    }
}

/// TLS; any certificate will do.
pub(super) async fn tls(
    tcp: TcpStream,
    host: &str,
) -> Result<TlsStream<Ahead<TcpStream>>, ConnectError> {
    let name = match host.parse::<IpAddr>() {
        Ok(address) => ServerName::IpAddress(address.into()),
        Err(_) => ServerName::try_from(host.to_owned()).map_err(|_| ConnectError::Address {
            server: host.to_owned(),
        })?,
    };
    TlsConnector::from(crate::tls::client_config())
        .connect(name, Ahead::new(tcp))
        .await
        .map_err(ConnectError::Tls)
}

/// `host:port`, with brackets where an address needs them.
pub(super) fn authority(host: &str, port: u16) -> String {
    match host.contains(':') {
        true => format!("[{host}]:{port}"),
        false => format!("{host}:{port}"),
    }
}

async fn tunnel(proxy: &ProxyServer, target: &str) -> Result<TcpStream, ConnectError> {
    let mut authorization: Option<String> = None;
    for _ in 0..=MAX_LOGINS {
        let mut tcp = tcp(&proxy.host, proxy.port).await?;
        let asked = proxy::ask(&mut tcp, proxy, target, authorization.as_deref());
        let attempt = within(Step::Proxy, async { asked.await.map_err(refused) }).await?;
        match attempt {
            Attempt::Open => return Ok(tcp),
            Attempt::Again(header) => authorization = Some(header),
        }
    }
    Err(refused(TunnelError::Login {
        offered: "it forgets each one".into(),
        tried: true,
    }))
}

fn refused(error: TunnelError) -> ConnectError {
    match error {
        TunnelError::Refused { status } => ConnectError::Proxy { status },
        login @ TunnelError::Login { .. } => ConnectError::ProxyAuth(login),
        broken @ TunnelError::Answer(_) => ConnectError::ProxyBroken(broken),
    }
}

async fn tcp(host: &str, port: u16) -> Result<TcpStream, ConnectError> {
    let addresses = within(Step::Resolve, resolve(host, port)).await?;
    match timeout(Step::Tcp.limit(), race(addresses)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(source)) => Err(ConnectError::Connect {
            host: host.to_owned(),
            port,
            source,
        }),
        Err(_) => Err(ConnectError::TimedOut { step: Step::Tcp }),
    }
}

async fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, ConnectError> {
    let unresolved = |source: io::Error| match source.kind() == io::ErrorKind::TimedOut {
        true => ConnectError::TimedOut {
            step: Step::Resolve,
        },
        false => ConnectError::Resolve {
            host: host.to_owned(),
            source,
        },
    };
    let found = crate::resolve(host, port).await.map_err(unresolved)?;
    if found.is_empty() {
        return Err(unresolved(io::ErrorKind::NotFound.into()));
    }
    // Families by turns, so that a broken one costs one head start (RFC 8305 §4).
    let (mut six, mut four): (Vec<_>, Vec<_>) = found.into_iter().partition(SocketAddr::is_ipv6);
    let mut ordered = Vec::new();
    while !six.is_empty() || !four.is_empty() {
        for family in [&mut six, &mut four] {
            if !family.is_empty() {
                ordered.push(family.remove(0));
            }
        }
    }
    ordered.truncate(MAX_ADDRESSES);
    Ok(ordered)
}

/// The first address that answers; each gets a head start before the next.
async fn race(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let mut waiting = addresses.into_iter();
    let mut running = JoinSet::new();
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    loop {
        match waiting.next() {
            Some(address) => {
                running.spawn(TcpStream::connect(address));
            }
            None if running.is_empty() => return Err(last),
            None => {}
        }
        let ended = tokio::select! {
            Some(ended) = running.join_next() => ended,
            () = sleep(STAGGER), if waiting.len() > 0 => continue,
        };
        match ended {
            Ok(Ok(stream)) => {
                socket::prepare(&stream)?;
                return Ok(stream);
            }
            Ok(Err(error)) => last = error,
            Err(_) => {}
        }
    }
}
