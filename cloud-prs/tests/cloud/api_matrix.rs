//! Every route × every role × own, foreign and missing ids (threats 1 and 7,
//! S21).
//!
//! The routes come from the OpenAPI description: one without a row here
//! fails. What to expect follows from the action and the table of `authz`,
//! not from what the route answers today.

use std::io::Write as _;

use culvert_cloud_prs::app::webhooks::NewWebhook;
use culvert_cloud_prs::authz::{Action, Place, Proof};
use culvert_wire::api::{Me, NewLaunch, NodeRef, Role, Secret, TokenScope};
use culvert_wire::grant::Protocol;
use culvert_wire::id::{
    AssignmentId, ClaimId, CustomerId, GatewayId, HostId, InvitationId, SessionId, SiteId, TeamId,
    TokenId, UserId, WebhookId,
};
use culvert_wire::key::{PublicKey, SigningKey};
use serde_json::{Value, json};

use crate::quick::Quick;
use crate::releases::manifest;
use crate::watched::TRAIL;
use crate::world::{Branch, From, PASSWORD, Person, World, assign, console, grant};

mod rows;

use rows::{BOARD, Ids, Row, Things, rows};

/// Routes that need no sign-in, or whose one-time ticket decides; other tests
/// hold what they do.
const OPEN: [&str; 8] = [
    "POST /api/v1/sign-in",
    "POST /api/v1/sign-in/second",
    "POST /api/v1/sign-in/passkey/begin",
    "POST /api/v1/sign-in/passkey/finish",
    "POST /api/v1/invitations/accept",
    "POST /api/v1/launches/redeem",
    "POST /api/v1/hand-overs",
    "POST /api/v1/hand-overs/{hand_over}/collect",
];

/// Done for the portal's page only; other tests hold what is done.
const PAGE_ONLY: u16 = 0;

/// Routes whose answer does not end by itself; `happenings.rs` holds them.
const STREAMS: [&str; 1] = ["GET /api/v1/events"];

/// Path parameters that stand for another kind of the same thing.
fn described(route: &str) -> String {
    let (path, _) = route.split_once('?').unwrap_or((route, ""));
    let path = path.replace("{empty_", "{").replace("{member}", "{user}");
    path.replace("/credentials/ssh", "/credentials/{protocol}")
}

fn path(route: &str, things: &Things) -> (String, String) {
    let (method, path) = route.split_once(' ').unwrap();
    let path = path
        .replace("{customer}", &things.customer.to_string())
        .replace("{empty_customer}", &things.empty_customer.to_string())
        .replace("{site}", &things.site.to_string())
        .replace("{empty_site}", &things.empty_site.to_string())
        .replace("{host}", &things.host.to_string())
        .replace("{gateway}", &things.gateway.to_string())
        .replace("{claim}", &things.claim.to_string())
        .replace("{session}", &things.session.to_string())
        .replace("{token}", &things.token.to_string())
        .replace("{user}", &things.user.to_string())
        .replace("{webhook}", &things.webhook.to_string())
        .replace("{board}", BOARD)
        .replace("{version}", &things.version.to_string())
        .replace("{member}", &things.member.to_string())
        .replace("{passkey}", &things.member.to_string())
        .replace("{invitation}", &things.invitation.to_string())
        .replace("{team}", &things.team.to_string())
        .replace("{assignment}", &things.assignment.to_string())
        .replace("{name}", "culvert-linux-x86_64");
    (method.to_owned(), path)
}

