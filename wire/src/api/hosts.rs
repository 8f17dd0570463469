//! Customers, sites, hosts and their services.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::UnixMs;
use crate::grant::{HostAddress, Protocol};
use crate::id::{CustomerId, HostId, SiteId};

/// An id with the name people know.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Named<Id> {
    /// The id.
    pub id: Id,
    /// The name.
    pub name: String,
}

/// `GET /api/v1/hosts?q=WORDS&limit=N`: hosts that the asker may see and whose
/// customer, site, name or address contain every word, case ignored; with
/// `&name=NAME` only those whose whole name or address it is; ordered by
/// customer, site, name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HostList {
    /// At most `limit` (default 200, at most 1000).
    pub hosts: Vec<HostEntry>,
    /// Whether there were more.
    pub more: bool,
}

/// One host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HostEntry {
    /// The host.
    pub id: HostId,
    /// Its name, unique within the site.
    pub name: String,
    /// Whose it is.
    pub customer: Named<CustomerId>,
    /// Where it stands.
    pub site: Named<SiteId>,
    /// As the gateway dials it.
    pub address: HostAddress,
    /// What may be spoken to it.
    pub services: Vec<HostService>,
    /// Whether any other TCP port may be asked for, too.
    pub any_port: bool,
    /// Whether the site's gateway is connected.
    pub online: bool,
    /// When that gateway was last heard of; none if never.
    pub last_seen: Option<UnixMs>,
}

/// A protocol on a port. Text form: `ssh`, `vnc:5901`, `tcp:8000`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct HostService {
    /// What is spoken.
    pub protocol: Protocol,
    /// On which TCP port, 1 to 65535.
    pub port: u16,
}

impl fmt::Display for HostService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.protocol.default_port() == Some(self.port) {
            self.protocol.fmt(f)
        } else {
            write!(f, "{}:{}", self.protocol, self.port)
        }
    }
}

impl FromStr for HostService {
    type Err = ParseServiceError;

    fn from_str(text: &str) -> Result<Self, ParseServiceError> {
        let (protocol, port) = match text.split_once(':') {
            Some((protocol, port)) => (protocol, port.parse().ok()),
            None => (text, text.parse().ok().and_then(Protocol::default_port)),
        };
        match (protocol.parse(), port) {
            (Ok(protocol), Some(port)) if port > 0 => Ok(Self { protocol, port }),
            _ => Err(ParseServiceError),
        }
    }
}

/// Text that is no service.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a service is PROTOCOL or PROTOCOL:PORT, such as ssh, vnc:5901 or tcp:8000")]
pub struct ParseServiceError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_come_back_from_their_text() {
        for text in ["ssh", "vnc:5901", "tcp:8000", "https"] {
            let service: HostService = text.parse().unwrap();
            assert_eq!(service.to_string(), text);
        }
        for text in [
            "",
            "tcp",
            "ssh:0",
            "ssh:70000",
            "gopher:70",
            "ssh:22:22",
            "ssh:+",
        ] {
            assert_eq!(
                text.parse::<HostService>(),
                Err(ParseServiceError),
                "{text}"
            );
        }
    }
}
