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
    /// The version of a release for [`BOARD`].
    pub(super) version: u32,
}

/// The board of the matrix's releases.
pub(super) const BOARD: &str = "qemu-virt";

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
    /// What a list is limited to: of a foreign or a missing one it is empty.
    Filter,
    /// Things of the asker herself: everybody else's are foreign.
    Own,
    /// Sessions: her own, for an administrator all.
    Session,
}

pub(super) struct Row {
    pub(super) route: String,
    pub(super) action: Action,
    pub(super) ids: Ids,
    pub(super) ok: u16,
    pub(super) body: fn(&Things) -> Value,
}

impl Row {
    fn new(route: &str, action: Action, ids: Ids, ok: u16) -> Self {
        Self {
            route: route.replacen(' ', " /api/v1", 1),
            action,
            ids,
            ok,
            body: |_| Value::Null,
        }
    }

    /// Asks with a body.
    fn body(self, body: fn(&Things) -> Value) -> Self {
        Self { body, ..self }
    }
}

fn new_name(things: &Things) -> Value {
    json!({ "name": format!("New {}", things.team) })
}

fn host_spec(_: &Things) -> Value {
    json!({ "name": "printer", "address": "192.168.7.20", "services": [] })
}

fn session(things: &Things) -> Value {
    let key = SigningKey::from_seed(&[9; 32]).public();
    json!({ "host": things.host, "protocol": "ssh", "end_key": key })
}

fn launch(things: &Things) -> Value {
    let ask = NewLaunch {
        host: things.host,
        protocol: Protocol::Ssh,
        ports: vec![],
    };
    serde_json::to_value(ask).unwrap()
}

fn plain(route: &str, action: Action, ok: u16) -> Row {
    Row::new(route, action, Ids::None, ok)
}

fn of_customer(route: &str, action: Action, ok: u16) -> Row {
    Row::new(route, action, Ids::Customer, ok)
}

fn of_trail(route: &str, action: Action, ok: u16) -> Row {
    Row::new(route, action, Ids::Trail, ok)
}

fn of_root(route: &str, action: Action, ok: u16) -> Row {
    Row::new(route, action, Ids::Root, ok)
}

fn own(route: &str, action: Action, ok: u16) -> Row {
    Row::new(route, action, Ids::Own, ok)
}

fn of_session(route: &str, action: Action, ok: u16) -> Row {
    Row::new(route, action, Ids::Session, ok)
}

