//! The rows of the matrix: for each route its action, what its ids are, what a
//! caller who may gets, and a body that asks for it.

use super::*;

/// What a route's ids and body are made of.
#[derive(Clone)]
pub(super) struct Things {
    pub(super) customer: CustomerId,
    pub(super) site: SiteId,
    /// A site without hosts or gateway.
    pub(super) empty_site: SiteId,
    /// A customer without sites.
    pub(super) empty_customer: CustomerId,
    pub(super) host: HostId,
    pub(super) gateway: GatewayId,
    pub(super) box_key: PublicKey,
    pub(super) claim: ClaimId,
    pub(super) session: SessionId,
    pub(super) token: TokenId,
    /// Somebody who holds a role at the customer and nowhere else.
    pub(super) user: UserId,
    /// Somebody in the team.
    pub(super) member: UserId,
    pub(super) team: TeamId,
    pub(super) invitation: InvitationId,
    /// A role at the customer.
    pub(super) assignment: AssignmentId,
    pub(super) webhook: WebhookId,
}

/// How a route's answer depends on its ids.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ids {
    /// It has none.
    None,
    /// Things of a customer, and people who hold roles there only: foreign
    /// for everybody of another one.
    Customer,
    /// The audit trail of a customer, which may be gone.
    Trail,
    /// Things that belong to no customer.
    Root,
    /// Things of the asker herself: everybody else's are foreign.
    Own,
    /// Sessions: her own, for an administrator all.
    Session,
}

pub(super) struct Row {
    pub(super) route: &'static str,
    pub(super) action: Action,
    pub(super) ids: Ids,
    pub(super) ok: u16,
    pub(super) body: fn(&Things) -> Value,
}

pub(super) const fn row(
    route: &'static str,
    action: Action,
    ids: Ids,
    ok: u16,
    body: fn(&Things) -> Value,
) -> Row {
    Row {
        route,
        action,
        ids,
        ok,
        body,
    }
}

pub(super) fn nothing(_: &Things) -> Value {
    Value::Null
}

pub(super) fn new_name(things: &Things) -> Value {
    json!({ "name": format!("New {}", things.team) })
}

pub(super) fn host_spec(_: &Things) -> Value {
    json!({ "name": "printer", "address": "192.168.7.20", "services": [] })
}

pub(super) fn session(things: &Things) -> Value {
    let key = SigningKey::from_seed(&[9; 32]).public();
    json!({ "host": things.host, "protocol": "ssh", "end_key": key })
}

pub(super) fn launch(things: &Things) -> Value {
    let ask = NewLaunch {
        host: things.host,
        protocol: Protocol::Ssh,
        ports: vec![],
    };
    serde_json::to_value(ask).unwrap()
}

