//! A provider with two customers, two technicians and an owner.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::body::Body;
use axum::http::HeaderMap;
use culvert_cloud_prs::app::assignments::{Holder, NewAssignment};
use culvert_cloud_prs::app::claims::ClaimFor;
use culvert_cloud_prs::app::tree::HostSpec;
use culvert_cloud_prs::app::{App, Call, Caller, Clock, Installation};
use culvert_cloud_prs::http;
use culvert_cloud_prs::plane::ConnInfo;
use culvert_cloud_prs::store::assignments::Filter;
use culvert_cloud_prs::store::{Place, Store};
use culvert_wire::api::{
    NewSession, NewToken, NodeRef, Role, Secret, SessionAnswer, SignInAnswer, SignedIn, TokenScope,
};
use culvert_wire::claim::ClaimCode;
use culvert_wire::grant::Protocol;
use culvert_wire::hello::{Binding, ClaimHello, LinkAuth, Who};
use culvert_wire::id::{
    AssignmentId, BootId, CustomerId, GatewayId, HostId, SiteId, TokenId, UserId,
};
use culvert_wire::key::{Context, SigningKey};
use http_body_util::BodyExt as _;
use sqlx::Connection as _;
use tower::ServiceExt as _;

use crate::quick::Known;
use crate::watched::Watched;
use crate::wires::Wires;

/// Everybody's password.
pub(crate) const PASSWORD: &str = "correct horse battery";
/// Where the portal is.
pub(crate) const ORIGIN: &str = "https://prs.example.com";
/// Where it is without TLS.
pub(crate) const PLAIN_ORIGIN: &str = "http://localhost:8080";
/// When the world begins.
pub(crate) const BEGINNING: u64 = 1_800_000_000_000;
/// An hour in milliseconds.
pub(crate) const HOUR: u64 = 3_600_000;

/// Which database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum On {
    Sqlite,
    Postgres,
}

/// One customer's things.
#[derive(Debug, Clone)]
pub(crate) struct Branch {
    pub(crate) customer: CustomerId,
    pub(crate) site: SiteId,
    pub(crate) host: HostId,
    pub(crate) gateway: GatewayId,
    pub(crate) box_key: SigningKey,
}

/// Somebody who is signed in.
pub(crate) struct Person {
    pub(crate) id: UserId,
    pub(crate) link: Arc<Caller>,
    pub(crate) token: TokenId,
    pub(crate) secret: Secret,
}

/// The provider.
pub(crate) struct World {
    pub(crate) app: Arc<App>,
    pub(crate) router: Router,
    pub(crate) wires: Arc<Wires>,
    pub(crate) clock: Arc<AtomicU64>,
    pub(crate) broker: SigningKey,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) a: Branch,
    pub(crate) b: Branch,
    pub(crate) ann: Person,
    pub(crate) bob: Person,
    pub(crate) olga: Person,
}

/// The console.
pub(crate) fn console() -> Call {
    Call::console("test".into())
}

/// A place for a database of the test's own; none without PostgreSQL.
pub(crate) async fn place(on: On, folder: &std::path::Path) -> Option<Place> {
    match on {
        On::Sqlite => Some(Place::File(folder.join("culvert.db"))),
        On::Postgres => {
            let server = std::env::var("CULVERT_TEST_POSTGRES").ok()?;
            sqlx::any::install_default_drivers();
            let name = format!("t{:016x}", rand::random::<u64>());
            let mut root = sqlx::AnyConnection::connect(&server).await.unwrap();
            let sql = format!("CREATE DATABASE {name}");
            sqlx::query(sqlx::AssertSqlSafe(sql))
                .execute(&mut root)
                .await
                .unwrap();
            let (base, query) = server.split_once('?').unwrap_or((&server, ""));
            let (base, _) = base.rsplit_once('/').unwrap();
            Some(Place::Postgres(format!("{base}/{name}?{query}")))
        }
    }
}

