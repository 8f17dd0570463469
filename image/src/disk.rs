//! The whole disk: partition table, boot loader, slots, records.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context as _, bail};
use culvert_board::environment::Environment;
use culvert_board::profile::{Board, Source};
use culvert_board::record;
use culvert_board::slots::Slots;

use crate::card::{self, Window};
use crate::packages::Package;
use crate::root::{DATA_MIB, device_trees, uuid};
use crate::slot::Release;
use crate::tool;

/// Bytes of a MiB.
const MIB: u64 = 1 << 20;

/// One partition: name, first MiB, MiB.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    /// Its GPT name.
    pub(crate) name: &'static str,
    /// First byte.
    pub(crate) start: u64,
    /// Bytes.
    pub(crate) length: u64,
}

/// Every partition. The first 16 MiB belong to the boot loader; a slot takes
/// twice what releases weigh today.
pub(crate) const PLACES: [Place; 7] = [
    place("boot", 16, 8),
    place("record-1", 24, 1),
    place("record-2", 25, 1),
    place("slot-a", 26, 48),
    place("slot-b", 74, 48),
    place("settings", 122, 64),
    place("data", 186, DATA_MIB),
];
/// The end of the last partition and the table's copy.
pub(crate) const DISK: u64 = (186 + DATA_MIB + 1) * MIB;

const fn place(name: &'static str, start: u64, length: u64) -> Place {
    Place {
        name,
        start: start * MIB,
        length: length * MIB,
    }
}

/// The partition with a name.
pub(crate) fn named(name: &str) -> Place {
    *PLACES
        .iter()
        .find(|place| place.name == name)
        .expect("a name of the table above")
}

/// What goes onto a disk.
#[derive(Debug)]
pub(crate) struct Contents<'a> {
    /// The board.
    pub(crate) board: &'a Board,
    /// The boot loader's package.
    pub(crate) loader: Option<&'a Package>,
    /// The firmware's package.
    pub(crate) firmware: Option<&'a Package>,
    /// The kernel's package.
    pub(crate) kernel: &'a Package,
    /// The boot script.
    pub(crate) script: &'a [u8],
    /// What both slots hold.
    pub(crate) release: &'a Release,
    /// Version of its release.
    pub(crate) version: u64,
    /// Generation of its keys.
    pub(crate) generation: u32,
    /// Seconds since 1970.
    pub(crate) epoch: u64,
}

/// Writes a disk image.
pub(crate) fn write(path: &Path, contents: &Contents<'_>) -> anyhow::Result<()> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(path)
        .with_context(|| path.display().to_string())?;
    file.set_len(DISK)?;
    table(path, contents.epoch)?;
    loader(&file, contents)?;
    let boot = named("boot");
    let window = |place: Place| Window::new(&file, place.start, place.length);
    let found = boot_files(contents)?;
    let mut files: Vec<(&str, &[u8])> = vec![("boot.scr", contents.script)];
    files.extend(found.iter().map(|(name, bytes)| (*name, &bytes[..])));
    card::format(window(boot), 0xc001_b007, *b"BOOT       ", &files)?;
    if contents.board.boot.hybrid {
        hybrid(&file, boot)?;
    }
    let example = include_str!("../../config/examples/culvert.toml");
    let readme: [(&str, &[u8]); 1] = [("example.toml", example.as_bytes())];
    card::format(
        window(named("settings")),
        0xc001_5e77,
        *b"CULVERT    ",
        &readme,
    )?;
    for name in ["slot-a", "slot-b"] {
        let Place { start, length, .. } = named(name);
        let slot = contents.release.slot(start)?;
        if slot.len() as u64 > length {
            bail!("the release has {} bytes, a slot {length}", slot.len());
        }
        file.write_all_at(&slot, start)?;
    }
    let mut record = Environment::default();
    Slots::flashed(contents.version, contents.generation).write(&mut record);
    // Both copies are valid from the start; the first one holds.
    for (name, seq) in [("record-1", 2), ("record-2", 1)] {
        let bytes = record::sealed(&mut record, seq)?;
        file.write_all_at(&bytes, named(name).start)?;
    }
    file.sync_all()?;
    Ok(())
}