async fn things(world: &World, branch: &Branch, who: &Person) -> Things {
    let console = console();
    let app = &world.app;
    let name = |what: &str| format!("{what} {:016x}", rand::random::<u64>());
    let empty_site = app
        .add_site(&console, branch.customer, &name("Empty"))
        .await;
    let empty_customer = app.add_customer(&console, &name("Empty")).await.unwrap().id;
    let spare = app
        .add_site(&console, branch.customer, &name("Spare"))
        .await;
    let what = culvert_cloud_prs::app::claims::ClaimFor::Site(spare.unwrap().id);
    let (claim, _) = app.add_claim(&console, what).await.unwrap();
    let hook = NewWebhook {
        url: "https://hooks.example.com/".into(),
        events: vec!["session.end".into()],
    };
    let webhook = app.add_webhook(&console, &hook).await.unwrap();
    let person = Quick::new(world).await;
    let node = NodeRef::Customer(branch.customer);
    let assignment = assign(app, person.id, Role::Technician, node).await;
    let team = app.add_team(&console, &name("Team")).await.unwrap().id;
    let member = Quick::new(world).await.id;
    app.set_member(&console, team, member, true).await.unwrap();
    let (site, host, gateway, box_key) = world.fresh_site(branch).await;
    let invited = app
        .invite(&console, &name("Nina"), &[], None)
        .await
        .unwrap();
    let version = rand::random();
    let release = manifest(BOARD, u64::from(version));
    app.publish_release(&console, &release, 1).await.unwrap();
    Things {
        customer: branch.customer,
        site,
        empty_site: empty_site.unwrap().id,
        empty_customer,
        host,
        gateway,
        box_key,
        claim: claim.id,
        session: world.session(who, branch).await.session,
        token: who.token,
        user: person.id,
        member,
        team,
        invitation: invited.id,
        assignment,
        webhook: webhook.id,
        version,
    }
}

fn missing() -> Things {
    fn id<T: std::str::FromStr>() -> T
    where
        T::Err: std::fmt::Debug,
    {
        let random = HostId::from_random(rand::random());
        random.to_string().parse().unwrap()
    }
    Things {
        customer: id(),
        site: id(),
        empty_site: id(),
        empty_customer: id(),
        host: id(),
        gateway: id(),
        box_key: SigningKey::from_seed(&[8; 32]).public(),
        claim: id(),
        session: id(),
        token: id(),
        user: id(),
        member: id(),
        team: id(),
        invitation: id(),
        assignment: id(),
        webhook: id(),
        version: rand::random(),
    }
}

async fn send(world: &World, from: &From<'_>, row: &Row, things: &Things) -> (u16, String) {
    let (method, path) = path(&row.route, things);
    let body = (row.body)(things);
    // Text that is no JSON, or nothing at all.
    let text = body.as_str().map(str::to_owned);
    let body = text.unwrap_or_else(|| match body.is_null() {
        true => String::new(),
        false => body.to_string(),
    });
    world.send(from, &method, &path, &body).await
}

/// The routes of the OpenAPI description.
async fn described_routes() -> Vec<String> {
    let world = World::new().await;
    let (_, api) = culvert_cloud_prs::http::router(world.app.clone());
    let api: Value = serde_json::from_str(&api.to_json().unwrap()).unwrap();
    let mut routes: Vec<String> = Vec::new();
    for (path, item) in api["paths"].as_object().unwrap() {
        let methods = item.as_object().unwrap().keys();
        let known = ["get", "put", "post", "patch", "delete"];
        let methods = methods.filter(|m| known.contains(&m.as_str()));
        routes.extend(methods.map(|m| format!("{} {path}", m.to_uppercase())));
    }
    routes
}

#[tokio::test]
async fn every_route_of_the_description_has_a_row_and_every_row_a_route() {
    let mut routes = described_routes().await;
    let mut covered: Vec<String> = rows().iter().map(|row| described(&row.route)).collect();
    covered.extend(OPEN.map(str::to_owned));
    covered.extend(STREAMS.map(str::to_owned));
    routes.sort();
    covered.sort();

    assert_eq!(routes, covered);
}

/// "Every sign-in, refusal and state-changing call is an audit row": each
/// route says what it leaves, and `watched.rs` looks after every call of every
/// test here that it did (P20).
#[tokio::test]
async fn every_route_that_changes_something_says_what_the_trail_keeps_of_it() {
    let mut known: Vec<String> = TRAIL.iter().map(|(route, _)| (*route).to_owned()).collect();
    let mut routes = described_routes().await;
    routes.retain(|route| !route.starts_with("GET "));
    let mut routes: Vec<String> = routes
        .iter()
        .map(|r| r.replacen("/api/v1", "", 1))
        .collect();
    routes.sort();
    known.sort();

    assert_eq!(routes, known);
}

#[tokio::test]
async fn nobody_gets_anything_without_a_sign_in() {
    let world = World::new().await;
    let own = things(&world, &world.a, &world.ann).await;
    let wrong = Secret::new("culvert_aaaa".into());
    for row in rows() {
        for from in [
            From::Nobody,
            From::Web(&wrong),
            From::Web(&world.ann.secret),
        ] {
            let (status, body) = send(&world, &from, &row, &own).await;
            assert_eq!(status, 401, "{}: {body}", row.route);
        }
    }
}

