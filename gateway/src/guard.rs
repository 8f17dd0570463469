//! Which addresses the gateway may dial, whoever asks.
//!
//! First what is never reached: the box itself, loopback, link-local and
//! metadata addresses, unspecified, multicast, broadcast and reserved ones, in
//! every form an IPv4 address can hide in an IPv6 one. Then the box's own
//! allow-list. The cloud can change neither.
//!
//! Pure: what the box is attached to comes in as [`Surroundings`]. Driven by
//! [`crate::session`] for literal addresses and by [`crate::dial`] for what a
//! name resolved to.

mod embedded;
pub mod surroundings;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use culvert_config::gateway::{Allow, Scope};
use culvert_wire::reason::Reason;

pub use surroundings::Surroundings;

/// Addresses where clouds hand out credentials, beyond the link-local ones:
/// Alibaba, Oracle, Azure's wire server; AWS and Google over IPv6.
const METADATA_V4: [Ipv4Addr; 3] = [
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(192, 0, 0, 192),
    Ipv4Addr::new(168, 63, 129, 16),
];
const METADATA_V6: [Ipv6Addr; 2] = [
    Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254),
    Ipv6Addr::new(0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x0254),
];

/// Judges addresses by the box's rules and by where it stands.
#[derive(Debug, Clone)]
pub struct Guard {
    rules: Vec<Allow>,
    around: Surroundings,
}

impl Guard {
    /// A guard for the box's allow-list at the place it stands now.
    pub const fn new(rules: Vec<Allow>, around: Surroundings) -> Self {
        Self { rules, around }
    }

    /// The same rules after the box's addresses may have changed.
    pub fn moved(&mut self, around: Surroundings) {
        self.around = around;
    }

    /// The address to dial, in its plain form: nothing else may be dialled.
    ///
    /// # Errors
    /// [`Forbidden`], the first rule that speaks against it.
    pub fn judge(&self, ip: IpAddr, port: u16) -> Result<IpAddr, Forbidden> {
        let ip = ip.to_canonical();
        self.never(ip)?;
        if let IpAddr::V6(v6) = ip {
            for hidden in embedded::addresses(v6) {
                self.never(IpAddr::V4(hidden))?;
            }
        }
        let allowed = self
            .rules
            .iter()
            .any(|rule| rule.permits_port(port) && self.in_scope(rule.scope, ip));
        if allowed {
            Ok(ip)
        } else {
            Err(Forbidden::NotAllowed)
        }
    }

    fn in_scope(&self, scope: Scope, ip: IpAddr) -> bool {
        match scope {
            Scope::Attached => is_private(ip) && self.around.attached(ip),
            Scope::Network(network) => network.contains(ip),
        }
    }

    fn never(&self, ip: IpAddr) -> Result<(), Forbidden> {
        let family = match ip {
            IpAddr::V4(v4) => never_v4(v4),
            IpAddr::V6(v6) => never_v6(v6),
        };
        match family {
            Some(forbidden) => Err(forbidden),
            None if self.around.own(ip) => Err(Forbidden::Own),
            None if self.around.broadcast(ip) => Err(Forbidden::Broadcast),
            None => Ok(()),
        }
    }
}

fn never_v4(ip: Ipv4Addr) -> Option<Forbidden> {
    if METADATA_V4.contains(&ip) || ip == Ipv4Addr::new(169, 254, 169, 254) {
        Some(Forbidden::Metadata)
    } else if ip.octets()[0] == 0 {
        // RFC 6890: "this host on this network"; Linux dials itself.
        Some(Forbidden::Unspecified)
    } else if ip.is_loopback() {
        Some(Forbidden::Loopback)
    } else if ip.is_link_local() {
        Some(Forbidden::LinkLocal)
    } else if ip.is_multicast() {
        Some(Forbidden::Multicast)
    } else if ip.is_broadcast() {
        Some(Forbidden::Broadcast)
    } else if ip.octets()[0] >= 240 {
        Some(Forbidden::Reserved)
    } else {
        None
    }
}

fn never_v6(ip: Ipv6Addr) -> Option<Forbidden> {
    if METADATA_V6.contains(&ip) {
        Some(Forbidden::Metadata)
    } else if ip.is_unspecified() {
        Some(Forbidden::Unspecified)
    } else if ip.is_loopback() {
        Some(Forbidden::Loopback)
    } else if ip.is_unicast_link_local() {
        Some(Forbidden::LinkLocal)
    } else if ip.is_multicast() {
        Some(Forbidden::Multicast)
    } else {
        None
    }
}

/// RFC 1918 and RFC 4193.
fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.is_private(),
        IpAddr::V6(v6) => v6.is_unique_local(),
    }
}

/// Why an address is not dialled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Forbidden {
    /// It is one of the box's own.
    #[error("it is the gateway's own address")]
    Own,
    /// 127.0.0.0/8 or `::1`.
    #[error("it is a loopback address")]
    Loopback,
    /// 169.254.0.0/16 or `fe80::/10`.
    #[error("it is a link-local address")]
    LinkLocal,
    /// Where a cloud hands out credentials.
    #[error("it is a metadata address")]
    Metadata,
    /// 0.0.0.0/8 or `::`.
    #[error("it is the unspecified address")]
    Unspecified,
    /// A group of hosts.
    #[error("it is a multicast address")]
    Multicast,
    /// Every host of a network.
    #[error("it is a broadcast address")]
    Broadcast,
    /// 240.0.0.0/4.
    #[error("it is a reserved address")]
    Reserved,
    /// The box's own list does not contain it.
    #[error("the gateway's own allow-list does not contain this address and port")]
    NotAllowed,
}

impl Forbidden {
    /// The reason code that goes back to the technician.
    pub const fn reason(self) -> Reason {
        match self {
            Self::Own
            | Self::Loopback
            | Self::LinkLocal
            | Self::Metadata
            | Self::Unspecified
            | Self::Multicast
            | Self::Broadcast
            | Self::Reserved => Reason::AddressForbidden,
            Self::NotAllowed => Reason::NotInAllowList,
        }
    }
}

#[cfg(test)]
mod tests;
