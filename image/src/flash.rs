//! Writes an image onto a card, and reads it back.
//!
//! A removable disk is written at once; anything else only after its name was
//! typed. What is mounted, held by something else, or too small, is never written.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, Read, Write};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use sha2::{Digest as _, Sha256};

use crate::tool;

/// Bytes written in one go.
const RUN: usize = 4 << 20;

/// A place for an image, as the system shows it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// A disk that can be taken out, by the kernel's word.
    removable: bool,
    /// Where it, or a part of it, is mounted.
    mounted: Option<String>,
    /// Bytes.
    length: u64,
}

impl Target {
    /// Looks a device, or a file, up below a root that tests may choose.
    pub(crate) fn look(root: &Path, device: &Path) -> anyhow::Result<Self> {
        let about = fs::metadata(device).with_context(|| device.display().to_string())?;
        if !about.file_type().is_block_device() {
            return Ok(Self {
                removable: false,
                mounted: None,
                length: about.len(),
            });
        }
        let name = fs::canonicalize(device)?;
        let name = name.file_name().and_then(|name| name.to_str());
        Self::disk(root, name.context("a device has a name")?)
    }

    /// A block device by its name.
    pub(crate) fn disk(root: &Path, name: &str) -> anyhow::Result<Self> {
        let class = root.join("sys/class/block").join(name);
        let number = |file: &str| -> Option<u64> {
            let text = fs::read_to_string(class.join(file)).ok()?;
            text.trim().parse().ok()
        };
        ensure!(
            !class.join("partition").exists(),
            "{name} is a part of a disk: name the disk itself"
        );
        let sectors = number("size").with_context(|| format!("there is no disk {name}"))?;
        let mounts = fs::read_to_string(root.join("proc/mounts")).unwrap_or_default();
        let ours = |source: &str| {
            let rest = source
                .strip_prefix("/dev/")
                .and_then(|s| s.strip_prefix(name));
            rest.is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit() || c == 'p'))
        };
        let mounted = mounts.lines().find_map(|line| {
            let (source, rest) = line.split_once(' ')?;
            ours(source).then(|| rest.split(' ').next().unwrap_or_default().to_owned())
        });
        Ok(Self {
            removable: number("removable") == Some(1),
            mounted,
            length: sectors * 512,
        })
    }

    /// Refuses what is mounted: the system would write over it again.
    pub(crate) fn permit_write(&self, device: &Path) -> anyhow::Result<()> {
        match &self.mounted {
            Some(place) => bail!(
                "{} is in use at {place}: unmount it first",
                device.display()
            ),
            None => Ok(()),
        }
    }

    /// Refuses what must not be written; asks where it is not clear.
    pub(crate) fn permit(
        &self,
        device: &Path,
        image: u64,
        typed: &mut impl BufRead,
        ask: &mut impl Write,
    ) -> anyhow::Result<()> {
        let name = device.display();
        self.permit_write(device)?;
        if self.length < image {
            bail!(
                "{name} is too small: it has {} bytes, the image needs {image}",
                self.length
            );
        }
        if self.removable {
            return Ok(());
        }
        writeln!(
            ask,
            "{name} is no removable disk. All of it will be lost. Type {name} to go on:"
        )?;
        let mut line = String::new();
        typed.read_line(&mut line)?;
        ensure!(
            line.trim() == name.to_string(),
            "{name} stays as it is: its name was not typed"
        );
        Ok(())
    }
}

/// Opens a device for writing, for us alone: the kernel knows of more holders
/// than of mounts.
pub(crate) fn open(device: &Path) -> anyhow::Result<File> {
    let about = fs::metadata(device).with_context(|| device.display().to_string())?;
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    if about.file_type().is_block_device() {
        options.custom_flags(OFlag::O_EXCL.bits());
    }
    options.open(device).map_err(|error| refused(device, error))
}

fn refused(device: &Path, error: io::Error) -> anyhow::Error {
    let name = device.display();
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EBUSY) => anyhow::anyhow!(
            "{name} is in use (encrypted, part of a volume group or an array, swap, or mounted): \
             close what holds it first"
        ),
        Some(_) | None => anyhow::Error::new(error).context(name.to_string()),
    }
}

/// Writes and verifies; answers the hash of what is there now.
pub(crate) fn flash(image: &Path, device: &Path, told: &mut impl Write) -> anyhow::Result<String> {
    let mut from = File::open(image).with_context(|| image.display().to_string())?;
    let length = from.metadata()?.len();
    let mut to = open(device)?;
    let wanted = copy(&mut from, length, "written", told, |bytes| {
        to.write_all(bytes)
    })
    .with_context(|| format!("{} cannot be written", device.display()))?;
    to.sync_all()?;
    drop(to);
    let found = read_back(device, length, told)?;
    ensure!(
        found == wanted,
        "{} does not hold what was written: take another card",
        device.display()
    );
    Ok(data_encoding::HEXLOWER.encode(&found))
}

