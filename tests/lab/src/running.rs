//! One program running in the lab, owned by whoever holds it.
//!
//! Ends the program when dropped. Its output goes to a file in the site's
//! temporary folder, where a failed test can show it.

use std::fs::{self, File};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::LabError;
use crate::namespace::{only_child, started};

/// A program of the lab that is ended when this is dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    name: String,
    log: PathBuf,
    ended: Option<ExitStatus>,
}

impl Running {
    /// Starts a command made by `Site::command`; its output goes to `log`.
    pub(crate) fn start(name: &str, log: PathBuf, command: &mut Command) -> Result<Self, LabError> {
        Self::start_with(name, log, command, Stdio::null())
    }

    /// The same; the program's standard input is `input`.
    pub(crate) fn start_with(
        name: &str,
        log: PathBuf,
        command: &mut Command,
        input: Stdio,
    ) -> Result<Self, LabError> {
        let file = File::create(&log).map_err(LabError::file(&log))?;
        let again = file.try_clone().map_err(LabError::file(&log))?;
        let child = command
            .stdin(input)
            .stdout(file)
            .stderr(again)
            .process_group(0)
            .spawn()
            .map_err(started(command))?;
        Ok(Self {
            child,
            name: name.to_owned(),
            log,
            ended: None,
        })
    }

    /// The program's own process number (not that of `nsenter` before it).
    pub fn pid(&self) -> Result<u32, LabError> {
        let deadline = Instant::now() + LIMIT;
        loop {
            match only_child(self.child.id()) {
                Err(_) if Instant::now() < deadline => thread::sleep(Duration::from_millis(2)),
                answer => return answer,
            }
        }
    }

    /// Sends a signal to the program itself.
    pub fn signal(&self, signal: Signal) -> Result<(), LabError> {
        kill(Pid::from_raw(self.pid()?.cast_signed()), signal).map_err(|errno| LabError::Failed {
            what: format!("sending {signal} to {}", self.name),
            output: errno.to_string(),
        })
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().ok().flatten();
        }
        self.ended.is_none()
    }

    /// Waits for the program's end; `None` when it runs on after `limit`.
    pub fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + limit;
        while self.is_running() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(10));
        }
        self.ended
    }

    /// Asks the program to end and waits for it; kills it after `limit`.
    pub fn stop(&mut self, limit: Duration) -> ExitStatus {
        if self.is_running() {
            let _ = self.signal(Signal::SIGTERM);
        }
        self.wait(limit).unwrap_or_else(|| {
            self.kill();
            ExitStatus::from_raw(Signal::SIGKILL as i32)
        })
    }

    /// Ends the program at once, as a power cut would.
    pub fn kill(&mut self) {
        let deadline = Instant::now() + LIMIT;
        while self.is_running() && Instant::now() < deadline {
            if let Ok(pid) = only_child(self.child.id()) {
                let _ = kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL);
            }
            thread::sleep(Duration::from_millis(2));
        }
        if self.is_running() {
            let _ = self.child.kill();
            self.ended = self.child.wait().ok();
        }
    }

    /// Where its output goes.
    pub fn log_path(&self) -> &Path {
        &self.log
    }

    /// Everything it has printed so far.
    pub fn log(&self) -> String {
        fs::read(&self.log)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// Its name in messages.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Longer than a program takes to begin or to die on a busy machine.
const LIMIT: Duration = Duration::from_secs(30);
