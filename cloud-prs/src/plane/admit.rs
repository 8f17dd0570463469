//! From an upgraded connection to a member of the relay.
//!
//! A link's task is a new one ([`LinkTask`]): the old one carries the weight of
//! handshake and HTTP, which an idle link shall not cost.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use culvert_link::server::{Arrival, arrive};
use culvert_wire::frame::{Frame, Refused, Welcome};
use culvert_wire::hello::{BROWSER_BINDING, LinkAuth, NONCE_LEN, Who};
use culvert_wire::reason::Reason;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tracing::{debug, info};

use super::control::{Caller, Control};
use super::core::{Party, Standing, now};
use super::gate::Pass;
use super::link::{self, Member};
use super::{Inner, KEEPALIVE};
use crate::relay::LinkId;

/// What a full server asks for.
const FULL_RETRY: Duration = Duration::from_secs(30);

/// Gateways that return in a second after a break: a third of what one core
/// takes in, so that people and API requests get through beside them.
const RETURNS_PER_SECOND: u64 = 250;

/// A link's life from its welcome on.
pub(super) type LinkTask = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What an upgrade request has brought.
#[derive(Debug)]
pub(super) struct Asked {
    /// The endpoint's nonce.
    pub(super) nonce: [u8; NONCE_LEN],
    /// Who a browser is, when it asked as one.
    pub(super) browser: Option<Caller>,
}

/// Proves the server, learns who came, asks the application, and takes the
/// link in.
#[expect(
    clippy::too_many_arguments,
    reason = "one call, each from another stage of the connection"
)]
pub(super) async fn run<S, C>(
    inner: &Inner,
    control: Arc<C>,
    io: S,
    leftover: &[u8],
    exporter: [u8; NONCE_LEN],
    asked: Asked,
    from: SocketAddr,
    pass: Arc<Pass>,
) -> Option<LinkTask>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    C: Control,
{
    let Asked { nonce, browser } = asked;
    let exporter = match browser {
        Some(_) => BROWSER_BINDING,
        None => exporter,
    };
    let arrived = arrive(io, leftover, exporter, nonce, &inner.prover(), now()).await;
    let Arrival {
        pipe,
        auth,
        binding,
    } = match arrived {
        Ok(arrival) => arrival,
        Err(error) => {
            debug!(%from, %error, "Endpoint did not arrive");
            return None;
        }
    };
    let admitted = match inner.refusal() {
        Some(refused) => Err(refused),
        None => ask(&*control, &auth, &binding, browser.as_ref(), from).await,
    };
    let placed = admitted.and_then(|(party, welcome)| {
        let link = inner.place(&*control, &party, from)?;
        Ok((link, party, welcome))
    });
    let (link, party, welcome) = match placed {
        Ok(placed) => placed,
        Err(refused) => {
            info!(reason = refused.reason.slug(), version = %auth.version, "Link refused");
            let reason = refused.reason;
            pipe.dismiss_with(&Frame::Refused(refused), reason, "")
                .await;
            return None;
        }
    };
    // It has proved itself, and has a place among the links or among those that
    // are nobody's: its place before the gate is free again.
    drop(pass);
    if let Party::Gateway(_) = party {
        inner.gate.remember(from.ip(), Instant::now());
    }
    let boot = match &auth.who {
        Who::Gateway(hello) => Some(hello.boot),
        Who::Claim(hello) => Some(hello.boot),
        Who::Technician(_) | Who::Browser(_) => None,
    };
    let (core, fleet) = (Arc::clone(&inner.core), control.fleet());
    core.with(|state| {
        state.arrive(link, party.clone(), boot, from);
        state.relay.send(link, &Frame::Welcome(welcome));
        if let Party::Gateway(_) = party {
            state.relay.send(link, &Frame::Spread(spread_ms(fleet)));
        }
    });
    debug!(link = link.0, %from, version = %auth.version, "Link is up");
    let member = Member {
        core,
        control,
        link,
        party,
        binding,
        look_ups: Arc::new(Semaphore::new(link::LOOK_UPS)),
        asking: Arc::new(Semaphore::new(link::MAX_REQUESTS)),
    };
    Some(Box::pin(link::run(pipe, member)))
}

async fn ask<C: Control>(
    control: &C,
    auth: &LinkAuth,
    binding: &culvert_wire::hello::Binding,
    browser: Option<&Caller>,
    from: SocketAddr,
) -> Result<(Party, Welcome), Refused> {
    match (&auth.who, browser) {
        // What asked as a browser is nothing else, and the other way round:
        // cookie and origin, or the TLS exporter.
        (Who::Browser(hello), Some(greeted)) => {
            let caller = control.admit_browser(hello, greeted, from).await?;
            Ok((Party::Browser(caller), plain_welcome()))
        }
        (Who::Browser(_), None)
        | (Who::Gateway(_) | Who::Claim(_) | Who::Technician(_), Some(_)) => Err(Refused {
            reason: Reason::NotAllowed,
            retry_after_ms: 0,
            text: String::new(),
        }),
        (Who::Gateway(hello), None) => {
            let welcome = control.admit_gateway(hello, &auth.version, from).await?;
            Ok((Party::Gateway(hello.identity), welcome))
        }
        (Who::Claim(hello), None) => {
            let welcome = control.claim(auth, binding, from).await?;
            Ok((Party::Gateway(hello.identity), welcome))
        }
        (Who::Technician(hello), None) => {
            let caller = control.admit_technician(hello, &auth.version, from).await?;
            Ok((Party::Technician(caller), plain_welcome()))
        }
    }
}

/// What an end that is no gateway is told.
fn plain_welcome() -> Welcome {
    Welcome {
        keepalive_ms: KEEPALIVE,
        gateway: None,
        lease: None,
        version: super::VERSION.to_owned(),
    }
}

/// The time over which so many gateways shall return, in milliseconds.
fn spread_ms(fleet: usize) -> u32 {
    let millis = (fleet as u64).saturating_mul(1000) / RETURNS_PER_SECOND;
    u32::try_from(millis).unwrap_or(u32::MAX)
}

impl Inner {
    /// A place among the links for who was admitted, and its number.
    fn place<C: Control>(
        &self,
        control: &C,
        party: &Party,
        from: SocketAddr,
    ) -> Result<LinkId, Refused> {
        let standing = match party {
            Party::Gateway(_) => Standing::Box,
            Party::Technician(caller) | Party::Browser(caller) => match control.signed_in(caller) {
                Some(person) => Standing::Person(person),
                None => Standing::Anonymous,
            },
        };
        let place = self
            .core
            .with(|state| state.reserve(standing, from, &self.limits));
        place.map_err(|reason| refused(reason, FULL_RETRY))
    }

    /// Why no link at all can be taken now.
    fn refusal(&self) -> Option<Refused> {
        if let Some(come_back) = *self.draining.borrow() {
            return Some(refused(Reason::ServerDraining, come_back));
        }
        if self.core.lock().relay.links() >= self.limits.links {
            return Some(refused(Reason::ServerFull, FULL_RETRY));
        }
        None
    }
}

fn refused(reason: Reason, wait: Duration) -> Refused {
    Refused {
        reason,
        retry_after_ms: u32::try_from(wait.as_millis()).unwrap_or(u32::MAX),
        text: String::new(),
    }
}
