//! The hardware watchdog: from its opening on it resets the board unless it is
//! fed. Never closed and never stopped: a crash of whoever feeds it counts.
#![expect(unsafe_code, reason = "one ioctl over one number")]

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::fd::AsRawFd as _;
use std::path::Path;

mod call {
    nix::ioctl_readwrite!(set_timeout, b'W', 6, libc::c_int);
}

/// A watchdog that runs.
#[derive(Debug)]
pub struct Watchdog {
    file: File,
}

impl Watchdog {
    /// Starts it. A driver that knows no such time keeps its own.
    ///
    /// # Errors
    /// What the system says.
    pub fn start(path: &Path, seconds: u32) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).open(path)?;
        let mut seconds = libc::c_int::try_from(seconds).map_err(io::Error::other)?;
        // SAFETY: the kernel reads and writes one int and keeps no pointer.
        let _ = unsafe { call::set_timeout(file.as_raw_fd(), &raw mut seconds) };
        Ok(Self { file })
    }

    /// All is well.
    ///
    /// # Errors
    /// What the system says.
    pub fn feed(&mut self) -> io::Result<()> {
        self.file.write_all(b".")
    }
}
