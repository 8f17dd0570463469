//! Bodies of signing in and out, `me` and tokens.

use serde::{Deserialize, Serialize};

use super::Secret;
use super::hosts::Named;
use crate::UnixMs;
use crate::id::{CustomerId, HandOverId, HostId, SiteId, TokenId, UserId};

/// What somebody may do at a place of the tree and below; a higher one may all
/// that a lower one may, but for the reader's view of everybody's work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Reports, nothing else: a customer's own person.
    Reader,
    /// Sessions with the hosts.
    Technician,
    /// Also changes to customers, sites, hosts, boxes and people.
    Administrator,
    /// Everything; made on the server's console only.
    Owner,
}

impl Role {
    /// Every role, the lowest first.
    pub const ALL: [Self; 4] = [
        Self::Reader,
        Self::Technician,
        Self::Administrator,
        Self::Owner,
    ];

    /// The name that commands and JSON use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Technician => "technician",
            Self::Administrator => "administrator",
            Self::Owner => "owner",
        }
    }
}

impl std::str::FromStr for Role {
    type Err = ParseRoleError;

    fn from_str(text: &str) -> Result<Self, ParseRoleError> {
        Self::ALL
            .into_iter()
            .find(|role| role.name() == text)
            .ok_or(ParseRoleError)
    }
}

/// Text that names no role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a role is reader, technician, administrator or owner")]
pub struct ParseRoleError;

/// A place of the tree customer › site › host, by kind and id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", content = "id", rename_all = "lowercase")]
pub enum NodeRef {
    /// Everything.
    All,
    /// A customer.
    Customer(CustomerId),
    /// A site.
    Site(SiteId),
    /// A host.
    Host(HostId),
}

impl NodeRef {
    /// The name of its kind.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Customer(_) => "customer",
            Self::Site(_) => "site",
            Self::Host(_) => "host",
        }
    }

    /// Its id; empty for everything.
    pub fn id(&self) -> String {
        match self {
            Self::All => String::new(),
            Self::Customer(id) => id.to_string(),
            Self::Site(id) => id.to_string(),
            Self::Host(id) => id.to_string(),
        }
    }
}

/// `all`, or `kind:id`.
impl std::fmt::Display for NodeRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::All => f.write_str(self.kind()),
            Self::Customer(_) | Self::Site(_) | Self::Host(_) => {
                write!(f, "{}:{}", self.kind(), self.id())
            }
        }
    }
}

impl std::str::FromStr for NodeRef {
    type Err = ParseNodeError;

    fn from_str(text: &str) -> Result<Self, ParseNodeError> {
        if text == "all" {
            return Ok(Self::All);
        }
        let (kind, id) = text.split_once(':').ok_or(ParseNodeError)?;
        match kind {
            "customer" => id.parse().map(Self::Customer),
            "site" => id.parse().map(Self::Site),
            "host" => id.parse().map(Self::Host),
            _ => return Err(ParseNodeError),
        }
        .map_err(|_| ParseNodeError)
    }
}

/// Text that names no place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a place is all, customer:ID, site:ID or host:ID")]
pub struct ParseNodeError;

/// `POST /api/v1/sign-in`. Over a link the token is bound to the link's device
/// key, and the link itself is signed in from then on; over HTTPS the token is
/// the browser's cookie.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SignIn {
    /// The account's name.
    pub name: String,
    /// Its password.
    pub password: Secret,
    /// What lists of sign-ins show, such as the computer's name; for a browser
    /// its own name is taken.
    #[serde(default)]
    pub label: String,
}

/// Its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum SignInAnswer {
    /// Signed in.
    Done(Box<SignedIn>),
    /// The password fits; a second factor is needed.
    SecondFactor(SecondFactorNeeded),
}

/// A sign-in that was made. `POST /api/v1/sign-out` (no body) ends it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SignedIn {
    /// What later links show in their hello, with the same device key; none
    /// for a browser, which has it as a cookie that scripts cannot read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Secret>,
    /// Which sign-in it is, for lists and revocation.
    pub id: TokenId,
    /// Until when it holds, at most 12 hours.
    pub expires: UnixMs,
    /// Who signed in.
    pub me: Me,
}

/// What to answer a sign-in that waits with, by `POST /api/v1/sign-in/second`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SecondFactorNeeded {
    /// Any one of these will do.
    pub methods: Vec<Factor>,
    /// Names the sign-in that waits; good for 5 minutes.
    pub challenge: Secret,
}

/// `POST /api/v1/sign-in/second`: exactly one of the two is given. A browser
/// may send a `passkey` instead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SecondStep {
    /// Which sign-in waits.
    pub challenge: Secret,
    /// Six digits of the authenticator program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub totp: Option<Secret>,
    /// A recovery code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery: Option<Secret>,
}

/// A second factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Factor {
    /// Six digits of an authenticator program (RFC 6238).
    Totp,
    /// A passkey (WebAuthn).
    Passkey,
    /// A recovery code, used up by this.
    Recovery,
}