/// One kind of caller: a role at customer A, or at everything.
#[derive(Debug, Clone, Copy)]
struct Kind {
    role: Role,
    everywhere: bool,
}

const KINDS: [Kind; 6] = [
    Kind::at_a(Role::Reader),
    Kind::at_a(Role::Technician),
    Kind::at_a(Role::Administrator),
    Kind::at_all(Role::Technician),
    Kind::at_all(Role::Administrator),
    Kind::at_all(Role::Owner),
];

impl Kind {
    const fn at_a(role: Role) -> Self {
        Self {
            role,
            everywhere: false,
        }
    }

    const fn at_all(role: Role) -> Self {
        Self {
            role,
            everywhere: true,
        }
    }

    /// Whether the table lets her do it somewhere.
    fn may(self, action: Action) -> bool {
        let listed = action.roles().contains(&self.role);
        match action.place() {
            Place::Own => true,
            Place::Root => listed && self.everywhere,
            // Roles are held here at a whole customer at least.
            Place::Customer | Place::Node => listed,
        }
    }

    /// Somebody new of this kind.
    async fn person(self, world: &World) -> Quick {
        let node = if self.everywhere {
            NodeRef::All
        } else {
            NodeRef::Customer(world.a.customer)
        };
        let person = Quick::new(world).await;
        assign(&world.app, person.id, self.role, node).await;
        person
    }
}

/// What is refused stays: the next caller may be refused the same.
struct Refused {
    own: Things,
    foreign: Things,
}

/// A row's answers to one caller: own, foreign, missing.
async fn judge(
    world: &World,
    row: &Row,
    kind: Kind,
    who: &Quick,
    from: &From<'_>,
    refused: &Refused,
) {
    let what = format!("{} {kind:?}", row.route);
    let may = kind.may(row.action);
    if row.ids != Ids::None {
        let gone = send(world, from, row, &missing()).await;
        // The first answer does not depend on the id.
        let expected = match (may, row.ids, kind.everywhere) {
            // The trail of a customer that is gone stays, and a list is one.
            (true, Ids::Trail, true) | (true, Ids::Filter, _) => 200,
            (true, ..) => 404,
            (false, ..) => 403,
        };
        assert_eq!(gone.0, expected, "{what}: {}", gone.1);
        let hers =
            row.ids == Ids::Own || (row.ids == Ids::Session && kind.role == Role::Technician);
        if !kind.everywhere || hers {
            let answer = send(world, from, row, &refused.foreign).await;
            assert_eq!(answer, gone, "foreign like missing: {what}");
        }
    }
    let mut own = match may {
        true => things(world, &world.a, &world.ann).await,
        false => refused.own.clone(),
    };
    own.token = who.token;
    if kind.may(Action::InvitationAdd) {
        own.invitation = world.invitation_of(who, own.site).await;
    }
    if kind.may(Action::SessionStart) {
        own.session = world.session_of(who, &world.a).await;
    }
    let (status, body) = send(world, from, row, &own).await;
    if may && row.ok == PAGE_ONLY {
        assert_ne!(status, 401, "own: {what}: {body}");
    } else {
        let expected = if may { row.ok } else { 403 };
        assert_eq!(status, expected, "own: {what}: {body}");
    }
}

async fn judge_all(way: fn(&Quick) -> From<'_>) {
    // Past the capture: a run's log says what was sampled; here, nothing was.
    let (routes, kinds) = (rows().len(), KINDS.len());
    let _ = writeln!(
        std::io::stderr(),
        "sample: the API's matrix is whole: {routes} routes, {kinds} kinds of people"
    );
    for row in rows() {
        let world = World::new().await;
        let refused = Refused {
            own: things(&world, &world.a, &world.ann).await,
            foreign: things(&world, &world.b, &world.bob).await,
        };
        for kind in KINDS {
            let who = kind.person(&world).await;
            judge(&world, &row, kind, &who, &way(&who), &refused).await;
            // No faster than one person may start sessions.
            world.pass(5_000);
        }
    }
}

