//! Opens TCP connections to LAN hosts that a verified grant names.
//!
//! A name is resolved once; what is dialled is exactly the address that the
//! guard judged. Never dials anything the guard refuses. Driven by
//! [`crate::run`] for one session's targets.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use culvert_config::gateway::Allow;
use culvert_wire::grant::{HostAddress, Target};
use culvert_wire::reason::Reason;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tracing::debug;

use crate::guard::{Forbidden, Guard, Surroundings};
use crate::session::Refusal;

/// From the wish to an open connection, name resolution included.
const LIMIT: Duration = Duration::from_secs(10);
/// For one address of several: the next may still answer in time.
const ONE_OF_MANY: Duration = Duration::from_secs(3);
/// For the site's name server.
const RESOLVE: Duration = Duration::from_secs(5);
/// Addresses of one name that are tried.
const MAX_ADDRESSES: usize = 4;
/// A host that is silent and gone is found after this time, at the earliest.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// Dials what the box's own rules allow.
#[derive(Debug, Clone)]
pub struct Dialer {
    rules: Arc<[Allow]>,
}

impl Dialer {
    /// A dialer for an allow-list.
    pub fn new(rules: Vec<Allow>) -> Self {
        Self {
            rules: rules.into(),
        }
    }

    /// The guard for where the box stands at this moment.
    ///
    /// # Errors
    /// [`Refusal`] when the system does not tell.
    pub fn guard(&self) -> Result<Guard, Refusal> {
        let around = Surroundings::read().map_err(|error| {
            tracing::error!(%error, "The system does not tell the box's own addresses");
            Refusal::new(Reason::Internal, "the gateway does not know its addresses")
        })?;
        Ok(Guard::new(self.rules.to_vec(), around))
    }

    /// Connects to a target, within ten seconds.
    ///
    /// # Errors
    /// [`Refusal`] with the reason that the technician reads.
    pub async fn dial(&self, target: &Target) -> Result<TcpStream, Refusal> {
        let deadline = Instant::now() + LIMIT;
        let addresses = self.addresses(target).await?;
        let last = addresses.len() - 1;
        let mut refusal = Refusal::new(Reason::HostTimedOut, "");
        for (index, address) in addresses.into_iter().enumerate() {
            let until = match index {
                n if n == last => deadline,
                _ => deadline.min(Instant::now() + ONE_OF_MANY),
            };
            debug!(%address, port = target.port, "Dialling");
            let address = SocketAddr::new(address, target.port);
            match timeout_at(until, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return prepared(stream),
                Ok(Err(error)) => {
                    debug!(%error, "The host was not reached");
                    refusal = explain(&error);
                }
                Err(_) => refusal = Refusal::new(Reason::HostTimedOut, ""),
            }
        }
        Err(refusal)
    }

    /// The addresses that may be dialled for a target, judged.
    async fn addresses(&self, target: &Target) -> Result<Vec<IpAddr>, Refusal> {
        let found = resolve(&target.address, target.port).await?;
        let guard = self.guard()?;
        let mut refused = None;
        let mut permitted = Vec::new();
        for ip in found {
            match guard.judge(ip, target.port) {
                Ok(ip) if !permitted.contains(&ip) => permitted.push(ip),
                Ok(_) => {}
                Err(forbidden) => {
                    debug!(address = %ip, %forbidden, "Never dialled");
                    refused = stricter(refused, forbidden);
                }
            }
        }
        permitted.truncate(MAX_ADDRESSES);
        match (permitted.is_empty(), refused) {
            (false, _) => Ok(permitted),
            (true, Some(forbidden)) => Err(Refusal::new(forbidden.reason(), forbidden.to_string())),
            (true, None) => Err(Refusal::new(Reason::NameNotResolved, "")),
        }
    }
}

/// Of two refusals, the one that no allow-list could lift.
fn stricter(old: Option<Forbidden>, new: Forbidden) -> Option<Forbidden> {
    match old {
        Some(old) if old != Forbidden::NotAllowed => Some(old),
        Some(_) | None => Some(new),
    }
}

async fn resolve(address: &HostAddress, port: u16) -> Result<Vec<IpAddr>, Refusal> {
    if let Some(ip) = address.ip() {
        return Ok(vec![ip]);
    }
    let refused = |text| Refusal::new(Reason::NameNotResolved, text);
    let lookup = culvert_link::resolve(address.as_str(), port);
    let found = timeout(RESOLVE, lookup)
        .await
        .map_err(|_| refused("the site's name server did not answer"))?
        .map_err(|error| {
            debug!(%error, "The name does not resolve");
            refused("")
        })?;
    Ok(found.into_iter().map(|found| found.ip()).collect())
}

