//! The data partition: mounted, made where there is none, and done without
//! where it cannot be had.
//!
//! What lies there is the box's identity: it is made anew only when what is on
//! the disk says that it is no file system or a damaged one, twice. A disk that
//! cannot be read now may be read at the next start.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, chown};
use std::path::Path;
use std::time::Duration;

use culvert_board::hardware::{Panel as _, Sysfs};
use nix::errno::Errno;
use nix::mount::MsFlags;

use super::start::{DATA, GATEWAY};
use crate::gateway::USER;
use crate::trouble::{Cause, Troubles};
use crate::{console, disk, journal, superblock, system};

/// Free bytes below which it is full: what the gateway keeps is replaced whole.
const FULL: u64 = 256 * 1024;
/// The supervisor's own folder there.
const OURS: &str = "/data/system";
/// A data file system as it is when it was just made.
const EMPTY_DATA: &str = "/usr/lib/culvert/data.ext4";
/// How it is mounted.
const FLAGS: MsFlags = system::DATA_ONLY.union(MsFlags::MS_NOATIME);
const OPTIONS: Option<&str> = Some("errors=remount-ro,commit=30");
/// Bytes after which a new file system is synced: no sync may take longer than
/// a watchdog waits.
const SYNC: usize = 2 << 20;
/// Bytes of a data partition that hold its file system's head.
const HEAD: usize = 4096;

