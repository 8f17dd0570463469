//! The listening side of the server: one TCP port, one UDP port.
//!
//! TLS 1.3, then HTTP/1.1: `GET /link` becomes a link, every other path goes
//! to the application's router. Links meet in the [`relay`](crate::relay);
//! decisions about people and boxes are the application's ([`Control`]). The
//! UDP port of the same number answers STUN Binding.
//!
//! Two steps, because the application holds the [`Plane`] handle and the plane
//! asks the application: [`Plane::new`], then [`Plane::serve`].

mod accept;
mod admit;
mod anonymous;
mod control;
mod core;
mod drain;
mod gate;
mod link;
mod reports;
mod stun;
mod upgrade;

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::Router;
use culvert_link::server::Prover;
use culvert_wire::UnixMs;
use culvert_wire::frame::{Frame, Invite, Offer};
use culvert_wire::id::SessionId;
use culvert_wire::key::PublicKey;
use culvert_wire::reason::Reason;
use culvert_wire::revocation::SignedRevocation;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpSocket, UdpSocket};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

pub use self::control::{Caller, ConnInfo, Control, Joining, PlaneEvent};
use self::core::{Core, Party};
use self::gate::{Gate, GateLimits};
pub use self::server_tls::{renewable_config, server_config};
use crate::relay::{RelayFull, RouteSpec, Totals};

mod server_tls;

/// What links are told about the server.
pub const VERSION: &str = concat!("culvert-prs ", env!("CARGO_PKG_VERSION"));
/// How often links shall speak, in milliseconds: below the 30 s after which
/// common NATs forget a connection.
pub const KEEPALIVE: u32 = 20_000;
/// Connections that may wait to be accepted: a herd comes back at once.
const BACKLOG: u32 = 4096;
/// How often time limits of routes are looked at.
const TICK: Duration = Duration::from_millis(250);
/// After so many of these links that are nobody's are looked at.
const SWEEP: u32 = 4;
/// After so many all links are, and boxes that are gone are forgotten.
const FORGET: u32 = 60 * SWEEP;

/// How much the plane takes.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Links. One half of them is kept for gateways.
    pub links: usize,
    /// Links of one person who is signed in, in all her programs and browsers.
    pub per_person: usize,
    /// Links of programs on which nobody has signed in or joined a session.
    pub anonymous: usize,
    /// The same, of one IPv4 address or IPv6 /64.
    pub anonymous_per_address: usize,
    /// The same, of one IPv6 /48.
    pub anonymous_per_site: usize,
    /// How long one may stay so.
    pub anonymous_life: Duration,
    /// Connections that have not proved anything yet, of each of the gate's
    /// kinds.
    pub unproved: usize,
    /// The same, of one IPv4 address or IPv6 /64.
    pub unproved_per_address: usize,
    /// The same, of one IPv6 /48.
    pub unproved_per_site: usize,
    /// STUN answers per second to one address or /64.
    pub stun_per_second: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            links: 50_000,
            // Tools that work on hundreds of hosts have a link for each.
            per_person: 1024,
            anonymous: 4096,
            // An office whose technicians all run `culvert login` at once.
            anonymous_per_address: 256,
            anonymous_per_site: 1024,
            // Longer than a sign-in that is handed over from a browser may take.
            anonymous_life: Duration::from_secs(15 * 60),
            unproved: 8192,
            unproved_per_address: 512,
            unproved_per_site: 2048,
            stun_per_second: 10,
        }
    }
}

/// What a plane is made of.
#[derive(Debug, Clone)]
pub struct PlaneSettings {
    /// The web side's certificate and TLS settings: see [`server_config`].
    pub tls: Arc<ServerConfig>,
    /// The node's key, statement and rotations.
    pub prover: Prover,
    /// How much it takes.
    pub limits: Limits,
}

/// A handle on the plane; clones share it. No call waits.
#[derive(Debug, Clone)]
pub struct Plane {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    core: Arc<Core>,
    tls: Arc<ServerConfig>,
    prover: RwLock<Prover>,
    limits: Limits,
    gate: Gate,
    /// When links shall come back, once the server is draining.
    draining: watch::Sender<Option<Duration>>,
    stun_answers: AtomicU64,
    stun_refused: AtomicU64,
}

