//! The FAT partitions: made with fixed ids and without times, so that two
//! builds are the same, and opened inside an image or a card.

use std::io::{self, Read, Seek, SeekFrom, Write};

use anyhow::Context as _;
use fatfs::{FileSystem, FormatVolumeOptions, FsOptions};

/// A part of a disk that looks like a disk of its own.
#[derive(Debug)]
pub(crate) struct Window<T> {
    disk: T,
    start: u64,
    length: u64,
    at: u64,
}

impl<T> Window<T> {
    /// `length` bytes from `start` on.
    pub(crate) fn new(disk: T, start: u64, length: u64) -> Self {
        Self {
            disk,
            start,
            length,
            at: 0,
        }
    }

    fn left(&self, wanted: usize) -> usize {
        wanted.min(usize::try_from(self.length.saturating_sub(self.at)).unwrap_or(usize::MAX))
    }
}

impl<T: Read + Seek> Read for Window<T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.left(buffer.len());
        self.disk.seek(SeekFrom::Start(self.start + self.at))?;
        let done = self.disk.read(&mut buffer[..length])?;
        self.at += done as u64;
        Ok(done)
    }
}

impl<T: Write + Seek> Write for Window<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = self.left(bytes.len());
        self.disk.seek(SeekFrom::Start(self.start + self.at))?;
        let done = self.disk.write(&bytes[..length])?;
        self.at += done as u64;
        Ok(done)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.disk.flush()
    }
}

impl<T> Seek for Window<T> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.length.checked_add_signed(by),
        };
        self.at = at
            .filter(|&at| at <= self.length)
            .ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

/// Makes a file system and puts files into it.
pub(crate) fn format<T: Read + Write + Seek>(
    mut disk: T,
    id: u32,
    label: [u8; 11],
    files: &[(&str, &[u8])],
) -> anyhow::Result<()> {
    let options = FormatVolumeOptions::new().volume_id(id).volume_label(label);
    fatfs::format_volume(&mut disk, options).context("cannot make a FAT file system")?;
    for (name, bytes) in files {
        disk.seek(SeekFrom::Start(0))?;
        put(&mut disk, name, bytes)?;
    }
    Ok(())
}

/// Replaces one file.
pub(crate) fn put<T: Read + Write + Seek>(disk: T, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
    let system = FileSystem::new(disk, FsOptions::new()).context("no FAT file system is there")?;
    {
        let mut file = system.root_dir().create_file(name)?;
        file.truncate()?;
        file.write_all(bytes).context("the partition is full")?;
        file.flush()?;
    }
    system.unmount()?;
    Ok(())
}

/// Reads one file; none if it is not there.
pub(crate) fn read<T: Read + Write + Seek>(disk: T, name: &str) -> anyhow::Result<Option<Vec<u8>>> {
    let system = FileSystem::new(disk, FsOptions::new()).context("no FAT file system is there")?;
    let root = system.root_dir();
    let mut file = match root.open_file(name) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let mut out = Vec::new();
    file.read_to_end(&mut out)?;
    Ok(Some(out))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window<T>(disk: T) -> Window<T> {
        Window::new(disk, 1 << 20, 4 << 20)
    }

    #[test]
    fn a_file_put_into_a_window_of_a_disk_is_read_back_and_nothing_else_changes() {
        let mut disk = io::Cursor::new(vec![0x5a; 6 << 20]);
        let settings: [(&str, &[u8]); 2] = [("a.txt", b"1"), ("b.txt", b"2")];
        format(window(&mut disk), 7, *b"SETTINGS   ", &settings).unwrap();

        put(window(&mut disk), "a.txt", b"longer").unwrap();
        put(window(&mut disk), "culvert.toml", &[9; 100_000]).unwrap();

        let mut found = |name| read(window(&mut disk), name).unwrap();
        assert_eq!(found("a.txt").as_deref(), Some(&b"longer"[..]));
        assert_eq!(found("culvert.toml").map(|b| b.len()), Some(100_000));
        assert_eq!(found("b.txt").as_deref(), Some(&b"2"[..]));
        assert_eq!(found("none"), None);
        let bytes = disk.into_inner();
        assert!(
            bytes[..1 << 20]
                .iter()
                .chain(&bytes[5 << 20..])
                .all(|&b| b == 0x5a)
        );
    }
}
