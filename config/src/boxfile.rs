//! `culvert.toml` on the box's settings partition: what a technician writes on
//! a card before it is shipped.
//!
//! Read by the supervisor at every boot, written by `culvert-image provision`.
//! A file that cannot be used changes nothing: the box keeps its last good one.
//! The claim code is erased from it once it was used.

use std::fmt;
use std::net::IpAddr;

use culvert_wire::claim::ClaimCode;
use serde::Deserialize;
use serde::de::IgnoredAny;
use zeroize::Zeroizing;

use crate::gateway::{Gateway, Network as Subnet};
use crate::{ConfigError, file};

/// Its name on the partition.
pub const FILE_NAME: &str = "culvert.toml";
/// Name servers one box may ask.
const MAX_DNS: usize = 3;
/// docs/decisions/0041 says why.
const NO_WIFI: &str = "this box has no Wi-Fi: connect it by a cable and remove this part";
/// Keys of `[gateway]` that the image itself decides.
const FIXED: [&str; 2] = ["data_dir", "claim_file"];

/// Checked settings of a box.
#[derive(Clone)]
pub struct BoxFile {
    /// The code that claims this box; none: claimed already, or later.
    pub claim: Option<Zeroizing<String>>,
    /// How the box gets its address.
    pub network: Network,
    /// Lines for `gateway.toml`, checked.
    pub gateway: String,
}

/// How the box gets its address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Network {
    /// As the site's DHCP says.
    Dhcp,
    /// As the file says.
    Static(Fixed),
}

/// A fixed address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fixed {
    /// The box's own address and the length of its network.
    pub address: (IpAddr, u8),
    /// The way out.
    pub gateway: IpAddr,
    /// Name servers.
    pub dns: Vec<IpAddr>,
}

impl BoxFile {
    /// Reads and checks the file's text.
    ///
    /// # Errors
    /// [`ConfigError`], one sentence.
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        let raw: Raw = file::parse(text)?;
        if raw.wifi.is_some() {
            return Err(ConfigError::value("wifi", NO_WIFI.to_owned()));
        }
        let claim = raw.claim.filter(|code| !code.trim().is_empty());
        if let Some(code) = &claim {
            code.parse::<ClaimCode>()
                .map_err(|error| ConfigError::value("claim", error.to_string()))?;
        }
        Ok(Self {
            claim: claim.map(Zeroizing::new),
            network: raw.network.unwrap_or_default().check()?,
            gateway: gateway(raw.gateway.unwrap_or_default())?,
        })
    }

    /// Whether the file leaves everything as it is without one.
    pub fn is_empty(&self) -> bool {
        self.claim.is_none() && self.network == Network::Dhcp && self.gateway.trim().is_empty()
    }
}

impl fmt::Debug for BoxFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoxFile")
            .field("claim", &self.claim.as_ref().map(|_| "MASKED"))
            .field("network", &self.network)
            .finish_non_exhaustive()
    }
}

impl Default for BoxFile {
    fn default() -> Self {
        Self {
            claim: None,
            network: Network::Dhcp,
            gateway: String::new(),
        }
    }
}

/// Bytes over which the claim code stands in a file's text, to be erased in
/// place: the file system's tables are then not touched, so a power cut cannot
/// harm them. Everything between the quotes, however the code was written.
pub fn claim_span(text: &str) -> Option<std::ops::Range<usize>> {
    let raw: RawClaim = toml::from_str(text).ok()?;
    let claim = raw.claim.filter(|code| !code.as_ref().trim().is_empty())?;
    let span = claim.span();
    let written = text.get(span.clone())?;
    let lines = written.starts_with("\"\"\"") || written.starts_with("'''");
    let quotes = if lines { 3 } else { 1 };
    Some(span.start + quotes..span.end.checked_sub(quotes)?)
}

