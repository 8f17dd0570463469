//! One thing that a session may reach: where on the site's LAN, and what is
//! spoken there. An address has one text, since signatures cover it.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use super::Protocol;
use crate::{Decode, DecodeError, Encode, Reader, Writer};

/// Longest name or address of a target, in bytes (RFC 1035: 253, rounded up).
pub const MAX_ADDRESS: usize = 255;

/// One thing that a session may reach.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "api", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Target {
    /// Where.
    pub address: HostAddress,
    /// TCP port, 1 to 65535.
    pub port: u16,
    /// What is spoken.
    pub protocol: Protocol,
}

impl Encode for Target {
    fn encode(&self, out: &mut Writer) {
        self.address.encode(out);
        out.u16(self.port);
        self.protocol.encode(out);
    }
}

impl Decode for Target {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let target = Self {
            address: HostAddress::decode(input)?,
            port: input.u16()?,
            protocol: Protocol::decode(input)?,
        };
        if target.port == 0 {
            return Err(DecodeError::value("target port", target.port));
        }
        Ok(target)
    }
}

/// A name or address on the site's LAN, as the gateway will dial it.
///
/// Either an IP address or a DNS name of letters, digits, `-`, `_` and `.`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostAddress(String);

impl HostAddress {
    /// The text as it will be dialled.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The address, when it is one and no name.
    pub fn ip(&self) -> Option<IpAddr> {
        self.0.parse().ok()
    }
}

impl FromStr for HostAddress {
    type Err = ParseAddressError;

    fn from_str(text: &str) -> Result<Self, ParseAddressError> {
        let bare = text.trim_start_matches('[').trim_end_matches(']');
        if let Ok(ip) = bare.parse::<IpAddr>() {
            return Ok(Self(ip.to_string()));
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let label = |l: &str| !l.is_empty() && l.len() <= 63 && !l.starts_with('-');
        let name = text.strip_suffix('.').unwrap_or(text);
        // All digits and dots would be an address with a typo in it.
        let numeric = name.chars().all(|c| c.is_ascii_digit() || c == '.');
        if name.is_empty()
            || name.len() > 253
            || numeric
            || !name.chars().all(plain)
            || !name.split('.').all(label)
        {
            return Err(ParseAddressError);
        }
        Ok(Self(name.to_ascii_lowercase()))
    }
}

impl fmt::Display for HostAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for HostAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A customer's address: the caller that may show it uses `Display`.
        f.write_str("HostAddress(..)")
    }
}

impl Encode for HostAddress {
    fn encode(&self, out: &mut Writer) {
        out.text(&self.0, MAX_ADDRESS);
    }
}

impl Decode for HostAddress {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let field = "target address";
        let text = input.text(field, MAX_ADDRESS)?;
        let address: Self = text.parse().map_err(|_| DecodeError::Text { field })?;
        // One layout for one address: signatures cover the bytes.
        if address.0 != text {
            return Err(DecodeError::Text { field });
        }
        Ok(address)
    }
}

#[cfg(feature = "api")]
impl serde::Serialize for HostAddress {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.0)
    }
}

#[cfg(feature = "api")]
impl<'de> serde::Deserialize<'de> for HostAddress {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Text that is neither an IP address nor a DNS name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a host is an IP address or a DNS name of letters, digits, '-', '_' and '.'")]
pub struct ParseAddressError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_addresses_are_normal_or_refused() {
        for (text, normal) in [
            ("192.168.1.5", "192.168.1.5"),
            ("[FE80::1]", "fe80::1"),
            ("Printer.Office.", "printer.office"),
        ] {
            let address: HostAddress = text.parse().unwrap();
            assert_eq!(address.as_str(), normal);
        }
        for text in [
            "",
            ".",
            "a b",
            "a\nb",
            "-oProxyCommand=x",
            "1.2.3",
            "300.1.1.1",
            "a..b",
            "ä.de",
            "http://x",
            "x/y",
            "x:5",
            "'$(id)'",
        ] {
            assert!(text.parse::<HostAddress>().is_err(), "{text}");
        }
    }
}
