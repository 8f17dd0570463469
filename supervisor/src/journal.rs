//! The journal of the data's file system (ext4's jbd2), when the power went while the
//! last block of a transaction was being written.
//!
//! A transaction is in the journal as soon as its commit block is; all its other blocks
//! were flushed before. That block says all it has to say in its first 60 bytes, zeros
//! fill it, and a checksum is over the whole. Where a card wrote its first sector and
//! not the others, these hold what lay there before; Linux before 6.11 refuses to mount
//! such a file system, and a box would lose its key for it. Newer ones take the block
//! for what it says, if its checksum is right with zeros behind it; the same is done here.
//!
//! Pure: bytes in, bytes out; never touches a disk. Driven by `run/data.rs` (Linux,
//! fs/jbd2/recovery.c; Documentation/filesystems/ext4/{super,ifork,journal}.rst).

use crc::{CRC_32_ISCSI, Crc};

use crate::superblock::LEN;

/// Begins each block that describes others; big-endian, as everything in a journal.
const MAGIC: [u8; 4] = 0xc03b_3998_u32.to_be_bytes();
const COMMIT: [u8; 4] = 2_u32.to_be_bytes();
const HEAD: [u8; 4] = 4_u32.to_be_bytes();
/// Features of a journal whose blocks have checksums (version 2 or 3).
const CHECKSUMS: u32 = 0x8 | 0x10;
/// What a commit block says, and where its checksum is in it.
const SAID: usize = 60;
const CHECKSUM: std::ops::Range<usize> = 16..20;
/// Begins a list of extents in an inode.
const EXTENTS: u16 = 0xf30a;

/// Where a journal lies in its file system.
#[derive(Debug, PartialEq, Eq)]
pub struct Place {
    /// Bytes of a block.
    pub block: usize,
    /// First blocks and how many, in order.
    pub runs: Vec<(u64, u16)>,
}

impl Place {
    /// Where each block begins in the file system, in bytes.
    pub fn offsets(&self) -> impl Iterator<Item = u64> {
        let blocks = self
            .runs
            .iter()
            .flat_map(|&(start, count)| (start..).take(count.into()));
        blocks.map(|number| number.saturating_mul(self.block as u64))
    }
}

/// As the file system's head repeats the journal's inode; nothing if it does not, or if
/// that needs blocks of its own to say it.
pub fn place(head: &[u8; LEN]) -> Option<Place> {
    let u16_at = |at: usize| u16::from_le_bytes([head[at], head[at + 1]]);
    let u32_at =
        |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    let shift = u32_at(0x18);
    // Blocks of 1 to 64 KiB; the inode's copy is the only kind there is.
    if shift > 6 || head[0xfd] != 1 || u16_at(0x10c) != EXTENTS {
        return None;
    }
    let (count, depth) = (usize::from(u16_at(0x10e)), u16_at(0x112));
    if depth != 0 || !(1..=4).contains(&count) {
        return None;
    }
    let run = |at: usize| {
        let start = u64::from(u16_at(at + 6)) << 32 | u64::from(u32_at(at + 8));
        (start, u16_at(at + 4))
    };
    Some(Place {
        block: 1024 << shift,
        runs: (0..count).map(|n| run(0x118 + 12 * n)).collect(),
    })
}

/// The identity of the journal that begins with this block, which all its checksums
/// begin with; nothing if its blocks have none.
pub fn identity(first: &[u8]) -> Option<[u8; 16]> {
    let features = u32::from_be_bytes(first.get(0x28..0x2c)?.try_into().ok()?);
    let is_one = first.starts_with(&MAGIC) && first[4..8] == HEAD && features & CHECKSUMS != 0;
    is_one.then(|| first.get(0x30..0x40)?.try_into().ok())?
}

