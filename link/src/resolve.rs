//! Names to addresses, by the system's resolver.
//!
//! The resolver of static programs (musl) wants an answer for IPv4 and one for
//! IPv6, and fails altogether when the name server *refuses* either question, as
//! some routers do. What failed is therefore asked again, each family by itself.

use std::io;
use std::net::SocketAddr;

use dns_lookup::{AddrFamily, AddrInfoHints, SockType, getaddrinfo};

/// The addresses of `host`, a name or an address, each with `port`.
///
/// # Errors
/// The resolver's, when neither family has an address.
pub async fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let failed = match tokio::net::lookup_host((host, port)).await {
        Ok(found) => return Ok(found.collect()),
        Err(error) => error,
    };
    let host = host.to_owned();
    let alone = tokio::task::spawn_blocking(move || {
        [AddrFamily::Inet, AddrFamily::Inet6]
            .into_iter()
            .flat_map(|family| of_family(&host, port, family))
            .collect::<Vec<_>>()
    });
    match alone.await {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) | Err(_) => Err(failed),
    }
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
