//! IPv4 addresses that an IPv6 address carries inside: a router on the way
//! may unwrap them, so they are judged as well.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Every IPv4 address that some translation finds in `ip`.
pub(super) fn addresses(ip: Ipv6Addr) -> impl Iterator<Item = Ipv4Addr> {
    let s = ip.segments();
    let low = pair(s[6], s[7]);
    let found = match s {
        // RFC 4291 §2.5.5: compatible and mapped; RFC 2765: translated.
        [0, 0, 0, 0, 0, 0 | 0xffff, ..] | [0, 0, 0, 0, 0xffff, 0, ..] => [Some(low), None],
        // RFC 6052: NAT64's well-known prefix. RFC 8215: its local-use prefix,
        // where the address stands at the end or right behind the /48.
        [0x64, 0xff9b, 0, 0, 0, 0, ..] => [Some(low), None],
        [0x64, 0xff9b, 1, .., 0, 0] => [Some(behind_48(ip)), None],
        [0x64, 0xff9b, 1, ..] => [Some(low), None],
        // RFC 3056: 6to4.
        [0x2002, high, lower, ..] => [Some(pair(high, lower)), None],
        // RFC 4380: Teredo, the server and the inverted client.
        [0x2001, 0, high, lower, ..] => [Some(pair(high, lower)), Some(pair(!s[6], !s[7]))],
        // RFC 5214: ISATAP.
        [_, _, _, _, 0 | 0x0200, 0x5efe, ..] => [Some(low), None],
        _ => [None, None],
    };
    found.into_iter().flatten()
}

fn pair(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low))
}

/// RFC 6052 §2.2: behind a /48 the address jumps over octet 8.
fn behind_48(ip: Ipv6Addr) -> Ipv4Addr {
    let o = ip.octets();
    Ipv4Addr::new(o[6], o[7], o[9], o[10])
}
