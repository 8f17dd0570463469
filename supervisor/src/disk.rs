//! Partitions by their GPT names, and the state record's two places.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use culvert_board::environment::LEN;
use culvert_board::record::{Place, Places};

use crate::device::Device;

/// The partition of the first copy of the state record.
pub const RECORD_1: &str = "record-1";
/// And of the second.
pub const RECORD_2: &str = "record-2";
/// The settings partition.
pub const SETTINGS: &str = "settings";
/// The data partition.
pub const DATA: &str = "data";

/// The device of the partition with a name, below `root`.
pub fn partition(root: &Path, name: &str) -> Option<PathBuf> {
    let wanted = format!("PARTNAME={name}");
    let mut found: Vec<PathBuf> = fs::read_dir(root.join("sys/class/block"))
        .ok()?
        .flatten()
        .filter(|entry| {
            fs::read_to_string(entry.path().join("uevent"))
                .is_ok_and(|text| text.lines().any(|line| line == wanted))
        })
        .map(|entry| root.join("dev").join(entry.file_name()))
        .collect();
    // Two disks with our names: always the same one.
    found.sort();
    found.into_iter().next()
}

/// Bytes of a partition, as the kernel shows it.
pub fn length(root: &Path, partition: &Path) -> Option<u64> {
    sectors(&class(root, partition)?.join("size")).ok()
}

/// Bytes of the disk that a partition is on, and where the partition ends on it.
pub fn room(root: &Path, partition: &Path) -> Option<(u64, u64)> {
    let own = fs::canonicalize(class(root, partition)?).ok()?;
    let told = |path: &Path, what| sectors(&path.join(what)).ok();
    let end = told(&own, "start")?.checked_add(told(&own, "size")?)?;
    Some((told(own.parent()?, "size")?, end))
}

fn class(root: &Path, partition: &Path) -> Option<PathBuf> {
    Some(root.join("sys/class/block").join(partition.file_name()?))
}

/// The kernel counts in 512 bytes, whatever the disk's own sectors are.
pub(crate) fn sectors(path: &Path) -> io::Result<u64> {
    let told = fs::read_to_string(path)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
    let count: u64 = told.trim().parse().map_err(io::Error::other)?;
    let far = || io::Error::other(format!("{}: {count} sectors", path.display()));
    count.checked_mul(512).ok_or_else(far)
}

/// Reads the whole of a small file or the head of a device.
///
/// # Errors
/// What the system says.
pub fn head(path: &Path, bytes: u64) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    File::open(path)?.take(bytes).read_to_end(&mut out)?;
    Ok(out)
}

/// The record's two partitions.
#[derive(Debug)]
pub struct RecordDisk<D = File> {
    first: D,
    second: D,
}

impl RecordDisk {
    /// Opens both.
    ///
    /// # Errors
    /// What the system says; [`io::ErrorKind::NotFound`] without partitions.
    pub fn open(root: &Path) -> io::Result<Self> {
        let open = |name| {
            let path = partition(root, name).ok_or(io::ErrorKind::NotFound)?;
            OpenOptions::new().read(true).write(true).open(path)
        };
        Ok(Self::over(open(RECORD_1)?, open(RECORD_2)?))
    }
}

impl<D: Device> RecordDisk<D> {
    /// Over two devices.
    pub fn over(first: D, second: D) -> Self {
        Self { first, second }
    }

    fn device(&self, place: Place) -> &D {
        match place {
            Place::First => &self.first,
            Place::Second => &self.second,
        }
    }
}

impl<D: Device> Places for RecordDisk<D> {
    fn read(&mut self, place: Place) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; LEN];
        self.device(place).read_at(&mut bytes, 0)?;
        Ok(bytes)
    }

    fn write(&mut self, place: Place, bytes: &[u8; LEN]) -> io::Result<()> {
        // The copy in force may be the boot loader's, which asks the disk for
        // nothing: it must be there for good before the other one is replaced.
        self.device(place.other()).sync()?;
        let device = self.device(place);
        device.write_at(bytes, 0)?;
        device.sync()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_found_by_their_names() {
        let dir = tempfile::tempdir().unwrap();
        for (device, name) in [("vda1", "boot"), ("vda4", "slot-a"), ("vda40", "slot-ab")] {
            let class = dir.path().join("sys/class/block").join(device);
            fs::create_dir_all(&class).unwrap();
            fs::write(
                class.join("uevent"),
                format!("DEVNAME={device}\nPARTNAME={name}\n"),
            )
            .unwrap();
        }

        let found = partition(dir.path(), "slot-a");

        assert_eq!(found, Some(dir.path().join("dev/vda4")));
        assert_eq!(partition(dir.path(), "slot-c"), None);
    }

    #[test]
    fn a_partition_s_length_and_its_disk_s_are_the_kernel_s() {
        let dir = tempfile::tempdir().unwrap();
        let disk = dir.path().join("sys/devices/soc/mmcblk0");
        fs::create_dir_all(disk.join("mmcblk0p6")).unwrap();
        fs::write(disk.join("size"), "400000\n").unwrap();
        fs::write(disk.join("mmcblk0p6/start"), "249856\n").unwrap();
        fs::write(disk.join("mmcblk0p6/size"), "131072\n").unwrap();
        let class = dir.path().join("sys/class/block");
        fs::create_dir_all(&class).unwrap();
        std::os::unix::fs::symlink(disk.join("mmcblk0p6"), class.join("mmcblk0p6")).unwrap();
        let settings = Path::new("/dev/mmcblk0p6");

        assert_eq!(length(dir.path(), settings), Some(64 << 20));
        assert_eq!(room(dir.path(), settings), Some((400_000 * 512, 186 << 20)));
        assert_eq!(room(dir.path(), Path::new("/dev/sda1")), None);
    }
}
