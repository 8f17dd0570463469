//! A plane with a small application, and ends to connect to it.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::{Extension, Router, routing::get};
use culvert_cloud_prs::plane::{
    Caller, ConnInfo, Control, KEEPALIVE, Limits, Plane, PlaneEvent, PlaneSettings, bind,
    server_config,
};
use culvert_cloud_prs::relay::{RouteSpec, Side};
pub(crate) use culvert_lab::node::key;
use culvert_lab::node::{dial, prover};
use culvert_link::{ConnectError, Dial, Events, Link, Me, Route, connect};
use culvert_wire::UnixMs;
use culvert_wire::frame::{ApiRequest, ApiResponse, Refused, Welcome};
use culvert_wire::hello::{Binding, GatewayHello, LinkAuth, TechnicianHello, Who};
use culvert_wire::id::{BootId, SessionId, UserId};
use culvert_wire::key::{PublicKey, SigningKey};
use culvert_wire::reason::Reason;
use culvert_wire::ticket::Ticket;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::task::JoinHandle;

pub(crate) fn now() -> UnixMs {
    culvert_cloud_prs::steady::now()
}

/// The application: lets gateways and technicians in unless told otherwise.
#[derive(Default)]
pub(crate) struct App {
    pub(crate) events: Mutex<Vec<PlaneEvent>>,
    pub(crate) known_routes: Mutex<HashMap<SessionId, RouteSpec>>,
    pub(crate) look_ups: Mutex<u32>,
    pub(crate) database_down: Mutex<bool>,
    pub(crate) refuse: Mutex<Option<Refused>>,
    /// Devices on whose links nobody is signed in.
    pub(crate) strangers: Mutex<HashSet<PublicKey>>,
    /// While somebody has this, nothing that happened is taken.
    pub(crate) busy: tokio::sync::Mutex<()>,
}

fn welcome() -> Welcome {
    Welcome {
        keepalive_ms: KEEPALIVE,
        gateway: None,
        lease: None,
        version: "test".into(),
    }
}

impl App {
    fn admit(&self) -> Result<(), Refused> {
        self.refuse.lock().unwrap().clone().map_or(Ok(()), Err)
    }
}

impl Control for App {
    async fn admit_gateway(
        &self,
        _: &GatewayHello,
        _: &str,
        _: SocketAddr,
    ) -> Result<Welcome, Refused> {
        self.admit().map(|()| welcome())
    }

    async fn claim(
        &self,
        auth: &LinkAuth,
        binding: &Binding,
        _: SocketAddr,
    ) -> Result<Welcome, Refused> {
        assert!(matches!(auth.who, Who::Claim(_)));
        match auth.verify_claim(binding, &key(9).public()) {
            Ok(()) => Ok(welcome()),
            Err(_) => Err(Refused {
                reason: Reason::ClaimRefused,
                retry_after_ms: 0,
                text: String::new(),
            }),
        }
    }

    async fn admit_technician(
        &self,
        hello: &TechnicianHello,
        _: &str,
        _: SocketAddr,
    ) -> Result<Caller, Refused> {
        self.admit()?;
        Ok(Caller::new(Arc::new(hello.device)))
    }

    /// Each device is a person's of its own.
    fn signed_in(&self, caller: &Caller) -> Option<UserId> {
        let device = caller.get::<PublicKey>().unwrap();
        let is_stranger = self.strangers.lock().unwrap().contains(&device);
        let number = device.as_bytes()[..16].try_into().unwrap();
        (!is_stranger).then_some(UserId::from_random(number))
    }

    async fn api(&self, _: &Caller, request: ApiRequest) -> ApiResponse {
        if request.path == "/slow" {
            tokio::time::sleep(Duration::from_secs(3600)).await;
        }
        ApiResponse {
            id: 0,
            status: 200,
            body: request.path.into(),
        }
    }

    async fn recover_route(&self, session: SessionId) -> Result<Option<RouteSpec>, Reason> {
        *self.look_ups.lock().unwrap() += 1;
        if *self.database_down.lock().unwrap() {
            return Err(Reason::DatabaseDown);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
        Ok(self.known_routes.lock().unwrap().get(&session).cloned())
    }

    fn fleet(&self) -> usize {
        5000
    }

    async fn event(&self, event: PlaneEvent) {
        let _turn = self.busy.lock().await;
        self.events.lock().unwrap().push(event);
    }
}

/// A running plane; stops when dropped.
pub(crate) struct World {
    pub(crate) plane: Plane,
    pub(crate) app: Arc<App>,
    pub(crate) address: SocketAddr,
    pub(crate) serving: JoinHandle<()>,
}

impl Drop for World {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

pub(crate) async fn start() -> World {
    start_with(Limits::default()).await
}

pub(crate) async fn start_with(limits: Limits) -> World {
    let made = rcgen::generate_simple_self_signed(vec!["prs.example".into()]).unwrap();
    let web_key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let chain = vec![made.cert.der().clone()];
    let plane = Plane::new(PlaneSettings {
        tls: server_config(chain, PrivateKeyDer::Pkcs8(web_key)).unwrap(),
        prover: prover(),
        limits,
    });
    let (tcp, udp) = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = tcp.local_addr().unwrap();
    let app = Arc::new(App::default());
    let hello = |Extension(info): Extension<ConnInfo>| async move { info.peer.ip().to_string() };
    let router = Router::new().route("/hello", get(hello));
    let (serving, control) = (plane.clone(), Arc::clone(&app));
    let serving = tokio::spawn(async move { serving.serve(tcp, Some(udp), router, control).await });
    World {
        plane,
        app,
        address,
        serving,
    }
}

/// Both ends of a route; their links stay as long as this.
pub(crate) struct Ends {
    pub(crate) near: Route,
    pub(crate) far: Route,
    _links: [(Link, Events); 2],
}

impl World {
    pub(crate) fn dial(&self) -> Dial {
        dial(self.address)
    }

