//! The portal's pages in a real browser: Chromium, the real server with the
//! pages inside, real gateways at three customers, OpenSSH, telnetd and Xvnc
//! behind them (S9, S18, S19, S20, S21, S23, S24, S30, S31, S34, K17).
//!
//! What the browser does is in tests/portal (run.mjs names the files). A test
//! that needs a program ended or started says so in a line (`do …`) and gets
//! one back.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use culvert_e2e::browser;
use culvert_lab::{Programs, Site, SiteOptions, Stack, TECHNICIAN, free_cloud_address, node_tool};

#[test]
fn technicians_work_and_administrators_set_up_in_the_browser() {
    run().unwrap_or_else(|error| panic!("{error:?}"));
}

fn run() -> anyhow::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../portal");
    prepare(&folder)?;
    let site = Site::start(SiteOptions {
        cloud: free_cloud_address()?,
        ..SiteOptions::default()
    })?;
    let (mut stack, portal) = Stack::start_with_portal(&site, Programs::beside_this_one()?)?;
    stack.start_gateway()?;
    stack.more_customers()?;
    let who = site.credentials();
    let mut node = node_tool("node");
    node.arg("run.mjs").current_dir(&folder);
    // For a look at one test by hand: its words.
    node.args(std::env::var("CULVERT_ONLY"));
    for (name, value) in [
        ("CULVERT_URL", portal.url.as_str()),
        ("CULVERT_OWNER", portal.owner),
        ("CULVERT_OWNER_PASSWORD", &portal.owner_password),
        ("CULVERT_TECHNICIAN", TECHNICIAN),
        ("CULVERT_TECHNICIAN_PASSWORD", stack.password()),
        ("CULVERT_ACCOUNT", &who.user),
        ("CULVERT_ACCOUNT_PASSWORD", &who.password),
        ("CULVERT_VNC_PASSWORD", &who.vnc_password),
    ] {
        node.env(name, value);
    }
    let node = node.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut node = node.spawn().context("starting node")?;
    let said = listen(&mut node, &mut stack);
    let ended = node.wait().context("waiting for node")?;
    let said = said?;
    ensure!(
        ended.success() && said.contains(" passed, 0 failed"),
        "{said}"
    );
    Ok(())
}

/// Does what the tests ask for until they are over, and keeps what they said.
fn listen(node: &mut Child, stack: &mut Stack<'_>) -> anyhow::Result<String> {
    let mut answers = node.stdin.take().context("node's input")?;
    let lines = BufReader::new(node.stdout.take().context("node's output")?).lines();
    let mut said = String::new();
    for line in lines {
        let line = line.context("reading what the tests say")?;
        let Some(wish) = line.strip_prefix("do ") else {
            writeln!(said, "{line}")?;
            continue;
        };
        let answer = match grant(wish, stack) {
            Ok(()) => "done".to_owned(),
            Err(error) => format!("failed: {error:#}").replace('\n', " "),
        };
        writeln!(answers, "{answer}").context("answering the tests")?;
    }
    Ok(said)
}

/// What a test may wish of the world around the browser.
fn grant(wish: &str, stack: &mut Stack<'_>) -> anyhow::Result<()> {
    match wish {
        "restart the server" => {
            let server = stack.cloud().context("no server runs")?;
            server.stop(Duration::from_secs(20));
            stack.serve()?;
        }
        "stop the box" => {
            let gateway = stack.gateway().context("no box runs")?;
            gateway.stop(Duration::from_secs(10));
        }
        "start the box" => stack.run_gateway()?,
        other => bail!("no such wish: {other}"),
    }
    Ok(())
}

/// The pages, the browser and its tools.
fn prepare(folder: &Path) -> anyhow::Result<()> {
    let pages = folder.join("../../cloud-prs/portal/dist/index.html");
    ensure!(
        pages.is_file(),
        "the server was built without its pages: run cloud-prs/portal/build, then cargo build -p culvert-cloud-prs"
    );
    browser::prepare(folder)
}
