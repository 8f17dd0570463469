//! `culvert-prs serve`: opens everything, serves until told to stop, drains.

mod certificates;
mod names;
mod statement;

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use culvert_config::ConfigError;
use culvert_config::prs::Prs;
use culvert_wire::UnixMs;
use culvert_wire::key::SigningKey;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing::{info, warn};

use certificates::Certificates;
pub use names::{browser_names, certificate_names};

use crate::app::webhooks::Outside;
use crate::app::{App, Clock, Installation, report};
use crate::certificate::{self, CertificateError};
use crate::data::{Data, DataError};
use crate::keys::{self, KeyError, Keys};
use crate::plane::{self, Limits, Plane, PlaneSettings};
use crate::server::Server;
use crate::store::{Place, Store, StoreError, clock, gateways};
use crate::{http, metrics};

/// A clock behind the highest time noted by more than this is wrong, in
/// milliseconds: NTP corrects less.
const BEHIND_MS: u64 = 60_000;
/// 2046-01-01: no copy of this program serves that long.
const LAST_NOW: UnixMs = UnixMs(2_398_377_600_000);
/// Time for a stopped server's last records.
const LAST_WORDS: Duration = Duration::from_secs(10);
/// How often new audit heads go to their file.
const HEADS_EVERY: Duration = Duration::from_secs(60);

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Settings.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Keys.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// Files.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The certificate.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The certificate and its key do not fit.
    #[error("the certificate and its key do not fit")]
    Tls(#[from] rustls::Error),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Another server uses the data folder.
    #[error("a server already runs on {0}")]
    Running(PathBuf),
    /// The statement is over.
    #[error("the node's statement is not valid now: run `culvert-prs key renew-statement`")]
    Statement,
    /// The clock is wrong.
    #[error(
        "the system's clock says {now}, but this server was at {noted} already: set the clock, \
         and run an NTP client"
    )]
    ClockBehind {
        /// What it says.
        now: String,
        /// What was noted.
        noted: String,
    },
    /// The clock is wrong.
    #[error("the system's clock says {now}, which cannot be: set the clock, and run an NTP client")]
    ClockAhead {
        /// What it says.
        now: String,
    },
    /// Keys from an example.
    #[error(
        "the keys in the data folder are published samples: run `culvert-prs init` in an empty \
         folder, or listen on a loopback address only"
    )]
    Sample,
    /// An address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// Which.
        address: std::net::SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// The system refuses something basic.
    #[error("the system refuses signals")]
    System(#[source] std::io::Error),
}

/// Opens the application of a data folder, for the server or the console.
///
/// # Errors
/// [`ServeError`].
pub async fn open(data: &Data) -> Result<(Prs, Keys, Arc<App>), ServeError> {
    let settings = Prs::load(data.dir())?;
    let place = place(data, &settings)?;
    open_at(data, settings, place).await
}

/// Where the settings say that the database is.
///
/// # Errors
/// [`ServeError`].
pub fn place(data: &Data, settings: &Prs) -> Result<Place, ServeError> {
    Ok(match &settings.database_address_file {
        Some(file) => {
            let name = file.display().to_string();
            Place::Postgres(data.read(&name)?.trim().to_owned())
        }
        None => Place::File(data.database()),
    })
}

/// As [`open`], with a database elsewhere.
///
/// # Errors
/// [`ServeError`].
pub async fn open_at(
    data: &Data,
    settings: Prs,
    place: Place,
) -> Result<(Prs, Keys, Arc<App>), ServeError> {
    let keys = Keys::load(data)?;
    let store = Store::open(place).await?;
    let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let here = Installation {
        broker: keys.node.clone(),
        former: keys.former.clone(),
        provider: keys.provider(),
        public_addresses: settings.public_addresses.clone(),
        origins: settings.portal.origins.clone(),
        secrets: keys::secrets(data)?,
        bundles: data.path("releases"),
        downloads: data.path("downloads"),
        session_ms: ms(settings.session),
        sign_in_ms: ms(settings.sign_in),
        claim_ms: ms(settings.claim_code),
    };
    let app = App::new(store, here, Clock::System);
    Ok((settings, keys, Arc::new(app)))
}