/// Figures for `/metrics`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Links that are up.
    pub links: usize,
    /// Gateways that have a link.
    pub gateways: usize,
    /// Routes that may be joined or are.
    pub routes: usize,
    /// Connections that have not proved anything yet.
    pub unproved: usize,
    /// Connections refused because of too many such.
    pub refused_connections: u64,
    /// Bytes that wait in all queues.
    pub queued_bytes: usize,
    /// The relay's figures.
    pub relay: Totals,
    /// STUN answers.
    pub stun_answers: u64,
    /// STUN requests not answered.
    pub stun_refused: u64,
}

impl Limits {
    const fn of_anonymous(&self) -> GateLimits {
        GateLimits {
            all: self.anonymous,
            per_address: self.anonymous_per_address,
            per_site: self.anonymous_per_site,
        }
    }
}

impl Inner {
    /// What proves this server on a link that begins now.
    fn prover(&self) -> Prover {
        self.prover
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Plane {
    /// Makes a plane that does not listen yet.
    pub fn new(settings: PlaneSettings) -> Self {
        let limits = settings.limits;
        Self {
            inner: Arc::new(Inner {
                core: Arc::default(),
                tls: settings.tls,
                prover: RwLock::new(settings.prover),
                limits,
                gate: Gate::new(GateLimits {
                    all: limits.unproved,
                    per_address: limits.unproved_per_address,
                    per_site: limits.unproved_per_site,
                }),
                draining: watch::Sender::new(None),
                stun_answers: AtomicU64::new(0),
                stun_refused: AtomicU64::new(0),
            }),
        }
    }

    /// Listens until [`Plane::drain`] is done. Dropping the future ends every
    /// connection at once.
    pub async fn serve<C: Control>(
        &self,
        tcp: TcpListener,
        udp: Option<UdpSocket>,
        router: Router,
        control: Arc<C>,
    ) {
        let inner = Arc::clone(&self.inner);
        let tls = TlsAcceptor::from(Arc::clone(&inner.tls));
        let listen = accept::listen(inner, tcp, Some(tls), router, Arc::clone(&control));
        let done = AtomicBool::new(false);
        let serving = async {
            tokio::select! {
                () = listen => {}
                () = self.tick(&*control) => {}
                () = stun::serve(&self.inner, udp) => {}
            }
            done.store(true, Ordering::Relaxed);
            self.inner.core.recorded.notify_one();
        };
        // What the last links left is recorded too.
        tokio::join!(serving, self.record(&*control, &done));
    }

    /// Serves the router without TLS, and no links, to this machine only:
    /// never ends. Refuses every host name but the machine's own.
    pub async fn serve_loopback<C: Control>(
        &self,
        listener: Option<TcpListener>,
        router: Router,
        control: Arc<C>,
    ) {
        if let Some(listener) = listener {
            let inner = Arc::clone(&self.inner);
            accept::listen(inner, listener, None, router, control).await;
        }
        std::future::pending().await
    }

    /// Proves later links with another statement; the node's key must be the
    /// same.
    pub fn set_prover(&self, prover: Prover) {
        let mut now = self
            .inner
            .prover
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *now = prover;
    }

    /// Makes a route.
    ///
    /// # Errors
    /// [`RelayFull`].
    pub fn open_route(&self, spec: RouteSpec) -> Result<(), RelayFull> {
        self.inner.core.with(|state| state.relay.handle_open(spec))
    }

    /// Moves a route's end; never to an earlier time.
    pub fn extend_route(&self, session: SessionId, ends_at: UnixMs) {
        self.inner
            .core
            .with(|state| state.relay.handle_extend(session, ends_at));
    }

    /// Closes a route.
    pub fn end_route(&self, session: SessionId, reason: Reason) {
        self.inner
            .core
            .with(|state| state.relay.handle_end(session, reason));
    }

    /// Closes a route that its gateway refused, with the gateway's sentence.
    pub fn refuse_route(&self, session: SessionId, reason: Reason, text: &str) {
        self.inner
            .core
            .with(|state| state.relay.handle_refusal(session, reason, text));
    }

    /// Calls a gateway; `false` when it has no link.
    pub fn invite(&self, gateway: &PublicKey, invite: Invite) -> bool {
        let frame = Frame::Invite(Box::new(invite));
        self.tell(gateway, &frame)
    }

    /// Gives a gateway an order; `false` when it has no link.
    pub fn revoke(&self, gateway: &PublicKey, revocation: SignedRevocation) -> bool {
        self.tell(gateway, &Frame::Revoke(revocation))
    }

    /// Tells a box of a release; `false` when it has no link.
    pub fn offer(&self, gateway: &PublicKey, offer: Offer) -> bool {
        self.tell(gateway, &Frame::Offer(offer))
    }

    /// Whether a gateway has a link.
    pub fn gateway_online(&self, gateway: &PublicKey) -> bool {
        !self.inner.core.lock().gateway_links(gateway).is_empty()
    }

    /// Closes a gateway's links.
    pub fn close_gateway(&self, gateway: &PublicKey, reason: Reason) {
        self.inner.core.with(|state| {
            for link in state.gateway_links(gateway).to_vec() {
                state.relay.end_link(link, reason, "");
            }
        });
    }

    /// Closes the links of the technicians whom `whose` picks.
    pub fn close_callers(&self, whose: impl Fn(&Caller) -> bool, reason: Reason) {
        self.inner.core.with(|state| {
            let picked = state.parties.iter().filter(|(_, party)| match party {
                Party::Technician(caller) | Party::Browser(caller) => whose(caller),
                Party::Gateway(_) => false,
            });
            let links: Vec<_> = picked.map(|(link, _)| *link).collect();
            for link in links {
                state.relay.end_link(link, reason, "");
            }
        });
    }

    /// Figures for `/metrics`.
    pub fn counters(&self) -> Counters {
        let (unproved, refused_connections) = self.inner.gate.figures();
        let state = self.inner.core.lock();
        Counters {
            links: state.relay.links(),
            gateways: state.gateways(),
            routes: state.relay.routes(),
            unproved,
            refused_connections,
            queued_bytes: state.relay.queued(),
            relay: state.relay.totals(),
            stun_answers: self.inner.stun_answers.load(Ordering::Relaxed),
            stun_refused: self.inner.stun_refused.load(Ordering::Relaxed),
        }
    }

    fn tell(&self, gateway: &PublicKey, frame: &Frame) -> bool {
        self.inner
            .core
            .with(|state| state.tell_gateway(gateway, frame))
    }

    /// Hands events to the application, one after the other, until it is done
    /// and none is left.
    async fn record<C: Control>(&self, control: &C, done: &AtomicBool) {
        let core = &self.inner.core;
        loop {
            // Looked at before the list: what came before it was set is there.
            let last = done.load(Ordering::Relaxed);
            let event = core.with(core::State::poll_event);
            match event {
                Some(event) => control.event(event).await,
                None if last => return,
                None => core.recorded.notified().await,
            }
        }
    }

    /// Ends what is over.
    async fn tick<C: Control>(&self, control: &C) {
        let limits = self.inner.limits;
        for tick in 1_u32.. {
            tokio::time::sleep(TICK).await;
            let now = core::now();
            self.inner.core.with(|state| {
                state.relay.handle_timeout(now);
                if tick.is_multiple_of(SWEEP) {
                    let all = tick.is_multiple_of(FORGET);
                    state.sweep(all, &limits, |caller| control.signed_in(caller).is_some());
                }
            });
        }
    }
}

/// Binds the TCP port and the UDP port of the same number.
///
/// # Errors
/// What the system says.
pub async fn bind(address: SocketAddr) -> io::Result<(TcpListener, UdpSocket)> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    let tcp = socket.listen(BACKLOG)?;
    let udp = UdpSocket::bind(tcp.local_addr()?).await?;
    Ok((tcp, udp))
}