/// An application on a place, without people.
pub(crate) async fn app_on(place: Place, broker: &SigningKey, clock: Arc<AtomicU64>) -> App {
    let here = Installation {
        broker: broker.clone(),
        former: vec![],
        provider: SigningKey::from_seed(&[200; 32]).public(),
        public_addresses: vec!["prs.example.com:443".into()],
        origins: vec![ORIGIN.into(), PLAIN_ORIGIN.into()],
        secrets: [202; 32],
        // Made by the tests that need it.
        bundles: std::env::temp_dir().join(format!("culvert-bundles-{:x}", rand::random::<u64>())),
        downloads: std::env::temp_dir()
            .join(format!("culvert-downloads-{:x}", rand::random::<u64>())),
        session_ms: HOUR,
        sign_in_ms: 12 * HOUR,
        claim_ms: 72 * HOUR,
    };
    let store = Store::open(place).await.unwrap();
    App::new(store, here, Clock::Set(clock))
}

impl World {
    /// On SQLite.
    pub(crate) async fn new() -> Self {
        Self::on(On::Sqlite).await.expect("SQLite is always there")
    }

    /// On either database; none without PostgreSQL.
    pub(crate) async fn on(on: On) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let place = place(on, folder.path()).await?;
        let clock = Arc::new(AtomicU64::new(BEGINNING));
        let broker = SigningKey::from_seed(&[201; 32]);
        let app = Arc::new(app_on(place, &broker, Arc::clone(&clock)).await);
        let wires = Arc::new(Wires::default());
        *wires.app.lock().unwrap() = Some(Arc::downgrade(&app));
        *wires.broker.lock().unwrap() = Some(broker.public());
        app.attach(Arc::clone(&wires) as _);
        let (router, _) = http::router(Arc::clone(&app));
        let a = branch(&app, &wires, "Acme", 1).await;
        let b = branch(&app, &wires, "Bravo", 2).await;
        let ann = person(&app, &wires, "ann", 11).await;
        let bob = person(&app, &wires, "bob", 12).await;
        let olga = person(&app, &wires, "olga", 13).await;
        assign(&app, olga.id, Role::Owner, NodeRef::All).await;
        grant(&app, ann.id, a.customer).await;
        grant(&app, bob.id, b.customer).await;
        Some(Self {
            app,
            router,
            wires,
            clock,
            broker,
            folder,
            a,
            b,
            ann,
            bob,
            olga,
        })
    }

    /// Lets time pass.
    pub(crate) fn pass(&self, ms: u64) {
        self.clock.fetch_add(ms, Ordering::Relaxed);
    }

    /// The rights of somebody's sign-in, as they are now.
    pub(crate) async fn call(&self, person: &Person) -> Call {
        let actor = self.app.actor_by_id(person.token).await.unwrap();
        Call {
            actor: actor.expect("the sign-in holds"),
            source: "192.0.2.9".into(),
            at: self.app.now(),
        }
    }

    /// Starts a session on a branch's host.
    pub(crate) async fn session(&self, person: &Person, branch: &Branch) -> SessionAnswer {
        let call = self.call(person).await;
        self.app.start_session(&call, &ask(branch)).await.unwrap()
    }

    /// An API token of somebody's.
    pub(crate) async fn api_token(&self, person: &Person, scopes: &[TokenScope]) -> Secret {
        let ask = NewToken {
            label: "test".into(),
            scopes: scopes.to_vec(),
            days: 1,
            customers: vec![],
        };
        let call = self.call(person).await;
        self.app.add_token(&call, &ask).await.unwrap().token
    }

    /// Sends a request as somebody and reads the answer.
    pub(crate) async fn send(
        &self,
        from: &From<'_>,
        method: &str,
        path: &str,
        body: &str,
    ) -> (u16, String) {
        let (status, _, body) = self.ask(from, method, path, body).await;
        (status, body)
    }

    /// The same with the answer's headers.
    pub(crate) async fn ask(
        &self,
        from: &From<'_>,
        method: &str,
        path: &str,
        body: &str,
    ) -> (u16, HeaderMap, String) {
        let mut request = axum::http::Request::builder().method(method).uri(path);
        match from {
            From::Nobody => {}
            From::Link(link) => request = request.extension(Arc::clone(link)),
            From::Web(token) => {
                let value = format!("Bearer {}", token.reveal());
                request = request
                    .extension(web_peer(false))
                    .header("authorization", value);
            }
            From::Page(page) => {
                request = request.header("user-agent", FIREFOX);
                request = request.extension(web_peer(page.plain));
                for (name, value) in &page.headers {
                    request = request.header(*name, value);
                }
            }
        }
        let request = request.body(Body::from(body.to_owned())).unwrap();
        let watched = Watched::before(self, from, method, path).await;
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        let answer = String::from_utf8(bytes.to_vec()).unwrap();
        if let Some(watched) = watched {
            watched.after(self, status, &answer).await;
        }
        (status, headers, answer)
    }

    /// Sends a request of a browser and gives the answer before it is read.
    pub(crate) async fn response(
        &self,
        request: axum::http::request::Builder,
    ) -> axum::response::Response {
        let request = request.extension(web_peer(false)).body(Body::empty());
        self.router.clone().oneshot(request.unwrap()).await.unwrap()
    }

    /// The same with its bytes as they travel, and how they are packed.
    pub(crate) async fn raw(
        &self,
        request: axum::http::request::Builder,
    ) -> (Vec<u8>, Option<String>) {
        let response = self.response(request).await;
        let packed = response.headers().get("content-encoding");
        let packed = packed.map(|name| name.to_str().unwrap().to_owned());
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (bytes.to_vec(), packed)
    }

    /// Signs somebody in with a browser: her page.
    pub(crate) async fn browse(&self, name: &str) -> Page {
        let page = Page::default();
        let body = format!(r#"{{"name":"{name}","password":"{PASSWORD}"}}"#);
        let from = From::Page(&page);
        let (status, headers, body) = self.ask(&from, "POST", "/api/v1/sign-in", &body).await;
        assert_eq!(status, 200, "{body}");
        page.with_cookie(&headers)
    }
}

