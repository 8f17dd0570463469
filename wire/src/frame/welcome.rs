//! The server's first word on a link: welcome, or why not.

use super::MAX_TEXT;
use crate::hello::MAX_VERSION;
use crate::id::{GatewayId, Lease};
use crate::reason::Reason;
use crate::{Decode, DecodeError, Encode, Reader, Writer};

/// What the server says once the endpoint has proved itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Welcome {
    /// Send something at least this often, in milliseconds.
    pub keepalive_ms: u32,
    /// The gateway's place, for a gateway.
    pub gateway: Option<GatewayId>,
    /// The new lease, for a gateway: store it, then acknowledge it.
    pub lease: Option<Lease>,
    /// The server's program and version.
    pub version: String,
}

/// Why the server does not want this link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The reason.
    pub reason: Reason,
    /// Come back after this time, in milliseconds.
    pub retry_after_ms: u32,
    /// A sentence more.
    pub text: String,
}

impl Encode for Welcome {
    fn encode(&self, out: &mut Writer) {
        out.u32(self.keepalive_ms);
        out.option(self.gateway.as_ref(), |out, id| id.encode(out));
        out.option(self.lease.as_ref(), |out, lease| lease.encode(out));
        out.text(&self.version, MAX_VERSION);
    }
}

impl Decode for Welcome {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            keepalive_ms: input.u32()?,
            gateway: input.option("gateway", GatewayId::decode)?,
            lease: input.option("lease", Lease::decode)?,
            version: input.text("version", MAX_VERSION)?.to_owned(),
        })
    }
}

impl Encode for Refused {
    fn encode(&self, out: &mut Writer) {
        self.reason.encode(out);
        out.u32(self.retry_after_ms);
        out.text(&self.text, MAX_TEXT);
    }
}

impl Decode for Refused {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            reason: Reason::decode(input)?,
            retry_after_ms: input.u32()?,
            text: input.text("text", MAX_TEXT)?.to_owned(),
        })
    }
}
