//! A session outlives the time that it was granted for, without anybody
//! noticing, until a renewal is refused (D7, S21, P21).

use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use culvert_e2e::World;
use culvert_e2e::world::{self, eventually};
use culvert_lab::{Dialogue, Ns, SiteOptions};

/// How long a session is granted for here: an hour is the product's default.
const HELD: u32 = 20;
/// Three renewals at three quarters of that time each, on a busy machine.
const LIMIT: Duration = Duration::from_secs(180);

#[test]
fn a_session_lives_through_three_renewals_and_ends_when_the_next_is_refused() {
    world::with(SiteOptions::default(), |world| {
        hold_short(world)?;
        world.stack.start_gateway()?;
        let technician = world.stack.technician(Ns::Host, "technician")?;
        let mut ssh = Dialogue::start(
            &mut world.ssh(&technician, "while read line; do echo got $line; done"),
        )?;
        ssh.say("first")?;
        ssh.wait_for("got first")?;

        eventually("three renewals", LIMIT, || Ok(renewals(world)? >= 3))?;
        ssh.say("after three renewals")?;
        ssh.wait_for("got after three renewals")?;
        ensure!(world.ssh_connections()? == 1, "more than the one session");

        // Her sign-in runs out; nobody gives an order to end.
        let before = renewals(world)?;
        run_out(world)?;
        eventually("the session's end", LIMIT, || {
            Ok(world.ssh_connections()? == 0)
        })?;
        ensure!(renewals(world)? <= before + 1, "renewed without a sign-in");
        let mut report = String::new();
        eventually("the end is in the report", LIMIT, || {
            report = world.stack.admin(&["report", "--csv"])?;
            Ok(report.contains(",expired,"))
        })
        .with_context(|| report.clone())?;
        Ok(())
    })
    .unwrap();
}

/// Serves again with a short time for sessions.
fn hold_short(world: &mut World<'_>) -> anyhow::Result<()> {
    let settings = world.stack.data("cloud").join("prs.toml");
    let text = std::fs::read_to_string(&settings)?;
    std::fs::write(&settings, format!("{text}\nsession_seconds = {HELD}\n"))?;
    let cloud = world.stack.cloud().context("it runs")?;
    cloud.stop(Duration::from_secs(60));
    Ok(world.stack.serve()?)
}

fn renewals(world: &World<'_>) -> anyhow::Result<usize> {
    let rows = world.stack.admin(&["audit", "list", "--limit", "1000"])?;
    Ok(rows.matches("session.renew").count())
}

/// As if the twelve hours of every sign-in were over.
fn run_out(world: &World<'_>) -> anyhow::Result<()> {
    let done = Command::new("sqlite3")
        .arg(world.stack.data("cloud").join("culvert.db"))
        .arg(".timeout 20000")
        .arg("UPDATE tokens SET expires = created + 1")
        .status()?;
    ensure!(done.success(), "sqlite3: {done}");
    Ok(())
}