/// A GPT with ids that depend on nothing but the names.
pub(crate) fn table(path: &Path, epoch: u64) -> anyhow::Result<()> {
    let mut text = format!(
        "label: gpt\nlabel-id: {}\nfirst-lba: 34\nunit: sectors\n",
        uuid("culvert disk")
    );
    for place in PLACES {
        let (start, size) = (place.start / 512, place.length / 512);
        let (kind, more) = match place.name {
            "boot" => (
                "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7",
                ", attrs=LegacyBIOSBootable",
            ),
            "settings" => ("EBD0A0A2-B9E5-4433-87C0-68B6B72699C7", ""),
            _ => ("0FC63DAF-8483-4772-8E79-3D69D8477DE4", ""),
        };
        text += &format!(
            "start={start}, size={size}, type={kind}, uuid={}, name=\"{}\"{more}\n",
            uuid(place.name),
            place.name
        );
    }
    let mut child = tool::command("sfdisk", epoch)
        .args(["--quiet", "--no-reread", "--no-tell-kernel"])
        .arg(path)
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot run sfdisk: install the package fdisk")?;
    child
        .stdin
        .take()
        .context("just asked for")?
        .write_all(text.as_bytes())?;
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!(
            "sfdisk failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(())
}

/// What the board's own firmware wants beside the script.
fn boot_files<'a>(contents: &Contents<'a>) -> anyhow::Result<Vec<(&'a str, Vec<u8>)>> {
    let wanted = &contents.board.boot;
    let mut out = Vec::new();
    for one in &wanted.files {
        let package = match one.from {
            Source::Loader => contents.loader.map(|package| package.tree.clone()),
            Source::Firmware => contents.firmware.map(|package| package.tree.clone()),
            Source::Kernel => Some(device_trees(contents.kernel)?),
        };
        let path = package
            .context("the board names no such package")?
            .join(&one.file);
        let bytes = fs::read(&path).with_context(|| path.display().to_string())?;
        out.push((one.name.as_str(), bytes));
    }
    for one in &wanted.text {
        out.push((one.name.as_str(), one.text.as_bytes().to_vec()));
    }
    Ok(out)
}

/// Names the boot partition in the old table, too, in front of the entry that
/// protects the new one.
fn hybrid(file: &File, boot: Place) -> anyhow::Result<()> {
    let sector = |bytes: u64| u32::try_from(bytes / 512).map(u32::to_le_bytes);
    // Not active, addresses by sector only; 0x0c is FAT, 0xee is GPT.
    let mut entries = [0; 32];
    let ends = [0xff, 0xff, 0xff];
    entries[1..4].copy_from_slice(&ends);
    entries[4] = 0x0c;
    entries[5..8].copy_from_slice(&ends);
    entries[8..12].copy_from_slice(&sector(boot.start)?);
    entries[12..16].copy_from_slice(&sector(boot.length)?);
    entries[17..20].copy_from_slice(&[0, 2, 0]);
    entries[20] = 0xee;
    entries[21..24].copy_from_slice(&ends);
    entries[24..28].copy_from_slice(&1u32.to_le_bytes());
    entries[28..32].copy_from_slice(&sector(boot.start - 512)?);
    Ok(file.write_all_at(&entries, 446)?)
}

fn loader(file: &File, contents: &Contents<'_>) -> anyhow::Result<()> {
    let (Some(loader), Some(package)) = (&contents.board.loader, contents.loader) else {
        return Ok(());
    };
    for piece in &loader.pieces {
        let path = package.tree.join(&piece.file);
        let bytes = fs::read(&path).with_context(|| path.display().to_string())?;
        let at = piece.sector * 512;
        if at + bytes.len() as u64 > named("boot").start {
            bail!("{} reaches into the first partition", piece.file.display());
        }
        file.write_all_at(&bytes, at)?;
    }
    Ok(())
}
