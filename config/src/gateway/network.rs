//! An IP network: an address and how many of its leading bits count.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// An IP network in its normal form: no bit is set beyond the prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// The network of `prefix` bits that contains `address`.
    ///
    /// # Errors
    /// [`ParseNetworkError::Prefix`] for more bits than the address has.
    pub fn containing(address: IpAddr, prefix: u8) -> Result<Self, ParseNetworkError> {
        let most = width(address);
        if prefix > most {
            return Err(ParseNetworkError::Prefix { most });
        }
        Ok(Self {
            address: masked(address, prefix),
            prefix,
        })
    }

    /// Whether `ip` is one of its addresses; the families never mix.
    pub fn contains(&self, ip: IpAddr) -> bool {
        ip.is_ipv4() == self.address.is_ipv4() && masked(ip, self.prefix) == self.address
    }

    /// Whether every address of `other` is one of its own.
    pub fn covers(&self, other: &Self) -> bool {
        self.prefix <= other.prefix && self.contains(other.address)
    }

    /// The first address.
    pub const fn address(&self) -> IpAddr {
        self.address
    }

    /// The last address: the directed broadcast of an IPv4 network.
    pub fn last(&self) -> IpAddr {
        match self.address {
            IpAddr::V4(v4) => {
                let hosts = u32::MAX.checked_shr(self.prefix.into()).unwrap_or(0);
                IpAddr::V4((v4.to_bits() | hosts).into())
            }
            IpAddr::V6(v6) => {
                let hosts = u128::MAX.checked_shr(self.prefix.into()).unwrap_or(0);
                IpAddr::V6((v6.to_bits() | hosts).into())
            }
        }
    }

    /// How many leading bits count.
    pub const fn prefix(&self) -> u8 {
        self.prefix
    }
}

impl FromStr for Network {
    type Err = ParseNetworkError;

    fn from_str(text: &str) -> Result<Self, ParseNetworkError> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| ParseNetworkError::Form)?;
        let prefix = match prefix {
            Some(prefix) => prefix.parse().map_err(|_| ParseNetworkError::Form)?,
            None => width(address),
        };
        let network = Self::containing(address, prefix)?;
        if network.address != address {
            return Err(ParseNetworkError::HostBits { network });
        }
        Ok(network)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// Why text is no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseNetworkError {
    /// It is not `address/bits`.
    #[error("a network is written like 192.168.7.0/24, one address like 192.168.7.9")]
    Form,
    /// The number of bits is too high.
    #[error("at most {most} bits of this kind of address can count")]
    Prefix {
        /// Bits of an address of this family.
        most: u8,
    },
    /// The address is not the network's first.
    #[error("bits are set beyond the prefix: write {network}, or the address without a prefix")]
    HostBits {
        /// The network meant.
        network: Network,
    },
}

const fn width(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

fn masked(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let hosts = u32::MAX.checked_shr(prefix.into()).unwrap_or(0);
            IpAddr::V4((v4.to_bits() & !hosts).into())
        }
        IpAddr::V6(v6) => {
            let hosts = u128::MAX.checked_shr(prefix.into()).unwrap_or(0);
            IpAddr::V6((v6.to_bits() & !hosts).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        text.parse().unwrap()
    }

    #[test]
    fn a_network_contains_its_addresses_and_no_other() {
        for (text, inside, outside) in [
            ("192.168.7.0/24", "192.168.7.255", "192.168.8.0"),
            ("10.0.0.0/8", "10.255.255.255", "11.0.0.0"),
            ("0.0.0.0/0", "8.8.8.8", "::1"),
            ("192.168.7.9", "192.168.7.9", "192.168.7.8"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::1"),
            ("::/0", "2001:db8::1", "10.0.0.1"),
        ] {
            assert!(network(text).contains(inside.parse().unwrap()), "{text}");
            assert!(!network(text).contains(outside.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn the_last_address_is_the_broadcast() {
        assert_eq!(
            network("192.168.7.0/24").last().to_string(),
            "192.168.7.255"
        );
        assert_eq!(network("0.0.0.0/0").last().to_string(), "255.255.255.255");
        assert_eq!(network("192.168.7.9").last().to_string(), "192.168.7.9");
    }

    #[test]
    fn a_wider_network_covers_a_narrower_one() {
        assert!(network("10.0.0.0/8").covers(&network("10.1.0.0/16")));
        assert!(!network("10.1.0.0/16").covers(&network("10.0.0.0/8")));
        assert!(!network("10.1.0.0/16").covers(&network("10.2.0.0/24")));
    }

    #[test]
    fn other_text_is_refused_with_a_remedy() {
        for (text, said) in [
            ("192.168.7.5/24", "write 192.168.7.0/24"),
            ("192.168.7.0/33", "at most 32"),
            ("2001:db8::/129", "at most 128"),
            ("192.168.7", "written like"),
            ("office/24", "written like"),
            ("", "written like"),
        ] {
            let error = text.parse::<Network>().unwrap_err().to_string();
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
