//! The portal's pages in a real browser: Chromium, the real server with the
//! pages inside, real gateways at three customers, OpenSSH, telnetd and Xvnc
//! behind them (S9, S18, S19, S20, S21, S23, S24, S30, S31, S34, K17).
//!
//! What the browser does is in tests/portal (run.mjs names the files).

use std::time::Duration;

use anyhow::{Context as _, bail};
use culvert_e2e::portal::{self, World};
use culvert_lab::Stack;

#[test]
fn technicians_work_and_administrators_set_up_in_the_browser() {
    portal::on_loopback(run).unwrap_or_else(|error| panic!("{error:?}"));
}

fn run(world: &mut World<'_>) -> anyhow::Result<()> {
    let World {
        stack,
        scripts,
        told,
        ..
    } = world;
    stack.start_gateway()?;
    stack.more_customers()?;
    scripts.run("run.mjs", told, |words| {
        grant(words, stack)?;
        Ok("null".to_owned())
    })
}

/// What a test may wish of the world around the browser.
fn grant(wish: &[&str], stack: &mut Stack<'_>) -> anyhow::Result<()> {
    match wish {
        ["restart-server"] => {
            let server = stack.cloud().context("no server runs")?;
            server.stop(Duration::from_secs(20));
            stack.serve()?;
        }
        ["stop-box"] => {
            let gateway = stack.gateway().context("no box runs")?;
            gateway.stop(Duration::from_secs(10));
        }
        ["start-box"] => stack.run_gateway()?,
        other => bail!("no such wish: {other:?}"),
    }
    Ok(())
}
