//! Dials a server, makes it prove itself, and only then says who this end is.
//!
//! TCP (through a CONNECT proxy where one is set) → TLS → upgrade → the
//! server's proof → [`LinkAuth`]. Every step has a time limit and every way to
//! fail an error of its own, because `doctor` explains them to people. Nothing
//! secret leaves before the proof holds: no ticket, no token, no signature.

mod dial;
mod error;
mod fetch;
mod upgrade;

use std::time::Duration;

use bytes::Bytes;
use culvert_wire::hello::{
    ClaimHello, GatewayHello, LinkAuth, Proven, ServerProof, TechnicianHello, Who,
};
use culvert_wire::hello::{MAX_HELLO, NONCE_LEN};
use culvert_wire::key::{PublicKey, SigningKey};
use culvert_wire::{Decode as _, Encode as _, UnixMs};
use rand::seq::SliceRandom as _;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use tracing::debug;

pub use self::error::{ConnectError, Step};
pub use self::fetch::{Body, fetch};
pub use self::upgrade::upgrade;
use crate::driver;
use crate::keepalive::Keepalive;
use crate::link::{Events, Link};
use crate::pipe::Pipe;
use crate::proxy::{ProxyPolicy, split_address};
use crate::ws::{Incoming, Role, Ws};

/// Events that may wait for their taker.
const EVENTS: usize = 256;

/// Where to dial and what to trust.
#[derive(Debug, Clone)]
pub struct Dial {
    /// `host:port` of each server, tried in random order.
    pub servers: Vec<String>,
    /// The provider key that is pinned.
    pub provider: PublicKey,
    /// The highest statement epoch seen so far.
    pub epoch_floor: u32,
    /// A time that has certainly passed: of the build or the last link.
    pub clock_floor: UnixMs,
    /// Which proxy to use.
    pub proxy: ProxyPolicy,
}

/// Who this end is.
#[derive(Debug, Clone)]
#[expect(
    clippy::large_enum_variant,
    reason = "one per attempt, never stored in numbers"
)]
pub enum Me {
    /// A claimed gateway.
    Gateway {
        /// Its identity key.
        key: SigningKey,
        /// What it says about itself.
        hello: GatewayHello,
    },
    /// A box with a claim code; goes on as a gateway on the same link.
    Claim {
        /// Its identity key.
        key: SigningKey,
        /// The claim code's key.
        seed: SigningKey,
        /// What it says about itself.
        hello: ClaimHello,
    },
    /// A technician's program.
    Technician {
        /// The device's key.
        key: SigningKey,
        /// The sign-in or API token; none before signing in.
        token: Option<Bytes>,
    },
}

impl Me {
    fn sign(self, version: &str, proven: &Proven) -> LinkAuth {
        let (who, key, seed) = match self {
            Self::Gateway { key, hello } => (Who::Gateway(hello), key, None),
            Self::Claim { key, seed, hello } => (Who::Claim(hello), key, Some(seed)),
            Self::Technician { key, token } => {
                let device = key.public();
                (
                    Who::Technician(TechnicianHello { device, token }),
                    key,
                    None,
                )
            }
        };
        LinkAuth::sign(
            who,
            version.to_owned(),
            &proven.binding,
            &key,
            seed.as_ref(),
        )
    }
}

/// Connects to the first server that proves itself, in random order, and says
/// who this end is. Does not wait for the welcome: frames may follow at once.
///
/// # Errors
/// [`ConnectError`] of the server that came furthest.
pub async fn connect(dial: &Dial, me: Me, version: &str) -> Result<(Link, Events), ConnectError> {
    let mut servers: Vec<&String> = dial.servers.iter().collect();
    servers.shuffle(&mut rand::rng());
    let mut furthest: Option<ConnectError> = None;
    for server in servers {
        match attempt(dial, server, me.clone(), version).await {
            Ok(open) => return Ok(open),
            Err(error) => {
                debug!(%error, cause = error.cause(), "Server did not work");
                if furthest
                    .as_ref()
                    .is_none_or(|old| old.step() < error.step())
                {
                    furthest = Some(error);
                }
            }
        }
    }
    Err(furthest.unwrap_or(ConnectError::NoServer))
}

async fn attempt(
    dial: &Dial,
    server: &str,
    me: Me,
    version: &str,
) -> Result<(Link, Events), ConnectError> {
    let (host, port) = split_address(server, Some(443)).ok_or_else(|| ConnectError::Address {
        server: server.to_owned(),
    })?;
    let tcp = dial::open(&host, port, &dial.proxy).await?;
    let tls = within(Step::Tls, dial::tls(tcp, &host)).await?;
    let shown = tls.get_ref().1.peer_certificates();
    let issuer = shown
        .and_then(|chain| chain.first())
        .and_then(|certificate| crate::tls::issuer_of(certificate));
    let exporter = crate::tls::exporter(tls.get_ref().1).map_err(ConnectError::tls)?;
    let nonce: [u8; NONCE_LEN] = rand::random();
    let host_header = match port {
        443 => host.clone(),
        port => dial::authority(&host, port),
    };
    let (tls, leftover) = within(
        Step::Upgrade,
        upgrade(tls, &host_header, &nonce, issuer.as_deref()),
    )
    .await?;
    let mut ws = Ws::new(tls, Role::Client, MAX_HELLO, &leftover);
    let proof = within(Step::Proof, read_proof(&mut ws)).await?;
    let at = Instant::now();
    let proven = proof
        .verify(
            &dial.provider,
            &exporter,
            &nonce,
            dial.epoch_floor,
            dial.clock_floor,
        )
        .map_err(|error| ConnectError::proof(error, issuer))?;
    ws.send(&[], me.sign(version, &proven).to_bytes());
    Ok(start(ws, proven, at))
}

fn start<S>(ws: Ws<S>, proven: Proven, at: Instant) -> (Link, Events)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let link = Link::new(proven, at);
    let (sender, receiver) = mpsc::channel(EVENTS);
    let pipe = Pipe::new(ws, Keepalive::client(Instant::now()));
    // Ends by itself when the last handle of the link is dropped.
    tokio::spawn(driver::run(
        pipe,
        std::sync::Arc::clone(&link.shared),
        sender,
    ));
    (link, Events(receiver))
}

async fn read_proof<S: AsyncRead + AsyncWrite + Unpin>(
    ws: &mut Ws<S>,
) -> Result<ServerProof, ConnectError> {
    let broken = |error: &dyn std::fmt::Display| ConnectError::NoProof(error.to_string());
    loop {
        let message = std::future::poll_fn(|cx| ws.poll_next(cx)).await;
        match message.map_err(|error| broken(&error))? {
            Incoming::Binary(data) => {
                return ServerProof::from_bytes(&data).map_err(|error| broken(&error));
            }
            Incoming::Ping(_) | Incoming::Pong => {}
            Incoming::Text(_) => return Err(broken(&"it sent text")),
            Incoming::Close { text, .. } => return Err(broken(&text)),
        }
    }
}

/// Runs one step in its time.
async fn within<T>(
    step: Step,
    work: impl Future<Output = Result<T, ConnectError>>,
) -> Result<T, ConnectError> {
    match timeout(step.limit(), work).await {
        Ok(result) => result,
        Err(_) => Err(ConnectError::TimedOut { step }),
    }
}

impl Step {
    const fn limit(self) -> Duration {
        Duration::from_secs(match self {
            Self::Address => 0,
            Self::Resolve => 10,
            Self::Tcp => 12,
            Self::Proxy | Self::Tls | Self::Upgrade | Self::Proof => 15,
        })
    }
}
