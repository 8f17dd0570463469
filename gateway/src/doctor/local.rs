//! The layers on the box itself: cable, address, route, name servers.

use std::fs;
use std::net::IpAddr;
use std::path::Path;

use if_addrs::get_if_addrs;

use super::{Cause, Found, Step};

/// Where Linux tells about interfaces.
const INTERFACES: &str = "/sys/class/net";
/// Where Linux tells about routes.
const ROUTES_V4: &str = "/proc/net/route";
const ROUTES_V6: &str = "/proc/net/ipv6_route";
/// Where the name servers stand.
const RESOLV_CONF: &str = "/etc/resolv.conf";

/// The lowest broken layer, if one is; what was seen goes to `steps`.
pub(super) fn examine(steps: &mut Vec<Step>) -> Option<Found> {
    let cables = carriers(Path::new(INTERFACES));
    if cables.is_empty() {
        steps.push(Step::bad("cable", "no interface has a carrier"));
        return Some(Found::new(Cause::NoCable, ""));
    }
    steps.push(Step::good("cable", cables.join(", ")));
    let addresses = addresses();
    if addresses.is_empty() {
        steps.push(Step::bad("address", "none, or link-local ones only"));
        return Some(Found::new(Cause::NoAddress, cables.join(", ")));
    }
    let list: Vec<String> = addresses.iter().map(IpAddr::to_string).collect();
    steps.push(Step::good("address", list.join(", ")));
    let route = has_default_route();
    steps.push(Step {
        name: "route",
        good: route,
        seen: if route {
            "a default route"
        } else {
            "no default route"
        }
        .to_owned(),
    });
    None
}

/// Whether there is a way to addresses that no network here contains.
pub(super) fn has_default_route() -> bool {
    let v4 = fs::read_to_string(ROUTES_V4).unwrap_or_default();
    let v6 = fs::read_to_string(ROUTES_V6).unwrap_or_default();
    default_v4(&v4) || default_v6(&v6)
}

/// The name servers, in their order.
pub(super) fn name_servers() -> Vec<IpAddr> {
    let text = fs::read_to_string(RESOLV_CONF).unwrap_or_default();
    listed(&text)
}

/// Interfaces, loopback aside, that have a carrier.
fn carriers(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut found: Vec<String> = entries
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name() != "lo")
        // An interface that is switched off gives an error here.
        .filter(|entry| {
            fs::read_to_string(entry.path().join("carrier")).is_ok_and(|c| c.trim() == "1")
        })
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    found.sort();
    found
}

fn addresses() -> Vec<IpAddr> {
    let usable = |ip: &IpAddr| match ip {
        IpAddr::V4(v4) => !v4.is_loopback() && !v4.is_link_local(),
        IpAddr::V6(v6) => !v6.is_loopback() && !v6.is_unicast_link_local(),
    };
    let all = get_if_addrs().unwrap_or_default();
    all.iter()
        .map(if_addrs::Interface::ip)
        .filter(usable)
        .collect()
}

/// `proc(5)`: the second column is the destination, the eighth the mask.
fn default_v4(table: &str) -> bool {
    table.lines().skip(1).any(|line| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        columns.get(1) == Some(&"00000000") && columns.get(7) == Some(&"00000000")
    })
}

/// Destination, its length, …, and last the device; `lo` holds the route that
/// rejects everything.
fn default_v6(table: &str) -> bool {
    table.lines().any(|line| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        columns.get(1) == Some(&"00")
            && columns.last() != Some(&"lo")
            && columns
                .first()
                .is_some_and(|to| to.bytes().all(|b| b == b'0'))
    })
}

fn listed(resolv_conf: &str) -> Vec<IpAddr> {
    resolv_conf
        .lines()
        .filter_map(|line| line.trim().strip_prefix("nameserver"))
        .filter_map(|rest| rest.split_whitespace().next())
        // A link-local server carries its interface behind a percent sign.
        .filter_map(|ip| ip.split('%').next()?.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_default_route_is_told_from_others() {
        let head = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\n";
        let default = format!("{head}eth0\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n");
        let own = format!("{head}eth0\t0001A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n");
        let zero = "0".repeat(32);
        let rejects =
            format!("{zero} 00 {zero} 00 {zero} ffffffff 00000001 00000000 00200200 lo\n");
        let leaves =
            format!("{zero} 00 {zero} 00 {zero} 00000400 00000001 00000000 00000003 eth0\n");

        assert!(default_v4(&default));
        assert!(!default_v4(&own) && !default_v4(""));
        assert!(default_v6(&leaves));
        assert!(!default_v6(&rejects));
    }

    #[test]
    fn name_servers_are_read_as_the_resolver_reads_them() {
        let text = "# none\nsearch lan\nnameserver 192.168.1.1\n nameserver  fe80::1%eth0 x\nnameserver bad\n";

        let want: Vec<IpAddr> = vec!["192.168.1.1".parse().unwrap(), "fe80::1".parse().unwrap()];
        assert_eq!(listed(text), want);
    }

    #[test]
    fn an_interface_without_a_carrier_is_none() {
        let dir = tempfile::tempdir().unwrap();
        for (name, carrier) in [("lo", "1\n"), ("eth0", "0\n"), ("eth1", "1\n")] {
            fs::create_dir(dir.path().join(name)).unwrap();
            fs::write(dir.path().join(name).join("carrier"), carrier).unwrap();
        }
        fs::create_dir(dir.path().join("off")).unwrap();

        assert_eq!(carriers(dir.path()), ["eth1"]);
    }
}
