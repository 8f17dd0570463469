//! A technician's end that is gone without a word holds no host's connection
//! for longer than half a minute; one that comes back on another address in
//! that time loses nothing (P12, P25): she is back in time only because
//! unanswered bytes end her link after 15 s (`TCP_USER_TIMEOUT`, P13).

use std::process::{Command, Stdio};
use std::time::Duration;

use culvert_e2e::world::{self, eventually};
use culvert_lab::{Dialogue, Ns, SiteOptions};

/// The promise is 30 s, held by the gateway's own test in counted looks;
/// machines here are busy. Without the watch it would be QUIC's 120 s.
const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn a_killed_and_a_sleeping_technician_are_given_up_and_one_who_moved_is_not() {
    let options = SiteOptions {
        technician: true,
        ..SiteOptions::default()
    };
    world::with(options, |world| {
        world.stack.start_gateway()?;
        let technician = world.stack.technician(Ns::Technician, "technician")?;
        let mut moved = world.ssh(&technician, "echo before; read line; echo got $line");
        let mut moved = Dialogue::start(moved.stdin(Stdio::piped()))?;
        moved.wait_for("before")?;
        let open = || -> anyhow::Result<Dialogue> {
            let mut proxy = Dialogue::start(&mut technician.culvert(&["proxy", "server", "22"]))?;
            proxy.wait_for("SSH-2.0")?;
            Ok(proxy)
        };
        let (killed, asleep) = (open()?, open()?);
        anyhow::ensure!(world.ssh_connections()? == 3, "not connected before");

        signal("KILL", killed.pid()?)?;
        signal("STOP", asleep.pid()?)?;
        // Another network: what she had open is answered no more.
        world.site.shell(
            Ns::Technician,
            "ip address del 10.44.0.2/24 dev eth0
             ip address add 10.44.0.9/24 dev eth0
             ip route replace default via 10.44.0.1",
        )?;

        let took = eventually("two connections given up", LIMIT, || {
            Ok(world.ssh_connections()? <= 1)
        })?;
        println!("two connections given up after {took:?}");
        anyhow::ensure!(world.ssh_connections()? == 1, "hers was given up, too");
        moved.say("behind the move")?;
        moved.wait_for("got behind the move")?;
        eventually("two sessions reported as lost", LIMIT, || {
            let report = world.stack.admin(&["report", "--csv"])?;
            let lost = report.lines().filter(|row| row.contains("peer_lost"));
            Ok(lost.count() == 2)
        })?;
        signal("CONT", asleep.pid()?)
    })
    .unwrap();
}

fn signal(name: &str, pid: u32) -> anyhow::Result<()> {
    let done = Command::new("kill")
        .args([&format!("-{name}"), &pid.to_string()])
        .status()?;
    anyhow::ensure!(done.success(), "kill -{name} {pid}");
    Ok(())
}
