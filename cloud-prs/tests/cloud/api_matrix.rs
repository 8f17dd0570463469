//! Every route × every role × own, foreign and missing ids (threat 7, S21).
//!
//! The routes come from the OpenAPI description: one without a row here
//! fails. What to expect follows from the action and the table of `authz`,
//! not from what the route answers today.

use culvert_cloud_prs::authz::Action;
use culvert_wire::api::{NewLaunch, Role, Secret, TokenScope};
use culvert_wire::grant::Protocol;
use culvert_wire::id::{
    ClaimId, CustomerId, GatewayId, HostId, SessionId, SiteId, TokenId, UserId,
};
use serde_json::{Value, json};

use crate::world::{Branch, From, PASSWORD, Person, World, console};

/// What a route's ids and body are made of.
#[derive(Clone)]
struct Things {
    customer: CustomerId,
    site: SiteId,
    /// A site without hosts or gateway.
    empty_site: SiteId,
    /// A customer without sites.
    empty_customer: CustomerId,
    host: HostId,
    gateway: GatewayId,
    claim: ClaimId,
    session: SessionId,
    token: TokenId,
    user: UserId,
}

/// How a route's answer depends on its ids.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ids {
    /// It has none.
    None,
    /// Things of a customer: foreign for a technician of another one.
    Customer,
    /// Things of the asker herself: everybody else's are foreign.
    Own,
    /// Sessions: her own, for an owner all.
    Session,
    /// People, whom only owners see.
    People,
}

struct Row {
    route: &'static str,
    action: Action,
    ids: Ids,
    ok: u16,
    body: fn(&Things) -> Value,
}

const fn row(
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

fn nothing(_: &Things) -> Value {
    Value::Null
}

fn new_name(_: &Things) -> Value {
    json!({ "name": "A new name" })
}

fn host_spec(_: &Things) -> Value {
    json!({ "name": "printer", "address": "192.168.7.20", "services": [] })
}

fn session(things: &Things) -> Value {
    let key = culvert_wire::key::SigningKey::from_seed(&[9; 32]).public();
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

/// Routes that need no sign-in; other tests hold what they do.
const OPEN: [&str; 2] = ["POST /api/v1/sign-in", "POST /api/v1/launches/redeem"];

/// Routes whose answer does not end by itself; `happenings.rs` holds them.
const STREAMS: [&str; 1] = ["GET /api/v1/events"];

fn rows() -> Vec<Row> {
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
            Ids::Customer,
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
            |_| json!({ "name": "carl", "password": "a long enough one" }),
        ),
        row(
            "PATCH /api/v1/users/{user}",
            A::UserChange,
            Ids::People,
            200,
            |_| json!({ "disabled": true }),
        ),
        row(
            "GET /api/v1/users/{user}/permissions",
            A::PermissionSee,
            Ids::People,
            200,
            nothing,
        ),
        row(
            "PUT /api/v1/users/{user}/permissions/{customer}",
            A::PermissionGrant,
            Ids::People,
            204,
            nothing,
        ),
        row(
            "DELETE /api/v1/users/{user}/permissions/{customer}",
            A::PermissionRevoke,
            Ids::People,
            204,
            nothing,
        ),
        row("GET /api/v1/audit", A::AuditSee, Ids::None, 200, nothing),
    ]
}

/// Path parameters that stand for another kind of the same thing.
fn described(route: &str) -> String {
    route.replace("{empty_", "{")
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
        .replace("{user}", &things.user.to_string());
    (method.to_owned(), path)
}

async fn things(world: &World, branch: &Branch, who: &Person) -> Things {
    let console = console();
    let app = &world.app;
    let empty_site = app
        .add_site(&console, branch.customer, "Empty")
        .await
        .unwrap()
        .id;
    let name = format!("Empty {empty_site}");
    let empty_customer = app.add_customer(&console, &name).await.unwrap().id;
    app.grant(&console, who.id, empty_customer).await.unwrap();
    let spare = app
        .add_site(&console, branch.customer, "Spare")
        .await
        .unwrap()
        .id;
    let what = culvert_cloud_prs::app::claims::ClaimFor::Site(spare);
    let (claim, _) = app.add_claim(&console, what).await.unwrap();
    Things {
        customer: branch.customer,
        site: branch.site,
        empty_site,
        empty_customer,
        host: branch.host,
        gateway: branch.gateway,
        claim: claim.id,
        session: world.session(who, branch).await.session,
        token: who.token,
        user: who.id,
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
        claim: id(),
        session: id(),
        token: id(),
        user: id(),
    }
}

