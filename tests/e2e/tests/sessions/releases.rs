//! A release meets a session, with the real server and the real gateway: the box
//! says that it waits, the release is stopped meanwhile, and when the session ends
//! the box asks, is refused, and installs nothing. The next one it takes (P8).

use std::process::Command;
use std::time::Duration;

use anyhow::ensure;
use culvert_e2e::World;
use culvert_e2e::supervised::{self, BOARD};
use culvert_e2e::world::{self, eventually, must_work};
use culvert_lab::{Dialogue, Ns, SiteOptions, Stack};

/// Longer than anything takes on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn a_release_that_is_stopped_while_a_session_runs_is_not_installed_when_it_ends() {
    world::with(SiteOptions::default(), |world| {
        let code = ["gateway", "code", "--site", "Harbour/Pump station"];
        let code = world.stack.admin(&code)?;
        supervised::claim(&mut world.stack, &code, "healthy")?;
        let stack = &world.stack;
        eventually("the box tells its system", LIMIT, || tells(stack, "1", ""))?;
        let technician = stack.technician(Ns::Host, "technician")?;
        let mut shell = Dialogue::start(&mut technician.culvert(&["proxy", "server", "22"]))?;
        shell.wait_for("SSH-2.0")?;

        let stopped = publish(world, 2)?;
        let waits = "2 refused: a session runs there";
        eventually("the box says that it waits", LIMIT, || {
            tells(stack, "1", waits)
        })?;
        stack.admin(&["release", "halt", BOARD, &stopped])?;
        ensure!(world.ssh_connections()? == 1, "the session is over");
        must_work(Command::new("kill").args(["-TERM", &shell.pid()?.to_string()]))?;
        let told = "2 refused: the server has stopped this release";
        eventually("the box asks and is refused", LIMIT, || {
            tells(stack, "1", told)
        })?;

        publish(world, 3)?;
        eventually("the box takes the next", LIMIT, || {
            tells(stack, "3", "3 is installed")
        })?;
        Ok(())
    })
    .unwrap();
}

/// Lets every box have a release.
fn publish(world: &World<'_>, version: u64) -> anyhow::Result<String> {
    let bundle = supervised::bundle(world.site.temp_dir(), version)?;
    let bundle = bundle.display().to_string();
    world.stack.admin(&["release", "publish", &bundle])?;
    let version = version.to_string();
    let promote = ["release", "promote", BOARD, &version, "--ring", "all"];
    world.stack.admin(&promote)?;
    Ok(version)
}

/// Whether the console's list says that the box runs this version, and `what` of
/// the last release.
fn tells(stack: &Stack<'_>, version: &str, what: &str) -> anyhow::Result<bool> {
    let boxes = stack.admin(&["release", "boxes"])?;
    let runs = |line: &str| line.split_whitespace().skip(2).take(2).eq([BOARD, version]);
    Ok(boxes.lines().any(|line| runs(line) && line.contains(what)))
}
