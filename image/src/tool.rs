//! Programs of the distribution that do part of the work: run with a fixed
//! environment, so that user, time zone and language change nothing.

use std::ffi::OsStr;
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

/// A tool's command with the environment of every build.
pub(crate) fn command(name: &str, epoch: u64) -> Command {
    let mut command = Command::new(name);
    command
        .env_clear()
        .env(
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        )
        .env("LC_ALL", "C")
        .env("TZ", "UTC")
        .env("SOURCE_DATE_EPOCH", epoch.to_string())
        .env("E2FSPROGS_FAKE_TIME", epoch.to_string())
        .stdin(Stdio::null());
    command
}

/// Runs a tool to its end and returns what it said.
///
/// # Errors
/// A sentence with the tool's own last words.
pub(crate) fn run<S: AsRef<OsStr>>(
    name: &str,
    epoch: u64,
    arguments: &[S],
) -> anyhow::Result<String> {
    finish(command(name, epoch).args(arguments))
}

/// Runs a prepared command to its end and returns what it said.
///
/// # Errors
/// A sentence with the tool's own last words.
pub(crate) fn finish(command: &mut Command) -> anyhow::Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| {
        format!("cannot run {name}: install it, `./check image` names the package")
    })?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let last: Vec<&str> = said.trim().lines().rev().take(3).collect();
        bail!(
            "{name} failed: {}",
            last.into_iter().rev().collect::<Vec<_>>().join(" / ")
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
