//! Whether a box lives on with what a cut left of its card: judged by the files
//! alone, as the boot loader, the first start and the kernel would.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail, ensure};
use culvert_board::environment::{Environment, LEN};
use culvert_board::record;
use culvert_board::slots::{MANIFEST_AT, Slot, Slots, header};
use culvert_e2e::world::must_work;
use culvert_supervisor::{journal, superblock};
use culvert_wire::Decode as _;
use culvert_wire::update::{
    BLOCK, KeyList, MAX_MANIFEST, MAX_SLOT, Manifest, PartKind, Payload, Purpose, SignedManifest,
    UpdateError,
};
use sha2::{Digest as _, Sha256};

use crate::card::Place;

/// The board of the image.
const BOARD: &str = "qemu-virt";

/// Where things lie on the card.
pub(crate) struct Places {
    /// The state record's copies.
    pub(crate) records: [Place; 2],
    /// The slots.
    pub(crate) slots: [Place; 2],
    /// The data.
    pub(crate) data: Place,
}

/// What the box had told that it relied on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Told {
    /// The releases that may boot.
    pub(crate) versions: Vec<u64>,
    /// No lower version is installed any more.
    pub(crate) floor: u64,
    /// A release that was left for good.
    pub(crate) failed: Option<u64>,
    /// The key was shown, so it must be there.
    pub(crate) key: bool,
}

/// The version that boots, and the floor; fails, with the reason, when the box
/// is broken or has forgotten something.
pub(crate) fn judge(
    card: &Path,
    places: &Places,
    trusted: &KeyList,
    told: &Told,
) -> anyhow::Result<(u64, u64)> {
    let file = File::open(card)?;
    let copy = |place: &Place| environment(&file, place.start);
    let [first, second] = &places.records;
    let found = record::newest(copy(first)?, copy(second)?);
    let (_, record) = found.context("there is no state record")?;
    let mut slots = Slots::read(&record);
    let floor = slots.version_floor;
    ensure!(
        floor >= told.floor,
        "the floor went back to {floor} from {}",
        told.floor
    );
    if let Some(failed) = told.failed {
        ensure!(
            slots.failed.last() == Some(failed),
            "the failed release {failed} is forgotten"
        );
    }
    let headers = [&places.slots[0], &places.slots[1]].map(|slot| environment(&file, slot.start));
    let loads = |slot: Slot| {
        let header = headers[slot as usize]
            .as_ref()
            .ok()
            .and_then(Option::as_ref);
        header.is_some_and(|header| header.number("h_version").unwrap_or(0) > 0)
    };
    let slot = slots.choose(loads).context("no slot can be loaded")?;
    let manifest = whole(&file, &places.slots[slot as usize], trusted)
        .with_context(|| format!("slot {} is not whole", slot.letter()))?;
    let header = headers[slot as usize]
        .as_ref()
        .ok()
        .and_then(Option::as_ref);
    ensure!(
        header == Some(&loaded(&manifest, places.slots[slot as usize].start)),
        "the boot loader is sent elsewhere: {header:?}"
    );
    ensure!(
        told.versions.contains(&manifest.version),
        "version {} boots, not one of {:?}",
        manifest.version,
        told.versions
    );
    Ok((manifest.version, floor))
}

/// What the boot loader must be told of a release in a slot.
fn loaded(manifest: &Manifest, start: u64) -> Environment {
    let extent = |kind| {
        let part = manifest.parts.iter().find(|part| part.kind == kind)?;
        Some((part.offset, part.size))
    };
    let [kernel, initramfs, tree] =
        [PartKind::Kernel, PartKind::Initramfs, PartKind::DeviceTree].map(extent);
    header(manifest.version, start, kernel, initramfs, tree)
}

