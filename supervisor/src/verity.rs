//! A root whose every block is checked as it is read: device-mapper's verity
//! target, set up by three ioctls.
//!
//! The only unsafe code of this program: the kernel reads and writes one flat
//! buffer that begins with `struct dm_ioctl` (linux/dm-ioctl.h).
#![expect(unsafe_code, reason = "three ioctls over one plain buffer")]

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};

use culvert_wire::update::{Manifest, PartKind};

/// Bytes of one request: the header, one target, its arguments.
const LEN: usize = 4096;
/// `sizeof(struct dm_ioctl)`.
const HEADER: usize = 312;
/// `sizeof(struct dm_target_spec)`.
const SPEC: usize = 40;
/// What the kernel reads sizes in.
const SECTOR: u64 = 512;
/// Block size of data and of hashes.
const BLOCK: u64 = 4096;
/// `DM_READONLY_FLAG`.
const READ_ONLY: u32 = 1;

/// The calls of linux/dm-ioctl.h that are used here.
mod call {
    use super::HEADER;

    nix::ioctl_readwrite!(dev_create, 0xfd, 3, [u8; HEADER]);
    nix::ioctl_readwrite!(dev_suspend, 0xfd, 6, [u8; HEADER]);
    nix::ioctl_readwrite!(table_load, 0xfd, 9, [u8; HEADER]);
}

/// The checked root's device.
pub const ROOT: &str = "/dev/dm-1";

/// Makes a checked root out of a slot and returns its device.
///
/// The verity target takes its data from the beginning of a device only, so
/// the root's part of the slot becomes a device of its own first.
///
/// # Errors
/// What the system says.
pub fn open(slot: &Path, manifest: &Manifest) -> io::Result<PathBuf> {
    let missing = || io::Error::other("the manifest names no root or no hashes");
    let root = manifest.part(PartKind::Root).ok_or_else(missing)?;
    let tree = manifest.part(PartKind::HashTree).ok_or_else(missing)?;
    let control = File::open("/dev/mapper/control")?;
    let sectors = root.size / SECTOR;
    let slot = slot.display();
    let part = Table {
        name: "root-part",
        target: "linear",
        sectors,
        arguments: format!("{slot} {}", root.offset / SECTOR),
    };
    let data = part.create(&control, 0)?;
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let checked = Table {
        name: "root",
        target: "verity",
        sectors,
        arguments: format!(
            "1 {data} {slot} {BLOCK} {BLOCK} {blocks} {start} sha256 {hash} {salt} 1 restart_on_corruption",
            data = data.display(),
            blocks = root.size / BLOCK,
            start = tree.offset / BLOCK,
            hash = hex(&manifest.verity.root_hash),
            salt = hex(&manifest.verity.salt),
        ),
    };
    checked.create(&control, 1)
}

/// One device: its name, and what it is made of.
struct Table {
    name: &'static str,
    target: &'static str,
    sectors: u64,
    arguments: String,
}

impl Table {
    /// Makes the device, which is the `number`th since the start.
    fn create(&self, control: &File, number: u32) -> io::Result<PathBuf> {
        let fd = control.as_raw_fd();
        for step in [Step::Create, Step::Load, Step::Resume] {
            let mut buffer = self.request(step);
            let head: *mut [u8; HEADER] = buffer.as_mut_ptr().cast();
            // SAFETY: `head` points at LEN bytes, as `data_size` in them says,
            // and the kernel keeps no pointer after the call.
            let done = unsafe {
                match step {
                    Step::Create => call::dev_create(fd, head),
                    Step::Load => call::table_load(fd, head),
                    Step::Resume => call::dev_suspend(fd, head),
                }
            };
            done.map_err(|error| {
                let what = self.target;
                io::Error::other(format!("device-mapper refused {what}, {step:?}: {error}"))
            })?;
        }
        Ok(PathBuf::from(format!("/dev/dm-{number}")))
    }

    fn request(&self, step: Step) -> Vec<u8> {
        let mut out = vec![0; LEN];
        let mut put = |at: usize, bytes: &[u8]| out[at..at + bytes.len()].copy_from_slice(bytes);
        // version 4.0.0, data_size, data_start, target_count, …, flags, …, name.
        put(0, &4u32.to_ne_bytes());
        put(12, &4096u32.to_ne_bytes());
        put(16, &312u32.to_ne_bytes());
        put(28, &READ_ONLY.to_ne_bytes());
        put(48, self.name.as_bytes());
        match step {
            Step::Create | Step::Resume => {}
            Step::Load => {
                put(20, &1u32.to_ne_bytes());
                put(HEADER + 8, &self.sectors.to_ne_bytes());
                put(HEADER + 24, self.target.as_bytes());
                put(HEADER + SPEC, self.arguments.as_bytes());
            }
        }
        out
    }
}

/// The three calls that make a device.
#[derive(Debug, Clone, Copy)]
enum Step {
    Create,
    Load,
    Resume,
}
