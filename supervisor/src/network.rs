//! Addresses: busybox's DHCP client per interface, or what the settings say.
//! IPv6 addresses and routes come from the kernel's own router discovery, name
//! servers by [`crate::routers`].

use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use culvert_config::boxfile::{Fixed, Network};
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::SockaddrStorage;

use crate::names::{Names, Source};

/// The one foreign program of the image.
pub const BUSYBOX: &str = "/bin/busybox";

/// The interfaces that can have a cable, lowest name first.
pub fn interfaces(root: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(root.join("sys/class/net")) else {
        return Vec::new();
    };
    let mut names: Vec<String> = entries
        .flatten()
        // Ethernet has type 1; loopback and tunnels have not.
        .filter(|entry| {
            fs::read_to_string(entry.path().join("type")).is_ok_and(|text| text.trim() == "1")
        })
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

/// Whether an interface has a cable.
pub fn has_cable(root: &Path, interface: &str) -> bool {
    let path = root.join("sys/class/net").join(interface).join("carrier");
    fs::read_to_string(path).is_ok_and(|text| text.trim() == "1")
}

/// Whether an interface has an address that leads further than its cable.
pub fn has_address(interface: &str) -> bool {
    let Ok(all) = getifaddrs() else {
        return false;
    };
    let far =
        |address: &SockaddrStorage| match (address.as_sockaddr_in(), address.as_sockaddr_in6()) {
            (Some(v4), _) => !v4.ip().is_link_local(),
            (None, Some(v6)) => !v6.ip().is_unicast_link_local(),
            (None, None) => false,
        };
    all.filter(|one| one.interface_name == interface)
        .any(|one| one.address.as_ref().is_some_and(far))
}

/// Runs one busybox tool to its end.
///
/// # Errors
/// What the system says, and the tool's failure.
pub fn busybox(arguments: &[&str]) -> io::Result<()> {
    let status = Command::new(BUSYBOX)
        .args(arguments)
        .stdin(Stdio::null())
        .env_clear()
        .status()?;
    match status.success() {
        true => Ok(()),
        false => Err(io::Error::other(format!("{} failed", arguments.join(" ")))),
    }
}

/// Starts an interface; answers the DHCP client's process if there is one. A
/// fixed address comes to it by [`place`]: there is only one.
///
/// # Errors
/// What the system says.
pub fn start(interface: &str, settings: &Network) -> io::Result<Option<u32>> {
    busybox(&["ip", "link", "set", interface, "up"])?;
    match settings {
        Network::Static(_) => Ok(None),
        Network::Dhcp => {
            let client = Command::new(BUSYBOX)
                // -f: stays our child; -t 3 -T 2 -A 5: asks again every few
                // seconds for ever, however late the server comes.
                .args([
                    "udhcpc", "-f", "-i", interface, "-t", "3", "-T", "2", "-A", "5",
                ])
                // -O search: beside what it asks for anyway, where short names are.
                .args(["-O", "search", "-s", "/sbin/dhcp-event"])
                .args(["-x", "hostname:culvert"])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .env_clear()
                .spawn()?;
            Ok(Some(client.id()))
        }
    }
}

/// Which of several interfaces, each with whether it has a cable, has the fixed
/// address: the one that has it as long as it has a cable or no other one has;
/// else the first with a cable; at first, without any cable, the first.
pub fn holder<'a>(current: Option<&str>, all: &[(&'a str, bool)]) -> Option<&'a str> {
    let with_cable = || all.iter().filter(|(_, cable)| *cable);
    let is_current = |(name, _): &&(&str, bool)| Some(*name) == current;
    let chosen = with_cable()
        .find(is_current)
        .or_else(|| with_cable().next())
        .or_else(|| all.iter().find(is_current))
        .or_else(|| all.first());
    chosen.map(|(name, _)| *name)
}

/// Gives an interface the fixed address, the way out and its name servers.
///
/// # Errors
/// What the system says.
pub fn place(interface: &str, fixed: &Fixed) -> io::Result<()> {
    let (own, way, family) = words(fixed);
    busybox(&["ip", family, "addr", "replace", &own, "dev", interface])?;
    busybox(&[
        "ip", family, "route", "replace", "default", "via", &way, "dev", interface,
    ])?;
    let dns: Vec<String> = fixed.dns.iter().map(ToString::to_string).collect();
    Names::of_the_box().tell(Source::Settings, &dns, &[])
}

/// Takes it away again. What is not there any more needs no taking away.
pub fn withdraw(interface: &str, fixed: &Fixed) {
    let (own, way, family) = words(fixed);
    let _ = busybox(&[
        "ip", family, "route", "del", "default", "via", &way, "dev", interface,
    ]);
    let _ = busybox(&["ip", family, "addr", "del", &own, "dev", interface]);
}

/// What `ip` is told: address with length, way out, family.
fn words(fixed: &Fixed) -> (String, String, &'static str) {
    let (address, length) = &fixed.address;
    (
        format!("{address}/{length}"),
        fixed.gateway.to_string(),
        family(address),
    )
}

/// The option of `ip` for an address.
pub fn family(address: &IpAddr) -> &'static str {
    match address {
        IpAddr::V4(_) => "-4",
        IpAddr::V6(_) => "-6",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_one_that_leads_further() {
        assert!(has_address("lo"));
        assert!(!has_address("no-such-interface"));
    }

    #[test]
    fn a_fixed_address_is_where_the_cable_is() {
        let one = [("eth0", false), ("eth1", true)];
        assert_eq!(holder(None, &one), Some("eth1"));
        assert_eq!(holder(Some("eth0"), &one), Some("eth1"), "it moves");

        let both = [("eth0", true), ("eth1", true)];
        assert_eq!(holder(None, &both), Some("eth0"));
        assert_eq!(holder(Some("eth1"), &both), Some("eth1"), "it stays");

        let none = [("eth0", false), ("eth1", false)];
        assert_eq!(holder(None, &none), Some("eth0"));
        assert_eq!(holder(Some("eth1"), &none), Some("eth1"), "it stays");
        assert_eq!(holder(Some("eth9"), &none), Some("eth0"), "it is gone");
        assert_eq!(holder(Some("eth9"), &[]), None);
    }

    #[test]
    fn only_ethernet_counts() {
        let dir = tempfile::tempdir().unwrap();
        for (name, kind, carrier) in [("lo", "772", "1"), ("eth1", "1", "0"), ("eth0", "1", "1")] {
            let path = dir.path().join("sys/class/net").join(name);
            fs::create_dir_all(&path).unwrap();
            fs::write(path.join("type"), format!("{kind}\n")).unwrap();
            fs::write(path.join("carrier"), format!("{carrier}\n")).unwrap();
        }

        assert_eq!(interfaces(dir.path()), ["eth0", "eth1"]);
        assert!(has_cable(dir.path(), "eth0") && !has_cable(dir.path(), "eth1"));
    }
}