/// `POST /api/v1/hand-overs`: a program wants to be signed in by somebody who
/// is, at the portal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewHandOver {
    /// What lists of sign-ins show, such as the computer's name.
    #[serde(default)]
    pub label: String,
}

/// Its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HandOverAnswer {
    /// To collect the sign-in with.
    pub id: HandOverId,
    /// What is typed at the portal: `ABCD-EFGH`.
    pub code: String,
    /// Where it is typed.
    pub url: String,
    /// Until when it is good.
    pub expires: UnixMs,
}

/// `POST /api/v1/hand-overs/{id}/collect` (no body).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum HandOverCollected {
    /// Nobody has approved it yet: ask again in a while.
    Pending,
    /// Signed in.
    Done(Box<SignedIn>),
}

/// `GET /api/v1/me`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Me {
    /// The account.
    pub user: Named<UserId>,
    /// Its role at everything; none when it has roles at parts only.
    pub role: Option<Role>,
    /// The customers it may work for.
    pub customers: Vec<Named<CustomerId>>,
    /// Its second factors.
    #[serde(default)]
    pub two_factor: TwoFactor,
    /// What it may do somewhere: names of actions, as the audit trail has them.
    #[serde(default)]
    pub rights: Vec<String>,
    /// Where it may do what of that which is done at a place.
    #[serde(default)]
    pub held: Vec<HeldRole>,
    /// Until when dangerous actions need no new proof.
    #[serde(default)]
    pub step_up_until: Option<UnixMs>,
}

/// A role that an account holds, its teams' included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HeldRole {
    /// Which.
    pub role: Role,
    /// Where, and below.
    pub nodes: Vec<NodeRef>,
    /// What it may do there: names of actions.
    pub rights: Vec<String>,
}

/// The second factors of an account.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TwoFactor {
    /// Whether an authenticator program is set up.
    pub totp: bool,
    /// How many passkeys.
    pub passkeys: u32,
    /// How many recovery codes are left.
    pub recovery_left: u32,
}

/// How a token was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum TokenKind {
    /// By signing in; bound to a device key.
    SignIn,
    /// By signing in with a browser; its cookie.
    Browser,
    /// For a program; works over HTTPS as `Authorization: Bearer`.
    Api,
}

/// What an API token may be used for; it never may more than its person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum TokenScope {
    /// Lists of hosts, sessions and gateways.
    Read,
    /// Sessions: ask for, renew, end.
    Connect,
    /// The session report and the audit trail.
    Report,
    /// Changes to customers, sites, hosts and gateways; never to people,
    /// permissions or tokens.
    Manage,
}

impl TokenScope {
    /// Every scope.
    pub const ALL: [Self; 4] = [Self::Read, Self::Connect, Self::Report, Self::Manage];

    /// The name that commands and JSON use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Connect => "connect",
            Self::Report => "report",
            Self::Manage => "manage",
        }
    }
}

/// `POST /api/v1/tokens`: makes an API token for the asker; needs a sign-in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    /// What lists show.
    pub label: String,
    /// What it may be used for.
    pub scopes: Vec<TokenScope>,
    /// How long it holds, 1 to 366 days.
    pub days: u32,
    /// Limits it to these of the asker's customers; empty means all.
    #[serde(default)]
    pub customers: Vec<CustomerId>,
}

/// Its answer; the only time that the token is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewTokenAnswer {
    /// The token.
    pub token: Secret,
    /// Which one it is.
    pub id: TokenId,
    /// Until when it holds.
    pub expires: UnixMs,
}

/// `GET /api/v1/tokens`: the asker's own sign-ins and API tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TokenList {
    /// Those that still hold, newest first.
    pub tokens: Vec<TokenInfo>,
}

/// One of them. `DELETE /api/v1/tokens/{id}` revokes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TokenInfo {
    /// Which one.
    pub id: TokenId,
    /// How it was made.
    pub kind: TokenKind,
    /// What its maker called it; for a browser, what it says it is.
    pub label: String,
    /// From where it was made.
    #[serde(default)]
    pub from: String,
    /// What it may be used for; empty for a sign-in, which may everything
    /// that its person may.
    pub scopes: Vec<TokenScope>,
    /// When it was made.
    pub created: UnixMs,
    /// Until when it holds.
    pub expires: UnixMs,
    /// When it was last used.
    pub last_used: Option<UnixMs>,
    /// Whether it is the one that asks.
    pub current: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_come_back_from_their_names() {
        for role in Role::ALL {
            assert_eq!(role.name().parse(), Ok(role));
        }
        assert_eq!("root".parse::<Role>(), Err(ParseRoleError));
    }

    #[test]
    fn places_come_back_from_their_text() {
        let site = SiteId::from_random([7; 16]);
        for place in [NodeRef::All, NodeRef::Site(site)] {
            assert_eq!(place.to_string().parse(), Ok(place));
        }
        for wrong in ["", "all:x", "site", "site:x", "planet:aaaa"] {
            assert_eq!(wrong.parse::<NodeRef>(), Err(ParseNodeError), "{wrong}");
        }
    }
}
