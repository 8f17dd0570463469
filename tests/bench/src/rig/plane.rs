//! The shipped relay, with an application that lets everybody in.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use culvert_cloud_prs::plane::{
    Caller, Control, KEEPALIVE, Limits, Plane, PlaneEvent, PlaneSettings, bind, server_config,
};
use culvert_cloud_prs::relay::{RouteSpec, Side};
use culvert_link::server::Prover;
use culvert_wire::UnixMs;
use culvert_wire::frame::{ApiRequest, ApiResponse, Refused, Welcome};
use culvert_wire::hello::{Binding, GatewayHello, LinkAuth, TechnicianHello};
use culvert_wire::id::{SessionId, UserId};
use culvert_wire::key::PublicKey;
use culvert_wire::reason::Reason;
use culvert_wire::statement::{NodeStatement, Roles, SignedStatement};
use culvert_wire::ticket::Ticket;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::net::{TcpListener, UdpSocket};

use super::keys;

/// A relay that listens but does not serve yet.
pub(crate) struct Listening {
    pub(crate) plane: Plane,
    pub(crate) address: SocketAddr,
    tcp: TcpListener,
    udp: UdpSocket,
}

/// Binds a port of loopback.
pub(crate) async fn listen() -> anyhow::Result<Listening> {
    let made = rcgen::generate_simple_self_signed(vec!["prs.example".into()])?;
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let tls = server_config(vec![made.cert.der().clone()], PrivateKeyDer::Pkcs8(key))?;
    let issued = now();
    let statement = NodeStatement {
        provider: keys::provider().public(),
        node: keys::node().public(),
        roles: Roles {
            relay: true,
            broker: true,
        },
        issued,
        not_after: issued.plus_ms(24 * 3600 * 1000),
        epoch: 0,
    };
    let plane = Plane::new(PlaneSettings {
        tls,
        prover: Prover {
            node: keys::node(),
            statement: SignedStatement::sign(statement, &keys::provider()),
            rotations: Vec::new(),
        },
        limits: Limits::default(),
    });
    let (tcp, udp) = bind("127.0.0.1:0".parse().expect("a literal address")).await?;
    Ok(Listening {
        plane,
        address: tcp.local_addr()?,
        tcp,
        udp,
    })
}

impl Listening {
    /// Serves until dropped.
    pub(crate) async fn serve(self) {
        let app = Arc::new(Open);
        self.plane
            .serve(self.tcp, Some(self.udp), Router::new(), app)
            .await;
    }
}

/// Opens a route for two ends that hold these keys, with this number's ticket.
pub(crate) fn open_route(
    plane: &Plane,
    number: u8,
    technician: PublicKey,
    gateway: PublicKey,
) -> anyhow::Result<()> {
    let side = |end| Side {
        ticket: Some(ticket(number).hash()),
        end,
    };
    plane
        .open_route(RouteSpec {
            session: session(number),
            technician: side(technician),
            gateway: side(gateway),
            join_by: now().plus_ms(60_000),
            ends_at: now().plus_ms(3_600_000),
        })
        .context("the relay is full")
}

pub(crate) fn session(number: u8) -> SessionId {
    SessionId::from_random([number; 16])
}

pub(crate) fn ticket(number: u8) -> Ticket {
    Ticket::from_random([number; 32])
}

/// The server's own time: the wall clock may be set meanwhile.
pub(crate) fn now() -> UnixMs {
    culvert_cloud_prs::steady::now()
}

/// The part `plane`: prints its address, serves until its input ends.
#[expect(clippy::print_stdout, reason = "the parent reads the address")]
pub(crate) fn serve_until_input_ends() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let listening = runtime.block_on(listen())?;
    println!("{}", listening.address);
    std::io::stdout().flush()?;
    runtime.spawn(listening.serve());
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

/// Lets everybody in.
struct Open;

impl Control for Open {
    async fn admit_gateway(
        &self,
        _: &GatewayHello,
        _: &str,
        _: SocketAddr,
    ) -> Result<Welcome, Refused> {
        Ok(Welcome {
            keepalive_ms: KEEPALIVE,
            gateway: None,
            lease: None,
            version: "bench".into(),
        })
    }

    async fn claim(&self, _: &LinkAuth, _: &Binding, _: SocketAddr) -> Result<Welcome, Refused> {
        Err(Refused {
            reason: Reason::ClaimRefused,
            retry_after_ms: 0,
            text: String::new(),
        })
    }

    async fn admit_technician(
        &self,
        hello: &TechnicianHello,
        _: &str,
        _: SocketAddr,
    ) -> Result<Caller, Refused> {
        Ok(Caller::new(Arc::new(hello.device)))
    }

    fn signed_in(&self, caller: &Caller) -> Option<UserId> {
        let device = caller.get::<PublicKey>()?;
        let number = device.as_bytes()[..16].try_into().ok()?;
        Some(UserId::from_random(number))
    }

    async fn api(&self, _: &Caller, request: ApiRequest) -> ApiResponse {
        ApiResponse {
            id: request.id,
            status: 404,
            body: bytes::Bytes::new(),
        }
    }

    async fn recover_route(&self, _: SessionId) -> Result<Option<RouteSpec>, Reason> {
        Ok(None)
    }

    async fn event(&self, _: PlaneEvent) {}
}