/// Threat 7: the generated matrix, over a link.
#[tokio::test(flavor = "multi_thread")]
async fn every_route_answers_every_role_as_the_table_says_over_a_link() {
    judge_all(|who| From::Link(&who.link)).await;
}

/// Threat 7: the same for a browser's cookie.
#[tokio::test(flavor = "multi_thread")]
async fn every_route_answers_every_role_as_the_table_says_in_a_browser() {
    judge_all(|who| From::Page(&who.page)).await;
}

/// Another site's page gets nothing done with somebody's cookie, whatever the
/// route and her rights.
#[tokio::test(flavor = "multi_thread")]
async fn no_route_is_done_for_another_sites_page() {
    let world = World::new().await;
    let who = Kind::at_all(Role::Owner).person(&world).await;
    let own = things(&world, &world.a, &world.ann).await;
    let evil = who.page.clone().but("origin", Some("https://evil.example"));
    let sibling = who.page.clone().but("sec-fetch-site", Some("same-site"));
    let bare = who.page.clone().but("origin", None);
    for row in rows() {
        for page in [&evil, &sibling, &bare] {
            if row.route.starts_with("GET ") && page.headers == bare.headers {
                continue;
            }
            let (status, body) = send(&world, &From::Page(page), &row, &own).await;
            assert_eq!(status, 403, "{}: {body}", row.route);
            assert!(body.contains("own page"), "{}: {body}", row.route);
        }
    }
}

/// Another technician of the same customer is no more than a stranger to
/// one's sessions and tokens.
#[tokio::test]
async fn a_colleagues_sessions_and_tokens_are_foreign() {
    let world = World::new().await;
    grant(&world.app, world.bob.id, world.a.customer).await;
    let anns = things(&world, &world.a, &world.ann).await;
    let bob = From::Link(&world.bob.link);
    for row in rows() {
        if matches!(row.ids, Ids::Own | Ids::Session) {
            let (status, body) = send(&world, &bob, &row, &anns).await;
            assert_eq!(status, 404, "{}: {body}", row.route);
        }
    }
}

/// A part of a customer is not the customer: `me` says so, and what needs the whole
/// is refused whatever the id.
#[tokio::test]
async fn an_administrator_of_a_site_has_no_right_to_its_customer() {
    let world = World::new().await;
    let who = Quick::new(&world).await;
    let site = NodeRef::Site(world.a.site);
    assign(&world.app, who.id, Role::Administrator, site).await;
    let from = From::Link(&who.link);
    let (_, me) = world.send(&from, "GET", "/api/v1/me", "").await;
    let me: Me = serde_json::from_str(&me).unwrap();
    let [held] = &me.held[..] else {
        panic!("{:?}", me.held);
    };
    assert_eq!(
        (held.role, &held.nodes[..]),
        (Role::Administrator, &[site][..])
    );
    for (action, may) in [("host.add", true), ("claim.add", true)]
        .into_iter()
        .chain(["audit.see", "customer.change", "site.add", "user.add"].map(|a| (a, false)))
    {
        assert_eq!(me.rights.iter().any(|a| a == action), may, "{action}");
        assert_eq!(held.rights.iter().any(|a| a == action), may, "{action}");
    }
    for customer in [world.a.customer, world.b.customer, missing().customer] {
        let path = format!("/api/v1/audit?customer={customer}");
        let (status, body) = world.send(&from, "GET", &path, "").await;
        assert_eq!(status, 403, "{body}");
    }
}

/// Dangerous actions: a proof of more than ten minutes ago is too old.
#[tokio::test]
async fn a_route_of_a_dangerous_action_needs_a_fresh_proof() {
    let world = World::new().await;
    let who = Kind::at_all(Role::Owner).person(&world).await;
    let own = things(&world, &world.a, &world.ann).await;
    world.pass(10 * 60 * 1000);
    for row in rows() {
        if row.action.proof() == Proof::Fresh {
            let (status, body) = send(&world, &From::Page(&who.page), &row, &own).await;
            assert_eq!(status, 403, "{}: {body}", row.route);
            assert!(body.contains("step_up_needed"), "{}: {body}", row.route);
        }
    }
}

