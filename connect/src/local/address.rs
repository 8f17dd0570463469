//! A loopback address and a name for each host.
//!
//! Browsers and mstsc keep cookies, passwords and pins by host and ignore the
//! port: two devices on 127.0.0.1 would share them. So each host has its own
//! 127.x.y.z, always the same, and a `.localhost` name (RFC 6761) that resolves
//! without any setting. Pure.

use std::net::{IpAddr, Ipv4Addr};

use sha2::{Digest as _, Sha256};

use crate::pick::slug;

/// The loopback address of one host, from what makes it unique: its gateway's
/// stable name and its address there.
pub fn loopback_of(gateway: &str, address: &str) -> IpAddr {
    if !cfg!(any(target_os = "linux", target_os = "windows")) {
        // Elsewhere only 127.0.0.1 is there without an administrator's help.
        return IpAddr::V4(Ipv4Addr::LOCALHOST);
    }
    let digest = Sha256::new()
        .chain_update(gateway)
        .chain_update([0])
        .chain_update(address)
        .finalize();
    // 127.0.x.x is what other programs use; .0 and .255 look like networks.
    let part = |byte: u8, least: u8, span: u8| least + byte % span;
    IpAddr::V4(Ipv4Addr::new(
        127,
        part(digest[0], 1, 254),
        digest[1],
        part(digest[2], 1, 254),
    ))
}

/// A `.localhost` name of a host, for a browser's address line.
pub fn localhost_name(host: &str) -> String {
    let label: String = slug(host)
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .take(60)
        .collect();
    match label.trim_matches('-') {
        "" => "host.localhost".into(),
        label => format!("{label}.localhost"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_host_keeps_its_own_loopback_address() {
        let at = |n: u32| loopback_of("gateway-1", &format!("10.0.0.{n}"));

        assert!(at(1).is_loopback());
        assert_eq!(at(1), at(1));
        if cfg!(any(target_os = "linux", target_os = "windows")) {
            let all: HashSet<IpAddr> = (0..100).map(at).collect();
            assert!(all.len() >= 99, "{} of 100 differ", all.len());
            assert_ne!(at(1), loopback_of("gateway-2", "10.0.0.1"));
        }
    }

    #[test]
    fn a_hosts_name_becomes_one_label_below_localhost() {
        for (host, name) in [
            ("Front Desk", "front-desk.localhost"),
            ("nas.local", "nas-local.localhost"),
            ("-x-", "x.localhost"),
            ("\u{1b}[2J/../", "2j.localhost"),
            ("日本", "host.localhost"),
            ("", "host.localhost"),
        ] {
            assert_eq!(localhost_name(host), name, "{host:?}");
        }
        assert!(localhost_name(&"x".repeat(1000)).len() < 80);
    }
}
