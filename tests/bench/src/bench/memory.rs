//! Memory of the relay's idle links and of the gateway; sizes of programs.
//!
//! Links: the shipped plane in a process of its own, thousands of real links
//! to it. Gateway: the shipped program at a site of network namespaces, idle
//! while eight pass-through sessions carry bytes, and behind them. Programs: stripped.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use culvert_connect::home::Home;
use culvert_lab::Ns;
use culvert_session::native::Stream;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::report::Figure;
use crate::rig::server::resident_kib;
use crate::rig::sink::{self, GIVE, HERE, PORT, Sink};
use crate::rig::site::Rig;
use crate::rig::{ends, herd, keys};

/// Links that are there before counting begins: buffers that all share.
const FIRST: u32 = 200;
const MORE: u32 = 2000;
const SESSIONS: usize = 8;
/// How often the busy gateway is looked at, and when.
const LOOKS: u32 = 80;
const BETWEEN: Duration = Duration::from_millis(250);
/// The sessions' host.
const SERVER: &str = "Harbour/Pump station/server";

pub(crate) fn run(programs: &Path) -> anyhow::Result<Vec<Figure>> {
    let mut figures = vec![relay()?];
    for (name, program) in [
        ("gateway_binary", "culvert-gateway"),
        ("culvert_binary", "culvert"),
        ("prs_binary", "culvert-prs"),
    ] {
        let size = stripped(&programs.join(program))?;
        figures.push(Figure::new(name, size, "MB", "stripped"));
    }
    figures.extend(gateway(programs)?);
    Ok(figures)
}

fn relay() -> anyhow::Result<Figure> {
    herd::many_files(u64::from(FIRST + MORE) + 200)?;
    let mut child = Command::new(std::env::current_exe()?)
        .args(["--part", "plane"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let each = links(&mut child);
    // Fails only when it is gone already.
    let _ = child.kill();
    let _ = child.wait();
    Ok(Figure::new(
        "relay_per_idle_link",
        each?,
        "KiB",
        format!("{MORE} gateways' links, TLS + WebSocket, resident memory of the relay"),
    ))
}

fn links(child: &mut Child) -> anyhow::Result<f64> {
    let mut address = String::new();
    let out = child.stdout.take().context("no output")?;
    BufReader::new(out).read_line(&mut address)?;
    let address = address.trim().parse()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut kept = Vec::new();
        let mut before = 0.0;
        for n in 0..FIRST + MORE {
            if n == FIRST {
                settle().await;
                before = resident_kib(child.id())?;
            }
            kept.push(ends::gateway_link(address, keys::nth(n)).await?);
        }
        settle().await;
        Ok((resident_kib(child.id())? - before) / f64::from(MORE))
    })
}

/// The last link's setting up is over.
async fn settle() {
    tokio::time::sleep(Duration::from_secs(1)).await;
}

fn gateway(programs: &Path) -> anyhow::Result<Vec<Figure>> {
    Rig::start(programs, Duration::ZERO, |rig| {
        std::thread::sleep(Duration::from_secs(3));
        let gateway = rig.gateway_pid()?;
        let resident = || Ok::<f64, anyhow::Error>(resident_kib(gateway)? / 1024.0);
        let idle = resident()?;
        rig.admin(&[
            "host",
            "change",
            SERVER,
            "--service",
            &format!("tcp:{PORT}"),
        ])?;
        let _sink = Sink::start(rig.at(Ns::Server, std::env::current_exe()?))?;
        let runtime = tokio::runtime::Runtime::new()?;
        let carried = Arc::new(AtomicU64::new(0));
        let home = rig.home();
        let (stop, stopped) = watch::channel(());
        let mut sessions = Vec::new();
        for number in 0..SESSIONS {
            let began = begin(&home, number % 2 == 0, &carried, stopped.clone());
            sessions.push(runtime.block_on(began)?);
        }
        let mut busy = 0.0_f64;
        for _ in 0..LOOKS {
            std::thread::sleep(BETWEEN);
            busy = busy.max(resident()?);
        }
        let mib = carried.load(Ordering::Relaxed) >> 20;
        ensure!(mib > 100, "the sessions carried {mib} MiB only");
        drop(stop);
        for session in sessions {
            runtime.block_on(session)?;
        }
        std::thread::sleep(Duration::from_secs(3));
        let about = format!(
            "largest while {SESSIONS} sessions carry as fast as they can, {mib} MiB in all"
        );
        Ok(vec![
            Figure::new("gateway_idle", idle, "MiB", "resident, link up"),
            Figure::new("gateway_8_sessions", busy, "MiB", about),
            Figure::new(
                "gateway_behind_8",
                resident()?,
                "MiB",
                "3 s after their end",
            ),
        ])
    })
}

/// One session that carries bytes until it is stopped: to the host, or from it.
async fn begin(
    home: &Home,
    up: bool,
    carried: &Arc<AtomicU64>,
    mut stopped: watch::Receiver<()>,
) -> anyhow::Result<JoinHandle<()>> {
    let (tunnel, stream) = sink::open(home, "server", if up { HERE } else { GIVE }).await?;
    let carried = Arc::clone(carried);
    Ok(tokio::spawn(async move {
        tokio::select! {
            () = carry(stream, up, &carried) => {}
            // An error: there is nobody to stop it any more.
            _ = stopped.changed() => {}
        }
        tunnel.streams().finish().await;
    }))
}

async fn carry(mut stream: Stream, up: bool, carried: &AtomicU64) {
    let mut buffer = vec![0; 16_384];
    loop {
        let moved = if up {
            stream.write(&buffer).await
        } else {
            stream.read(&mut buffer).await
        };
        let Ok(bytes @ 1..) = moved else { return };
        carried.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

/// Megabytes of a program without symbols.
fn stripped(program: &Path) -> anyhow::Result<f64> {
    let folder = tempfile::tempdir()?;
    let out = folder.path().join("stripped");
    let done = Command::new("strip")
        .arg("-o")
        .arg(&out)
        .arg(program)
        .status()
        .context("strip (binutils) does not run")?;
    ensure!(done.success(), "strip {}", program.display());
    Ok(std::fs::metadata(&out)?.len() as f64 / 1e6)
}
