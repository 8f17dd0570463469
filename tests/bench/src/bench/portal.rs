//! The browser's endpoint in Chromium: throughput from a LAN host to the page,
//! and from a typed key to its echo, on loopback.
//!
//! Shipped programs and the shipped worker; nginx and telnetd at a site of
//! network namespaces. Between browser and server stands a small door (node)
//! that serves the page under test, so the figures are a little worse than
//! without it. What the browser does is in tests/portal/endpoint/speed.mjs.
//!
//! S19.

use std::fs::File;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};
use culvert_lab::{Programs, Site, SiteOptions, Stack, free_cloud_address};
use serde::Deserialize;

use crate::report::Figure;

/// Longer than any round reads.
const BLOB: u64 = 8 << 30;

/// What the browser prints.
#[derive(Deserialize)]
struct Said {
    mbits: f64,
    slowest: f64,
    pause: f64,
    echo: f64,
    echo_p95: f64,
}

pub(crate) fn run() -> anyhow::Result<Vec<Figure>> {
    let site = Site::start(SiteOptions {
        cloud: free_cloud_address()?,
        ..SiteOptions::default()
    })?;
    // Holes cost no disk.
    File::create(site.temp_dir().join("hosts/device/page/blob"))?.set_len(BLOB)?;
    let (mut stack, portal) = Stack::start_with_portal(&site, Programs::beside_this_one()?)?;
    stack.start_gateway()?;
    let who = site.credentials();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../portal/endpoint");
    let output = Command::new("node")
        .arg("speed.mjs")
        .current_dir(folder)
        .env("CULVERT_URL", &portal.url)
        .env("CULVERT_NAME", portal.owner)
        .env("CULVERT_PASSWORD", &portal.owner_password)
        .env("CULVERT_ACCOUNT", &who.user)
        .env("CULVERT_ACCOUNT_PASSWORD", &who.password)
        .output()
        .context("starting node: ./bench installs what the page needs")?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(
        output.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let line = text.lines().last().context("nothing was printed")?;
    let said: Said = serde_json::from_str(line).context("no figures")?;
    Ok(vec![
        Figure::new(
            "browser_s_per_gb",
            8000.0 / said.mbits,
            "s/GB",
            format!(
                "gateway to browser: {:.0} Mbit/s, median of 3 (slowest {:.0})",
                said.mbits, said.slowest
            ),
        ),
        Figure::new(
            "page_longest_pause",
            said.pause,
            "ms",
            "the page's own timers meanwhile",
        ),
        Figure::new(
            "key_to_echo_p95",
            said.echo_p95,
            "ms",
            format!("telnet, 200 keys; median {:.1} ms", said.echo),
        ),
    ])
}
