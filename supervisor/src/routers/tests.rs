//! What is read of announcements, by hand and by anybody.

use super::*;

/// A message as Linux sends it: header, option header, options.
fn message(kind: u16, icmp: u8, options: &[u8]) -> Vec<u8> {
    let length = u32::try_from(HEADER + OPTION_HEADER + options.len()).unwrap();
    let mut out = Vec::new();
    out.extend(length.to_ne_bytes());
    out.extend(kind.to_ne_bytes());
    out.extend([0; 10]);
    out.extend([10, 0]);
    out.extend(u16::try_from(options.len()).unwrap().to_ne_bytes());
    out.extend(2u32.to_ne_bytes());
    out.extend([icmp, 0, 0, 0, 0, 0, 0, 0]);
    out.extend(options);
    out
}

fn rdnss(lifetime: u32, servers: &[&str]) -> Vec<u8> {
    let mut out = vec![RDNSS, u8::try_from(1 + 2 * servers.len()).unwrap(), 0, 0];
    out.extend(lifetime.to_be_bytes());
    for server in servers {
        out.extend(server.parse::<Ipv6Addr>().unwrap().octets());
    }
    out
}

fn heard(bytes: &[u8]) -> Vec<(u32, String, u32)> {
    announced(bytes)
        .into_iter()
        .map(|one| (one.interface, one.server.to_string(), one.lifetime))
        .collect()
}

#[test]
fn name_servers_are_read_out_of_the_kernel_s_messages() {
    // An MTU option before; another message before that.
    let mut options = vec![5, 1, 0, 0, 0, 0, 5, 220];
    options.extend(rdnss(600, &["fd77::1", "fe80::1"]));
    let mut bytes = message(
        NEW_OPTION + 1,
        ROUTER_ADVERTISEMENT,
        &rdnss(1, &["fd00::9"]),
    );
    bytes.extend(message(NEW_OPTION, ROUTER_ADVERTISEMENT, &options));

    let servers = heard(&bytes);

    assert_eq!(
        servers,
        [(2, "fd77::1".into(), 600), (2, "fe80::1".into(), 600)]
    );
}

#[test]
fn what_is_no_server_or_no_announcement_is_passed_over() {
    let nobody = rdnss(9, &["::", "::1", "ff02::1"]);
    let many: Vec<&str> = vec!["fd00::1"; 20];
    for (kind, icmp, options, count) in [
        (NEW_OPTION, 133, rdnss(9, &["fd00::1"]), 0),
        (NEW_OPTION, ROUTER_ADVERTISEMENT, nobody, 0),
        (NEW_OPTION, ROUTER_ADVERTISEMENT, vec![RDNSS, 0, 0, 0], 0),
        (NEW_OPTION, ROUTER_ADVERTISEMENT, vec![RDNSS, 9, 0, 0], 0),
        (NEW_OPTION, ROUTER_ADVERTISEMENT, rdnss(9, &many), MAX),
    ] {
        assert_eq!(heard(&message(kind, icmp, &options)).len(), count);
    }
    // Cut anywhere, and lengths that lie.
    let whole = message(NEW_OPTION, ROUTER_ADVERTISEMENT, &rdnss(9, &["fd00::1"]));
    for end in 0..whole.len() {
        assert!(heard(&whole[..end]).is_empty(), "{end}");
    }
    for (at, value) in [(0, 0), (0, 3), (0, 255), (18, 255)] {
        let mut lies = whole.clone();
        lies[at] = value;
        assert!(heard(&lies).len() <= 1, "{at} {value}");
    }
}

#[test]
fn a_server_is_asked_as_long_as_its_router_said() {
    let now = Instant::now();
    let mut servers = Servers::default();
    let told = |server: &str, lifetime| Announced {
        interface: 2,
        server: server.parse().unwrap(),
        lifetime,
    };
    let later = |seconds| now + Duration::from_secs(seconds);

    servers.take(told("fd77::1", 10), now);
    servers.take(told("fd77::2", u32::MAX), now);
    assert_eq!(servers.usable(later(9)).len(), 2);
    servers.take(told("fd77::1", 10), later(9));
    assert_eq!(servers.usable(later(18)).len(), 2);
    assert_eq!(servers.usable(later(19)).len(), 1);
    servers.take(told("fd77::2", 0), later(20));
    assert!(servers.usable(later(20)).is_empty());

    for number in 0..100 {
        servers.take(told(&format!("fd77::{number:x}"), 10), now);
    }
    assert_eq!(servers.usable(now).len(), MAX);
}
