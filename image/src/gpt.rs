//! The partition table of a disk as it is written there, with its checksums.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use anyhow::{Context as _, bail, ensure};

use crate::disk::Place;

/// Bytes of a sector.
const SECTOR: u64 = 512;
/// What a table begins with.
const MAGIC: &[u8] = b"EFI PART";
/// Bytes of its head, by the specification; more are never used.
const HEAD: usize = 92;
/// Bytes of the list of partitions: what every tool makes is a sixteenth of it.
const MAX_LIST: u64 = 256 * 1024;
/// Bytes of one partition's entry that are read.
const ENTRY: usize = 128;

/// One partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Its name.
    pub(crate) name: String,
    /// First byte.
    pub(crate) start: u64,
    /// Bytes.
    pub(crate) length: u64,
}

impl Entry {
    /// Whether it is one of ours, where it has to be.
    pub(crate) fn is(&self, place: &Place) -> bool {
        (self.name.as_str(), self.start, self.length) == (place.name, place.start, place.length)
    }
}

/// The table at the disk's beginning, and whether the one at its end is the same.
pub(crate) fn read(disk: &File) -> anyhow::Result<(Vec<Entry>, anyhow::Result<()>)> {
    let table = Table::at(disk, 1)?;
    let copy = Table::at(disk, table.other).and_then(|copy| {
        ensure!(copy.list == table.list, "it lists other partitions");
        Ok(())
    });
    let entries = table.list.chunks_exact(table.size).filter_map(entry);
    Ok((entries.collect(), copy))
}

struct Table {
    /// The sector of the other copy.
    other: u64,
    /// Bytes of an entry.
    size: usize,
    list: Vec<u8>,
}

impl Table {
    fn at(disk: &File, sector: u64) -> anyhow::Result<Self> {
        let mut head = [0; HEAD];
        let at = sector.checked_mul(SECTOR).context("it is nowhere")?;
        disk.read_exact_at(&mut head, at).context("it ends early")?;
        ensure!(head.starts_with(MAGIC), "there is none");
        let sum = number(&head, 16, 4);
        head[16..20].fill(0);
        ensure!(
            number(&head, 12, 4) == HEAD as u64 && u64::from(crc32fast::hash(&head)) == sum,
            "its head is damaged"
        );
        ensure!(number(&head, 24, 8) == sector, "it belongs elsewhere");
        let (count, size) = (number(&head, 80, 4), number(&head, 84, 4));
        let length = count.saturating_mul(size);
        if size < ENTRY as u64 || length > MAX_LIST {
            bail!("it has {count} entries of {size} bytes");
        }
        let mut list = vec![0; usize::try_from(length)?];
        let at = number(&head, 72, 8).checked_mul(SECTOR);
        disk.read_exact_at(&mut list, at.context("its list is nowhere")?)
            .context("its list ends early")?;
        let sum = number(&head, 88, 4);
        ensure!(
            u64::from(crc32fast::hash(&list)) == sum,
            "its list is damaged"
        );
        Ok(Self {
            other: number(&head, 32, 8),
            size: usize::try_from(size)?,
            list,
        })
    }
}

/// A partition; none where the entry is free.
fn entry(bytes: &[u8]) -> Option<Entry> {
    if bytes[..16] == [0; 16] {
        return None;
    }
    let (first, last) = (number(bytes, 32, 8), number(bytes, 40, 8));
    let name: Vec<u16> = bytes[56..ENTRY]
        .chunks_exact(2)
        .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
        .take_while(|&unit| unit != 0)
        .collect();
    Some(Entry {
        name: String::from_utf16_lossy(&name),
        start: first.saturating_mul(SECTOR),
        length: (last.saturating_add(1).saturating_sub(first)).saturating_mul(SECTOR),
    })
}

/// A number of the table, which counts from its low end.
fn number(bytes: &[u8], at: usize, length: usize) -> u64 {
    let digits = bytes[at..at + length].iter().rev();
    digits.fold(0, |number, &byte| number << 8 | u64::from(byte))
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;

    use super::*;
    use crate::disk;

    fn disk() -> (tempfile::TempDir, File) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disk");
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create_new(true).open(&path);
        let file = file.unwrap();
        file.set_len(disk::DISK).unwrap();
        disk::table(&path, 0).unwrap();
        (dir, file)
    }

    fn flip(disk: &File, at: u64) {
        let mut byte = [0];
        disk.read_exact_at(&mut byte, at).unwrap();
        disk.write_all_at(&[byte[0] ^ 1], at).unwrap();
    }

    #[test]
    fn the_table_of_an_image_is_read_as_it_was_made() {
        let (_dir, disk) = disk();

        let (entries, copy) = read(&disk).unwrap();

        assert!(copy.is_ok(), "{copy:?}");
        let same = entries.iter().zip(&disk::PLACES).all(|(a, b)| a.is(b));
        assert!(same && entries.len() == disk::PLACES.len(), "{entries:?}");
    }

    #[test]
    fn a_flipped_bit_is_damage_in_the_table_and_in_its_copy() {
        let (_dir, disk) = disk();
        let sectors = disk::DISK / SECTOR;
        for (at, why) in [
            (0, "there is none"),
            (40, "its head is damaged"),
            (SECTOR + 32, "its list is damaged"),
        ] {
            flip(&disk, SECTOR + at);
            assert_eq!(read(&disk).unwrap_err().to_string(), why);
            flip(&disk, SECTOR + at);
        }
        flip(&disk, (sectors - 1) * SECTOR + 40);
        let (_, copy) = read(&disk).unwrap();
        assert_eq!(copy.unwrap_err().to_string(), "its head is damaged");
    }

    #[test]
    fn what_is_no_disk_has_no_table() {
        let file = tempfile::tempfile().unwrap();
        assert_eq!(read(&file).unwrap_err().to_string(), "it ends early");
        file.set_len(1 << 20).unwrap();
        assert_eq!(read(&file).unwrap_err().to_string(), "there is none");
    }
}