async fn send(world: &World, from: &From<'_>, row: &Row, things: &Things) -> (u16, String) {
    let (method, path) = path(row.route, things);
    let body = (row.body)(things);
    // Text that is no JSON, or nothing at all.
    let text = body.as_str().map(str::to_owned);
    let body = text.unwrap_or_else(|| match body.is_null() {
        true => String::new(),
        false => body.to_string(),
    });
    world.send(from, &method, &path, &body).await
}

fn owner_only(action: Action) -> bool {
    action.role() == Role::Owner
}

#[tokio::test]
async fn every_route_of_the_description_has_a_row_and_every_row_a_route() {
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
    let mut covered: Vec<String> = rows().iter().map(|row| described(row.route)).collect();
    covered.extend(OPEN.map(str::to_owned));
    covered.extend(STREAMS.map(str::to_owned));
    routes.sort();
    covered.sort();

    assert_eq!(routes, covered);
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

/// A technician's own things work, everything foreign reads like what does
/// not exist, byte for byte.
#[tokio::test]
async fn a_technician_gets_her_own_and_foreign_is_like_missing() {
    for row in rows().into_iter().filter(|row| row.ids != Ids::None) {
        let world = World::new().await;
        let own = things(&world, &world.a, &world.ann).await;
        let foreign = things(&world, &world.b, &world.bob).await;
        let ann = From::Link(&world.ann.link);

        let foreign = send(&world, &ann, &row, &foreign).await;
        let missing = send(&world, &ann, &row, &missing()).await;
        let (status, body) = send(&world, &ann, &row, &own).await;

        assert_eq!(foreign, missing, "{}", row.route);
        let owners = owner_only(row.action);
        let expected = if owners { (403, 403) } else { (404, row.ok) };
        assert_eq!((missing.0, status), expected, "{}: {body}", row.route);
    }
}

#[tokio::test]
async fn a_route_without_ids_works_for_whoever_may() {
    for row in rows().into_iter().filter(|row| row.ids == Ids::None) {
        let world = World::new().await;
        let own = things(&world, &world.a, &world.ann).await;
        for person in [&world.ann, &world.olga] {
            let from = From::Link(&person.link);
            let (status, body) = send(&world, &from, &row, &own).await;
            let olga = person.id == world.olga.id;
            let expected = if owner_only(row.action) && !olga {
                403
            } else {
                row.ok
            };
            assert_eq!(status, expected, "{}: {body}", row.route);
        }
    }
}

#[tokio::test]
async fn an_owner_gets_everything_but_what_is_missing_or_somebody_elses_own() {
    for row in rows().into_iter().filter(|row| row.ids != Ids::None) {
        let world = World::new().await;
        let hers = things(&world, &world.a, &world.olga).await;
        let anns = things(&world, &world.b, &world.bob).await;
        let olga = From::Link(&world.olga.link);

        let (missing_status, missing_body) = send(&world, &olga, &row, &missing()).await;
        assert_eq!(missing_status, 404, "{}: {missing_body}", row.route);
        let (status, body) = send(&world, &olga, &row, &anns).await;
        if row.ids == Ids::Own {
            assert_eq!((status, &body), (404, &missing_body), "{}", row.route);
            let (status, body) = send(&world, &olga, &row, &hers).await;
            assert_eq!(status, row.ok, "{}: {body}", row.route);
        } else {
            assert_eq!(status, row.ok, "{}: {body}", row.route);
        }
    }
}

/// Another technician of the same customer is no more than a stranger to
/// one's sessions and tokens.
#[tokio::test]
async fn a_colleagues_sessions_and_tokens_are_foreign() {
    let world = World::new().await;
    world
        .app
        .grant(&console(), world.bob.id, world.a.customer)
        .await
        .unwrap();
    let anns = things(&world, &world.a, &world.ann).await;
    let bob = From::Link(&world.bob.link);
    for row in rows() {
        if matches!(row.ids, Ids::Own | Ids::Session) {
            let (status, body) = send(&world, &bob, &row, &anns).await;
            assert_eq!(status, 404, "{}: {body}", row.route);
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
    let ann = format!("/api/v1/users/{}", world.ann.id);

    let (status, _) = world
        .send(&olga, "PATCH", &ann, r#"{"role":"owner"}"#)
        .await;
    assert_eq!(status, 403);
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
