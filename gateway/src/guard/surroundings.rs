//! Where the box stands: its own addresses and the networks it is attached to.
//!
//! Read anew for every dial, since DHCP may have changed them meanwhile.

use std::io;
use std::net::IpAddr;

use culvert_config::gateway::Network;
use if_addrs::{IfAddr, Interface};

/// Own addresses and attached networks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Surroundings {
    own: Vec<IpAddr>,
    networks: Vec<Network>,
}

impl Surroundings {
    /// Asks the system.
    ///
    /// # Errors
    /// What the system says when it cannot tell.
    pub fn read() -> io::Result<Self> {
        let mut around = Self::default();
        for interface in if_addrs::get_if_addrs()? {
            around.add(&interface);
        }
        Ok(around)
    }

    /// Surroundings of known own addresses, each with its network's prefix.
    pub fn of(addresses: &[(IpAddr, u8)]) -> Self {
        let mut around = Self::default();
        for &(ip, prefix) in addresses {
            around.own.push(ip);
            around.networks.extend(Network::containing(ip, prefix));
        }
        around
    }

    /// Whether `ip` is one of the box's own.
    pub fn own(&self, ip: IpAddr) -> bool {
        self.own.contains(&ip)
    }

    /// Whether `ip` belongs to a directly attached network.
    pub fn attached(&self, ip: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(ip))
    }

    /// Whether `ip` means every host of an attached network, or the network.
    pub fn broadcast(&self, ip: IpAddr) -> bool {
        self.networks.iter().any(|network| {
            // RFC 3021: in a /31 both addresses are hosts.
            let hosts = network.address().is_ipv4() && network.prefix() < 31;
            hosts && (network.last() == ip || network.address() == ip)
        })
    }

    fn add(&mut self, interface: &Interface) {
        let (ip, prefix) = match &interface.addr {
            IfAddr::V4(v4) => (IpAddr::V4(v4.ip), v4.prefixlen),
            IfAddr::V6(v6) => (IpAddr::V6(v6.ip), v6.prefixlen),
        };
        self.own.push(ip);
        if !interface.is_loopback() {
            self.networks.extend(Network::containing(ip, prefix));
        }
    }
}