fn web_peer(plain: bool) -> ConnInfo {
    ConnInfo {
        peer: from(),
        exporter: [1; 32],
        plain,
    }
}

/// A browser of the tests.
const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0";

/// A page in a browser: the headers that it sends.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) plain: bool,
}

impl Default for Page {
    /// The portal's own, without a cookie.
    fn default() -> Self {
        Self {
            headers: vec![
                ("origin", ORIGIN.into()),
                ("sec-fetch-site", "same-origin".into()),
            ],
            plain: false,
        }
    }
}

impl Page {
    /// The same with the cookie that an answer set.
    pub(crate) fn with_cookie(mut self, answer: &HeaderMap) -> Self {
        let set = answer["set-cookie"].to_str().unwrap();
        let (pair, _) = set.split_once(';').unwrap();
        self.headers.push(("cookie", pair.into()));
        self
    }

    /// The same with another value of a header, or without it.
    pub(crate) fn but(mut self, name: &'static str, value: Option<&str>) -> Self {
        self.headers.retain(|(known, _)| *known != name);
        self.headers
            .extend(value.map(|value| (name, value.to_owned())));
        self
    }
}

/// How a request comes.
pub(crate) enum From<'a> {
    Nobody,
    Link(&'a Arc<Caller>),
    Web(&'a Secret),
    Page(&'a Page),
}

/// A request for SSH to a branch's host.
pub(crate) fn ask(branch: &Branch) -> NewSession {
    NewSession {
        host: branch.host,
        protocol: Protocol::Ssh,
        ports: vec![],
        end_key: SigningKey::from_seed(&rand::random()).public(),
        test: false,
    }
}

/// What a box sends to claim, on a link with this binding.
pub(crate) fn claim_auth(code: &ClaimCode, key: &SigningKey, binding: &Binding) -> LinkAuth {
    let sealing = [5; 32];
    let hello = ClaimHello {
        claim: code.claim,
        identity: key.public(),
        sealing,
        sealing_signature: key.sign(Context::SealingKey, &sealing),
        boot: BootId::from_random([1; 16]),
    };
    let version = "culvert-gateway 0.1.0".to_owned();
    LinkAuth::sign(Who::Claim(hello), version, binding, key, Some(&code.seed))
}

/// A link's binding.
pub(crate) fn binding() -> Binding {
    Binding {
        exporter: [1; 32],
        client_nonce: [2; 32],
        server_nonce: [3; 32],
    }
}

/// From where everything comes.
pub(crate) fn from() -> SocketAddr {
    "192.0.2.9:40000".parse().unwrap()
}

async fn branch(app: &App, wires: &Wires, name: &str, seed: u8) -> Branch {
    let console = console();
    let customer = app.add_customer(&console, name).await.unwrap().id;
    let site = app.add_site(&console, customer, "Office").await.unwrap().id;
    let spec = HostSpec {
        name: "server".into(),
        address: "192.168.7.9".parse().unwrap(),
        services: ["ssh", "vnc:5901", "http", "https"]
            .map(|s| s.parse().unwrap())
            .to_vec(),
        any_port: false,
    };
    let host = app.add_host(&console, site, &spec).await.unwrap().id;
    let (_, code) = app.add_claim(&console, ClaimFor::Site(site)).await.unwrap();
    let box_key = SigningKey::from_seed(&[seed; 32]);
    let auth = claim_auth(&code, &box_key, &binding());
    let welcome = app.admit_claim(&auth, &binding(), from()).await.unwrap();
    wires.online.lock().unwrap().insert(box_key.public());
    Branch {
        customer,
        site,
        host,
        gateway: welcome.gateway.unwrap(),
        box_key,
    }
}

/// Somebody who has signed in with `culvert`; that signing in works is held elsewhere.
async fn person(app: &App, wires: &Wires, name: &str, seed: u8) -> Person {
    let device = SigningKey::from_seed(&[seed; 32]).public();
    let signed_in = Known::new(app, name, device).await;
    let link = Arc::new(Caller::new(
        device,
        from(),
        Some((signed_in.token, signed_in.id)),
    ));
    wires.callers.lock().unwrap().push(Arc::clone(&link));
    Person {
        id: signed_in.id,
        link,
        token: signed_in.token,
        secret: signed_in.secret,
    }
}

/// Gives a person a role.
pub(crate) async fn assign(app: &App, user: UserId, role: Role, node: NodeRef) -> AssignmentId {
    let ask = NewAssignment {
        subject: Holder::User(user),
        role,
        node,
    };
    app.assign(&console(), &ask).await.unwrap().id
}

/// Makes a person a technician of a customer.
pub(crate) async fn grant(app: &App, user: UserId, customer: CustomerId) {
    assign(app, user, Role::Technician, NodeRef::Customer(customer)).await;
}

/// Takes a person's roles at a place.
pub(crate) async fn revoke(app: &App, user: UserId, node: NodeRef) {
    let filter = Filter {
        user: Some(user),
        node: Some(node),
        ..Default::default()
    };
    for held in app.assignments(&console(), filter).await.unwrap() {
        app.unassign(&console(), held.id).await.unwrap();
    }
}

/// What a sign-in that needs nothing more gave.
pub(crate) fn signed(answer: SignInAnswer) -> SignedIn {
    match answer {
        SignInAnswer::Done(signed) => *signed,
        SignInAnswer::SecondFactor(_) => panic!("a second factor is needed"),
    }
}

/// Runs a test on SQLite and on PostgreSQL, if that is there.
macro_rules! on_both {
    ($(#[$about:meta])* $name:ident, $world:ident => $body:block) => {
        mod $name {
            #[allow(unused_imports, reason = "not every test needs its file's imports")]
            use super::*;

            async fn run(on: $crate::world::On) {
                let Some($world) = $crate::world::World::on(on).await else {
                    return;
                };
                $body
            }

            $(#[$about])*
            #[tokio::test(flavor = "multi_thread")]
            async fn on_sqlite() {
                run($crate::world::On::Sqlite).await;
            }

            $(#[$about])*
            #[tokio::test(flavor = "multi_thread")]
            async fn on_postgres() {
                run($crate::world::On::Postgres).await;
            }
        }
    };
}

pub(crate) use on_both;
