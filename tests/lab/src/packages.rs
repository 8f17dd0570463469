//! The Debian packages the lab needs: one list, installed on demand.
//!
//! Quick when everything is there. Starts no service and leaves none enabled
//! that was not there before.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

use crate::LabError;
use crate::namespace::{finish, said};

/// One line of `packages.txt`.
#[derive(Clone, Copy, Debug)]
pub struct Package {
    /// Debian's name for it.
    pub name: &'static str,
    /// A file that shows it is installed.
    pub shown_by: &'static str,
    /// Why the lab needs it.
    pub reason: &'static str,
}

/// The whole list.
pub fn all() -> Vec<Package> {
    LIST.lines().filter_map(parse).collect()
}

/// What is not installed here.
pub fn missing() -> Vec<Package> {
    all()
        .into_iter()
        .filter(|package| !Path::new(package.shown_by).exists())
        .collect()
}

/// Installs what is missing, or says what to type where that is not allowed.
pub fn ensure() -> Result<(), LabError> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock();
    let names: Vec<_> = missing().iter().map(|package| package.name).collect();
    if names.is_empty() {
        return Ok(());
    }
    if !nix::unistd::geteuid().is_root() {
        return Err(LabError::Packages(names.join(" ")));
    }
    install(&names)?;
    match missing().as_slice() {
        [] => Ok(()),
        left => Err(LabError::Packages(
            left.iter()
                .map(|package| package.name)
                .collect::<Vec<_>>()
                .join(" "),
        )),
    }
}

fn parse(line: &'static str) -> Option<Package> {
    let line = line.split('#').next().unwrap_or_default().trim();
    let (name, rest) = line.split_once(char::is_whitespace)?;
    let (shown_by, reason) = rest.trim().split_once(char::is_whitespace)?;
    Some(Package {
        name,
        shown_by,
        reason: reason.trim(),
    })
}

fn install(names: &[&str]) -> Result<(), LabError> {
    let quiet = Quiet::begin()?;
    let mut update = apt();
    update.arg("update");
    // An old list may still do: only the installation's result counts.
    let _ = finish(&mut update)?;
    let mut command = apt();
    command
        .args(["install", "--yes", "--no-install-recommends"])
        .args(names);
    let output = finish(&mut command)?;
    drop(quiet);
    disable_services(names)?;
    if output.status.success() {
        return Ok(());
    }
    Err(LabError::Failed {
        what: format!("apt-get install {}", names.join(" ")),
        output: said(&output),
    })
}

fn apt() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive").args([
        "--quiet",
        "-o",
        "DPkg::Lock::Timeout=600",
    ]);
    command
}

/// While this lives, installing a package starts no service.
struct Quiet {
    ours: bool,
}

impl Quiet {
    fn begin() -> Result<Self, LabError> {
        let ours = !Path::new(POLICY).exists();
        if ours {
            fs::write(POLICY, "#!/bin/sh\nexit 101\n").map_err(LabError::file(POLICY))?;
            fs::set_permissions(POLICY, fs::Permissions::from_mode(0o755))
                .map_err(LabError::file(POLICY))?;
        }
        Ok(Self { ours })
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        if self.ours {
            let _ = fs::remove_file(POLICY);
        }
    }
}

/// Keeps the servers just installed from starting at the next boot.
fn disable_services(names: &[&str]) -> Result<(), LabError> {
    if !Path::new("/run/systemd/system").exists() {
        return Ok(());
    }
    for (package, unit) in SERVICES {
        if names.contains(package) {
            let mut command = Command::new("systemctl");
            command.args(["--quiet", "disable", "--now"]).arg(unit);
            let _ = finish(&mut command)?;
        }
    }
    Ok(())
}

const LIST: &str = include_str!("../packages.txt");
/// Debian asks this program whether a service may be started.
const POLICY: &str = "/usr/sbin/policy-rc.d";
const SERVICES: &[(&str, &str)] = &[
    ("openssh-server", "ssh"),
    ("nginx-light", "nginx"),
    ("squid", "squid"),
    ("xrdp", "xrdp"),
    ("xrdp", "xrdp-sesman"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_package_has_a_file_to_look_for_and_a_reason() {
        assert!(all().len() > 20);
        for package in all() {
            assert!(package.shown_by.starts_with('/'), "{package:?}");
            assert!(package.reason.len() > 2, "{package:?}");
        }
    }
}
