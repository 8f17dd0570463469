//! `[webhooks]` of `prs.toml`: to where the server may call out.

use std::path::PathBuf;

use serde::Deserialize;

use crate::ConfigError;
use crate::gateway::Network;

/// Networks at most.
const MAX_NETWORKS: usize = 64;

/// What webhooks may reach beyond the public internet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Webhooks {
    /// Private networks that may be called, too.
    pub networks: Vec<Network>,
    /// PEM file with certificate authorities beside the public ones.
    pub authorities: Option<PathBuf>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    networks: Option<Vec<String>>,
    authorities: Option<PathBuf>,
}

impl Webhooks {
    pub(super) fn check(raw: Raw) -> Result<Self, ConfigError> {
        let listed = raw.networks.unwrap_or_default();
        if listed.len() > MAX_NETWORKS {
            return Err(ConfigError::value(
                "webhooks.networks",
                format!("at most {MAX_NETWORKS} networks are possible"),
            ));
        }
        let mut networks = Vec::new();
        for text in &listed {
            // An address alone is more likely a network whose bits were forgotten.
            let network = text.contains('/').then(|| text.parse().ok()).flatten();
            networks.push(network.ok_or_else(|| {
                ConfigError::value(
                    "webhooks.networks",
                    "a network is ADDRESS/BITS, such as 10.1.2.0/24 or fd00:1::/64; \
                     one address is ADDRESS/32 or ADDRESS/128",
                )
            })?);
        }
        Ok(Self {
            networks,
            authorities: raw.authorities,
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::prs::Prs;

    fn prs(more: &str) -> Result<Prs, String> {
        let least = "listen = \"0.0.0.0:443\"\npublic_addresses = [\"prs.example.com:443\"]\n";
        Prs::parse(&format!("{least}{more}")).map_err(|error| error.to_string())
    }

    #[test]
    fn nothing_private_may_be_called_unless_it_is_listed() {
        assert!(prs("").unwrap().webhooks.networks.is_empty());
        let listed = prs("[webhooks]\nnetworks = [\"10.1.2.0/24\", \"fd00:1::/64\"]").unwrap();
        assert!(listed.webhooks.networks[0].contains("10.1.2.3".parse().unwrap()));
        for bad in ["10.1.2.0", "10.1.2.1/24", "10.1.2.0/33", "somewhere", ""] {
            let said = prs(&format!("[webhooks]\nnetworks = [\"{bad}\"]")).unwrap_err();
            assert!(said.starts_with("webhooks.networks: "), "{said}");
        }
    }
}