/// Takes the data folder for this server alone. One that was killed a moment
/// ago holds it until the kernel has taken it apart: wait for that.
async fn only_server(data: &Data) -> Result<std::fs::File, ServeError> {
    for _ in 0..50 {
        if let Some(lock) = data.lock()? {
            return Ok(lock);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Err(ServeError::Running(data.dir().to_owned()))
}

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// [`ServeError`], before anything is listened on.
pub async fn serve(data: &Data) -> Result<(), ServeError> {
    let _lock = only_server(data).await?;
    let (settings, mut keys, app) = open(data).await?;
    refuse_samples(&settings, &keys)?;
    let now = app.now();
    believable(&app, now).await?;
    statement::renew_if_due(data, &mut keys, now)?;
    if !keys.holds(now) {
        return Err(ServeError::Statement);
    }
    statement::warn_if_soon(&keys, now);
    let certificates = Certificates::load(data, &settings, now)?;
    let plane = make_plane(&keys, Arc::clone(&certificates))?;
    all_offline(&app).await?;
    app.attach(Arc::new(plane.clone()));
    let (router, _) = http::router(Arc::clone(&app));
    let server = Arc::new(Server::new(Arc::clone(&app), router.clone()));
    let refused = |address| move |source| ServeError::Listen { address, source };
    let listen = settings.listen;
    let (tcp, udp) = plane::bind(listen).await.map_err(refused(listen))?;
    let side = match settings.metrics {
        Some(address) => Some(TcpListener::bind(address).await.map_err(refused(address))?),
        None => None,
    };
    let portal = match settings.portal.loopback {
        Some(address) => Some(TcpListener::bind(address).await.map_err(refused(address))?),
        None => None,
    };
    let outside = webhook_targets(&settings)?;
    let stop = stop_signal()?;
    let hang_up = || signal(SignalKind::hangup()).map_err(ServeError::System);
    let (renew, reload) = (hang_up()?, hang_up()?);
    let (until, valid_until) = watch::channel(keys.valid_until());
    info!(%listen, fingerprint = %keys.provider().fingerprint(), "Listening");
    tokio::select! {
        () = plane.serve(tcp, Some(udp), router.clone(), Arc::clone(&server)) => {}
        () = plane.serve_loopback(portal, router, Arc::clone(&server)) => {}
        () = app.work() => {}
        () = Arc::clone(&app).deliver_webhooks(outside) => {}
        () = metrics::serve(side, Arc::clone(&app), plane.clone(), valid_until) => {}
        () = statement::keep(data, keys, &plane, renew, until) => {}
        () = certificates.keep(data, &settings, reload) => {}
        () = keep_heads(data, &app) => {}
        () = drain(stop, &plane, &settings) => {}
    }
    server.settle().await;
    if let Err(error) = app.record_rest().await {
        tracing::error!(%error, "Refusals could not be recorded");
    }
    app.store().close().await;
    info!("Stopped");
    Ok(())
}

/// Refuses a clock that cannot be right: what is signed by it would not hold,
/// or would hold too long.
async fn believable(app: &App, now: UnixMs) -> Result<(), ServeError> {
    let mut db = app.store().read().await?;
    let noted = clock::highest(&mut db).await?.unwrap_or(now);
    if noted.ms_since(now) > BEHIND_MS {
        return Err(ServeError::ClockBehind {
            now: report::date(now),
            noted: report::date(noted),
        });
    }
    if now > LAST_NOW {
        return Err(ServeError::ClockAhead {
            now: report::date(now),
        });
    }
    Ok(())
}

fn make_plane(keys: &Keys, certificates: Arc<Certificates>) -> Result<Plane, ServeError> {
    Ok(Plane::new(PlaneSettings {
        tls: plane::renewable_config(certificates)?,
        prover: statement::prover(keys),
        limits: Limits::default(),
    }))
}

/// Keys whose private half stands in somebody's documentation.
fn refuse_samples(settings: &Prs, keys: &Keys) -> Result<(), ServeError> {
    let used = [keys.node.public(), keys.provider()];
    let known = (0..=255_u8).map(|byte| [byte; 32]).chain([*SAMPLE_SEED]);
    let mut known = known.map(|seed| SigningKey::from_seed(&seed).public());
    let sample = known.any(|key| used.contains(&key));
    if sample && !settings.listen.ip().is_loopback() {
        return Err(ServeError::Sample);
    }
    Ok(())
}

/// The key of our own examples.
const SAMPLE_SEED: &[u8; 32] = b"culvert sample key, never use it";

/// Where webhooks may go, and whom they trust there.
fn webhook_targets(settings: &Prs) -> Result<Outside, ServeError> {
    let networks = settings.webhooks.networks.clone();
    let authorities = match &settings.webhooks.authorities {
        Some(file) => certificate::authorities(file)?,
        None => Vec::new(),
    };
    Ok(Outside::new(networks, authorities)?)
}

async fn all_offline(app: &App) -> Result<(), StoreError> {
    let mut write = app.store().write().await?;
    gateways::all_offline(&mut write).await?;
    write.commit().await
}

type Stop = (tokio::signal::unix::Signal, tokio::signal::unix::Signal);

fn stop_signal() -> Result<Stop, ServeError> {
    let on = |kind| signal(kind).map_err(ServeError::System);
    Ok((on(SignalKind::terminate())?, on(SignalKind::interrupt())?))
}

/// Waits for a signal, then lets links and sessions go; returns only when the
/// plane does not end by itself after that.
async fn drain((mut term, mut int): Stop, plane: &Plane, settings: &Prs) {
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    tokio::select! {
        () = plane.drain(settings.come_back, settings.drain) => {}
        // A second signal means now.
        _ = term.recv() => return,
        _ = int.recv() => return,
    }
    tokio::time::sleep(LAST_WORDS).await;
}

/// Appends the signed heads of the audit trail to a file that may be shipped
/// elsewhere: a head kept there shows a tail dropped here.
async fn keep_heads(data: &Data, app: &App) {
    let path = data.path("audit-heads.log");
    let mut kept = Vec::new();
    loop {
        match app.audit_heads().await {
            Ok(heads) if heads != kept => {
                let lines: String = heads
                    .iter()
                    .filter(|head| !kept.contains(head))
                    .map(|head| format!("{head}\n"))
                    .collect();
                let file = OpenOptions::new()
                    .append(true)
                    .create(true)
                    .mode(0o600)
                    .open(&path);
                if let Err(error) = file.and_then(|mut file| file.write_all(lines.as_bytes())) {
                    warn!(%error, "Audit heads could not be kept");
                }
                kept = heads;
            }
            Ok(_) => {}
            Err(error) => warn!(%error, "Audit heads could not be read"),
        }
        tokio::time::sleep(HEADS_EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use culvert_wire::UnixMs;
    use culvert_wire::statement::{NodeStatement, Roles, SignedStatement};

    use super::*;

    fn settings(listen: &str) -> Prs {
        let text = format!("listen = \"{listen}\"\npublic_addresses = [\"[2001:db8::1]:443\"]");
        Prs::parse(&text).unwrap()
    }

    /// CVE-2025-3935's lesson: no start with a key that everybody has.
    #[test]
    fn sample_keys_serve_on_loopback_only() {
        let own = || SigningKey::from_seed(&rand::random());
        let keys = |provider: &SigningKey, node: SigningKey| Keys {
            statement: SignedStatement::sign(
                NodeStatement {
                    provider: provider.public(),
                    node: node.public(),
                    roles: Roles {
                        relay: true,
                        broker: true,
                    },
                    issued: UnixMs(0),
                    not_after: UnixMs(1),
                    epoch: 1,
                },
                provider,
            ),
            node,
            rotations: vec![],
            former: vec![],
        };
        for seed in [*SAMPLE_SEED, [0; 32], [7; 32]] {
            let sample = SigningKey::from_seed(&seed);
            for keys in [keys(&own(), sample.clone()), keys(&sample, own())] {
                assert!(refuse_samples(&settings("0.0.0.0:443"), &keys).is_err());
                assert!(refuse_samples(&settings("127.0.0.1:443"), &keys).is_ok());
            }
        }
        assert!(refuse_samples(&settings("0.0.0.0:443"), &keys(&own(), own())).is_ok());
    }

    #[test]
    fn the_certificate_is_for_hosts_without_ports_and_brackets() {
        let names = certificate_names(&settings("192.0.2.1:443"));

        assert_eq!(names, ["192.0.2.1", "2001:db8::1", "localhost"]);
    }
}
