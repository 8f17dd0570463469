//! The browser as a full end of real sessions: Chromium, the real server, a
//! real gateway, OpenSSH, Xvnc, telnetd and nginx behind it (K17, S19, S31).
//!
//! What the browser does is in tests/portal/endpoint/tests.mjs.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use culvert_e2e::browser::prepare;
use culvert_e2e::world::must_work;
use culvert_lab::{Programs, Site, SiteOptions, Stack, free_cloud_address, node_tool};
use sha2::{Digest as _, Sha256};

/// Long enough to be cut in the middle.
const BLOB: usize = 4_000_000;

#[test]
fn a_browser_is_a_full_end_of_real_sessions() {
    run().unwrap_or_else(|error| panic!("{error:?}"));
}

fn run() -> anyhow::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../portal/endpoint");
    prepare(&folder)?;
    build_endpoint(&folder)?;
    let site = Site::start(SiteOptions {
        cloud: free_cloud_address()?,
        ..SiteOptions::default()
    })?;
    let hash = leave_blob(&site)?;
    let programs = Programs::beside_this_one()?;
    let (mut stack, portal) = Stack::start_with_portal(&site, programs)?;
    stack.start_gateway()?;
    let who = site.credentials();
    let mut node = node_tool("node");
    node.arg("run.mjs").current_dir(&folder);
    for (name, value) in [
        ("CULVERT_URL", portal.url.as_str()),
        ("CULVERT_NAME", portal.owner),
        ("CULVERT_PASSWORD", &portal.owner_password),
        ("CULVERT_ACCOUNT", &who.user),
        ("CULVERT_ACCOUNT_PASSWORD", &who.password),
        ("CULVERT_BLOB_SHA256", &hash),
    ] {
        node.env(name, value);
    }
    let output = node.output().context("starting node")?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(
        output.status.success() && said.contains(" passed, 0 failed"),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

/// The endpoint in WebAssembly, unless it is there.
fn build_endpoint(folder: &Path) -> anyhow::Result<()> {
    let portal: PathBuf = folder.join("../../../cloud-prs/portal");
    if !portal
        .join("src/session/wasm/culvert_endpoint_bg.wasm")
        .is_file()
    {
        must_work(&mut Command::new(portal.join("endpoint/build")))?;
    }
    Ok(())
}

/// A file on the device's web page that no cache and no guess can know.
fn leave_blob(site: &Site) -> anyhow::Result<String> {
    let mut dice = 0x2545_f491_4f6c_dd1d_u64;
    let bytes: Vec<u8> = (0..BLOB)
        .map(|_| {
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            dice.to_be_bytes()[0]
        })
        .collect();
    std::fs::write(site.temp_dir().join("hosts/device/page/blob"), &bytes)?;
    let hash = Sha256::digest(&bytes);
    Ok(hash.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    }))
}
