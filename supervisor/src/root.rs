//! Reads the whole root once after the start, so that a block of it that has gone
//! bad is found while the boot loader still counts the start.
//!
//! The kernel checks each block when it is read and restarts the box at the first that
//! is not what was signed (`verity.rs`). Without this, a bad block that only a session
//! needs would restart a healthy box at each session, for ever, beside a whole slot.
//! Never keeps what it reads. Driven by `run.rs`; judged by `health.rs`.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use nix::libc;

use crate::console;

/// Bytes that are read at once, and given back: memory is short.
const PIECE: usize = 256 * 1024;

/// A reading that goes on beside the box's work.
#[derive(Debug, Clone)]
pub struct Reading(Arc<AtomicBool>);

impl Reading {
    /// Reads `device` to its end.
    pub fn begin(device: PathBuf) -> Self {
        let whole = Arc::new(AtomicBool::new(false));
        let found = Arc::clone(&whole);
        let work = move || match read(&device) {
            Ok(()) => found.store(true, Ordering::Release),
            // Not healthy: the tries of this slot are spent, and the other one boots.
            Err(error) => console::line(&format!("the root cannot be read: {error}")),
        };
        if let Err(error) = thread::Builder::new().name("root".into()).spawn(work) {
            console::line(&format!("the root is not read: {error}"));
        }
        Self(whole)
    }

    /// Whether all of it was read.
    pub fn is_whole(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

fn read(device: &PathBuf) -> io::Result<()> {
    let mut file = File::open(device)?;
    let (mut piece, mut at) = (vec![0; PIECE], 0);
    loop {
        let length = file.read(&mut piece)?;
        if length == 0 {
            return Ok(());
        }
        let length = libc::off_t::try_from(length).map_err(io::Error::other)?;
        posix_fadvise(&file, at, length, PosixFadviseAdvice::POSIX_FADV_DONTNEED)?;
        at += length;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_whole(device: PathBuf) -> bool {
        let reading = Reading::begin(device);
        // Its thread holds the other end as long as it reads.
        while Arc::strong_count(&reading.0) > 1 {
            thread::yield_now();
        }
        reading.is_whole()
    }

    #[test]
    fn a_root_is_whole_when_it_was_read_to_its_end() {
        let dir = tempfile::tempdir().unwrap();
        let device = dir.path().join("root");
        std::fs::write(&device, vec![7; 3 * PIECE + 1]).unwrap();

        assert!(is_whole(device));
        assert!(!is_whole(dir.path().join("none")));
        assert!(!is_whole(dir.path().to_owned()), "no device");
    }
}
