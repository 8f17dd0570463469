//! `./demo --smoke`: every way to reach every host, with the real programs,
//! each leaving a proof that only a working session can leave.
//!
//! The technician sits behind a NAT of her own, with no route of anybody's
//! making (S16), the gateway behind another; both let out TCP 443 only (S1,
//! K13). A capture of each end shows at the end that nothing but TLS to the one
//! port has left it, for signing in and for the sessions alike (K15, K16, K17,
//! T8). Prints a line for each step and stops at the first that fails.

mod blind;
mod lines;
mod screens;
mod web;
mod wire;

use std::cell::RefCell;
use std::fs;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use culvert_lab::{
    Capture, Ns, Programs, Site, SiteOptions, Stack, Technician, free_cloud_address, random_word,
};

use crate::say;

/// What a step works with.
struct Tour<'a> {
    site: &'a Site,
    technician: &'a Technician<'a>,
    cloud_pid: u32,
    at_gateway: &'a Capture,
    /// Every word that was typed, written or shown through a session.
    canaries: RefCell<Vec<String>>,
}

impl Tour<'_> {
    /// A fresh word to send through a session, looked for at the end.
    fn canary(&self) -> anyhow::Result<String> {
        let word = random_word(16)?;
        self.canaries.borrow_mut().push(word.clone());
        Ok(word)
    }
}

/// Runs the whole tour.
pub(crate) fn run() -> anyhow::Result<()> {
    let begun = Instant::now();
    let programs = Programs::beside_this_one()?;
    let site = Site::start(SiteOptions {
        cloud: free_cloud_address()?,
        technician: true,
        ..SiteOptions::default()
    })?;
    let at_gateway = site.capture(Ns::Gateway, "eth0")?;
    let at_technician = site.capture(Ns::Technician, "eth0")?;
    let mut stack = Stack::start(&site, programs)?;
    stack.start_gateway()?;
    let cloud_pid = stack.cloud().context("it was started")?.pid()?;
    let technician = stack.technician(Ns::Technician, "technician")?;
    done(
        "start",
        "site, cloud server, gateway claimed, technician signed in",
        begun,
    );
    let tour = Tour {
        site: &site,
        technician: &technician,
        cloud_pid,
        at_gateway: &at_gateway,
        canaries: RefCell::default(),
    };
    for (name, about, step) in STEPS {
        let begun = Instant::now();
        if let Err(error) = step(&tour) {
            show_logs(&site);
            return Err(error.context(format!("step {name}")));
        }
        done(name, about, begun);
    }
    let begun = Instant::now();
    wire::nothing_listens(&site)?;
    wire::check_technician(&at_technician.finish()?)?;
    wire::check_gateway(&at_gateway.finish()?)?;
    done(
        "capture",
        "from each end only TLS to the one port, nothing listens",
        begun,
    );
    Ok(())
}

/// The last lines of everything that runs, for a person who has to find out.
fn show_logs(site: &Site) {
    let logs = site.temp_dir().join("logs");
    for entry in fs::read_dir(logs).into_iter().flatten().flatten() {
        let text = fs::read(entry.path()).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<_> = text.lines().collect();
        for line in &lines[lines.len().saturating_sub(8)..] {
            say(&format!("{}: {line}", entry.file_name().display()));
        }
    }
}

type Step = fn(&Tour<'_>) -> anyhow::Result<()>;

const STEPS: &[(&str, &str, Step)] = &[
    ("ls", "the three hosts are listed", lines::ls),
    ("ssh", "a random word written to the server", lines::ssh),
    ("telnet", "a random word typed on the server", lines::telnet),
    (
        "proxy",
        "ssh and scp with culvert as ProxyCommand",
        lines::proxy,
    ),
    ("forward", "ssh through a local port", lines::forward),
    ("web", "the device's page ran in Chromium", web::web),
    ("vnc", "picture and keys, vncviewer", screens::vnc),
    ("rdp", "picture and keys, xfreerdp", screens::rdp),
    (
        "blind",
        "the cloud server holds nothing of all this",
        blind::blind,
    ),
];

fn done(name: &str, about: &str, begun: Instant) {
    let seconds = begun.elapsed().as_secs_f32();
    say(&format!("ok  {name:<8} {about} ({seconds:.1} s)"));
}

/// Long enough for any one thing on a loaded machine of two cores.
const LIMIT: Duration = Duration::from_secs(60);
