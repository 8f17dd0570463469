//! What the plane asks the application, and what it tells it.

use std::any::Any;
use std::net::SocketAddr;
use std::sync::Arc;

use culvert_wire::frame::{
    ApiRequest, ApiResponse, Health, HostKey, InviteResult, Refused, SessionEnded, System, Welcome,
};
use culvert_wire::hello::{
    Binding, BrowserHello, GatewayHello, LinkAuth, NONCE_LEN, TechnicianHello,
};
use culvert_wire::id::{Lease, SessionId, UserId};
use culvert_wire::key::PublicKey;
use culvert_wire::reason::Reason;

use crate::relay::{RelayEvent, RouteSpec};

/// Who a technician's link belongs to; only the application knows what is in it.
#[derive(Debug, Clone)]
pub struct Caller(pub Arc<dyn Any + Send + Sync>);

impl Caller {
    /// Wraps the application's own type.
    pub fn new<T: Any + Send + Sync>(caller: Arc<T>) -> Self {
        Self(caller)
    }

    /// The application's own type back.
    pub fn get<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        Arc::clone(&self.0).downcast().ok()
    }
}

/// Who wants to join a session.
#[derive(Debug, Clone, Copy)]
pub enum Joining<'a> {
    /// The gateway with this key.
    Gateway(&'a PublicKey),
    /// Whoever this link belongs to.
    Person(&'a Caller),
}

/// Where a request came from; an axum extension of every request.
#[derive(Debug, Clone, Copy)]
pub struct ConnInfo {
    /// The other end of the TCP connection.
    pub peer: SocketAddr,
    /// The TLS exporter of it; zeros on the plain listener.
    pub exporter: [u8; NONCE_LEN],
    /// Whether it came without TLS, over the demo's loopback listener.
    pub plain: bool,
}

/// The application's decisions; asked for, never waited for by other links.
pub trait Control: Send + Sync + 'static {
    /// A gateway has proved its key: may it come in?
    fn admit_gateway(
        &self,
        hello: &GatewayHello,
        version: &str,
        from: SocketAddr,
    ) -> impl Future<Output = Result<Welcome, Refused>> + Send;

    /// A new box wants to be bound: check the seed's signature and the code,
    /// and consume it atomically.
    fn claim(
        &self,
        auth: &LinkAuth,
        binding: &Binding,
        from: SocketAddr,
    ) -> impl Future<Output = Result<Welcome, Refused>> + Send;

    /// A technician's program has proved its device key: who is it?
    fn admit_technician(
        &self,
        hello: &TechnicianHello,
        version: &str,
        from: SocketAddr,
    ) -> impl Future<Output = Result<Caller, Refused>> + Send;

    /// Somebody asks for a browser's link: is it the portal's own page (exact
    /// Origin), with a live sign-in (cookie)? Asked before the upgrade; what
    /// it gives comes back with [`Control::admit_browser`].
    fn greet_browser(
        &self,
        asked: &http::request::Parts,
    ) -> impl Future<Output = Result<Caller, Reason>> + Send {
        let _ = asked;
        async { Err(Reason::NotFound) }
    }

    /// A greeted browser has proved its link's key: is its ticket good, and of
    /// the same sign-in? The ticket is used up, whatever the answer.
    fn admit_browser(
        &self,
        hello: &BrowserHello,
        greeted: &Caller,
        from: SocketAddr,
    ) -> impl Future<Output = Result<Caller, Refused>> + Send {
        let _ = (hello, greeted, from);
        async {
            Err(Refused {
                reason: Reason::NotFound,
                retry_after_ms: 0,
                text: String::new(),
            })
        }
    }

    /// Who is signed in on a technician's or a browser's link now; never waits.
    fn signed_in(&self, caller: &Caller) -> Option<UserId>;

    /// A request to the HTTP API came over a link.
    fn api(&self, caller: &Caller, request: ApiRequest)
    -> impl Future<Output = ApiResponse> + Send;

    /// An end wants a route that the relay does not know: it may be from
    /// before a restart. An error's reason is told to the end, which may try
    /// again.
    fn recover_route(
        &self,
        session: SessionId,
    ) -> impl Future<Output = Result<Option<RouteSpec>, Reason>> + Send;

    /// An end was refused a session: its ticket was used, is another's, is over.
    /// Told before anything else is done for that link, so it may not wait.
    fn join_refused(&self, by: Joining<'_>, session: SessionId, why: Reason) {
        let _ = (by, session, why);
    }

    /// How many gateways may come, with a link now or not: so many share the
    /// time in which they return after a break.
    fn fleet(&self) -> usize {
        0
    }

    /// Something happened; told one after the other.
    fn event(&self, event: PlaneEvent) -> impl Future<Output = ()> + Send;
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlaneEvent {
    /// A link of a gateway is up: each time.
    GatewayUp {
        /// Its key.
        key: PublicKey,
        /// From where.
        from: SocketAddr,
    },
    /// A gateway's last link is gone.
    GatewayDown {
        /// Its key.
        key: PublicKey,
    },
    /// A gateway answered an invitation.
    InviteResult {
        /// Its key.
        key: PublicKey,
        /// The answer.
        result: InviteResult,
    },
    /// A gateway's record of an ended session.
    SessionEnded {
        /// Its key.
        key: PublicKey,
        /// The record.
        ended: SessionEnded,
    },
    /// A gateway has obeyed every order up to this one.
    Revoked {
        /// Its key.
        key: PublicKey,
        /// The order's counter.
        counter: u64,
    },
    /// A gateway saw something about a host's key.
    HostKey {
        /// Its key.
        key: PublicKey,
        /// What.
        event: Box<HostKey>,
    },
    /// A gateway has stored its lease.
    LeaseStored {
        /// Its key.
        key: PublicKey,
        /// The lease.
        lease: Lease,
    },
    /// How a gateway fares.
    Health {
        /// Its key.
        key: PublicKey,
        /// What it says.
        health: Health,
    },
    /// What system a box runs.
    System {
        /// Its key.
        key: PublicKey,
        /// What it says.
        system: System,
    },
    /// A route was joined or is over.
    Route(RelayEvent),
}
