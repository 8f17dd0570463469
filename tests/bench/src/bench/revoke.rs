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
use culvert_connect::home::Home;
use culvert_lab::Ns;

use crate::report::Figure;
use crate::rig::percentile;
use crate::rig::sink::{self, HERE, PORT, Seen, Sink, uptime};
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
    /// Its figures.
    figures: (&'static str, &'static str),
    /// The host whose sessions end, and where it is.
    host: (&'static str, Ns),
    /// What makes it possible.
    before: &'static [&'static [&'static str]],
    order: &'static [&'static str],
    /// What makes new sessions possible again.
    mend: &'static [&'static [&'static str]],
}

const SERVER: &str = "Harbour/Pump station/server";
const DEVICE: &str = "Harbour/Pump station/device";

const WAYS: [Way; 4] = [
    Way {
        what: "role narrowed",
        figures: ("role_p99", "role_slowest"),
        host: ("server", Ns::Server),
        before: &[
            &["user", "role", "tess", "owner"],
            &[
                "permission",
                "revoke",
                "--user",
                "tess",
                "--customer",
                "Harbour",
            ],
        ],
        order: &["user", "role", "tess", "reader"],
        mend: &[
            &[
                "permission",
                "grant",
                "--user",
                "tess",
                "--customer",
                "Harbour",
            ],
            &["user", "role", "tess", "none"],
        ],
    },
    Way {
        what: "person disabled",
        figures: ("person_p99", "person_slowest"),
        host: ("server", Ns::Server),
        before: &[],
        order: &["user", "disable", "tess"],
        mend: &[&["user", "enable", "tess"]],
    },
    Way {
        what: "host deleted",
        figures: ("host_p99", "host_slowest"),
        host: ("server", Ns::Server),
        before: &[],
        order: &["host", "delete", SERVER],
        mend: &[],
    },
    Way {
        what: "box revoked",
        figures: ("box_p99", "box_slowest"),
        host: ("device", Ns::Device),
        before: &[],
        order: &["gateway", "revoke", "Harbour/Pump station"],
        mend: &[],
    },
];

pub(crate) fn run(programs: &Path) -> anyhow::Result<Vec<Figure>> {
    Rig::start(programs, Duration::ZERO, |rig| {
        let runtime = tokio::runtime::Runtime::new()?;
        let service = format!("tcp:{PORT}");
        for host in [SERVER, DEVICE] {
            rig.admin(&["host", "change", host, "--service", &service])?;
        }
        let (mut all, mut figures) = (Vec::new(), Vec::new());
        for (number, way) in WAYS.iter().enumerate() {
            for command in way.before {
                rig.admin(command)?;
            }
            let home = rig.sign_in(&format!("bench-{number}"))?;
            let gone = measure(rig, &runtime, home, way)
                .with_context(|| format!("{} did not end all sessions", way.what))?;
            figures.extend(told(way.figures, &gone, way.what));
            all.extend(gone);
        }
        all.sort_by(f64::total_cmp);
        figures.extend(told(("p99_gone", "slowest_gone"), &all, "all of them"));
        Ok(figures)
    })
}

/// The figures of sorted seconds.
fn told((p99, slowest): (&'static str, &'static str), gone: &[f64], what: &str) -> [Figure; 2] {
    let about = format!(
        "{what}: order to end at the gateway, {} sessions; p50 {:.2} s",
        gone.len(),
        percentile(gone, 0.5)
    );
    [
        Figure::new(p99, percentile(gone, 0.99), "s", about),
        Figure::new(slowest, percentile(gone, 1.0), "s", what),
    ]
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
        sessions.push(runtime.block_on(sink::open(&home, name, HERE))?);
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
    for command in way.mend {
        rig.admin(command)?;
    }
    Ok(gone)
}
