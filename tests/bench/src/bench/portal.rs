//! The portal in Chromium: its own pages (`pages`), and the browser's endpoint
//! alone: throughput from a LAN host to the page, and from a typed key to its
//! echo, on loopback.
//!
//! Shipped programs and the shipped worker; nginx and telnetd at a site of
//! network namespaces. For the endpoint a small door (node) stands between
//! browser and server that serves the page under test, so those figures are a
//! little worse than without it; what the browser does there is in
//! tests/portal/endpoint/speed.mjs.
//!
//! S19.

mod pages;

use std::fs::File;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};
use culvert_lab::{Portal, Programs, Site, SiteOptions, Stack, free_cloud_address, node_tool};
use serde::Deserialize;
use serde::de::DeserializeOwned;

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
    let mut figures = endpoint(&site, &portal)?;
    figures.extend(pages::figures(&site, &mut stack, &portal)?);
    Ok(figures)
}

fn endpoint(site: &Site, portal: &Portal) -> anyhow::Result<Vec<Figure>> {
    let who = site.credentials();
    let mut node = node_tool("node");
    node.arg("speed.mjs")
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../portal/endpoint"))
        .env("CULVERT_URL", &portal.url)
        .env("CULVERT_NAME", portal.owner)
        .env("CULVERT_PASSWORD", &portal.owner_password)
        .env("CULVERT_ACCOUNT", &who.user)
        .env("CULVERT_ACCOUNT_PASSWORD", &who.password);
    let said: Said = last_line(&mut node)?;
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

/// Runs a program to its end; its last line is the figures.
fn last_line<T: DeserializeOwned>(command: &mut Command) -> anyhow::Result<T> {
    let output = command
        .output()
        .context("starting node: ./bench installs what the page needs")?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(
        output.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let line = text.lines().last().context("nothing was printed")?;
    serde_json::from_str(line).context("no figures")
}