/// D7: an API token never does what only a sign-in may, and only what its
/// scopes name.
#[tokio::test]
async fn an_api_token_does_what_its_scopes_name_and_no_more() {
    let world = World::new().await;
    let hers = things(&world, &world.a, &world.olga).await;
    let mut tokens = Vec::new();
    for scope in TokenScope::ALL {
        tokens.push((scope, world.api_token(&world.olga, &[scope]).await));
    }
    for row in rows() {
        for (scope, token) in &tokens {
            let allowed = row.action.scope() == Some(*scope);
            let asked = if allowed { missing() } else { hers.clone() };
            let (status, body) = send(&world, &From::Web(token), &row, &asked).await;
            assert_eq!(
                status != 403,
                allowed,
                "{} {scope:?}: {status} {body}",
                row.route
            );
        }
    }
}

/// A token limited to one customer makes an owner a stranger to all others.
#[tokio::test]
async fn a_token_limited_to_a_customer_reaches_no_other() {
    let world = World::new().await;
    let call = world.call(&world.olga).await;
    let ask = culvert_wire::api::NewToken {
        label: String::new(),
        scopes: TokenScope::ALL.to_vec(),
        days: 1,
        customers: vec![world.a.customer],
    };
    let token = world.app.add_token(&call, &ask).await.unwrap().token;
    let foreign = things(&world, &world.b, &world.bob).await;
    for row in rows().into_iter().filter(|row| row.ids == Ids::Customer) {
        if row.action.scope().is_some() {
            let (status, body) = send(&world, &From::Web(&token), &row, &foreign).await;
            let (_, missing_body) = send(&world, &From::Web(&token), &row, &missing()).await;
            assert_eq!((status, &body), (404, &missing_body), "{}", row.route);
        }
    }
}

/// Threat 1: paths that mean a route only to a careless reader.
#[tokio::test]
async fn twisted_paths_lead_nowhere() {
    let world = World::new().await;
    let olga = From::Link(&world.olga.link);
    for path in [
        "/api/v1/users/",
        "/api/v1//users",
        "/API/V1/users",
        "/api/v1/users;x",
        "/api/v1/users%2f",
        "/api/v1/../v1/users",
        "/api/v1/hosts/..%2f..%2fetc%2fpasswd",
        "/setup",
        "/SetupWizard.aspx/x",
    ] {
        let (status, _) = world.send(&olga, "GET", path, "").await;
        assert_eq!(status, 404, "{path}");
    }
    let (status, _) = world
        .send(&From::Nobody, "TRACE", "/api/v1/users", "")
        .await;
    assert_eq!(status, 404);
}

/// "The first administrator is made only on the command line."
#[tokio::test]
async fn no_route_makes_an_owner() {
    let world = World::new().await;
    let olga = From::Link(&world.olga.link);
    let body = json!({
        "subject": { "kind": "user", "id": world.ann.id },
        "role": "owner",
        "node": { "kind": "all" },
    });

    let (status, said) = world
        .send(&olga, "POST", "/api/v1/assignments", &body.to_string())
        .await;
    assert_eq!(status, 403, "{said}");
    let body = r#"{"name":"eve","password":"a long password","role":"owner"}"#;
    let (status, _) = world.send(&olga, "POST", "/api/v1/users", body).await;
    assert_eq!(status, 400);
}

/// Bad input: one clear error, nothing repeated, no panic.
#[tokio::test]
async fn bad_bodies_are_refused_without_repeating_them() {
    let world = World::new().await;
    let olga = From::Link(&world.olga.link);
    let long = "x".repeat(65_536);
    for body in [
        "",
        "{",
        "[]",
        "null",
        "{\"name\":7}",
        "{\"name\":\"a\",\"canary\":\"hunter2\"}",
        "{\"name\":\"\\u0000\"}",
        "{\"name\":\"a\\u202eb\"}",
        "\u{0}\u{1}",
        &format!("{{\"name\":\"{long}\"}}"),
        &"[".repeat(100_000),
    ] {
        let (status, answer) = world.send(&olga, "POST", "/api/v1/customers", body).await;
        assert_eq!(status, 400, "{answer}");
        assert!(
            !answer.contains("hunter2") && answer.len() < 300,
            "{answer}"
        );
    }
    let (status, _) = world.send(&olga, "GET", "/api/v1/hosts?limit=-1", "").await;
    assert_eq!(status, 400);
}
