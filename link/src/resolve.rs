//! Names to addresses, by the system's resolver.
//!
//! The resolver of static programs (musl) wants an answer for IPv4 and one for
//! IPv6. When the name server *refuses* either question, as some routers do, it
//! asks again and again for five seconds, and then fails altogether. Whoever is
//! late or has failed is therefore asked for each family by itself, both at once:
//! the first that knows an address is enough.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use dns_lookup::{AddrFamily, AddrInfoHints, SockType, getaddrinfo};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// A name server that is well has answered both questions by then.
const PATIENCE: Duration = Duration::from_secs(1);
/// The other family's answer may come so much later (RFC 8305, section 3).
const GRACE: Duration = Duration::from_millis(50);

/// The addresses of `host`, a name or an address, each with `port`.
///
/// # Errors
/// The resolver's, when neither family has an address.
pub async fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let mut both = pin!(tokio::net::lookup_host((host, port)));
    let failed = match timeout(PATIENCE, both.as_mut()).await {
        Ok(Ok(found)) => return Ok(found.collect()),
        Ok(Err(error)) => Some(error),
        Err(_) => None,
    };
    let mut alone = pin!(each_by_itself(host, port));
    if let Some(error) = failed {
        return alone.await.ok_or(error);
    }
    tokio::select! {
        found = both.as_mut() => match found {
            Ok(found) => Ok(found.collect()),
            Err(error) => alone.await.ok_or(error),
        },
        found = alone.as_mut() => match found {
            Some(found) => Ok(found),
            None => both.await.map(Iterator::collect),
        },
    }
}

/// What the families know, each asked by itself; none if neither knows any.
async fn each_by_itself(host: &str, port: u16) -> Option<Vec<SocketAddr>> {
    let mut asked = JoinSet::new();
    for family in [AddrFamily::Inet, AddrFamily::Inet6] {
        let host = host.to_owned();
        asked.spawn_blocking(move || of_family(&host, port, family));
    }
    let mut all = Vec::new();
    while let Some(found) = match all.is_empty() {
        true => asked.join_next().await,
        false => timeout(GRACE, asked.join_next()).await.ok().flatten(),
    } {
        all.extend(found.unwrap_or_default());
    }
    (!all.is_empty()).then_some(all)
}

fn of_family(host: &str, port: u16, family: AddrFamily) -> Vec<SocketAddr> {
    let hints = AddrInfoHints {
        socktype: SockType::Stream.into(),
        address: family.into(),
        ..AddrInfoHints::default()
    };
    let Ok(found) = getaddrinfo(Some(host), None, Some(hints)) else {
        return Vec::new();
    };
    found
        .flatten()
        .map(|one| SocketAddr::new(one.sockaddr.ip(), port))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn addresses_need_no_name_server_and_nonsense_has_none() {
        for text in ["192.0.2.7", "2001:db8::7"] {
            let found = resolve(text, 7).await.unwrap();
            assert_eq!(found, [SocketAddr::new(text.parse().unwrap(), 7)]);
        }
        assert!(resolve("no such name", 7).await.is_err());
    }

    #[test]
    fn a_family_by_itself_has_only_its_own_addresses() {
        let four = of_family("127.0.0.1", 7, AddrFamily::Inet);
        assert_eq!(four, ["127.0.0.1:7".parse().unwrap()]);
        assert!(of_family("127.0.0.1", 7, AddrFamily::Inet6).is_empty());
        assert_eq!(of_family("::1", 7, AddrFamily::Inet6).len(), 1);
    }
}