/// Reads past the system's memory where the device can do that: a card that
/// lies is found only there.
fn read_back(device: &Path, length: u64, told: &mut impl Write) -> anyhow::Result<[u8; 32]> {
    let input = format!("if={}", device.display());
    let direct = tool::command("dd", 0)
        .args([&input, "bs=4M", "iflag=direct", "status=none"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()?;
    let mut direct = direct;
    let mut pipe = direct.stdout.take().context("just asked for")?;
    let read = copy(&mut pipe, length, "verified", told, |_| Ok(()));
    drop(pipe);
    let _ = direct.kill();
    let _ = direct.wait();
    match read {
        Ok(hash) => Ok(hash),
        // Not every place can be read so.
        Err(_) => Ok(copy(
            &mut File::open(device)?,
            length,
            "verified",
            told,
            |_| Ok(()),
        )?),
    }
}

fn copy(
    from: &mut impl Read,
    length: u64,
    done: &str,
    told: &mut impl Write,
    mut take: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<[u8; 32]> {
    let mut buffer = vec![0; RUN];
    let (mut at, mut hash, mut percent) = (0, Sha256::new(), 101);
    while at < length {
        let left = usize::try_from(length - at).unwrap_or(usize::MAX);
        let run = left.min(RUN);
        from.read_exact(&mut buffer[..run])?;
        take(&buffer[..run])?;
        hash.update(&buffer[..run]);
        at += run as u64;
        let now = at * 100 / length;
        if now != percent {
            percent = now;
            write!(told, "\r{percent:3} % {done}")?;
            told.flush()?;
        }
    }
    writeln!(told)?;
    Ok(hash.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(root: &Path, name: &str, files: &[(&str, &str)]) {
        let class = root.join("sys/class/block").join(name);
        fs::create_dir_all(&class).unwrap();
        for (file, text) in files {
            fs::write(class.join(file), text).unwrap();
        }
    }

    /// `sdb`, of 1 MiB.
    fn removable_disk(root: &Path) {
        disk(root, "sdb", &[("size", "2048\n"), ("removable", "1\n")]);
    }

    fn permit(target: &Target, image: u64, typed: &str) -> Result<(), String> {
        let (mut typed, mut asked) = (typed.as_bytes(), Vec::new());
        let done = target.permit(Path::new("/dev/sdb"), image, &mut typed, &mut asked);
        done.map_err(|error| error.to_string())
    }

    #[test]
    fn a_removable_disk_is_written_and_any_other_only_by_its_typed_name() {
        let dir = tempfile::tempdir().unwrap();
        removable_disk(dir.path());
        disk(
            dir.path(),
            "sdc",
            &[("size", "2048\n"), ("removable", "0\n")],
        );

        let card = Target::disk(dir.path(), "sdb").unwrap();
        let inside = Target::disk(dir.path(), "sdc").unwrap();

        assert_eq!(permit(&card, 1 << 20, ""), Ok(()));
        assert_eq!(permit(&inside, 1 << 20, "/dev/sdb\n"), Ok(()));
        for typed in ["", "y\n", "/dev/sdc\n"] {
            let refused = permit(&inside, 1 << 20, typed).unwrap_err();
            assert!(refused.contains("its name was not typed"), "{refused}");
        }
    }

    #[test]
    fn what_is_mounted_too_small_or_a_part_is_never_written() {
        let dir = tempfile::tempdir().unwrap();
        removable_disk(dir.path());
        disk(
            dir.path(),
            "sdb1",
            &[("size", "1024\n"), ("partition", "1\n")],
        );
        fs::create_dir_all(dir.path().join("proc")).unwrap();
        let card = Target::disk(dir.path(), "sdb").unwrap();
        let small = permit(&card, (1 << 20) + 1, "").unwrap_err();
        assert_eq!(
            small,
            "/dev/sdb is too small: it has 1048576 bytes, the image needs 1048577"
        );
        let part = Target::disk(dir.path(), "sdb1").unwrap_err().to_string();
        assert!(part.contains("name the disk itself"), "{part}");

        fs::write(
            dir.path().join("proc/mounts"),
            "/dev/sdbb1 /else ext4 rw 0 0\n/dev/sdb1 /media/card vfat rw 0 0\n",
        )
        .unwrap();
        let card = Target::disk(dir.path(), "sdb").unwrap();

        let used = permit(&card, 1, "").unwrap_err();
        assert!(used.contains("in use at /media/card"), "{used}");
    }

    /// Wants no disk: /dev/full is no block device, and EBUSY is what the kernel
    /// says of one that a LUKS mapping, LVM, an array or swap holds.
    #[test]
    fn what_something_else_holds_is_told_in_one_sentence() {
        let held = refused(Path::new("/dev/sdb"), Errno::EBUSY.into()).to_string();

        assert_eq!(
            held,
            "/dev/sdb is in use (encrypted, part of a volume group or an array, swap, or \
             mounted): close what holds it first"
        );
        let other = refused(Path::new("/dev/sdb"), Errno::EROFS.into());
        assert!(format!("{other:#}").contains("/dev/sdb: Read-only"));
        assert!(open(Path::new("/dev/full")).is_ok());
    }

    #[test]
    fn an_image_lands_whole_and_nothing_behind_it_changes() {
        let dir = tempfile::tempdir().unwrap();
        let (image, card) = (dir.path().join("image"), dir.path().join("card"));
        let bytes: Vec<u8> = (0..RUN + 70_000).map(|n| n.to_le_bytes()[n % 3]).collect();
        fs::write(&image, &bytes).unwrap();
        fs::write(&card, vec![0xee; bytes.len() + 9]).unwrap();
        let mut told = Vec::new();

        let hash = flash(&image, &card, &mut told).unwrap();

        let written = fs::read(&card).unwrap();
        assert_eq!(written[..bytes.len()], bytes[..]);
        assert_eq!(written[bytes.len()..], [0xee; 9]);
        assert_eq!(hash.len(), 64);
        let told = String::from_utf8(told).unwrap();
        assert!(told.contains("100 % written") && told.contains("100 % verified"));
    }
}