#[derive(Deserialize)]
struct RawClaim {
    claim: Option<toml::Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    claim: Option<String>,
    network: Option<RawNetwork>,
    gateway: Option<toml::Table>,
    /// Not understood, so that it can be refused by name.
    wifi: Option<IgnoredAny>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawNetwork {
    address: Option<String>,
    gateway: Option<IpAddr>,
    dns: Option<Vec<IpAddr>>,
}

impl RawNetwork {
    fn check(self) -> Result<Network, ConfigError> {
        let dns = self.dns.unwrap_or_default();
        if dns.len() > MAX_DNS {
            let problem = format!("{} are too many, {MAX_DNS} is the limit", dns.len());
            return Err(ConfigError::value("network.dns", problem));
        }
        let Some(address) = self.address else {
            if self.gateway.is_some() || !dns.is_empty() {
                let problem = "is missing: write the box's own, such as 192.168.1.5/24";
                return Err(ConfigError::value("network.address", problem));
            }
            return Ok(Network::Dhcp);
        };
        let address = own(&address)?;
        let gateway = self.gateway.ok_or_else(|| {
            ConfigError::value("network.gateway", "is missing: write the router's address")
        })?;
        let inside =
            Subnet::containing(address.0, address.1).is_ok_and(|subnet| subnet.contains(gateway));
        if !inside || gateway == address.0 {
            let problem = format!("{gateway} is no other host of the network of {}", address.0);
            return Err(ConfigError::value("network.gateway", problem));
        }
        Ok(Network::Static(Fixed {
            address,
            gateway,
            dns,
        }))
    }
}

fn own(text: &str) -> Result<(IpAddr, u8), ConfigError> {
    let wrong = || {
        let problem = format!("{text:?} is no address with a length, such as 192.168.1.5/24");
        ConfigError::value("network.address", problem)
    };
    let (address, length) = text.split_once('/').ok_or_else(wrong)?;
    let address: IpAddr = address.parse().map_err(|_| wrong())?;
    let length: u8 = length.parse().map_err(|_| wrong())?;
    let most = if address.is_ipv4() { 30 } else { 126 };
    if !(1..=most).contains(&length) || address.is_unspecified() || address.is_multicast() {
        return Err(wrong());
    }
    Ok((address, length))
}

fn gateway(table: toml::Table) -> Result<String, ConfigError> {
    for key in FIXED {
        if table.contains_key(key) {
            let problem = format!("{key} is the image's own affair, remove it");
            return Err(ConfigError::value("gateway", problem));
        }
    }
    let text = table.to_string();
    match Gateway::from_toml(&text) {
        Ok(_) => Ok(text),
        // Lines of the table alone would mislead.
        Err(ConfigError::UnknownKey { key, nearest, .. }) => {
            let hint = nearest.map_or_else(String::new, |near| format!(", did you mean {near:?}?"));
            let problem = format!("unknown key {key:?}{hint}");
            Err(ConfigError::value("gateway", problem))
        }
        Err(error) => Err(ConfigError::value("gateway", error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use culvert_wire::id::ClaimId;
    use culvert_wire::key::SigningKey;

    use super::*;

    fn code() -> String {
        let code = ClaimCode {
            servers: vec!["prs.example.com:443".into()],
            provider: SigningKey::from_seed(&[1; 32]).public(),
            claim: ClaimId::from_random([2; 16]),
            seed: SigningKey::from_seed(&[3; 32]),
        };
        code.reveal().to_string()
    }

    fn refused(text: &str) -> String {
        BoxFile::from_toml(text).unwrap_err().to_string()
    }

    #[test]
    fn the_documented_example_is_whole() {
        let read = BoxFile::from_toml(include_str!("../examples/culvert.toml")).unwrap();

        assert!(read.claim.is_none());
        assert_eq!(read.network, Network::Dhcp);
    }

    /// S2: the same image everywhere, one small file that differs.
    #[test]
    fn one_file_claims_a_box_and_sets_its_network_and_its_gateway() {
        let text = format!(
            "claim = \"{}\"\n[network]\naddress = \"192.168.1.5/24\"\ngateway = \"192.168.1.1\"\n\
             dns = [\"192.168.1.1\"]\n[gateway]\nmax_sessions = 4\nproxy = {{ url = \"http://p:3128\" }}\n",
            code()
        );

        let read = BoxFile::from_toml(&text).unwrap();

        assert!(read.claim.is_some());
        assert!(matches!(read.network, Network::Static(_)));
        assert_eq!(Gateway::from_toml(&read.gateway).unwrap().max_sessions, 4);
    }

    #[test]
    fn what_is_wrong_is_said_in_one_sentence() {
        assert_eq!(
            refused("clam = \"x\""),
            "line 1: unknown key \"clam\", did you mean \"claim\"?"
        );
        assert!(refused("claim = \"culvert-claim-1:abc\"").starts_with("claim: "));
        assert_eq!(
            refused("[wifi]\nname = \"x\"\nkey = \"y\""),
            "wifi: this box has no Wi-Fi: connect it by a cable and remove this part"
        );
        assert!(refused("[network]\ngateway = \"10.0.0.1\"").starts_with("network.address: "));
        assert!(refused("[network]\naddress = \"10.0.0.2/24\"").starts_with("network.gateway: "));
        let outside = "[network]\naddress = \"10.0.0.2/24\"\ngateway = \"10.0.1.1\"";
        assert!(refused(outside).starts_with("network.gateway: "));
        assert!(refused("[network]\naddress = \"10.0.0.2\"").starts_with("network.address: "));
        assert_eq!(
            refused("[gateway]\nmax_session = 4"),
            "gateway: unknown key \"max_session\", did you mean \"max_sessions\"?"
        );
        assert!(refused("[gateway]\ndata_dir = \"/x\"").contains("image's own"));
    }

    /// Whatever is taken for a code can be erased.
    #[test]
    fn a_used_claim_code_is_erased_in_place_however_it_is_written() {
        let code = code();
        let (half, rest) = code.split_at(40);
        for written in [
            format!("\"{code}\""),
            format!("'{code}'"),
            format!("\"  {code} \""),
            format!("\"\\u0063{}\"", &code[1..]),
            format!("\"\"\"{code}\"\"\""),
            format!("\"\"\"\n  {half}\n  {rest}\n\"\"\""),
            format!("'''\r\n{half}\r\n{rest}'''"),
        ] {
            for before in ["# one box\n", "\u{feff}"] {
                let text = format!("{before}claim = {written} # its code\n[gateway]\n");
                assert!(BoxFile::from_toml(&text).unwrap().claim.is_some());

                let span = claim_span(&text).unwrap();
                let mut erased = text.clone().into_bytes();
                erased[span].fill(b' ');
                let erased = String::from_utf8(erased).unwrap();

                assert_eq!(erased.len(), text.len());
                assert!(!erased.contains(&code[20..30]), "{erased}");
                assert!(!erased.contains(&code[50..]), "{erased}");
                assert!(BoxFile::from_toml(&erased).unwrap().claim.is_none());
                assert_eq!(claim_span(&erased), None);
            }
        }
    }

    #[test]
    fn a_claim_code_never_prints() {
        let read = BoxFile::from_toml(&format!("claim = \"{}\"", code())).unwrap();

        let shown = format!("{read:?}");

        assert!(
            shown.contains("MASKED") && !shown.contains("culvert-claim"),
            "{shown}"
        );
    }
}
