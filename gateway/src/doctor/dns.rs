//! Why a name does not resolve: asks each name server itself and tells its
//! silence from its answers (RFC 1035).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::timeout;

use super::{Cause, Found, Step, local};

/// For one name server; a resolver usually waits as long.
const LIMIT: Duration = Duration::from_secs(3);
/// Name servers that the system's resolver asks at most.
const MAX_SERVERS: usize = 3;
/// The type of an IPv4 address record.
const TYPE_A: u16 = 1;

/// What one name server says of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    /// It knows addresses.
    Addresses,
    /// It knows only addresses that lead nowhere.
    DeadAddresses,
    /// The name does not exist, or has no address.
    NoName,
    /// It failed or refused, with this code.
    Failed(u8),
    /// It did not answer.
    Nothing,
}

/// Asks every name server about `host`.
pub(super) async fn examine(host: &str, proxied: bool, steps: &mut Vec<Step>) -> Found {
    let servers = local::name_servers();
    if servers.is_empty() {
        steps.push(Step::bad("name server", "none is set"));
        return Found::new(Cause::DnsNotSet, "");
    }
    let mut heard = Vec::new();
    for server in servers.into_iter().take(MAX_SERVERS) {
        let said = ask(server, host).await;
        steps.push(Step {
            name: "name server",
            good: said == Said::Addresses,
            seen: format!("{server}: {}", words(said)),
        });
        heard.push(said);
    }
    let judged = judge(&heard);
    let unknown = [Cause::DnsNoName, Cause::DnsFailed].contains(&judged);
    let cause = if judged == Cause::DnsTimeout && !local::has_default_route() {
        Cause::NoRoute
    } else if unknown && proxied {
        Cause::ProxyDns
    } else {
        judged
    };
    Found::new(cause, format!("the name is {host}"))
}

fn judge(heard: &[Said]) -> Cause {
    let any = |said: Said| heard.contains(&said);
    if heard.iter().all(|said| *said == Said::Nothing) {
        Cause::DnsTimeout
    } else if any(Said::DeadAddresses) {
        Cause::DnsBlocked
    } else if any(Said::NoName) {
        Cause::DnsNoName
    } else {
        Cause::DnsFailed
    }
}

fn words(said: Said) -> String {
    match said {
        Said::Addresses => "answers".to_owned(),
        Said::DeadAddresses => "answers with a dead address".to_owned(),
        Said::NoName => "says that the name does not exist".to_owned(),
        Said::Failed(code) => format!("fails (code {code})"),
        Said::Nothing => "does not answer".to_owned(),
    }
}

async fn ask(server: IpAddr, host: &str) -> Said {
    exchange(SocketAddr::new(server, 53), host)
        .await
        .unwrap_or(Said::Nothing)
}

async fn exchange(server: SocketAddr, host: &str) -> Option<Said> {
    let id: u16 = rand::random();
    let question = question(id, host)?;
    let local: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((local, 0)).await.ok()?;
    socket.connect(server).await.ok()?;
    socket.send(&question).await.ok()?;
    let mut buffer = [0; 1500];
    let answered = timeout(LIMIT, async {
        loop {
            let length = socket.recv(&mut buffer).await.ok()?;
            if let Some(said) = read(id, &buffer[..length]) {
                return Some(said);
            }
        }
    });
    answered.await.ok()?
}

/// A question for the IPv4 addresses of a name.
fn question(id: u16, host: &str) -> Option<Vec<u8>> {
    let mut out = id.to_be_bytes().to_vec();
    // Recursion desired; one question.
    out.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in host.trim_end_matches('.').split('.') {
        let length = u8::try_from(label.len())
            .ok()
            .filter(|&n| (1..=63).contains(&n))?;
        out.push(length);
        out.extend(label.as_bytes());
    }
    out.push(0);
    out.extend(TYPE_A.to_be_bytes());
    out.extend([0, 1]);
    Some(out)
}

