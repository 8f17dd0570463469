//! What a slot and a record's place are to the code that writes them: bytes at
//! offsets, and a moment from which on they survive a power cut.
//!
//! A trait because that moment is what the replayed power cuts in
//! `tests/cuts.rs` are about: every write of slots and records goes through
//! here, to a real device or to one that remembers the order.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use nix::unistd::{Whence, lseek};

/// A partition.
pub trait Device {
    /// Fills `bytes` from offset `at` on.
    ///
    /// # Errors
    /// What the system says.
    fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<()>;

    /// Writes all of `bytes` at offset `at`; a power cut may take any of it
    /// back until [`Device::sync`] has returned.
    ///
    /// # Errors
    /// What the system says.
    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()>;

    /// Returns when everything written is there for good.
    ///
    /// # Errors
    /// What the system says.
    fn sync(&self) -> io::Result<()>;

    /// Bytes.
    ///
    /// # Errors
    /// What the system says.
    fn capacity(&self) -> io::Result<u64>;
}

impl Device for File {
    fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<()> {
        self.read_exact_at(bytes, at)
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.write_all_at(bytes, at)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn capacity(&self) -> io::Result<u64> {
        // A device's length is where its end is; metadata says 0.
        let end = lseek(self, 0, Whence::SeekEnd).map_err(io::Error::from)?;
        u64::try_from(end).map_err(io::Error::other)
    }
}
