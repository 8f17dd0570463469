//! What the DHCP client learned, put into force: it calls this program with
//! the event as argument and the lease as environment.
//!
//! The values come from whoever answers DHCP on the site's network: each is
//! read as an address or dropped, and none reaches a shell.

use std::env;
use std::io;
use std::net::Ipv4Addr;
use std::process::ExitCode;

use crate::names::{Names, Source, domain};
use crate::network::busybox;

/// A lease, as far as it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The box's address.
    pub address: Ipv4Addr,
    /// Bits of its network.
    pub length: u8,
    /// The ways out, best first.
    pub routers: Vec<Ipv4Addr>,
    /// Name servers.
    pub dns: Vec<Ipv4Addr>,
    /// Where short names are looked up: RFC 3397's list, else the site's domain.
    pub domains: Vec<String>,
}

impl Lease {
    /// Reads the client's variables; none without a usable address.
    pub fn read(value: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let list = |name: &str| -> Vec<Ipv4Addr> {
            let text = value(name).unwrap_or_default();
            text.split_whitespace()
                .filter_map(|word| word.parse().ok())
                .filter(|address: &Ipv4Addr| !address.is_unspecified())
                .collect()
        };
        let address: Ipv4Addr = value("ip")?.parse().ok()?;
        if address.is_unspecified() || address.is_loopback() || address.is_multicast() {
            return None;
        }
        let length = value("mask")
            .and_then(|text| text.parse().ok())
            .filter(|length| (1..=32).contains(length))
            .unwrap_or(24);
        let domains = |name: &str| -> Vec<String> {
            let text = value(name).unwrap_or_default();
            text.split_whitespace().filter_map(domain).collect()
        };
        let mut searched = domains("search");
        if searched.is_empty() {
            searched = domains("domain");
        }
        Some(Self {
            address,
            length,
            routers: list("router"),
            dns: list("dns"),
            domains: searched,
        })
    }
}

/// Runs as `/sbin/dhcp-event`.
pub fn event() -> ExitCode {
    let event = env::args().nth(1).unwrap_or_default();
    let interface = env::var("interface").unwrap_or_default();
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if interface.is_empty() || !interface.chars().all(plain) {
        return ExitCode::FAILURE;
    }
    let done = match event.as_str() {
        "deconfig" => busybox(&["ip", "-4", "addr", "flush", "dev", &interface])
            .and_then(|()| tell(&interface, &[], &[])),
        "bound" | "renew" => match Lease::read(|name| env::var(name).ok()) {
            Some(lease) => apply(&interface, &lease),
            None => return ExitCode::FAILURE,
        },
        _ => Ok(()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            crate::console::line(&format!("{interface}: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn apply(interface: &str, lease: &Lease) -> io::Result<()> {
    let own = format!("{}/{}", lease.address, lease.length);
    busybox(&["ip", "-4", "addr", "replace", &own, "dev", interface])?;
    if let Some(router) = lease.routers.first() {
        let way = router.to_string();
        // Each interface has a way of its own: where two have a cable, one is left
        // when the other's is pulled.
        let index = nix::net::if_::if_nametoindex(interface)?.to_string();
        busybox(&[
            "ip", "-4", "route", "replace", "default", "via", &way, "dev", interface, "metric",
            &index,
        ])?;
    }
    tell(interface, &lease.dns, &lease.domains)
}

fn tell(interface: &str, servers: &[Ipv4Addr], domains: &[String]) -> io::Result<()> {
    let servers: Vec<String> = servers.iter().map(ToString::to_string).collect();
    Names::of_the_box().tell(Source::Dhcp(interface), &servers, domains)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Option<Lease> {
        Lease::read(|name| {
            let found = pairs.iter().find(|(key, _)| *key == name)?;
            Some(found.1.to_owned())
        })
    }

    #[test]
    fn a_lease_is_read() {
        let lease = read(&[
            ("ip", "192.168.7.20"),
            ("mask", "22"),
            ("router", "192.168.7.1 192.168.7.2"),
            ("dns", "9.9.9.9 8.8.8.8"),
            ("domain", "mill.example"),
            ("search", "mill.example office.example"),
        ]);

        let lease = lease.unwrap();
        assert_eq!(
            (lease.length, lease.routers.len(), lease.dns.len()),
            (22, 2, 2)
        );
        assert_eq!(lease.domains, ["mill.example", "office.example"]);
    }

    #[test]
    fn without_a_list_the_site_s_domain_is_searched() {
        let lease = read(&[("ip", "10.0.0.2"), ("domain", "mill.example")]);
        assert_eq!(lease.unwrap().domains, ["mill.example"]);
    }

    #[test]
    fn what_is_no_address_never_gets_further() {
        assert_eq!(read(&[("ip", "1.2.3.4; reboot")]), None);
        assert_eq!(read(&[("ip", "0.0.0.0")]), None);
        let lease = read(&[
            ("ip", "10.0.0.2"),
            ("mask", "99"),
            ("router", "$(reboot) -x 10.0.0.1"),
            ("dns", "evil.example\nnameserver"),
            ("domain", "a;b $(reboot)"),
        ]);
        let lease = lease.unwrap();
        assert_eq!(lease.length, 24);
        assert_eq!(lease.routers, [Ipv4Addr::new(10, 0, 0, 1)]);
        assert!(lease.dns.is_empty() && lease.domains.is_empty());
    }
}
