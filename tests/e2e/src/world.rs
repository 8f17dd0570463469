//! A site, the server, a gateway and a technician, all up.
//!
//! Only short names for what the lab does; never a second way of doing it.

use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use culvert_lab::{
    LabError, Ns, Programs, Site, SiteOptions, Stack, Technician, free_cloud_address,
};

/// Runs `test` in a world made to `options`; everything is gone afterwards.
///
/// # Errors
/// What the lab or the test says.
pub fn with(
    options: SiteOptions,
    test: impl FnOnce(&mut World<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    with_programs(options, Programs::beside_this_one()?, test)
}

/// The same with programs of the test's choice.
///
/// # Errors
/// What the lab or the test says.
pub fn with_programs(
    options: SiteOptions,
    programs: Programs,
    test: impl FnOnce(&mut World<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    on(options, |site| Stack::start(site, programs), test)
}

/// The same with the server's data in a database at an address.
///
/// # Errors
/// What the lab or the test says.
pub fn with_database(
    options: SiteOptions,
    address: &str,
    test: impl FnOnce(&mut World<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let programs = Programs::beside_this_one()?;
    on(
        options,
        |site| Stack::start_on_database(site, programs, address),
        test,
    )
}

fn on(
    options: SiteOptions,
    start: impl FnOnce(&Site) -> Result<Stack<'_>, LabError>,
    test: impl FnOnce(&mut World<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let site = Site::start(SiteOptions {
        cloud: free_cloud_address()?,
        ..options
    })?;
    let stack = start(&site)?;
    let mut world = World { site: &site, stack };
    let result = test(&mut world);
    if result.is_err() {
        show_logs(&site);
    }
    result
}

#[expect(clippy::print_stdout, reason = "only a failed test shows it")]
pub(crate) fn show_logs(site: &Site) {
    for program in ["culvert-prs", "culvert-gateway"] {
        let log = std::fs::read_to_string(site.log_path(program)).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let tail = &lines[lines.len().saturating_sub(40)..];
        println!("--- {program}\n{}", tail.join("\n"));
    }
}

/// The system under test.
pub struct World<'a> {
    /// The customer's site.
    pub site: &'a Site,
    /// Culvert's programs around it.
    pub stack: Stack<'a>,
}

impl World<'_> {
    /// A command of the technician's with the site account's password at hand,
    /// for ssh and scp through `culvert`.
    pub fn with_password(&self, technician: &Technician<'_>) -> Command {
        let mut command = technician.in_her_place("sshpass");
        command.args(["-p", &self.site.credentials().password]);
        command
    }

    /// `ssh` options that use `culvert proxy` and take a new host as it is.
    pub fn through_proxy(technician: &Technician<'_>) -> Vec<String> {
        let proxy = format!(
            "ProxyCommand={} proxy server %p",
            technician.program().display()
        );
        [
            &proxy,
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
            "LogLevel=ERROR",
        ]
        .iter()
        .flat_map(|option| ["-o".to_owned(), (*option).to_owned()])
        .collect()
    }

    /// `user@server`, as ssh takes it.
    pub fn target(&self) -> String {
        format!("{}@server", self.site.credentials().user)
    }

    /// An ssh command that runs `script` on the server.
    pub fn ssh(&self, technician: &Technician<'_>, script: &str) -> Command {
        let mut command = self.with_password(technician);
        command.arg("ssh").args(Self::through_proxy(technician));
        command.args([&self.target(), script]);
        command.stdin(Stdio::null());
        command
    }

    /// TCP connections that the gateway has open to the server's SSH port, as
    /// the server sees them.
    ///
    /// # Errors
    /// When the server cannot be asked.
    pub fn ssh_connections(&self) -> anyhow::Result<usize> {
        self.connections(Ns::Server, 22)
    }

    /// TCP connections that the gateway has open to a host's port.
    ///
    /// # Errors
    /// When the host cannot be asked.
    pub fn connections(&self, host: Ns, port: u16) -> anyhow::Result<usize> {
        let script = format!("ss -Htn state established '( sport = :{port} )' | cat");
        let listing = self.site.shell(host, &script)?;
        Ok(listing
            .lines()
            .filter(|line| !line.trim().is_empty())
            .count())
    }
}

/// The output of a command that must succeed.
///
/// # Errors
/// What it printed, when it did not.
pub fn must_work(command: &mut Command) -> anyhow::Result<Output> {
    let output = command.output().context("starting it")?;
    ensure!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(output)
}

/// Waits until `holds` says yes; an error says what did not come true.
///
/// # Errors
/// After `limit`, or what `holds` returns.
pub fn eventually(
    what: &str,
    limit: Duration,
    mut holds: impl FnMut() -> anyhow::Result<bool>,
) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    while begun.elapsed() < limit {
        if holds()? {
            return Ok(begun.elapsed());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    anyhow::bail!("{what}: not within {limit:?}")
}
