//! What is spoken to a target.

use std::fmt;
use std::str::FromStr;

use crate::{Decode, DecodeError, Encode, Reader, Writer};

/// What is spoken to a target; decides the bridge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "api", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "api", serde(rename_all = "lowercase"))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Protocol {
    /// Any TCP service, passed through.
    Tcp,
    /// SSH, passed through.
    Ssh,
    /// VNC (RFB), passed through.
    Vnc,
    /// RDP, passed through.
    Rdp,
    /// Telnet, passed through.
    Telnet,
    /// A device's web pages, passed through.
    Http,
    /// A device's web pages over TLS, passed through.
    Https,
}

impl Protocol {
    /// Every protocol, in the order people expect.
    pub const ALL: [Self; 7] = [
        Self::Ssh,
        Self::Vnc,
        Self::Rdp,
        Self::Telnet,
        Self::Http,
        Self::Https,
        Self::Tcp,
    ];

    /// The number on the wire.
    pub const fn code(self) -> u8 {
        match self {
            Self::Tcp => 0,
            Self::Ssh => 1,
            Self::Vnc => 2,
            Self::Rdp => 3,
            Self::Telnet => 4,
            Self::Http => 5,
            Self::Https => 6,
        }
    }

    /// The port of the protocol's RFC or custom; none for plain TCP.
    pub const fn default_port(self) -> Option<u16> {
        match self {
            Self::Tcp => None,
            Self::Ssh => Some(22),
            Self::Vnc => Some(5900),
            Self::Rdp => Some(3389),
            Self::Telnet => Some(23),
            Self::Http => Some(80),
            Self::Https => Some(443),
        }
    }

    /// The name that commands and JSON use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Ssh => "ssh",
            Self::Vnc => "vnc",
            Self::Rdp => "rdp",
            Self::Telnet => "telnet",
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Protocol {
    type Err = ParseProtocolError;

    fn from_str(text: &str) -> Result<Self, ParseProtocolError> {
        Self::ALL
            .into_iter()
            .find(|protocol| protocol.name() == text)
            .ok_or(ParseProtocolError)
    }
}

/// Text that names no protocol.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a protocol is one of ssh, vnc, rdp, telnet, http, https, tcp")]
pub struct ParseProtocolError;

impl Encode for Protocol {
    fn encode(&self, out: &mut Writer) {
        out.u8(self.code());
    }
}

impl Decode for Protocol {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        input.one_of("protocol", &Self::ALL, Self::code)
    }
}