pub(super) fn rows() -> Vec<Row> {
    use Action as A;
    vec![
        row("POST /api/v1/sign-out", A::SignOut, Ids::None, 204, nothing),
        row("GET /api/v1/me", A::MeSee, Ids::None, 200, nothing),
        row(
            "PUT /api/v1/me/password",
            A::MePassword,
            Ids::None,
            204,
            |_| json!({ "old": PASSWORD, "new": "another long password" }),
        ),
        row("GET /api/v1/tokens", A::TokenList, Ids::None, 200, nothing),
        row(
            "POST /api/v1/tokens",
            A::TokenAdd,
            Ids::Customer,
            201,
            |t| json!({ "label": "x", "scopes": ["read"], "days": 1, "customers": [t.customer] }),
        ),
        row(
            "DELETE /api/v1/tokens/{token}",
            A::TokenRevoke,
            Ids::Own,
            204,
            nothing,
        ),
        row("GET /api/v1/customers", A::TreeSee, Ids::None, 200, nothing),
        row(
            "POST /api/v1/customers",
            A::CustomerAdd,
            Ids::None,
            201,
            new_name,
        ),
        row(
            "PATCH /api/v1/customers/{customer}",
            A::CustomerChange,
            Ids::Customer,
            200,
            new_name,
        ),
        row(
            "DELETE /api/v1/customers/{empty_customer}",
            A::CustomerDelete,
            Ids::Root,
            204,
            nothing,
        ),
        row(
            "POST /api/v1/customers/{customer}/sites",
            A::SiteAdd,
            Ids::Customer,
            201,
            new_name,
        ),
        row("GET /api/v1/sites", A::TreeSee, Ids::None, 200, nothing),
        row(
            "PATCH /api/v1/sites/{site}",
            A::SiteChange,
            Ids::Customer,
            200,
            new_name,
        ),
        row(
            "DELETE /api/v1/sites/{empty_site}",
            A::SiteDelete,
            Ids::Customer,
            204,
            nothing,
        ),
        row(
            "POST /api/v1/sites/{site}/hosts",
            A::HostAdd,
            Ids::Customer,
            201,
            host_spec,
        ),
        row("GET /api/v1/hosts", A::TreeSee, Ids::None, 200, nothing),
        row(
            "GET /api/v1/hosts/{host}",
            A::TreeSee,
            Ids::Customer,
            200,
            nothing,
        ),
        row(
            "PUT /api/v1/hosts/{host}",
            A::HostChange,
            Ids::Customer,
            200,
            host_spec,
        ),
        row(
            "DELETE /api/v1/hosts/{host}",
            A::HostDelete,
            Ids::Customer,
            204,
            nothing,
        ),
        row("GET /api/v1/tree", A::TreeSee, Ids::None, 200, nothing),
        row("GET /api/v1/recent", A::SessionSee, Ids::None, 200, nothing),
        row(
            "PUT /api/v1/favourites/{host}",
            A::FavouriteChange,
            Ids::Customer,
            204,
            nothing,
        ),
        row(
            "DELETE /api/v1/favourites/{host}",
            A::FavouriteChange,
            Ids::Customer,
            204,
            nothing,
        ),
        row(
            "GET /api/v1/hosts/{host}/notes",
            A::TreeSee,
            Ids::Customer,
            200,
            nothing,
        ),
        row(
            "PATCH /api/v1/hosts/{host}/notes",
            A::NotesChange,
            Ids::Customer,
            200,
            |_| json!({ "notes": "the red one", "tags": ["red"] }),
        ),
        row(
            "GET /api/v1/hosts/{host}/history",
            A::SessionSee,
            Ids::Customer,
            200,
            nothing,
        ),
        row(
            "GET /api/v1/hosts/{host}/presence",
            A::TreeSee,
            Ids::Customer,
            200,
            nothing,
        ),
        row(
            "POST /api/v1/sites/{site}/hosts/import",
            A::HostAdd,
            Ids::Customer,
            200,
            |_| json!("name,address\nscanner,192.168.7.21\n"),
        ),
        row(
            "GET /api/v1/hosts/{host}/credentials",
            A::CredentialSee,
            Ids::Customer,
            200,
            nothing,
        ),
        row(
            "GET /api/v1/hosts/{host}/sealing-key",
            A::CredentialSee,
            Ids::Customer,
            200,
            nothing,
        ),
        row(
            "PUT /api/v1/hosts/{host}/credentials/ssh",
            A::CredentialChange,
            Ids::Customer,
            204,
            |t| json!({ "account": "root", "sealed": "c2VhbGVk", "gateway_key": t.box_key }),
        ),
        row(
            "DELETE /api/v1/hosts/{host}/credentials/ssh",
            A::CredentialChange,
            Ids::Customer,
            204,
            nothing,
        ),
        // No program waits: seen, but nothing there.
        row(
            "POST /api/v1/hand-overs/look",
            A::HandOver,
            Ids::None,
            404,
            |_| json!({ "code": "ABCD-EFGH" }),
        ),
        row(
            "POST /api/v1/hand-overs/approve",
            A::HandOver,
            Ids::None,
            404,
            |_| json!({ "code": "ABCD-EFGH" }),
        ),
        row(
            "GET /api/v1/webhooks",
            A::WebhookList,
            Ids::None,
            200,
            nothing,
        ),
        row(
            "POST /api/v1/webhooks",
            A::WebhookChange,
            Ids::None,
            201,
            |_| json!({ "url": "https://hooks.example.com/x", "events": ["session.end"] }),
        ),
        row(
            "DELETE /api/v1/webhooks/{webhook}",
            A::WebhookChange,
            Ids::Root,
            204,
            nothing,
        ),
        row("GET /api/v1/gateways", A::TreeSee, Ids::None, 200, nothing),
        row(
            "GET /api/v1/gateways/{gateway}",
            A::TreeSee,
            Ids::Customer,
            200,
            nothing,
        ),
        row(
            "PUT /api/v1/gateways/{gateway}/site",
            A::GatewayAssign,
            Ids::Customer,
            200,
            |t| json!({ "site": t.empty_site }),
        ),
        row(
            "POST /api/v1/gateways/{gateway}/revoke",
            A::GatewayRevoke,
            Ids::Customer,
            204,
            nothing,
        ),
        // The gateway is not in quarantine: seen, but nothing to do.
        row(
            "POST /api/v1/gateways/{gateway}/release",
            A::GatewayRelease,
            Ids::Customer,
            409,
            nothing,
        ),
        row(
            "POST /api/v1/gateways/{gateway}/replace",
            A::GatewayReplace,
            Ids::Customer,
            201,
            nothing,
        ),
        row("GET /api/v1/claims", A::ClaimList, Ids::None, 200, nothing),
        row(
            "POST /api/v1/claims",
            A::ClaimAdd,
            Ids::Customer,
            201,
            |t| json!({ "site": t.empty_site }),
        ),
        row(
            "DELETE /api/v1/claims/{claim}",
            A::ClaimVoid,
            Ids::Customer,
            204,
            nothing,
        ),
        row(
            "POST /api/v1/sessions",
            A::SessionStart,
            Ids::Customer,
            201,
            session,
        ),
        row(
            "GET /api/v1/sessions",
            A::SessionSee,
            Ids::None,
            200,
            nothing,
        ),
        row(
            "POST /api/v1/sessions/{session}/renew",
            A::SessionRenew,
            Ids::Own,
            200,
            nothing,
        ),
        row(
            "DELETE /api/v1/sessions/{session}",
            A::SessionEnd,
            Ids::Session,
            204,
            nothing,
        ),
        row(
            "POST /api/v1/link-tickets",
            A::SessionStart,
            Ids::None,
            201,
            nothing,
        ),
        row(
            "POST /api/v1/launches",
            A::Launch,
            Ids::Customer,
            201,
            launch,
        ),
        row(
            "GET /api/v1/reports/sessions",
            A::Report,
            Ids::None,
            200,
            nothing,
        ),
        row("GET /api/v1/users", A::UserList, Ids::None, 200, nothing),
        row(
            "POST /api/v1/users",
            A::UserAdd,
            Ids::None,
            201,
            |t| json!({ "name": format!("carl {}", t.team), "password": "a long enough one" }),
        ),
        row(
            "PATCH /api/v1/users/{user}",
            A::UserChange,
            Ids::Customer,
            200,
            |_| json!({ "disabled": true }),
        ),
        row(
            "POST /api/v1/users/{user}/reset",
            A::UserReset,
            Ids::Customer,
            200,
            nothing,
        ),
        row(
            "GET /api/v1/users/{user}/off-boarding",
            A::UserLeaving,
            Ids::Customer,
            200,
            nothing,
        ),
        row(
            "POST /api/v1/users/{user}/off-board",
            A::UserOffBoard,
            Ids::Customer,
            204,
            nothing,
        ),
        row(
            "GET /api/v1/invitations",
            A::InvitationList,
            Ids::None,
            200,
            nothing,
        ),
        row(
            "POST /api/v1/invitations",
            A::InvitationAdd,
            Ids::Customer,
            201,
            |t| {
                json!({
                    "name": format!("nina {}", t.team),
                    "assignments": [
                        { "role": "reader", "node": { "kind": "site", "id": t.site } },
                    ],
                })
            },
        ),
        row(
            "DELETE /api/v1/invitations/{invitation}",
            A::InvitationVoid,
            Ids::Customer,
            204,
            nothing,
        ),
        row(
            "POST /api/v1/step-up",
            A::StepUp,
            Ids::None,
            204,
            |_| json!({ "password": PASSWORD }),
        ),
        row(
            "POST /api/v1/me/totp/begin",
            A::MeFactors,
            Ids::None,
            200,
            nothing,
        ),
        // None was begun: known, but nothing to do.
        row(
            "POST /api/v1/me/totp/confirm",
            A::MeFactors,
            Ids::None,
            403,
            |_| json!({ "totp": "000000" }),
        ),
        row(
            "DELETE /api/v1/me/totp",
            A::MeFactors,
            Ids::None,
            404,
            nothing,
        ),
        row(
            "POST /api/v1/me/recovery-codes",
            A::MeFactors,
            Ids::None,
            200,
            nothing,
        ),
        row(
            "GET /api/v1/me/passkeys",
            A::TokenList,
            Ids::None,
            200,
            nothing,
        ),
        row(
            "POST /api/v1/me/passkeys/begin",
            A::MeFactors,
            Ids::None,
            PAGE_ONLY,
            nothing,
        ),
        row(
            "POST /api/v1/me/passkeys/finish",
            A::MeFactors,
            Ids::None,
            PAGE_ONLY,
            |_| {
                json!({ "challenge": "x", "passkey": { "response": {
                    "clientDataJSON": "", "attestationObject": "" } } })
            },
        ),
        row(
            "DELETE /api/v1/me/passkeys/{passkey}",
            A::MeFactors,
            Ids::None,
            404,
            nothing,
        ),
        row("GET /api/v1/teams", A::TeamList, Ids::None, 200, nothing),
        row(
            "POST /api/v1/teams",
            A::TeamAdd,
            Ids::None,
            201,
            |t| json!({ "name": format!("Night {}", t.team) }),
        ),
        row(
            "PATCH /api/v1/teams/{team}",
            A::TeamChange,
            Ids::Root,
            200,
            |t| json!({ "name": format!("Day {}", t.team) }),
        ),
        row(
            "DELETE /api/v1/teams/{team}",
            A::TeamDelete,
            Ids::Root,
            204,
            nothing,
        ),
        row(
            "PUT /api/v1/teams/{team}/members/{user}",
            A::TeamMember,
            Ids::Root,
            204,
            nothing,
        ),
        row(
            "DELETE /api/v1/teams/{team}/members/{member}",
            A::TeamMember,
            Ids::Root,
            204,
            nothing,
        ),
        row(
            "GET /api/v1/assignments",
            A::AssignmentList,
            Ids::None,
            200,
            nothing,
        ),
        row(
            "POST /api/v1/assignments",
            A::AssignmentAdd,
            Ids::Customer,
            201,
            |t| {
                json!({
                    "subject": { "kind": "user", "id": t.user },
                    "role": "reader",
                    "node": { "kind": "site", "id": t.site },
                })
            },
        ),
        row(
            "DELETE /api/v1/assignments/{assignment}",
            A::AssignmentRemove,
            Ids::Customer,
            204,
            nothing,
        ),
        row(
            "GET /api/v1/hosts/{host}/access",
            A::HostAccess,
            Ids::Customer,
            200,
            nothing,
        ),
        row(
            "GET /api/v1/audit?customer={customer}",
            A::AuditSee,
            Ids::Trail,
            200,
            nothing,
        ),
    ]
}
