//! The data partition: mounted, made where there is none, and done without
//! where it cannot be had.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, chown};
use std::path::Path;

use culvert_board::hardware::{Panel as _, Sysfs};
use nix::mount::MsFlags;

use super::start::{DATA, GATEWAY};
use crate::gateway::USER;
use crate::trouble::{Cause, Troubles};
use crate::{console, disk, system};

/// Free bytes below which it is full: what the gateway keeps is replaced whole.
const FULL: u64 = 256 * 1024;
/// The supervisor's own folder there.
const OURS: &str = "/data/system";
/// A data file system as it is when it was just made.
const EMPTY_DATA: &str = "/usr/lib/culvert/data.ext4";
/// Bytes of a data partition that hold its file system's head.
const HEAD: usize = 4096;

/// Mounts the data; makes a new file system where there is none; goes on in
/// memory where there is no partition.
pub(super) fn mount(troubles: &mut Troubles, panel: &mut Sysfs) {
    let flags = system::DATA_ONLY.union(MsFlags::MS_NOATIME);
    let options = Some("errors=remount-ro,commit=30");
    let found = disk::partition("/".as_ref(), disk::DATA);
    let missing = "there is no data partition";
    let mounted = match found {
        None => Err(io::Error::other(
            room(None).unwrap_or_else(|| missing.into()),
        )),
        Some(device) => system::mount_at(&device, DATA, "ext4", flags, options).or_else(|error| {
            if !lacks_file_system(&error) {
                return Err(error);
            }
            if let Some(small) = room(Some(&device)) {
                return Err(io::Error::other(small));
            }
            console::line(&format!("the data is made anew: {error}"));
            make_data(&device, panel)?;
            system::mount_at(&device, DATA, "ext4", flags, options)
        }),
    };
    if let Err(error) = mounted {
        let sentence = format!("no data: {error}; this box forgets everything at its end");
        console::line(&sentence);
        troubles.note(Cause::NoData, &sentence);
        let memory = system::mount_at("tmpfs".as_ref(), DATA, "tmpfs", flags, Some("size=8m"));
        if let Err(error) = memory {
            console::line(&format!("{error}"));
        }
    }
    if system::free(DATA).is_ok_and(|free| free < FULL) {
        let sentence =
            "the data partition is full: nothing new can be kept; a factory reset empties it";
        console::line(sentence);
        troubles.note(Cause::FullData, sentence);
    }
    for (path, owner) in [(OURS, 0), (GATEWAY, USER)] {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
        if let Err(error) = made.and_then(|()| chown(path, Some(owner), Some(owner))) {
            console::line(&format!("{path}: {error}"));
        }
    }
}

/// What is wrong if the card ends before the data does: such a card would be
/// made anew at each start.
fn room(data: Option<&Path>) -> Option<String> {
    let root = Path::new("/");
    let wanted = fs::metadata(EMPTY_DATA).ok()?.len();
    if let Some(found) = data {
        let length = disk::length(root, found)?;
        return too_small(length, wanted);
    }
    // The table lost its last entry: where it was, there may be no card.
    let before = disk::partition(root, disk::SETTINGS)?;
    let (disk, end) = disk::room(root, &before)?;
    too_small(disk.saturating_sub(end), wanted)
}

fn too_small(length: u64, wanted: u64) -> Option<String> {
    (length < wanted).then(|| {
        format!(
            "this card is too small: it has {} MB for data, {} MB are needed; take another card",
            length / 1_000_000,
            wanted / 1_000_000
        )
    })
}

/// Whether a mount failed for what is on the disk. A kernel that lacks a part
/// of its driver must not cost a box its identity.
fn lacks_file_system(error: &io::Error) -> bool {
    let known = fs::read_to_string("/proc/filesystems").unwrap_or_default();
    error.kind() != io::ErrorKind::NotFound && known.lines().any(|line| line.trim() == "ext4")
}

/// Copies the empty file system over all that was there. The head, without
/// which nothing can be mounted, comes last: a cut before it, and this is done
/// again at the next boot. A slow card shall not let the watchdog cut it.
fn make_data(device: &Path, panel: &mut Sysfs) -> io::Result<()> {
    let from = File::open(EMPTY_DATA)?;
    let to = OpenOptions::new().read(true).write(true).open(device)?;
    overwrite(&from, &to, || panel.feed())
}

fn overwrite(from: &File, to: &File, mut alive: impl FnMut() -> io::Result<()>) -> io::Result<()> {
    let mut wanted = vec![0; 256 * 1024];
    let mut found = vec![0; wanted.len()];
    to.write_all_at(&wanted[..HEAD], 0)?;
    to.sync_all()?;
    let mut head = vec![0; HEAD];
    from.read_exact_at(&mut head, 0)?;
    let mut at = HEAD as u64;
    loop {
        let length = from.read_at(&mut wanted, at)?;
        if length == 0 {
            break;
        }
        to.read_exact_at(&mut found[..length], at)?;
        // What is the same already is left alone.
        if wanted[..length] != found[..length] {
            to.write_all_at(&wanted[..length], at)?;
        }
        at += length as u64;
        // A watchdog that cannot be fed is told by the loop.
        let _ = alive();
    }
    to.sync_all()?;
    to.write_all_at(&head, 0)?;
    to.sync_all()
}

/// Makes the data unmountable, so that the next boot makes it anew.
pub(super) fn spoil() -> io::Result<()> {
    let device = disk::partition("/".as_ref(), disk::DATA)
        .ok_or_else(|| io::Error::other("there is no data partition"))?;
    let to = OpenOptions::new().write(true).open(device)?;
    to.write_all_at(&vec![0; HEAD], 0)?;
    to.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// S27: after a factory reset nothing of what was there can be read back
    /// from the partition, and it is the same as a new one.
    #[test]
    fn data_made_anew_keeps_nothing_of_what_was_there() {
        let dir = tempfile::tempdir().unwrap();
        let (empty, data) = (dir.path().join("empty"), dir.path().join("data"));
        let mut new = vec![0; 700_000];
        new[1024..1030].copy_from_slice(b"super!");
        fs::write(&empty, &new).unwrap();
        fs::write(&data, vec![0x5a; 700_000]).unwrap();
        let to = OpenOptions::new().read(true).write(true).open(&data);

        let mut fed = 0;
        let alive = || {
            fed += 1;
            Ok(())
        };
        overwrite(&File::open(&empty).unwrap(), &to.unwrap(), alive).unwrap();

        assert!(fs::read(&data).unwrap() == new);
        assert!(fed > 1, "a slow card needs more time than a watchdog gives");
    }

    #[test]
    fn a_card_that_ends_too_early_is_told_in_one_sentence() {
        assert_eq!(too_small(32 << 20, 32 << 20), None);
        assert_eq!(
            too_small(5 << 20, 32 << 20).as_deref(),
            Some(
                "this card is too small: it has 5 MB for data, 33 MB are needed; \
                 take another card"
            )
        );
    }
}
