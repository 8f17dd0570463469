//! The invented socket addresses that name packet paths to QUIC.
//!
//! QUIC tells paths apart by socket address. A session gives it addresses that
//! exist on no network: the kind of path and a number. The socket layer alone
//! maps them to what is real (a relay route, a UDP socket and a peer), so a
//! path's real address may change without QUIC seeing it.

use std::net::{Ipv6Addr, SocketAddr, SocketAddrV6};

/// A way for packets between two ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PathKind {
    /// The relay, inside both ends' TLS links.
    Relay,
    /// The relay's UDP port.
    RelayUdp,
    /// UDP straight to the peer.
    DirectUdp,
    /// Length-framed TCP straight to the peer.
    DirectTcp,
    /// A TURN server's UDP allocation.
    TurnUdp,
    /// A TURN server's TCP allocation (RFC 6062).
    TurnTcp,
    /// A browser's data channel.
    DataChannel,
}

impl PathKind {
    /// All kinds.
    pub const ALL: [Self; 7] = [
        Self::Relay,
        Self::RelayUdp,
        Self::DirectUdp,
        Self::DirectTcp,
        Self::TurnUdp,
        Self::TurnTcp,
        Self::DataChannel,
    ];

    /// The name that reports use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Relay => "relay",
            Self::RelayUdp => "relay_udp",
            Self::DirectUdp => "direct_udp",
            Self::DirectTcp => "direct_tcp",
            Self::TurnUdp => "turn_udp",
            Self::TurnTcp => "turn_tcp",
            Self::DataChannel => "data_channel",
        }
    }

    const fn code(self) -> u16 {
        match self {
            Self::Relay => 1,
            Self::RelayUdp => 2,
            Self::DirectUdp => 3,
            Self::DirectTcp => 4,
            Self::TurnUdp => 5,
            Self::TurnTcp => 6,
            Self::DataChannel => 7,
        }
    }
}

/// One packet path of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PathAddress {
    /// What carries it.
    pub kind: PathKind,
    /// Which one of that kind.
    pub number: u16,
}

impl PathAddress {
    /// The relay path: there is one, and it lives as long as the session.
    pub const RELAY: Self = Self {
        kind: PathKind::Relay,
        number: 0,
    };

    /// What QUIC is told as the peer's address.
    pub const fn socket(self) -> SocketAddr {
        let [a, b, c, d] = PREFIX;
        let ip = Ipv6Addr::new(a, b, c, d, 0, self.kind.code(), 0, self.number);
        SocketAddr::V6(SocketAddrV6::new(ip, PORT, 0, 0))
    }

    /// The path of an address that [`PathAddress::socket`] made.
    pub fn of(socket: SocketAddr) -> Option<Self> {
        let SocketAddr::V6(socket) = socket else {
            return None;
        };
        let [a, b, c, d, 0, kind, 0, number] = socket.ip().segments() else {
            return None;
        };
        if [a, b, c, d] != PREFIX || socket.port() != PORT {
            return None;
        }
        let kind = PathKind::ALL.into_iter().find(|k| k.code() == kind)?;
        Some(Self { kind, number })
    }
}

/// What QUIC is told as its own address.
pub const LOCAL: SocketAddr = {
    let [a, b, c, d] = PREFIX;
    SocketAddr::V6(SocketAddrV6::new(
        Ipv6Addr::new(a, b, c, d, 0, 0, 0, 1),
        PORT,
        0,
        0,
    ))
};

/// A unique local prefix (RFC 4193) that nobody routes.
const PREFIX: [u16; 4] = [0xfd63, 0x756c, 0x7665, 0x7274];
/// Any number but zero, which QUIC libraries refuse.
const PORT: u16 = 443;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_survives_its_address() {
        for kind in PathKind::ALL {
            for number in [0, 1, u16::MAX] {
                let path = PathAddress { kind, number };
                assert_eq!(PathAddress::of(path.socket()), Some(path));
            }
        }
    }

    #[test]
    fn real_addresses_name_no_path() {
        for text in ["192.0.2.1:443", "[2001:db8::1]:443", "[::1]:1"] {
            let socket = text.parse().expect("a literal address");
            assert_eq!(PathAddress::of(socket), None, "{text}");
        }
        assert_eq!(PathAddress::of(LOCAL), None);
    }
}
