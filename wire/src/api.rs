//! JSON bodies of the HTTP API that programs of ours exchange.
//!
//! The same bodies travel over HTTPS and, for `culvert`, as
//! [`ApiRequest`](crate::frame::ApiRequest)s over a link. Unknown fields of
//! answers are ignored, unknown fields of requests refused.

use serde::{Deserialize, Serialize};

use crate::UnixMs;
use crate::grant::{Protocol, Target};
use crate::id::{HostId, SessionId};
use crate::key::PublicKey;
use crate::reason::Reason;
use crate::ticket::Ticket;

/// What every refused request answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiError {
    /// The reason code.
    pub reason: Reason,
    /// One sentence: what failed, why, what to do.
    pub message: String,
}

/// `POST /api/v1/sessions`: asks for a session on one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewSession {
    /// The host.
    pub host: HostId,
    /// What will be spoken.
    pub protocol: Protocol,
    /// Ports; empty means the host's own for that protocol.
    #[serde(default)]
    pub ports: Vec<u16>,
    /// The technician end's fresh key.
    pub end_key: PublicKey,
}

/// Its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionAnswer {
    /// The session.
    pub session: SessionId,
    /// The technician side's ticket.
    pub ticket: Ticket,
    /// The gateway's identity key, as bound at claim.
    pub gateway_key: PublicKey,
    /// A stable name for that gateway's place, for the list of known keys.
    pub gateway: String,
    /// `customer / site`, for people.
    pub site: String,
    /// The targets, in the order of the grant.
    pub targets: Vec<Target>,
    /// When the session ends unless renewed.
    pub ends_at: UnixMs,
}

/// `POST /api/v1/sessions/{id}/renew`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenewAnswer {
    /// The new end.
    pub ends_at: UnixMs,
}
