//! `./demo`: everything running, and what to type in another terminal.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use culvert_lab::{
    Ns, Portal, Programs, Site, SiteOptions, Stack, TECHNICIAN, Technician, usual_cloud_address,
};

use crate::say;

/// Runs until Ctrl-C or SIGTERM; everything it started ends with it.
pub(crate) fn run() -> anyhow::Result<()> {
    let (ready, stop) = signals()?;
    let programs = Programs::beside_this_one()?;
    say("Starting a cloud server, a gateway and a customer's site ...");
    let site = Site::start(SiteOptions {
        cloud: usual_cloud_address()?,
        ..SiteOptions::default()
    })?;
    let (mut stack, portal) = Stack::start_with_portal(&site, programs.clone())?;
    stack.start_gateway()?;
    stack.more_customers()?;
    let technician = stack.technician(Ns::Host, "technician")?;
    give_to_the_caller(technician.home())?;
    let settings = write_settings(&site, &technician, programs.folder())?;
    print_guide(&site, &stack, &portal, &settings);
    ready.store(true, Ordering::Release);
    stop.recv()?;
    say("Stopping ...");
    Ok(())
}

/// A file for another terminal's shell: `culvert` on the path, signed in.
fn write_settings(
    site: &Site,
    technician: &Technician<'_>,
    programs: &Path,
) -> anyhow::Result<String> {
    let path = site.temp_dir().join("env");
    let text = format!(
        "export PATH='{}':\"$PATH\"\nexport CULVERT_HOME='{}'\n",
        programs.display(),
        technician.home().join("culvert").display()
    );
    fs::write(&path, text)?;
    Ok(path.display().to_string())
}

/// Under sudo the other terminal is that of an ordinary user, who must be able
/// to read the technician's files.
fn give_to_the_caller(home: &Path) -> anyhow::Result<()> {
    let (Ok(user), Ok(group)) = (std::env::var("SUDO_UID"), std::env::var("SUDO_GID")) else {
        return Ok(());
    };
    let status = Command::new("chown")
        .args(["--recursive", &format!("{user}:{group}")])
        .arg(home)
        .status()?;
    anyhow::ensure!(status.success(), "chown of {}: {status}", home.display());
    Ok(())
}

fn print_guide(site: &Site, stack: &Stack<'_>, portal: &Portal, settings: &str) {
    let who = site.credentials();
    // Chromium refuses to run as root with its sandbox.
    let is_root = !site.is_unprivileged() && std::env::var_os("SUDO_UID").is_none();
    let for_root = if is_root { " -- --no-sandbox" } else { "" };
    say(&format!(
        "
Everything runs. The portal, in a browser on this machine:

  {url}
  {TECHNICIAN} / {password}         a technician
  {owner} / {owner_password}        the owner: customers, boxes, people, reports

Or in another terminal. Type this first:

  . {settings}

You are then signed in as the technician '{TECHNICIAN}'.

  culvert ls                          the customer's hosts
  culvert ssh {user}@server             password {login}
  culvert telnet server               {user}, the same password
  culvert vnc desktop                 password {vnc}
  culvert rdp desktop                 {user}, the same password
  culvert web device{for_root:<18}the device's page in a browser of its own
  culvert forward server:22           any TCP port
  culvert proxy server 22             for ssh's ProxyCommand
  culvert sessions                    what is open

The site is {folder}; its gateway sees only 192.168.77.0/24,
its router lets out nothing but TCP 443. Ctrl-C ends it all.
",
        url = portal.url,
        owner = portal.owner,
        owner_password = portal.owner_password,
        password = stack.password(),
        user = who.user,
        login = who.password,
        vnc = who.vnc_password,
        folder = site.temp_dir().display(),
    ));
}

/// Takes over Ctrl-C and SIGTERM. While things are still being started either
/// ends the process at once, which ends them, too; afterwards it is reported.
fn signals() -> anyhow::Result<(Arc<AtomicBool>, Receiver<()>)> {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (mut interrupt, mut terminate) = {
        let _inside = runtime.enter();
        (
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
        )
    };
    let ready = Arc::new(AtomicBool::new(false));
    let (send, stop) = sync_channel(1);
    let is_ready = Arc::clone(&ready);
    thread::spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        });
        if !is_ready.load(Ordering::Acquire) {
            std::process::exit(130);
        }
        let _ = send.send(());
    });
    Ok((ready, stop))
}
