//! From an administrator's order to the end of live sessions at the gateway.
//!
//! The shipped programs around a site of network namespaces; the sessions go to
//! a host that notes when the gateway ends each connection. The clients do not
//! help: their process stays as it is and closes nothing. Time counts from the
//! start of the administrator's command, so the console program's own start and
//! its database write are in it.
//!
//! Access that was taken away ends within 2 s: P21.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use culvert_connect::api::Api;
use culvert_connect::home::Home;
use culvert_connect::reach::Server;
use culvert_connect::tunnel::{Ask, Tunnel};
use culvert_connect::word::{HostWord, Numbers};
use culvert_lab::Ns;
use culvert_session::native::Stream;
use culvert_wire::grant::Protocol;
use tokio::io::AsyncWriteExt as _;

use crate::report::Figure;
use crate::rig::percentile;
use crate::rig::sink::{PORT, Seen, Sink, uptime};
use crate::rig::site::Rig;

/// Live sessions at each order: below what a box takes at once, 32.
const SESSIONS: usize = 24;
/// A server lets one person start 30 sessions at once, then one a second.
const PAUSE: Duration = Duration::from_millis(1_100);
/// An end that takes longer counts as none.
const LIMIT: Duration = Duration::from_secs(30);

/// One way to take access away.
struct Way {
    what: &'static str,
    /// The host whose sessions end, and where it is.
    host: (&'static str, Ns),
    order: &'static [&'static str],
    /// What makes new sessions possible again.
    mend: Option<&'static [&'static str]>,
}

const SERVER: &str = "Harbour/Pump station/server";
const DEVICE: &str = "Harbour/Pump station/device";

const WAYS: [Way; 3] = [
    Way {
        what: "person disabled",
        host: ("server", Ns::Server),
        order: &["user", "disable", "tess"],
        mend: Some(&["user", "enable", "tess"]),
    },
    Way {
        what: "host deleted",
        host: ("server", Ns::Server),
        order: &["host", "delete", SERVER],
        mend: None,
    },
    Way {
        what: "box revoked",
        host: ("device", Ns::Device),
        order: &["gateway", "revoke", "Harbour/Pump station"],
        mend: None,
    },
];

pub(crate) fn run(programs: &Path) -> anyhow::Result<Vec<Figure>> {
    Rig::start(programs, Duration::ZERO, |rig| {
        let runtime = tokio::runtime::Runtime::new()?;
        let service = format!("tcp:{PORT}");
        for host in [SERVER, DEVICE] {
            rig.admin(&["host", "change", host, "--service", &service])?;
        }
        let (mut all, mut about) = (Vec::new(), Vec::new());
        for (number, way) in WAYS.iter().enumerate() {
            let home = rig.sign_in(&format!("bench-{number}"))?;
            let gone = measure(rig, &runtime, home, way)
                .with_context(|| format!("{} did not end all sessions", way.what))?;
            about.push(format!("{} {:.2} s", way.what, gone[gone.len() - 1]));
            all.extend(gone);
        }
        all.sort_by(f64::total_cmp);
        let slowest = all[all.len() - 1];
        Ok(vec![
            Figure::new(
                "p99_gone",
                percentile(&all, 0.99),
                "s",
                format!(
                    "order to end at the gateway, {SESSIONS} sessions each; p50 {:.2} s",
                    percentile(&all, 0.5)
                ),
            ),
            Figure::new("slowest_gone", slowest, "s", about.join(", ")),
        ])
    })
}

/// Sorted seconds from the order to each connection's end at the host.
fn measure(
    rig: &Rig<'_>,
    runtime: &tokio::runtime::Runtime,
    home: Home,
    way: &Way,
) -> anyhow::Result<Vec<f64>> {
    let (name, place) = way.host;
    let mut sink = Sink::start(rig.at(place, std::env::current_exe()?))?;
    let mut sessions = Vec::new();
    for _ in 0..SESSIONS {
        let began = Instant::now();
        sessions.push(runtime.block_on(open(&home, name))?);
        sink.wait(Seen::Came)?;
        std::thread::sleep(PAUSE.saturating_sub(began.elapsed()));
    }
    let ordered = uptime()?;
    rig.admin(way.order)?;
    let mut gone = Vec::new();
    while gone.len() < SESSIONS {
        match sink.next(LIMIT) {
            Some(Seen::Gone(at)) => gone.push(at - ordered),
            other => anyhow::bail!("{} of {SESSIONS} ended, then {other:?}", gone.len()),
        }
    }
    gone.sort_by(f64::total_cmp);
    ensure!(gone[0] > 0.0, "a session ended before the order");
    drop(sessions);
    if let Some(mend) = way.mend {
        rig.admin(mend)?;
    }
    Ok(gone)
}

/// A session with one connection to the host.
async fn open(home: &Home, host: &str) -> anyhow::Result<(Tunnel, Stream)> {
    let mut server = Server::known(home.clone())?;
    let link = server.signed_in().await?;
    let word = HostWord::parse(host, Numbers::Port)?;
    let ask = Ask {
        host: Api(&link.0).host(&word).await?.id,
        protocol: Protocol::Tcp,
        ports: vec![PORT],
    };
    let tunnel = Tunnel::open(&server, link, ask).await?;
    let mut stream = tunnel.streams().open(0).await?;
    stream.write_all(b"here").await?;
    Ok((tunnel, stream))
}
