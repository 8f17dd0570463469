//! The portal's pages in a real browser: Chromium, the real server with the
//! pages inside, real gateways at three customers, OpenSSH, telnetd and Xvnc
//! behind them (S9, S18, S19, S20, S21, S23, S24, S30, S31, S34, K17).
//!
//! What the browser does is in tests/portal (run.mjs names the files).

use std::time::Duration;

use anyhow::{Context as _, bail};
use culvert_e2e::odd::Odd;
use culvert_e2e::portal::{self, World};
use culvert_lab::{Signal, Stack};

#[test]
fn technicians_work_and_administrators_set_up_in_the_browser() {
    portal::on_loopback(run).unwrap_or_else(|error| panic!("{error:?}"));
}

fn run(world: &mut World<'_>) -> anyhow::Result<()> {
    let World {
        site,
        stack,
        scripts,
        told,
    } = world;
    stack.start_gateway()?;
    stack.more_customers()?;
    let mut odd = Odd::new(site);
    scripts.run("run.mjs", told, |words| match words {
        ["sshd", port] => Ok(json(&odd.sshd(port)?)),
        ["old-sshd", port] => {
            odd.old_sshd(port)?;
            Ok("null".to_owned())
        }
        ["key", passphrase @ ..] => Ok(json(&odd.key(&passphrase.join(" "))?)),
        ["bare-desktop"] => {
            odd.desktop()?;
            Ok("null".to_owned())
        }
        ["keys", last] => Ok(json(&odd.keys(last)?.join(" "))),
        other => {
            grant(other, stack)?;
            Ok("null".to_owned())
        }
    })
}

/// What a test may wish of the world around the browser.
fn grant(wish: &[&str], stack: &mut Stack<'_>) -> anyhow::Result<()> {
    match wish {
        ["stop-server"] => {
            let server = stack.cloud().context("no server runs")?;
            server.stop(Duration::from_secs(20));
        }
        ["start-server"] => stack.serve()?,
        ["stop-box"] => {
            let gateway = stack.gateway().context("no box runs")?;
            gateway.stop(Duration::from_secs(10));
        }
        ["start-box"] => stack.run_gateway()?,
        // Its connections stay, and nothing comes over them any more.
        ["silence-box"] => box_gets(stack, Signal::SIGSTOP)?,
        ["wake-box"] => box_gets(stack, Signal::SIGCONT)?,
        other => bail!("no such wish: {other:?}"),
    }
    Ok(())
}

fn box_gets(stack: &mut Stack<'_>, signal: Signal) -> anyhow::Result<()> {
    let gateway = stack.gateway().context("no box runs")?;
    Ok(gateway.signal(signal)?)
}

/// A text as JSON: of control characters only line feeds occur.
fn json(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{}\"", text.replace('\n', "\\n"))
}
