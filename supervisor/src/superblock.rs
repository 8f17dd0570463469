//! The head of the data's file system (ext4's superblock), when the power went while it
//! was being written.
//!
//! ext4 writes these 1,024 bytes at once and trusts the disk to do so; a card writes
//! sectors of 512. What changes while it is mounted lies in the first of them, but for
//! the checksum over both, which ends the second. So where one of them is old and the
//! other one new, the first is whole (both are heads that the file system had, and what
//! was under way is in its journal) and nothing but the checksum belongs to the other.
//! The kernel refuses such a head; a box would lose its key for it. All that lies behind
//! it has checksums of its own: a head that is damaged in another way is found out when
//! it is mounted.
//!
//! Pure: bytes in, bytes out; never touches a disk. Driven by `run/data.rs`, and by the
//! test that judges cuts (Linux, Documentation/filesystems/ext4/super.rst).

use crc::{CRC_32_ISCSI, Crc};

/// Where it begins.
pub const AT: u64 = 1024;
/// Its bytes.
pub const LEN: usize = 1024;
/// Where its checksum is, which ends it.
pub const CHECKSUM: usize = LEN - 4;

const MAGIC: [u8; 2] = 0xef53_u16.to_le_bytes();
/// Among the features without which it may still be read: checksums of all metadata.
const METADATA_CHECKSUMS: u32 = 0x400;
/// The only kind there is.
const CRC32C: u8 = 1;

/// The checksum that a head should have, if it has another one.
pub fn mended(head: &[u8; LEN]) -> Option<[u8; 4]> {
    let features = u32::from_le_bytes([head[0x64], head[0x65], head[0x66], head[0x67]]);
    let has_one =
        head[0x38..0x3a] == MAGIC && features & METADATA_CHECKSUMS != 0 && head[0x175] == CRC32C;
    // Without the inversion that usually ends it.
    let sum = !Crc::<u32>::new(&CRC_32_ISCSI).checksum(&head[..CHECKSUM]);
    let right = sum.to_le_bytes();
    (has_one && head[CHECKSUM..] != right).then_some(right)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of one file system of 32 MiB, as mke2fs and Linux 6.18 wrote them: made, mounted,
    /// and unmounted after a file was written.
    const HEADS: [&[u8; LEN]; 3] = [
        include_bytes!("../tests/superblock/made.bin"),
        include_bytes!("../tests/superblock/mounted.bin"),
        include_bytes!("../tests/superblock/used.bin"),
    ];

    /// P6: a cut between the two sectors of a head costs nothing.
    #[test]
    fn whole_heads_are_left_alone_and_torn_ones_are_what_their_first_sector_was() {
        for first in HEADS {
            assert_eq!(mended(first), None);
            for second in HEADS.into_iter().filter(|second| *second != first) {
                let mut torn = *first;
                torn[512..].copy_from_slice(&second[512..]);

                let sum = mended(&torn).expect("torn");

                torn[CHECKSUM..].copy_from_slice(&sum);
                assert_eq!(torn, *first);
            }
        }
    }

    #[test]
    fn what_is_no_head_of_ours_is_nothing_to_mend() {
        assert_eq!(mended(&[0; LEN]), None);
        assert_eq!(mended(&[0xff; LEN]), None);
        for (at, value) in [(0x38, 0), (0x65, 0), (0x175, 9)] {
            let mut other = *HEADS[0];
            other[at] = value;
            assert_eq!(mended(&other), None, "{at:#x}");
        }
    }
}