/// Puts zeros where a torn commit block has what lay there before. Whether it was one.
pub fn mend(block: &mut [u8], identity: &[u8; 16]) -> bool {
    if block.len() < SAID || !block.starts_with(&MAGIC) || block[4..8] != COMMIT {
        return false;
    }
    if sum(block, identity) == block[CHECKSUM] {
        return false;
    }
    let mut whole = vec![0; block.len()];
    whole[..SAID].copy_from_slice(&block[..SAID]);
    let torn = sum(&whole, identity) == whole[CHECKSUM];
    if torn {
        block.copy_from_slice(&whole);
    }
    torn
}

/// CRC-32C over the identity and the block without its checksum, without the inversion
/// that usually ends it.
fn sum(block: &[u8], identity: &[u8; 16]) -> [u8; 4] {
    let crc = Crc::<u32>::new(&CRC_32_ISCSI);
    let mut sum = crc.digest();
    sum.update(identity);
    sum.update(&block[..CHECKSUM.start]);
    sum.update(&[0; 4]);
    sum.update(&block[CHECKSUM.end..]);
    (!sum.finalize()).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of one file system of 32 MiB with the image's options, as mke2fs and Linux 6.18
    /// wrote them: its head, its journal's first block, and two blocks of a transaction.
    const FILES: &[u8; LEN] = include_bytes!("../tests/journal/head.bin");
    const FIRST: &[u8] = include_bytes!("../tests/journal/first.bin");
    const COMMITTED: &[u8] = include_bytes!("../tests/journal/commit.bin");
    const DESCRIPTION: &[u8] = include_bytes!("../tests/journal/description.bin");

    #[test]
    fn the_journal_is_where_the_head_says() {
        let found = place(FILES).expect("a journal");

        assert_eq!(
            found,
            Place {
                block: 1024,
                runs: vec![(16385, 4096)]
            }
        );
        assert_eq!(found.offsets().nth(1), Some(16386 * 1024));
        assert_eq!(found.offsets().count(), 4096);
        assert_eq!(place(&[0; LEN]), None);
        assert_eq!(place(&[0xff; LEN]), None);
        // Larger blocks than there are, no copy, no extents, none, too many, deep ones.
        for (at, value) in [
            (0x18, 7),
            (0xfd, 0),
            (0x10c, 0),
            (0x10e, 0),
            (0x10e, 5),
            (0x112, 1),
        ] {
            let mut other = *FILES;
            other[at] = value;
            assert_eq!(place(&other), None, "{at:#x}");
        }
    }

    /// P6: a cut between two sectors of the block that ends a transaction costs nothing.
    #[test]
    fn a_torn_commit_block_is_what_its_first_sector_says() {
        let identity = identity(FIRST).expect("a journal with checksums");
        for behind in [DESCRIPTION, FIRST, &[0xff; 1024]] {
            let mut torn = [&COMMITTED[..512], &behind[512..]].concat();
            let was_torn = torn != COMMITTED;

            assert_eq!(mend(&mut torn, &identity), was_torn);

            assert_eq!(torn, COMMITTED);
            assert!(!mend(&mut torn, &identity), "once is enough");
        }
    }

    #[test]
    fn whole_and_damaged_blocks_stay_as_they_are() {
        let identity = identity(FIRST).expect("a journal with checksums");
        let mut damaged = COMMITTED.to_vec();
        damaged[50] ^= 1;
        damaged[700] = 7;
        let others = [
            COMMITTED,
            DESCRIPTION,
            FIRST,
            &damaged,
            &COMMITTED[..20],
            &[],
        ];
        for block in others {
            let mut mended = block.to_vec();
            assert!(!mend(&mut mended, &identity));
            assert_eq!(mended, block);
        }
        let mut of_another = [&COMMITTED[..512], &[0xff; 512]].concat();
        assert!(!mend(&mut of_another, &[7; 16]));
        assert_eq!(super::identity(COMMITTED), None);
        assert_eq!(super::identity(&FIRST[..40]), None);
    }
}
