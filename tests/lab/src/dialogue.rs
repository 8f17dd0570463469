//! Talking to a program that asks and answers in lines: telnet, a shell.
//!
//! Waits for what the program says before it types the next line, so that no
//! test depends on how fast the machine is.

use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::LabError;
use crate::namespace::{only_child, started};

/// A running program with its input and output held; killed when dropped.
pub struct Dialogue {
    child: Child,
    output: Receiver<Vec<u8>>,
    heard: String,
    read: usize,
}

impl Dialogue {
    /// Starts a command made by `Site::command` or `Screen::command`.
    pub fn start(command: &mut Command) -> Result<Self, LabError> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .process_group(0)
            .spawn()
            .map_err(started(command))?;
        // Bounded: a program that talks too much waits until it is listened to.
        let (send, output) = sync_channel(64);
        if let Some(mut source) = child.stdout.take() {
            thread::spawn(move || {
                let mut buffer = [0; 4096];
                while let Ok(count @ 1..) = source.read(&mut buffer) {
                    if send.send(buffer[..count].to_vec()).is_err() {
                        return;
                    }
                }
            });
        }
        Ok(Self {
            child,
            output,
            heard: String::new(),
            read: 0,
        })
    }

    /// Waits until the program says `words` after what was waited for before.
    pub fn wait_for(&mut self, words: &str) -> Result<(), LabError> {
        let deadline = Instant::now() + LIMIT;
        loop {
            if let Some(at) = self.heard[self.read..].find(words) {
                self.read += at + words.len();
                return Ok(());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match self.output.recv_timeout(left) {
                Ok(bytes) => self.heard.push_str(&String::from_utf8_lossy(&bytes)),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    return Err(LabError::NotReady {
                        what: format!("the words {words:?}"),
                        limit: LIMIT,
                        output: self.heard.clone(),
                    });
                }
            }
        }
    }

    /// Types a line.
    pub fn say(&mut self, line: &str) -> Result<(), LabError> {
        let Some(input) = self.child.stdin.as_mut() else {
            return Ok(());
        };
        input
            .write_all(format!("{line}\n").as_bytes())
            .and_then(|()| input.flush())
            .map_err(LabError::file("the program's input"))
    }

    /// The program's own process number.
    pub fn pid(&self) -> Result<u32, LabError> {
        only_child(self.child.id())
    }

    /// Everything heard so far.
    pub fn heard(&self) -> &str {
        &self.heard
    }
}

impl Drop for Dialogue {
    fn drop(&mut self) {
        if let Ok(pid) = only_child(self.child.id()) {
            let pid = nix::unistd::Pid::from_raw(pid.cast_signed());
            let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const LIMIT: Duration = Duration::from_secs(60);