/// Mounts the data; makes a new file system where there is none; goes on in
/// memory where it cannot be had.
pub(super) fn mount(troubles: &mut Troubles, panel: &mut Sysfs) {
    let missing = "there is no data partition";
    let mounted = match disk::partition("/".as_ref(), disk::DATA) {
        None => Err(io::Error::other(
            room(None).unwrap_or_else(|| missing.into()),
        )),
        Some(device) => attach(&device, panel),
    };
    if let Err(error) = mounted {
        let sentence = format!("no data: {error}; this box forgets everything at its end");
        console::line(&sentence);
        troubles.note(Cause::NoData, &sentence);
        let memory = system::mount_at("tmpfs".as_ref(), DATA, "tmpfs", FLAGS, Some("size=8m"));
        if let Err(error) = memory {
            console::line(&format!("{error}"));
        }
    }
    if system::free(DATA).is_ok_and(|free| free < FULL) {
        let sentence = "the data partition is full: nothing new can be kept; to empty it, hold \
                        the button for ten seconds; without one, write the card again";
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

/// How often what a cut tore is mended in one start: the head, then the journal, and
/// the head that was in the journal.
const MENDED: u32 = 3;

/// Tries, mends what a cut tore, and makes it anew if that is what is needed.
fn attach(device: &Path, panel: &mut Sysfs) -> io::Result<()> {
    let (mut tried, mut mended) = (0, 0);
    loop {
        let Err(error) = system::mount_at(device, DATA, "ext4", FLAGS, OPTIONS) else {
            return Ok(());
        };
        // A disk that forgets what is written to it is not mended for ever.
        if mended < MENDED && mend(device, error.errno) {
            mended += 1;
            continue;
        }
        tried += 1;
        match judge(error.errno, tried) {
            Next::Again(wait) => {
                std::thread::sleep(wait);
                // A watchdog that cannot be fed is told by the loop.
                let _ = panel.feed();
            }
            Next::GiveUp => return Err(error.into()),
            Next::MakeAnew => {
                if let Some(small) = room(Some(device)) {
                    return Err(io::Error::other(small));
                }
                console::line(&format!("the data is made anew: {error}"));
                make_data(device, panel)?;
                return Ok(system::mount_at(device, DATA, "ext4", FLAGS, OPTIONS)?);
            }
        }
    }
}

/// Mends what a cut tore, by what the kernel answers. Whether there was something.
fn mend(device: &Path, errno: Errno) -> bool {
    let (what, mended) = if errno == Errno::EBADMSG {
        ("head", mend_head(device))
    } else if errno == Errno::EUCLEAN {
        ("journal", mend_journal(device))
    } else {
        return false;
    };
    match &mended {
        Ok(true) => console::line(&format!(
            "the data's {what} was torn by a power cut: mended"
        )),
        Ok(false) => {}
        Err(error) => console::line(&format!("the data's {what}: {error}")),
    }
    matches!(mended, Ok(true))
}

/// Whether there was something to mend. A cut leaves it as it is, or mended.
fn mend_head(device: &Path) -> io::Result<bool> {
    let disk = OpenOptions::new().read(true).write(true).open(device)?;
    let mut head = [0; superblock::LEN];
    disk.read_exact_at(&mut head, superblock::AT)?;
    let Some(sum) = superblock::mended(&head) else {
        return Ok(false);
    };
    disk.write_all_at(&sum, superblock::AT + superblock::CHECKSUM as u64)?;
    disk.sync_all()?;
    Ok(true)
}

/// As above, for the blocks that end the journal's transactions.
fn mend_journal(device: &Path) -> io::Result<bool> {
    let disk = OpenOptions::new().read(true).write(true).open(device)?;
    let mut head = [0; superblock::LEN];
    disk.read_exact_at(&mut head, superblock::AT)?;
    let Some(place) = journal::place(&head) else {
        return Ok(false);
    };
    let mut block = vec![0; place.block];
    let (mut identity, mut any) = (None, false);
    for at in place.offsets() {
        disk.read_exact_at(&mut block, at)?;
        identity = identity.or_else(|| journal::identity(&block));
        let Some(known) = &identity else {
            return Ok(false);
        };
        if journal::mend(&mut block, known) {
            disk.write_all_at(&block, at)?;
            any = true;
        }
    }
    disk.sync_all()?;
    Ok(any)
}

/// What is done about a failed mount.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    /// Tried once more after a while.
    Again(Duration),
    /// Nothing on the disk is worth keeping.
    MakeAnew,
    /// Gone without: what is on the disk stays as it is.
    GiveUp,
}

/// By what the kernel's ext4 answers. A kernel that lacks a part of its driver
/// (ENOENT, ENODEV), a disk that cannot be read (EIO), memory that is short
/// (ENOMEM) say nothing of what is on the disk, and must not cost a box its
/// identity.
fn judge(errno: Errno, tried: u32) -> Next {
    // No superblock, or one that makes no sense; one that is damaged by its
    // checksum; a structure behind it that is.
    let of_the_disk = matches!(errno, Errno::EINVAL | Errno::EBADMSG | Errno::EUCLEAN);
    match (of_the_disk, tried) {
        (true, 0..2) => Next::Again(Duration::from_millis(100)),
        (true, _) => Next::MakeAnew,
        (false, 0..4) => Next::Again(Duration::from_secs(1)),
        (false, _) => Next::GiveUp,
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
        if at % (SYNC as u64) < length as u64 {
            to.sync_data()?;
        }
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

    /// S27: a disk that cannot be read for a moment keeps the box's key.
    #[test]
    fn data_is_made_anew_only_for_what_is_on_the_disk() {
        for errno in [Errno::EINVAL, Errno::EBADMSG, Errno::EUCLEAN] {
            assert!(matches!(judge(errno, 1), Next::Again(_)), "{errno}");
            assert_eq!(judge(errno, 2), Next::MakeAnew);
        }
        for errno in [
            Errno::EIO,
            Errno::ENOMEM,
            Errno::ENOENT,
            Errno::ENODEV,
            Errno::EROFS,
            Errno::EBUSY,
            Errno::ENXIO,
            Errno::UnknownErrno,
        ] {
            for tried in 1..100 {
                assert_ne!(judge(errno, tried), Next::MakeAnew, "{errno}");
            }
            assert_eq!(judge(errno, 4), Next::GiveUp);
        }
    }

    /// P6: the first sector of a head is of another moment than the second.
    #[test]
    fn a_torn_head_is_mended_where_it_lies() {
        let dir = tempfile::tempdir().unwrap();
        let device = dir.path().join("data");
        let (old, new) = (
            include_bytes!("../../tests/superblock/made.bin"),
            include_bytes!("../../tests/superblock/used.bin"),
        );
        let around = [0x77; 1024];
        let torn = [&around[..], &new[..512], &old[512..], &around].concat();
        fs::write(&device, torn).unwrap();

        assert!(mend_head(&device).unwrap());
        assert!(!mend_head(&device).unwrap());

        let mended = fs::read(&device).unwrap();
        assert_eq!(mended, [&around[..], new, &around].concat());
        assert!(mend_head(dir.path().join("none").as_path()).is_err());
    }

    /// P6: the block that ends a transaction is of it in its first sector alone.
    #[test]
    fn a_torn_journal_is_mended_where_it_lies() {
        let dir = tempfile::tempdir().unwrap();
        let device = dir.path().join("data");
        let commit = include_bytes!("../../tests/journal/commit.bin");
        let place = 16385 * 1024;
        let mut whole = vec![0; place + 4096 * 1024];
        whole[1024..2048].copy_from_slice(include_bytes!("../../tests/journal/head.bin"));
        whole[place..place + 1024].copy_from_slice(include_bytes!("../../tests/journal/first.bin"));
        let last = whole.len() - 1024;
        for at in [place + 25 * 1024, last] {
            whole[at..at + 1024].copy_from_slice(commit);
        }
        let mut torn = whole.clone();
        torn[last + 512..].fill(0x77);
        fs::write(&device, &torn).unwrap();

        assert!(mend_journal(&device).unwrap());
        assert!(!mend_journal(&device).unwrap());
        assert!(fs::read(&device).unwrap() == whole);

        fs::write(&device, [0; 4096]).unwrap();
        assert!(!mend_journal(&device).unwrap(), "no journal");
        fs::write(&device, &whole[..last]).unwrap();
        assert!(mend_journal(&device).is_err(), "ends too early");
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
