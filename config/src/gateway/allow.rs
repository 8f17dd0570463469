//! The allow-list: which networks and ports sessions may reach.
//!
//! The cloud can narrow it by its grants and never widen it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::Deserialize;

use super::network::Network;
use crate::ConfigError;

/// Rules one box may have.
const MAX_RULES: usize = 256;
/// Networks the gateway never connects to; a rule for them would mislead.
const NEVER: [(IpAddr, u8); 6] = [
    (IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)), 8),
    (IpAddr::V4(Ipv4Addr::new(169, 254, 0, 0)), 16),
    (IpAddr::V4(Ipv4Addr::new(224, 0, 0, 0)), 3),
    (IpAddr::V6(Ipv6Addr::LOCALHOST), 128),
    (IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0)), 10),
    (IpAddr::V6(Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0)), 8),
];

/// One rule of the allow-list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allow {
    /// Which addresses.
    pub scope: Scope,
    /// Which ports; empty: any.
    pub ports: Vec<Ports>,
}

impl Allow {
    /// Whether a port is one of the rule's.
    pub fn permits_port(&self, port: u16) -> bool {
        self.ports.is_empty() || self.ports.iter().any(|range| range.contains(port))
    }

    pub(super) fn check(raw: Option<Vec<Raw>>) -> Result<Vec<Self>, ConfigError> {
        let Some(rules) = raw else {
            return Ok(vec![Self {
                scope: Scope::Attached,
                ports: Vec::new(),
            }]);
        };
        if rules.len() > MAX_RULES {
            let problem = format!(
                "{} rules are too many, {MAX_RULES} is the limit",
                rules.len()
            );
            return Err(ConfigError::value("allow", problem));
        }
        rules.into_iter().map(Self::check_one).collect()
    }

    fn check_one(raw: Raw) -> Result<Self, ConfigError> {
        let ports = raw.ports.unwrap_or_default();
        Ok(Self {
            scope: Scope::check(&raw.network)?,
            ports: ports
                .iter()
                .map(|text| text.parse())
                .collect::<Result<_, _>>()?,
        })
    }
}

/// Which addresses a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Private addresses of the networks the box is directly attached to.
    Attached,
    /// This network.
    Network(Network),
}

impl Scope {
    fn check(text: &str) -> Result<Self, ConfigError> {
        let key = "allow.network";
        if text == "attached" {
            return Ok(Self::Attached);
        }
        let network: Network = text
            .parse()
            .map_err(|error| ConfigError::value(key, format!("{error}, or \"attached\"")))?;
        let never = |(address, prefix): (IpAddr, u8)| {
            Network::containing(address, prefix).is_ok_and(|never| never.covers(&network))
        };
        if NEVER.into_iter().any(never) {
            let problem = format!("the gateway never connects to {network}, remove the rule");
            return Err(ConfigError::value(key, problem));
        }
        Ok(Self::Network(network))
    }
}

/// A range of TCP ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ports {
    first: u16,
    last: u16,
}

impl Ports {
    /// Whether `port` is in the range.
    pub const fn contains(self, port: u16) -> bool {
        self.first <= port && port <= self.last
    }
}

impl FromStr for Ports {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let port = |text: &str| text.trim().parse::<u16>().ok().filter(|&port| port != 0);
        match (port(first), port(last)) {
            (Some(first), Some(last)) if first <= last => Ok(Self { first, last }),
            _ => Err(ConfigError::value(
                "allow.ports",
                format!("{text:?} is no port: write \"22\" or \"5900-5910\""),
            )),
        }
    }
}

/// A rule as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    network: String,
    ports: Option<Vec<String>>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::Gateway;

    fn read(text: &str) -> Result<Vec<Allow>, ConfigError> {
        Gateway::from_toml(text).map(|settings| settings.allow)
    }

    #[test]
    fn without_a_list_private_attached_networks_are_allowed_on_any_port() {
        let allow = read("").unwrap();

        assert_eq!(allow.len(), 1);
        assert_eq!(allow[0].scope, Scope::Attached);
        assert!(allow[0].permits_port(1) && allow[0].permits_port(65535));
    }

    #[test]
    fn an_empty_list_allows_nothing() {
        assert_eq!(read("allow = []").unwrap(), []);
    }

    #[test]
    fn ports_are_single_or_ranges() {
        let allow =
            read("[[allow]]\nnetwork = \"10.1.2.0/24\"\nports = [\"22\", \"5900-5910\"]").unwrap();

        for (port, permitted) in [(22, true), (23, false), (5900, true), (5911, false)] {
            assert_eq!(allow[0].permits_port(port), permitted, "{port}");
        }
    }

    #[test]
    fn rules_that_cannot_work_are_refused() {
        for (network, ports) in [
            ("127.0.0.0/8", "22"),
            ("169.254.169.254", "80"),
            ("fe80::/64", "22"),
            ("ff02::/16", "22"),
            ("::1", "22"),
            ("239.0.0.0/8", "22"),
            ("192.168.1.7/24", "22"),
            ("192.168.1.0/24", "0"),
            ("192.168.1.0/24", "30-20"),
            ("192.168.1.0/24", "ssh"),
        ] {
            let text = format!("[[allow]]\nnetwork = \"{network}\"\nports = [\"{ports}\"]");
            assert!(read(&text).is_err(), "{network} {ports}");
        }
    }
}
