//! Thousands of gateways: the shipped link code, each with its own key.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use culvert_cloud_prs::store::gateways::{self, Gateway, GatewayState, Leases};
use culvert_cloud_prs::store::{Place, Store};
use culvert_link::proxy::ProxyPolicy;
use culvert_link::standing::{Standing, State};
use culvert_link::{Dial, Event, Link, Me};
use culvert_wire::UnixMs;
use culvert_wire::frame::Frame;
use culvert_wire::hello::GatewayHello;
use culvert_wire::id::{BootId, GatewayId, Lease};
use culvert_wire::key::PublicKey;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::{keys, plane};

/// Writes `count` claimed gateways into a server's database.
pub(crate) async fn enrol(database: &Path, count: u32) -> anyhow::Result<()> {
    let store = Store::open(Place::File(database.to_owned())).await?;
    let mut write = store.write().await?;
    for n in 0..count {
        let gateway = Gateway {
            id: GatewayId::from_random(sixteen(n)),
            site: None,
            site_name: None,
            customer: None,
            customer_name: None,
            identity: keys::nth(n).public(),
            sealing: String::new(),
            sealing_signature: String::new(),
            state: GatewayState::Active,
            version: String::new(),
            claimed: plane::now(),
            online: false,
            last_seen: None,
            leases: Leases::default(),
            counter: 0,
        };
        gateways::add(&mut write, &gateway).await?;
    }
    write.commit().await?;
    store.close().await;
    Ok(())
}

fn sixteen(n: u32) -> [u8; 16] {
    let mut bytes = [9; 16];
    bytes[..4].copy_from_slice(&n.to_be_bytes());
    bytes
}

/// What happened to one gateway.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Seen {
    /// It was welcomed.
    Welcomed,
    /// It was refused.
    Refused,
}

/// Keeps `count` standing links; every welcome is told with its time.
pub(crate) async fn run(
    to: SocketAddr,
    provider: PublicKey,
    count: u32,
    tell: mpsc::UnboundedSender<(Instant, Seen)>,
) {
    let mut members = tokio::task::JoinSet::new();
    for n in 0..count {
        members.spawn(member(to, provider, n, tell.clone()));
        // The first arrival is not what is measured.
        if n % 50 == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    while members.join_next().await.is_some() {}
}

async fn member(
    to: SocketAddr,
    provider: PublicKey,
    n: u32,
    tell: mpsc::UnboundedSender<(Instant, Seen)>,
) {
    let lease = Arc::new(Mutex::new(None));
    let remembered = lease.clone();
    let key = keys::nth(n);
    let attempt = move || {
        let hello = GatewayHello {
            identity: key.public(),
            boot: BootId::from_random(sixteen(n)),
            lease: *remembered.lock().unwrap_or_else(PoisonError::into_inner),
            revocations: 0,
        };
        let dial = Dial {
            servers: vec![to.to_string()],
            provider,
            epoch_floor: 0,
            clock_floor: UnixMs(0),
            proxy: ProxyPolicy::None,
        };
        let key = key.clone();
        (dial, Me::Gateway { key, hello })
    };
    let mut standing = Standing::start(attempt, "bench");
    while let Some(state) = standing.next().await {
        if let State::Up(link, mut events) = state {
            while let Some(event) = events.next().await {
                match event {
                    Event::Welcome(welcome) => {
                        store(&lease, welcome.lease, &link);
                        // Fails only when the benchmark is over.
                        let _ = tell.send((Instant::now(), Seen::Welcomed));
                    }
                    Event::Refused(refused) => {
                        let _ = tell.send((Instant::now(), Seen::Refused));
                        standing.come_back_in(Duration::from_millis(refused.retry_after_ms.into()));
                    }
                    Event::Drain { come_back_ms, .. } => {
                        standing.come_back_in(Duration::from_millis(come_back_ms.into()));
                    }
                    Event::Invite(_) | Event::Revoke(_) | Event::Offer(_) => {}
                }
            }
        }
    }
}

/// As a gateway does: keeps the lease, then acknowledges it.
fn store(kept: &Mutex<Option<Lease>>, new: Option<Lease>, link: &Link) {
    if let Some(new) = new {
        *kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(new);
        // A link that broke meanwhile is made anew.
        let _ = link.send(Frame::LeaseStored(new));
    }
}

/// Lets this process, and what it starts, hold many sockets.
pub(crate) fn many_files(wanted: u64) -> anyhow::Result<()> {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft < wanted {
        setrlimit(Resource::RLIMIT_NOFILE, wanted.min(hard), hard)?;
    }
    let (soft, _) = getrlimit(Resource::RLIMIT_NOFILE)?;
    (soft >= wanted)
        .then_some(())
        .with_context(|| format!("{wanted} open files are needed, {soft} are allowed"))
}
