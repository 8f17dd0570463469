//! Memory of the relay's idle links and of the gateway; sizes of programs.
//!
//! Links: the shipped plane in a process of its own, thousands of real links
//! to it. Gateway: the shipped program at a site of network namespaces, idle
//! and with eight pass-through sessions in use. Programs: stripped.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, ensure};

use crate::report::Figure;
use crate::rig::server::resident_kib;
use crate::rig::site::Rig;
use crate::rig::{ends, herd, keys};

/// Links that are there before counting begins: buffers that all share.
const FIRST: u32 = 200;
const MORE: u32 = 2000;
const SESSIONS: usize = 8;

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
        let idle = resident_kib(rig.gateway_pid()?)? / 1024.0;
        let mut sessions = Vec::new();
        for _ in 0..SESSIONS {
            sessions.push(rig.ssh_banner()?.0);
        }
        std::thread::sleep(Duration::from_secs(1));
        let busy = resident_kib(rig.gateway_pid()?)? / 1024.0;
        let about = format!("{SESSIONS} sessions open to an SSH server");
        Ok(vec![
            Figure::new("gateway_idle", idle, "MiB", "resident, link up"),
            Figure::new("gateway_8_sessions", busy, "MiB", about),
        ])
    })
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