pub(super) fn rows() -> Vec<Row> {
    use Action as A;
    vec![
        plain("POST /sign-out", A::SignOut, 204),
        plain("GET /me", A::MeSee, 200),
        plain("PUT /me/password", A::MePassword, 204)
            .body(|_| json!({ "old": PASSWORD, "new": "another long password" })),
        plain("GET /tokens", A::TokenList, 200),
        of_customer("POST /tokens", A::TokenAdd, 201).body(
            |t| json!({ "label": "x", "scopes": ["read"], "days": 1, "customers": [t.customer] }),
        ),
        own("DELETE /tokens/{token}", A::TokenRevoke, 204),
        plain("GET /customers", A::TreeSee, 200),
        plain("POST /customers", A::CustomerAdd, 201).body(new_name),
        of_customer("PATCH /customers/{customer}", A::CustomerChange, 200).body(new_name),
        of_root("DELETE /customers/{empty_customer}", A::CustomerDelete, 204),
        of_customer("POST /customers/{customer}/sites", A::SiteAdd, 201).body(new_name),
        plain("GET /sites", A::TreeSee, 200),
        of_customer("PATCH /sites/{site}", A::SiteChange, 200).body(new_name),
        of_customer("DELETE /sites/{empty_site}", A::SiteDelete, 204),
        of_customer("POST /sites/{site}/hosts", A::HostAdd, 201).body(host_spec),
        plain("GET /hosts", A::TreeSee, 200),
        of_customer("GET /hosts/{host}", A::TreeSee, 200),
        of_customer("PUT /hosts/{host}", A::HostChange, 200).body(host_spec),
        of_customer("DELETE /hosts/{host}", A::HostDelete, 204),
        plain("GET /tree", A::TreeSee, 200),
        plain("GET /recent", A::SessionSee, 200),
        of_customer("PUT /favourites/{host}", A::FavouriteChange, 204),
        of_customer("DELETE /favourites/{host}", A::FavouriteChange, 204),
        of_customer("GET /hosts/{host}/notes", A::TreeSee, 200),
        of_customer("PATCH /hosts/{host}/notes", A::NotesChange, 200)
            .body(|_| json!({ "notes": "the red one", "tags": ["red"] })),
        of_customer("GET /hosts/{host}/history", A::SessionSee, 200),
        of_customer("GET /hosts/{host}/presence", A::TreeSee, 200),
        of_customer("POST /sites/{site}/hosts/import", A::HostAdd, 200)
            .body(|_| json!("name,address\nscanner,192.168.7.21\n")),
        of_customer("GET /hosts/{host}/credentials", A::CredentialSee, 200),
        of_customer("GET /hosts/{host}/sealing-key", A::CredentialSee, 200),
        of_customer(
            "PUT /hosts/{host}/credentials/ssh",
            A::CredentialChange,
            204,
        )
        .body(|t| json!({ "account": "root", "sealed": "c2VhbGVk", "gateway_key": t.box_key })),
        of_customer(
            "DELETE /hosts/{host}/credentials/ssh",
            A::CredentialChange,
            204,
        ),
        // No program waits: seen, but nothing there.
        plain("POST /hand-overs/look", A::HandOver, 404).body(|_| json!({ "code": "ABCD-EFGH" })),
        plain("POST /hand-overs/approve", A::HandOver, 404)
            .body(|_| json!({ "code": "ABCD-EFGH" })),
        plain("GET /webhooks", A::WebhookList, 200),
        plain("POST /webhooks", A::WebhookChange, 201)
            .body(|_| json!({ "url": "https://hooks.example.com/x", "events": ["session.end"] })),
        of_root("DELETE /webhooks/{webhook}", A::WebhookChange, 204),
        plain("GET /gateways", A::TreeSee, 200),
        of_customer("GET /gateways/{gateway}", A::TreeSee, 200),
        of_customer("PUT /gateways/{gateway}/site", A::GatewayAssign, 200)
            .body(|t| json!({ "site": t.empty_site })),
        of_customer("POST /gateways/{gateway}/revoke", A::GatewayRevoke, 204),
        // The gateway is not in quarantine: seen, but nothing to do.
        of_customer("POST /gateways/{gateway}/release", A::GatewayRelease, 409),
        of_customer("POST /gateways/{gateway}/replace", A::GatewayReplace, 201),
        plain("GET /releases", A::ReleaseSee, 200),
        of_root(
            "POST /releases/{board}/{version}/promote",
            A::ReleaseManage,
            204,
        )
        .body(|_| json!({ "ring": "first" })),
        of_root(
            "POST /releases/{board}/{version}/halt",
            A::ReleaseManage,
            204,
        ),
        of_root("PUT /gateways/{gateway}/ring", A::ReleaseManage, 204)
            .body(|_| json!({ "ring": "early" })),
        plain("GET /claims", A::ClaimList, 200),
        of_customer("POST /claims", A::ClaimAdd, 201).body(|t| json!({ "site": t.empty_site })),
        of_customer("DELETE /claims/{claim}", A::ClaimVoid, 204),
        of_customer("POST /sessions", A::SessionStart, 201).body(session),
        plain("GET /sessions", A::SessionSee, 200),
        own("POST /sessions/{session}/renew", A::SessionRenew, 200),
        of_session("DELETE /sessions/{session}", A::SessionEnd, 204),
        plain("POST /link-tickets", A::SessionStart, 201),
        of_customer("POST /launches", A::Launch, 201).body(launch),
        plain("GET /downloads", A::Launch, 200),
        // Nothing lies there; downloads.rs holds what does.
        plain("GET /downloads/{name}", A::Launch, 404),
        Row::new(
            "GET /reports/sessions?host={host}",
            A::Report,
            Ids::Filter,
            200,
        ),
        plain("GET /users", A::UserList, 200),
        plain("POST /users", A::UserAdd, 201).body(
            |t| json!({ "name": format!("carl {}", t.team), "password": "a long enough one" }),
        ),
        of_customer("PATCH /users/{user}", A::UserChange, 200)
            .body(|_| json!({ "disabled": true })),
        of_customer("POST /users/{user}/reset", A::UserReset, 200),
        of_customer("GET /users/{user}/off-boarding", A::UserLeaving, 200),
        of_customer("POST /users/{user}/off-board", A::UserOffBoard, 204),
        plain("GET /invitations", A::InvitationList, 200),
        of_customer("POST /invitations", A::InvitationAdd, 201).body(|t| {
            json!({
                "name": format!("nina {}", t.team),
                "assignments": [
                    { "role": "reader", "node": { "kind": "site", "id": t.site } },
                ],
            })
        }),
        of_customer("DELETE /invitations/{invitation}", A::InvitationVoid, 204),
        plain("POST /step-up", A::StepUp, 204).body(|_| json!({ "password": PASSWORD })),
        plain("POST /me/totp/begin", A::MeFactors, 200),
        // None was begun: known, but nothing to do.
        plain("POST /me/totp/confirm", A::MeFactors, 403).body(|_| json!({ "totp": "000000" })),
        plain("DELETE /me/totp", A::MeFactors, 404),
        plain("POST /me/recovery-codes", A::MeFactors, 200),
        plain("GET /me/passkeys", A::TokenList, 200),
        plain("POST /me/passkeys/begin", A::MeFactors, PAGE_ONLY),
        plain("POST /me/passkeys/finish", A::MeFactors, PAGE_ONLY).body(|_| {
            json!({ "challenge": "x", "passkey": { "response": {
                    "clientDataJSON": "", "attestationObject": "" } } })
        }),
        plain("DELETE /me/passkeys/{passkey}", A::MeFactors, 404),
        plain("GET /teams", A::TeamList, 200),
        plain("POST /teams", A::TeamAdd, 201)
            .body(|t| json!({ "name": format!("Night {}", t.team) })),
        of_root("PATCH /teams/{team}", A::TeamChange, 200)
            .body(|t| json!({ "name": format!("Day {}", t.team) })),
        of_root("DELETE /teams/{team}", A::TeamDelete, 204),
        of_root("PUT /teams/{team}/members/{user}", A::TeamMember, 204),
        of_root("DELETE /teams/{team}/members/{member}", A::TeamMember, 204),
        plain("GET /assignments", A::AssignmentList, 200),
        of_customer("POST /assignments", A::AssignmentAdd, 201).body(|t| {
            json!({
                "subject": { "kind": "user", "id": t.user },
                "role": "reader",
                "node": { "kind": "site", "id": t.site },
            })
        }),
        of_customer("DELETE /assignments/{assignment}", A::AssignmentRemove, 204),
        of_customer("GET /hosts/{host}/access", A::HostAccess, 200),
        of_trail("GET /audit?customer={customer}", A::AuditSee, 200),
    ]
}
