//! Bodies of the routes below `/api/v1/sessions` and `/api/v1/launches`.

use serde::{Deserialize, Serialize};

use super::hosts::Named;
use crate::UnixMs;
use crate::grant::{Protocol, Target};
use crate::id::{CustomerId, GatewayId, HostId, SessionId, SiteId, UserId};
use crate::key::PublicKey;
use crate::reason::Reason;
use crate::ticket::Ticket;

/// `POST /api/v1/sessions`: asks for a session on one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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
    /// Only to try whether the host answers: nothing else is possible in it, and
    /// no report counts it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub test: bool,
}

/// Its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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
    /// Kept credentials for exactly these targets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub credentials: Vec<StoredCredential>,
}

/// A credential that only the session's gateway can open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StoredCredential {
    /// What is spoken with it.
    pub protocol: Protocol,
    /// On which port.
    pub port: u16,
    /// The account on the host.
    pub account: String,
    /// The ciphertext, base64.
    pub sealed: String,
}

/// `POST /api/v1/sessions/{id}/renew`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RenewAnswer {
    /// The new end.
    pub ends_at: UnixMs,
}

/// `GET /api/v1/sessions?state=live|ended`: the sessions that the asker may
/// see, newest first. An owner sees everybody's, a technician her own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SessionList {
    /// At most the asked-for `limit` (default 100, at most 1000).
    pub sessions: Vec<SessionInfo>,
}

/// One session, running or over. `DELETE /api/v1/sessions/{id}` ends it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SessionInfo {
    /// The session.
    pub session: SessionId,
    /// Who.
    pub user: Named<UserId>,
    /// For which customer.
    pub customer: Named<CustomerId>,
    /// At which place.
    pub site: Named<SiteId>,
    /// On which host; its name as it was then.
    pub host: Named<HostId>,
    /// Through which gateway.
    pub gateway: GatewayId,
    /// What is spoken.
    pub protocol: Protocol,
    /// When it was granted.
    pub started: UnixMs,
    /// When it ends unless renewed.
    pub ends_at: UnixMs,
    /// When it ended; none while it runs.
    pub ended: Option<UnixMs>,
    /// Why it ended.
    pub reason: Option<Reason>,
    /// Bytes from the LAN host to the technician.
    pub from_hosts: u64,
    /// Bytes from the technician to the LAN host.
    pub to_hosts: u64,
}

/// `POST /api/v1/link-tickets`: the right of a browser to open one link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LinkTicketAnswer {
    /// Good once, for the sign-in that asked.
    pub ticket: Ticket,
    /// Until when.
    pub expires: UnixMs,
}

/// `POST /api/v1/launches`: a one-time ticket for `culvert open`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewLaunch {
    /// The host.
    pub host: HostId,
    /// What will be spoken.
    pub protocol: Protocol,
    /// Ports; empty means the host's own for that protocol.
    #[serde(default)]
    pub ports: Vec<u16>,
}

/// Its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LaunchAnswer {
    /// `culvert://open/TICKET`; good once, for a minute.
    pub url: String,
    /// Until when.
    pub expires: UnixMs,
}

/// `POST /api/v1/launches/redeem`: the ticket of a [`LaunchAnswer`] opens a
/// session for whoever asked for it, and for nobody else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RedeemLaunch {
    /// The ticket of the `culvert://open/` address.
    pub launch: Ticket,
    /// The technician end's fresh key.
    pub end_key: PublicKey,
}

/// Its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RedeemAnswer {
    /// The session, as if asked for with [`NewSession`].
    pub session: SessionAnswer,
    /// What is to be spoken: which program to start.
    pub protocol: Protocol,
    /// The host's name.
    pub host: String,
    /// The host: what SSH programs remember its key under.
    pub host_id: HostId,
}
