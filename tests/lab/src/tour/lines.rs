//! ssh, scp, telnet and plain ports, with native programs (S30).

use std::fs;
use std::process::Command;

use anyhow::{bail, ensure};
use culvert_lab::{Dialogue, Ns};

use super::{LIMIT, Tour};

pub(super) fn ls(tour: &Tour<'_>) -> anyhow::Result<()> {
    let listing = tour.technician.run(&["ls"])?;
    for name in ["server", "desktop", "device"] {
        ensure!(
            listing.contains(name),
            "{name} is not in the list:\n{listing}"
        );
    }
    Ok(())
}

pub(super) fn ssh(tour: &Tour<'_>) -> anyhow::Result<()> {
    let word = tour.canary()?;
    let host = format!("{}@server", tour.site.credentials().user);
    let mut command = with_password(tour);
    command.arg(tour.technician.program());
    command.args(["ssh", &host, "--"]).args(NEW_HOST);
    command.arg(format!("echo {word} > by-ssh"));
    must_work(&mut command)?;
    must_hold(tour, "by-ssh", &word)
}

pub(super) fn telnet(tour: &Tour<'_>) -> anyhow::Result<()> {
    let word = tour.canary()?;
    let mut telnet = Dialogue::start(&mut tour.technician.culvert(&["telnet", "server"]))?;
    log_in_by_telnet(tour, &mut telnet)?;
    telnet.say(&format!("echo {word} > by-telnet; echo done-$?"))?;
    telnet.wait_for("done-0")?;
    must_hold(tour, "by-telnet", &word)
}

pub(super) fn log_in_by_telnet(tour: &Tour<'_>, telnet: &mut Dialogue) -> anyhow::Result<()> {
    let who = tour.site.credentials();
    telnet.wait_for("login: ")?;
    telnet.say(&who.user)?;
    telnet.wait_for("Password: ")?;
    telnet.say(&who.password)?;
    telnet.wait_for("$ ")?;
    Ok(())
}

/// `culvert proxy` as the ProxyCommand of the ordinary ssh and scp.
pub(super) fn proxy(tour: &Tour<'_>) -> anyhow::Result<()> {
    let (word, file_word) = (tour.canary()?, tour.canary()?);
    let command = format!(
        "ProxyCommand={} proxy server %p",
        tour.technician.program().display()
    );
    let target = format!("{}@server", tour.site.credentials().user);
    let mut ssh = with_password(tour);
    ssh.arg("ssh").args(["-o", &command]).args(NEW_HOST);
    ssh.args([&target, &format!("echo {word} > by-proxy")]);
    must_work(&mut ssh)?;
    must_hold(tour, "by-proxy", &word)?;

    let file = tour.site.temp_dir().join("to-copy");
    fs::write(&file, &file_word)?;
    let mut scp = with_password(tour);
    scp.arg("scp").args(["-o", &command]).args(NEW_HOST);
    scp.arg(&file).arg(format!("{target}:by-scp"));
    must_work(&mut scp)?;
    must_hold(tour, "by-scp", &file_word)
}

pub(super) fn forward(tour: &Tour<'_>) -> anyhow::Result<()> {
    let word = tour.canary()?;
    let mut culvert = tour
        .technician
        .culvert(&["forward", "server:22", "-L", "127.0.0.1:2222"]);
    let mut forward = tour.site.spawn("forward", &mut culvert)?;
    wait_for_port(tour, 2222)?;
    let target = format!("{}@127.0.0.1", tour.site.credentials().user);
    let mut ssh = with_password(tour);
    ssh.args(["ssh", "-p", "2222"]).args(NEW_HOST);
    ssh.args([&target, &format!("echo {word} > by-forward")]);
    must_work(&mut ssh)?;
    must_hold(tour, "by-forward", &word)?;
    ensure!(
        forward.is_running(),
        "culvert forward ended by itself: {}",
        forward.log()
    );
    forward.stop(LIMIT);
    Ok(())
}

/// Waits until something listens on a port of the technician's loopback.
pub(super) fn wait_for_port(tour: &Tour<'_>, port: u16) -> anyhow::Result<()> {
    let script = format!(
        "for i in $(seq 600); do
           ss -Hltn 'sport = :{port}' | grep -q . && exit 0
           sleep 0.1
         done; exit 1"
    );
    tour.site.shell(Ns::Technician, &script)?;
    Ok(())
}

fn with_password(tour: &Tour<'_>) -> Command {
    let mut command = tour.technician.in_her_place("sshpass");
    command.args(["-p", &tour.site.credentials().password]);
    command
}

fn must_work(command: &mut Command) -> anyhow::Result<()> {
    let output = command.stdin(std::process::Stdio::null()).output()?;
    ensure!(
        output.status.success(),
        "{command:?}\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

fn must_hold(tour: &Tour<'_>, name: &str, word: &str) -> anyhow::Result<()> {
    let path = tour.site.home(Ns::Server).join(name);
    let text = fs::read_to_string(&path).unwrap_or_default();
    if text.trim() != word {
        bail!(
            "{} on the server holds {text:?}, not {word}",
            path.display()
        );
    }
    Ok(())
}

/// A host never seen before is taken as it is; nothing is remembered.
const NEW_HOST: [&str; 4] = [
    "-o",
    "StrictHostKeyChecking=no",
    "-o",
    "UserKnownHostsFile=/dev/null",
];
