//! A site, the server with its pages, and a real browser: the world of the
//! portal's tests, and what every script of theirs is told of it.
//!
//! Chromium runs beside the test (`crate::script`); over HTTPS it trusts the
//! server's private authority, as an administrator installs it.

use std::path::{Path, PathBuf};
use std::process::Command;

use culvert_lab::{Portal, Programs, Site, SiteOptions, Stack, TECHNICIAN, free_cloud_address};

use crate::script::Scripts;
use crate::world::{must_work, show_logs};

/// The system under test; no gateway runs yet.
pub struct World<'a> {
    /// The customer's site.
    pub site: &'a Site,
    /// Culvert's programs around it.
    pub stack: Stack<'a>,
    /// What drives the browser.
    pub scripts: Scripts,
    /// What a script is told: names and values of its environment.
    pub told: Vec<(&'static str, String)>,
}

/// Runs `test` with the pages at the demo's listener: plain HTTP, this machine
/// only.
///
/// # Errors
/// What is missing, or what the lab or the test says.
pub fn on_loopback(test: impl FnOnce(&mut World<'_>) -> anyhow::Result<()>) -> anyhow::Result<()> {
    within(Programs::beside_this_one()?, Door::Loopback, test)
}

/// Runs `test` with the pages under a name of their own, on real HTTPS.
///
/// # Errors
/// What is missing, or what the lab or the test says.
pub fn over_https(
    programs: Programs,
    test: impl FnOnce(&mut World<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    within(programs, Door::Https, test)
}

#[derive(Clone, Copy)]
enum Door {
    Loopback,
    Https,
}

fn within(
    programs: Programs,
    door: Door,
    test: impl FnOnce(&mut World<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let scripts = Scripts::of_the_portal()?;
    let site = Site::start(SiteOptions {
        cloud: free_cloud_address()?,
        ..SiteOptions::default()
    })?;
    let (stack, portal) = match door {
        Door::Loopback => Stack::start_with_portal(&site, programs)?,
        Door::Https => Stack::start_with_https(&site, programs)?,
    };
    let mut told = environment(&site, &stack, &portal);
    if let Door::Https = door {
        let home = trusting_home(&site, &stack.data("cloud").join("tls/ca.pem"))?;
        told.push(("CULVERT_HOME", home.display().to_string()));
        told.push(("CULVERT_AT", site.cloud().ip().to_string()));
    }
    let mut world = World {
        site: &site,
        stack,
        scripts,
        told,
    };
    let result = test(&mut world);
    if result.is_err() {
        show_logs(&site);
    }
    result
}

fn environment(site: &Site, stack: &Stack<'_>, portal: &Portal) -> Vec<(&'static str, String)> {
    let who = site.credentials();
    vec![
        ("CULVERT_URL", portal.url.clone()),
        ("CULVERT_OWNER", portal.owner.to_owned()),
        ("CULVERT_OWNER_PASSWORD", portal.owner_password.clone()),
        ("CULVERT_TECHNICIAN", TECHNICIAN.to_owned()),
        ("CULVERT_TECHNICIAN_PASSWORD", stack.password().to_owned()),
        ("CULVERT_ACCOUNT", who.user.clone()),
        ("CULVERT_ACCOUNT_PASSWORD", who.password.clone()),
        ("CULVERT_VNC_PASSWORD", who.vnc_password.clone()),
    ]
}

/// A browser's own folder, which trusts one more authority.
fn trusting_home(site: &Site, authority: &Path) -> anyhow::Result<PathBuf> {
    let home = site.temp_dir().join("browser");
    let store = home.join(".pki/nssdb");
    std::fs::create_dir_all(&store)?;
    let database = format!("sql:{}", store.display());
    let certutil = |args: &[&str]| {
        let mut command = Command::new("certutil");
        must_work(command.args(["-d", &database]).args(args))
    };
    certutil(&["-N", "--empty-password"])?;
    let file = authority.display().to_string();
    certutil(&["-A", "-n", "Culvert", "-t", "C,,", "-i", &file])?;
    Ok(home)
}