    /// A gateway whose welcome has come.
    pub(crate) async fn gateway(&self, seed: u8) -> (Link, Events) {
        self.gateway_of(seed, seed).await
    }

    /// The same, of a certain run.
    pub(crate) async fn gateway_of(&self, seed: u8, boot: u8) -> (Link, Events) {
        let me = Me::Gateway {
            key: key(seed),
            hello: GatewayHello {
                identity: key(seed).public(),
                boot: BootId::from_random([boot; 16]),
                lease: None,
                revocations: 0,
            },
        };
        self.welcomed(me).await
    }

    /// A technician's program whose welcome has come.
    pub(crate) async fn technician(&self, seed: u8) -> (Link, Events) {
        let me = Me::Technician {
            key: key(seed),
            token: None,
        };
        self.welcomed(me).await
    }

    async fn welcomed(&self, me: Me) -> (Link, Events) {
        let (link, mut events) = self.connect(me).await.unwrap();
        let first = events.next().await;
        assert!(
            matches!(first, Some(culvert_link::Event::Welcome(_))),
            "{first:?}"
        );
        (link, events)
    }

    pub(crate) async fn connect(&self, me: Me) -> Result<(Link, Events), ConnectError> {
        connect(&self.dial(), me, "test").await
    }

    /// Opens a route: tickets are its number, the technician's end key is
    /// `100 + number`, the gateway's `200`.
    pub(crate) fn open(&self, number: u8) -> SessionId {
        let spec = spec(number);
        let session = spec.session;
        self.plane.open_route(spec).unwrap();
        session
    }

    /// A technician and a gateway who have joined a route of this number.
    pub(crate) async fn ends(&self, number: u8) -> Ends {
        let gateway = self.gateway(200).await;
        let technician = self.technician(60).await;
        let session = self.open(number);
        let join = |link: &Link, end| link.join(session, Some(ticket(number)), end).unwrap();
        Ends {
            near: join(&technician.0, &key(100 + number)),
            far: join(&gateway.0, &key(200)),
            _links: [gateway, technician],
        }
    }

    /// The application finds this route in its database.
    pub(crate) fn remembers(&self, route: RouteSpec) {
        let mut known = self.app.known_routes.lock().unwrap();
        known.insert(route.session, route);
    }

    /// Waits until the application was told what `wanted` picks.
    pub(crate) async fn told(&self, wanted: impl Fn(&PlaneEvent) -> bool) -> PlaneEvent {
        for _ in 0..4000 {
            if let Some(event) = self.app.events.lock().unwrap().iter().find(|e| wanted(e)) {
                return event.clone();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("never told; {:?}", self.app.events.lock().unwrap());
    }
}

pub(crate) fn session(number: u8) -> SessionId {
    SessionId::from_random([number; 16])
}

pub(crate) fn spec(number: u8) -> RouteSpec {
    let side = |end: SigningKey| Side {
        ticket: Some(ticket(number).hash()),
        end: end.public(),
    };
    RouteSpec {
        session: session(number),
        technician: side(key(100 + number)),
        gateway: side(key(200)),
        join_by: now().plus_ms(60_000),
        ends_at: now().plus_ms(3_600_000),
    }
}

pub(crate) fn ticket(number: u8) -> Ticket {
    Ticket::from_random([number; 32])
}

/// The next packets, or why the route is closed.
pub(crate) async fn receive(route: &Route) -> Result<Vec<u8>, Reason> {
    let got = std::future::poll_fn(|cx| route.poll_recv(cx));
    let got = tokio::time::timeout(Duration::from_secs(40), got).await;
    match got.expect("something comes or the route is closed") {
        Some(packets) => Ok(packets.payload.to_vec()),
        None => Err(route.closed().unwrap().reason),
    }
}

/// Waits for the word that the other end is there: packets may be faster.
pub(crate) async fn aware(route: &Route) {
    while !route.peer_present() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Sends until the other end has got it: packets before a join are dropped. The
/// tries are numbered, and it is the last that must come: the relay keeps their
/// order, so nothing of them comes later, however slow the machine is.
pub(crate) async fn through(from: &Route, to: &Route, payload: &[u8]) {
    for number in 0..1000_u16 {
        let sent = [&number.to_be_bytes()[..], payload].concat();
        from.try_send(1200, &sent);
        let wait = Duration::from_millis(20);
        while let Ok(Some(got)) =
            tokio::time::timeout(wait, std::future::poll_fn(|cx| to.poll_recv(cx))).await
        {
            if got.payload[..] == sent {
                return;
            }
        }
    }
    panic!("nothing came through");
}
