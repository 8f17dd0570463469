//! Only in the programs of tests (feature `sabotage`, never in a release): of
//! the words in `sabotage.txt` on the card the next one is done, one in each
//! boot, when the box is healthy, to see whether the watchdog brings it back.
//!
//! | word | what happens |
//! |---|---|
//! | `gateway` | the gateway is stopped (SIGSTOP) |
//! | `init` | process 1 is stopped, as far as the kernel lets it be, and hangs |
//! | `panic` | the kernel panics, told not to restart by itself |

use std::fs;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{Running, start};
use crate::{card, console};

/// How many words were done.
const DONE: &str = "/data/system/sabotage";
/// This boot has done its word.
static TURN: AtomicBool = AtomicBool::new(false);

impl Running {
    pub(super) fn sabotage(&mut self) {
        if self.trial.is_some() || TURN.swap(true, Ordering::Relaxed) {
            return;
        }
        let path = format!("{}/sabotage.txt", card::CARD);
        let words = fs::read_to_string(path).unwrap_or_default();
        let done: usize = fs::read_to_string(DONE)
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or(0);
        let Some(word) = words.split_whitespace().nth(done) else {
            return;
        };
        let noted = start::replace(DONE, (done + 1).to_string().as_bytes(), 0);
        console::line(&format!("sabotage: {word}"));
        let did = noted.and_then(|()| match word {
            "gateway" => self.gateway.stop(),
            "init" => hang(),
            "panic" => panic(),
            _ => Err(io::Error::other("no such word")),
        });
        if let Err(error) = did {
            console::line(&format!("sabotage failed: {error}"));
        }
    }
}

/// The kernel lets nobody inside the box stop process 1: the signal is sent
/// all the same, and then process 1 does nothing any more.
fn hang() -> io::Result<()> {
    kill(Pid::this(), Signal::SIGSTOP)?;
    loop {
        std::thread::sleep(Duration::from_secs(3600));
    }
}

fn panic() -> io::Result<()> {
    fs::write("/proc/sys/kernel/panic", "0")?;
    fs::write("/proc/sysrq-trigger", "c")
}