/// Small packets at once, dead hosts found, urgent bytes (telnet's) kept in
/// their place: the system would else take them out of the stream.
fn prepared(stream: TcpStream) -> Result<TcpStream, Refusal> {
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE);
    stream
        .set_nodelay(true)
        .and_then(|()| SockRef::from(&stream).set_tcp_keepalive(&keepalive))
        .and_then(|()| SockRef::from(&stream).set_out_of_band_inline(true))
        .map_err(|error| explain(&error))?;
    Ok(stream)
}

/// What the system's words mean to a person.
const MEANINGS: [(io::ErrorKind, Reason, &str); 7] = [
    (io::ErrorKind::ConnectionRefused, Reason::HostRefused, ""),
    (io::ErrorKind::TimedOut, Reason::HostTimedOut, ""),
    (
        io::ErrorKind::HostUnreachable,
        Reason::HostUnreachable,
        "nobody answers for this address: the host may be off",
    ),
    (
        io::ErrorKind::NetworkUnreachable,
        Reason::HostUnreachable,
        "",
    ),
    (io::ErrorKind::ConnectionReset, Reason::HostReset, ""),
    (io::ErrorKind::ConnectionAborted, Reason::HostReset, ""),
    (
        io::ErrorKind::PermissionDenied,
        Reason::HostUnreachable,
        "a firewall on the gateway forbids it",
    ),
];

fn explain(error: &io::Error) -> Refusal {
    let meaning = MEANINGS.iter().find(|(kind, ..)| *kind == error.kind());
    match meaning {
        Some((_, reason, text)) => Refusal::new(*reason, *text),
        None => {
            tracing::error!(%error, "A connection could not be opened");
            Refusal::new(Reason::Internal, "the gateway could not open a connection")
        }
    }
}

#[cfg(test)]
mod tests {
    use culvert_config::gateway::Gateway;
    use culvert_wire::grant::Protocol;

    use super::*;

    fn target(address: &str, port: u16) -> Target {
        Target {
            address: address.parse().unwrap(),
            port,
            protocol: Protocol::Tcp,
        }
    }

    async fn refusal(address: &str) -> Reason {
        let everything = "[[allow]]\nnetwork = \"0.0.0.0/0\"\n[[allow]]\nnetwork = \"::/0\"";
        let dialer = Dialer::new(Gateway::from_toml(everything).unwrap().allow);
        dialer
            .dial(&target(address, 22))
            .await
            .expect_err(address)
            .reason
    }

    /// A name is judged by what it resolves to, not by how it looks.
    #[tokio::test]
    async fn a_name_of_the_box_itself_is_refused_like_its_address() {
        for name in ["localhost", "127.0.0.1", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(refusal(name).await, Reason::AddressForbidden, "{name}");
        }
    }

    #[tokio::test]
    async fn a_name_that_does_not_resolve_says_so() {
        // RFC 6761: `invalid` never resolves.
        assert_eq!(refusal("host.invalid").await, Reason::NameNotResolved);
    }

    #[test]
    fn each_error_of_the_system_has_its_reason() {
        for (kind, reason) in [
            (io::ErrorKind::ConnectionRefused, Reason::HostRefused),
            (io::ErrorKind::TimedOut, Reason::HostTimedOut),
            (io::ErrorKind::HostUnreachable, Reason::HostUnreachable),
            (io::ErrorKind::NetworkUnreachable, Reason::HostUnreachable),
            (io::ErrorKind::ConnectionReset, Reason::HostReset),
            (io::ErrorKind::PermissionDenied, Reason::HostUnreachable),
            (io::ErrorKind::OutOfMemory, Reason::Internal),
        ] {
            assert_eq!(explain(&kind.into()).reason, reason, "{kind:?}");
        }
    }

    #[test]
    fn a_forbidden_address_weighs_more_than_one_that_is_only_not_allowed() {
        let order = [Forbidden::NotAllowed, Forbidden::Own, Forbidden::NotAllowed];

        assert_eq!(order.into_iter().fold(None, stricter), Some(Forbidden::Own));
    }
}