/// The box's key, after the file system's journal is replayed; none when there
/// is none yet.
pub(crate) fn key(card: &Path, data: &Place) -> anyhow::Result<Option<Vec<u8>>> {
    let part = card.with_extension("data");
    let mut bytes = vec![0; usize::try_from(data.length)?];
    File::open(card)?.read_exact_at(&mut bytes, data.start)?;
    // The box mends a torn head and a torn journal at its start; of what else is wrong
    // with them no tool may make something better here.
    let at = usize::try_from(superblock::AT)?;
    let head: &mut [u8; superblock::LEN] = (&mut bytes[at..at + superblock::LEN]).try_into()?;
    if let Some(sum) = superblock::mended(head) {
        head[superblock::CHECKSUM..].copy_from_slice(&sum);
    }
    ensure!(
        head[0x38..0x3a] == [0x53, 0xef],
        "the data's file system has no head"
    );
    let place = journal::place(head).context("the data's head tells of no journal")?;
    mend(&mut bytes, &place)?;
    std::fs::write(&part, bytes)?;
    // 1: mended. The kernel replays the journal by itself.
    let mut check = Command::new("e2fsck");
    let checked = check.args(["-p", "-f"]).arg(&part).output()?;
    let said = String::from_utf8_lossy(&checked.stdout);
    // Of a corrupt journal it replays what it can; the kernel would refuse the data.
    if !matches!(checked.status.code(), Some(0 | 1)) || said.contains("replay was aborted") {
        bail!("the data's file system is damaged: {said}");
    }
    let out = card.with_extension("key");
    let _ = std::fs::remove_file(&out);
    let mut dump = Command::new("debugfs");
    dump.arg("-R")
        .arg(format!("dump /gateway/identity.key {}", out.display()));
    must_work(dump.arg(&part))?;
    match std::fs::read(out) {
        Ok(key) => Ok(Some(key)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// A journal that a cut tore, as the box mends it.
fn mend(bytes: &mut [u8], place: &journal::Place) -> anyhow::Result<()> {
    let mut identity = None;
    for at in place.offsets() {
        let at = usize::try_from(at)?;
        let block = bytes
            .get_mut(at..at + place.block)
            .context("the journal ends behind the data")?;
        identity = identity.or_else(|| journal::identity(block));
        let known = identity.context("a journal without checksums")?;
        journal::mend(block, &known);
    }
    Ok(())
}

fn environment(file: &File, at: u64) -> io::Result<Option<Environment>> {
    let mut bytes = [0; LEN];
    file.read_exact_at(&mut bytes, at)?;
    Ok(Environment::decode(&bytes))
}

/// The manifest of the whole, signed release in a slot: its signature, every
/// part's hash, and the hash over the root's blocks that the kernel checks.
fn whole(file: &File, slot: &Place, trusted: &KeyList) -> anyhow::Result<Manifest> {
    let mut length = [0; 4];
    file.read_exact_at(&mut length, slot.start + MANIFEST_AT)?;
    let length = usize::try_from(u32::from_be_bytes(length))?;
    ensure!(length <= MAX_MANIFEST, "it holds no manifest");
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, slot.start + MANIFEST_AT + 4)?;
    let signed = SignedManifest::from_bytes(&bytes)?;
    let (manifest, _) = signed.verify(trusted, BOARD, Purpose::Boot)?;
    let mut payload = Payload::new(manifest, MAX_SLOT)?;
    let mut root = None;
    for part in &manifest.parts {
        let mut bytes = vec![0; usize::try_from(part.size)?];
        file.read_exact_at(&mut bytes, slot.start + part.offset)?;
        payload.feed(&bytes, |_| Ok::<(), UpdateError>(()))?;
        if part.kind == PartKind::Root {
            root = Some(verity(&bytes, &manifest.verity.salt));
        }
    }
    payload.finish()?;
    ensure!(
        root.as_deref() == Some(&manifest.verity.root_hash[..]),
        "its root's hash is another"
    );
    Ok(manifest.clone())
}

/// The root hash of dm-verity, version 1: the salt goes before each block, and
/// hashes fill blocks until one is left.
fn verity(root: &[u8], salt: &[u8]) -> Vec<u8> {
    let block = usize::try_from(BLOCK).expect("a block fits into memory");
    let hash = |bytes: &[u8]| {
        let mut hash = Sha256::new();
        hash.update(salt);
        hash.update(bytes);
        hash.update(vec![0; bytes.len().next_multiple_of(block) - bytes.len()]);
        hash.finalize().to_vec()
    };
    let mut level = root.to_vec();
    while level.len() > block {
        level = level.chunks(block).flat_map(hash).collect();
    }
    hash(&level)
}
