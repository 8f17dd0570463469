//! The hardware watchdog: from its opening on it resets the board unless it is
//! fed. Never stopped: a crash of whoever feeds it counts. Closing it does not
//! stop it either, as long as nobody writes the letter `V` first: every driver
//! of the boards asks for that (`WDIOF_MAGICCLOSE`), and the kernel's own code
//! then leaves it running (its `watchdog_release`). So the early part of the
//! boot can open it, and the system after it opens it again.
#![expect(unsafe_code, reason = "two ioctls over one number each")]

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::fd::AsRawFd as _;
use std::path::Path;

mod call {
    nix::ioctl_readwrite!(set_timeout, b'W', 6, libc::c_int);
    nix::ioctl_read!(timeout, b'W', 7, libc::c_int);
}

/// A watchdog that runs.
#[derive(Debug)]
pub struct Watchdog {
    file: File,
    seconds: Option<u32>,
}

impl Watchdog {
    /// Starts it. A driver that cannot count so far keeps its own time, which
    /// is asked for: those of Allwinner's chips end at 16 seconds.
    ///
    /// # Errors
    /// What the system says.
    pub fn start(path: &Path, seconds: u32) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).open(path)?;
        let mut wanted = libc::c_int::try_from(seconds).map_err(io::Error::other)?;
        // SAFETY: the kernel reads and writes one int and keeps no pointer.
        let _ = unsafe { call::set_timeout(file.as_raw_fd(), &raw mut wanted) };
        let mut told: libc::c_int = 0;
        // SAFETY: the kernel writes one int and keeps no pointer.
        let asked = unsafe { call::timeout(file.as_raw_fd(), &raw mut told) };
        let seconds = asked.ok().and_then(|_| u32::try_from(told).ok());
        Ok(Self { file, seconds })
    }

    /// Seconds after which it resets the board, as its driver says; none: it
    /// does not say.
    pub fn seconds(&self) -> Option<u32> {
        self.seconds
    }

    /// All is well.
    ///
    /// # Errors
    /// What the system says.
    pub fn feed(&mut self) -> io::Result<()> {
        self.file.write_all(b".")
    }
}
