//! What a slot and a record's place are to the code that writes them: bytes at
//! offsets, and a moment from which on they survive a power cut.
//!
//! A trait because that moment is what the replayed power cuts in
//! `tests/cuts.rs` are about: every write of slots and records goes through
//! here, to a real device or to one that remembers the order.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt as _, FileTypeExt as _, MetadataExt as _};
use std::path::Path;

use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use nix::sys::stat::{major, minor};
use nix::unistd::{Whence, lseek};

use crate::disk::sectors;

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

    /// Returns when everything written is there for good; what is read after it
    /// comes from there, not from memory.
    ///
    /// # Errors
    /// What the system says.
    fn sync(&self) -> io::Result<()>;

    /// Bytes.
    ///
    /// # Errors
    /// What the system says.
    fn capacity(&self) -> io::Result<u64>;

    /// Where it begins on its disk, in bytes.
    ///
    /// # Errors
    /// What the system says.
    fn start(&self) -> io::Result<u64>;
}

impl Device for File {
    fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<()> {
        self.read_exact_at(bytes, at)
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.write_all_at(bytes, at)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()?;
        // Without this a card would be asked for what the kernel remembers. A
        // system that cannot forget is no worse than before.
        let _ = posix_fadvise(self, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED);
        Ok(())
    }

    fn capacity(&self) -> io::Result<u64> {
        // A device's length is where its end is; metadata says 0.
        let end = lseek(self, 0, Whence::SeekEnd).map_err(io::Error::from)?;
        u64::try_from(end).map_err(io::Error::other)
    }

    fn start(&self) -> io::Result<u64> {
        let about = self.metadata()?;
        match about.file_type().is_block_device() {
            true => start(Path::new("/sys/dev/block"), about.rdev()),
            // A slot in a file of its own.
            false => Ok(0),
        }
    }
}

/// The kernel's word on where a partition begins.
fn start(devices: &Path, device: u64) -> io::Result<u64> {
    sectors(&devices.join(format!("{}:{}/start", major(device), minor(device))))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use nix::sys::stat::makedev;

    use super::*;

    #[test]
    fn a_partition_begins_where_the_kernel_says() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("253:5")).unwrap();
        fs::write(dir.path().join("253:5/start"), "151552\n").unwrap();

        assert_eq!(start(dir.path(), makedev(253, 5)).unwrap(), 74 << 20);
        assert!(start(dir.path(), makedev(253, 6)).is_err());
    }
}
