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

use dns_lookup::{AddrFamily, AddrInfoHints, LookupErrorKind, SockType, getaddrinfo};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// A name server that is well has answered both questions by then.
const PATIENCE: Duration = Duration::from_secs(1);
/// The other family's answer, of a name server that is late already, may come so
/// much later: it may be the only one of use at this site.
const GRACE: Duration = Duration::from_millis(500);

/// The addresses of `host`, a name or an address, each with `port`.
///
/// # Errors
/// The resolver's, when neither family has an address;
/// [`io::ErrorKind::TimedOut`] when no name server has answered.
pub async fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let mut both = pin!(tokio::net::lookup_host((host, port)));
    let failed = match timeout(PATIENCE, both.as_mut()).await {
        Ok(Ok(found)) => return Ok(found.collect()),
        Ok(Err(error)) => Some(error),
        Err(_) => None,
    };
    let mut alone = pin!(each_by_itself(host, port));
    if let Some(error) = failed {
        return alone.await.map_err(|_| error);
    }
    tokio::select! {
        found = both.as_mut() => match found {
            Ok(found) => Ok(found.collect()),
            Err(error) => alone.await.map_err(|why| why.instead_of(error)),
        },
        found = alone.as_mut() => match found {
            Ok(found) => Ok(found),
            Err(why) => match both.await {
                Ok(found) => Ok(found.collect()),
                Err(error) => Err(why.instead_of(error)),
            },
        },
    }
}

/// Why no family by itself has an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unknown {
    /// Nobody answered.
    Silent,
    /// Somebody said so.
    Told,
}

impl Unknown {
    /// The resolver tells a silent name server from one that fails by a number
    /// alone; here it was late, too.
    fn instead_of(self, error: io::Error) -> io::Error {
        match self {
            Self::Silent => io::ErrorKind::TimedOut.into(),
            Self::Told => error,
        }
    }
}

/// What the families know, each asked by itself.
async fn each_by_itself(host: &str, port: u16) -> Result<Vec<SocketAddr>, Unknown> {
    let mut asked = JoinSet::new();
    for family in [AddrFamily::Inet, AddrFamily::Inet6] {
        let host = host.to_owned();
        asked.spawn_blocking(move || of_family(&host, port, family));
    }
    let (mut all, mut why) = (Vec::new(), Unknown::Silent);
    while let Some(found) = match all.is_empty() {
        true => asked.join_next().await,
        false => timeout(GRACE, asked.join_next()).await.ok().flatten(),
    } {
        match found {
            Ok(Ok(found)) => all.extend(found),
            Ok(Err(Unknown::Silent)) => {}
            Ok(Err(Unknown::Told)) | Err(_) => why = Unknown::Told,
        }
    }
    match all.is_empty() {
        true => Err(why),
        false => Ok(all),
    }
}

fn of_family(host: &str, port: u16, family: AddrFamily) -> Result<Vec<SocketAddr>, Unknown> {
    let hints = AddrInfoHints {
        socktype: SockType::Stream.into(),
        address: family.into(),
        ..AddrInfoHints::default()
    };
    let found = getaddrinfo(Some(host), None, Some(hints)).map_err(|error| {
        match matches!(error.kind(), LookupErrorKind::Again) {
            true => Unknown::Silent,
            false => Unknown::Told,
        }
    })?;
    Ok(found
        .flatten()
        .map(|one| SocketAddr::new(one.sockaddr.ip(), port))
        .collect())
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
        assert_eq!(four, Ok(vec!["127.0.0.1:7".parse().unwrap()]));
        let six = |host| of_family(host, 7, AddrFamily::Inet6);
        assert_eq!(six("127.0.0.1"), Err(Unknown::Told));
        assert_eq!(six("::1").map(|found| found.len()), Ok(1));
    }
}