/// What an answer says; none if it answers something else.
fn read(id: u16, message: &[u8]) -> Option<Said> {
    let (head, mut rest) = message.split_first_chunk::<12>()?;
    if head[..2] != id.to_be_bytes() || head[2] & 0x80 == 0 {
        return None;
    }
    match head[3] & 0x0f {
        0 => {}
        3 => return Some(Said::NoName),
        code => return Some(Said::Failed(code)),
    }
    let questions = u16::from_be_bytes([head[4], head[5]]);
    let answers = u16::from_be_bytes([head[6], head[7]]);
    for _ in 0..questions {
        rest = after_name(rest)?.get(4..)?;
    }
    let mut found = Vec::new();
    for _ in 0..answers {
        let (record, after) = after_name(rest)?.split_at_checked(10)?;
        let length = usize::from(u16::from_be_bytes([record[8], record[9]]));
        let (data, after) = after.split_at_checked(length)?;
        if let (TYPE_A, Ok(octets)) = (
            u16::from_be_bytes([record[0], record[1]]),
            <[u8; 4]>::try_from(data),
        ) {
            found.push(Ipv4Addr::from(octets));
        }
        rest = after;
    }
    let dead = |ip: &Ipv4Addr| ip.is_loopback() || ip.is_unspecified();
    Some(match found.as_slice() {
        [] => Said::NoName,
        some if some.iter().all(dead) => Said::DeadAddresses,
        _ => Said::Addresses,
    })
}

/// Skips a name: labels up to a zero, or up to a pointer.
fn after_name(mut rest: &[u8]) -> Option<&[u8]> {
    loop {
        let (&length, after) = rest.split_first()?;
        match length {
            0 => return Some(after),
            0xc0.. => return after.get(1..),
            _ => rest = after.get(usize::from(length)..)?,
        }
    }
}

/// Whether the system's resolver gives a name only addresses that lead
/// nowhere; literal addresses are no name.
pub(super) async fn is_dead(host: &str, port: u16) -> bool {
    if host.parse::<IpAddr>().is_ok() {
        return false;
    }
    let Ok(found) = culvert_link::resolve(host, port).await else {
        return false;
    };
    let found: Vec<IpAddr> = found.iter().map(SocketAddr::ip).collect();
    !found.is_empty()
        && found
            .iter()
            .all(|ip| ip.is_loopback() || ip.is_unspecified())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reply(code: u8, addresses: &[[u8; 4]]) -> Vec<u8> {
        let mut out = question(7, "prs.example.com").unwrap();
        out[2] = 0x81;
        out[3] = 0x80 | code;
        out[7] = u8::try_from(addresses.len()).unwrap();
        for address in addresses {
            out.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
            out.extend(address);
        }
        out
    }

    #[test]
    fn each_answer_is_told_from_the_others() {
        for (message, said) in [
            (reply(0, &[[192, 0, 2, 1]]), Some(Said::Addresses)),
            (
                reply(0, &[[0, 0, 0, 0], [127, 0, 0, 1]]),
                Some(Said::DeadAddresses),
            ),
            (
                reply(0, &[[0, 0, 0, 0], [192, 0, 2, 1]]),
                Some(Said::Addresses),
            ),
            (reply(0, &[]), Some(Said::NoName)),
            (reply(3, &[]), Some(Said::NoName)),
            (reply(2, &[]), Some(Said::Failed(2))),
            (reply(5, &[]), Some(Said::Failed(5))),
            (question(7, "prs.example.com").unwrap(), None),
            (vec![], None),
        ] {
            assert_eq!(read(7, &message), said, "{message:?}");
        }
        assert_eq!(read(8, &reply(0, &[])), None, "another question's answer");
    }

    #[test]
    fn of_several_servers_the_most_telling_one_counts() {
        for (heard, cause) in [
            (vec![Said::Nothing, Said::Nothing], Cause::DnsTimeout),
            (vec![Said::Nothing, Said::NoName], Cause::DnsNoName),
            (vec![Said::Failed(2), Said::NoName], Cause::DnsNoName),
            (vec![Said::Failed(2), Said::Nothing], Cause::DnsFailed),
            (vec![Said::DeadAddresses, Said::NoName], Cause::DnsBlocked),
        ] {
            assert_eq!(judge(&heard), cause, "{heard:?}");
        }
    }

    #[test]
    fn names_that_cannot_be_asked_are_none() {
        assert_eq!(question(1, ""), None);
        assert_eq!(question(1, &"a".repeat(64)), None);
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_panic(message in proptest::collection::vec(any::<u8>(), 0..600)) {
            let id = message.first_chunk::<2>().map_or(0, |id| u16::from_be_bytes(*id));
            read(id, &message);
        }
    }
}
