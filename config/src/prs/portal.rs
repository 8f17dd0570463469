//! `[portal]` of `prs.toml`: where a browser finds the portal, and how.
//!
//! The portal is served with links on `listen`. The loopback listener is plain
//! HTTP for a demonstration on one machine: any other address is refused here.

use std::net::SocketAddr;

use serde::Deserialize;

use super::{host_and_port, socket};
use crate::ConfigError;

/// Origins at most.
const MAX_ORIGINS: usize = 16;

/// The portal's settings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Portal {
    /// Where it is served without TLS too: a loopback address.
    pub loopback: Option<SocketAddr>,
    /// Its own origins, as a browser's `Origin` header names them.
    pub origins: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    loopback: Option<String>,
    origins: Option<Vec<String>>,
}

impl Portal {
    pub(super) fn check(raw: Raw, public_addresses: &[String]) -> Result<Self, ConfigError> {
        let loopback = raw.loopback.as_deref();
        let loopback = loopback
            .map(|text| socket("portal.loopback", text))
            .transpose()?;
        if loopback.is_some_and(|address| !address.ip().is_loopback()) {
            return Err(ConfigError::value(
                "portal.loopback",
                "plain HTTP is for this machine only: a loopback address, such as 127.0.0.1:8080",
            ));
        }
        let mut origins = match raw.origins {
            Some(origins) => checked(origins)?,
            None => public_addresses.iter().map(|at| https(at)).collect(),
        };
        if let Some(address) = loopback {
            let port = address.port();
            origins.push(format!("http://localhost:{port}"));
            origins.push(format!("http://{address}"));
        }
        Ok(Self { loopback, origins })
    }
}

fn checked(origins: Vec<String>) -> Result<Vec<String>, ConfigError> {
    let wrong = || {
        ConfigError::value(
            "portal.origins",
            "an origin is https://HOST or https://HOST:PORT, in lower case, without a path",
        )
    };
    if origins.is_empty() || origins.len() > MAX_ORIGINS {
        return Err(ConfigError::value(
            "portal.origins",
            format!("1 to {MAX_ORIGINS} origins are needed; left out: those of public_addresses"),
        ));
    }
    for origin in &origins {
        let place = origin.strip_prefix("https://").ok_or_else(wrong)?;
        if place.chars().any(|c| c.is_ascii_uppercase()) || place.ends_with(":443") {
            return Err(wrong());
        }
        let port = place
            .rsplit_once(':')
            .is_some_and(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
        let whole = if port {
            place.to_owned()
        } else {
            format!("{place}:443")
        };
        host_and_port("portal.origins", &whole).map_err(|_| wrong())?;
    }
    Ok(origins)
}

/// The origin of a public address.
fn https(address: &str) -> String {
    let address = address.to_ascii_lowercase();
    format!(
        "https://{}",
        address.strip_suffix(":443").unwrap_or(&address)
    )
}

#[cfg(test)]
mod tests {
    use crate::prs::Prs;

    fn prs(more: &str) -> Result<Prs, String> {
        let least = "listen = \"0.0.0.0:443\"\n\
                     public_addresses = [\"PRS.example.com:443\", \"192.0.2.1:8443\"]\n";
        Prs::parse(&format!("{least}{more}")).map_err(|error| error.to_string())
    }

    #[test]
    fn origins_are_those_of_the_public_addresses_unless_named() {
        let usual = prs("").unwrap().portal;
        assert_eq!(
            usual.origins,
            ["https://prs.example.com", "https://192.0.2.1:8443"]
        );
        assert_eq!(usual.loopback, None);

        let named = prs("[portal]\norigins = [\"https://help.example.com\"]").unwrap();
        assert_eq!(named.portal.origins, ["https://help.example.com"]);
    }

    /// D12: TLS everywhere but on the demonstration's own machine.
    #[test]
    fn the_plain_listener_is_for_loopback_addresses_only() {
        for good in ["127.0.0.1:8080", "127.9.8.7:1", "[::1]:8080"] {
            let portal = prs(&format!("[portal]\nloopback = \"{good}\"")).unwrap();
            let origin = format!("http://{good}");
            assert!(portal.portal.origins.contains(&origin), "{good}");
        }
        for bad in ["0.0.0.0:8080", "[::]:80", "192.168.1.1:80", "10.0.0.1:1"] {
            let said = prs(&format!("[portal]\nloopback = \"{bad}\"")).unwrap_err();
            assert!(said.starts_with("portal.loopback: plain HTTP"), "{said}");
        }
    }

    #[test]
    fn an_origin_is_what_a_browser_sends_and_nothing_else() {
        for bad in [
            "http://help.example.com",
            "https://help.example.com/",
            "https://help.example.com/portal",
            "https://Help.example.com",
            "https://help.example.com:443",
            "https://help.example.com:0",
            "https://*.example.com",
            "https://user@help.example.com",
            "help.example.com",
            "null",
            "",
        ] {
            let said = prs(&format!("[portal]\norigins = [\"{bad}\"]")).unwrap_err();
            assert!(said.starts_with("portal.origins: "), "{bad}: {said}");
        }
        assert!(prs("[portal]\norigins = []").is_err());
        assert!(prs("[portal]\norigins = [\"https://[2001:db8::1]:8443\"]").is_ok());
        assert!(prs("[portal]\norigins = [\"https://[2001:db8::1]\"]").is_ok());
    }
}
