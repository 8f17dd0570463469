//! Releases as large as real ones, and the question whether one lies whole in
//! a slot.

use std::io;

use culvert_board::slots::Slot;
use culvert_supervisor::device::Device;
use culvert_supervisor::install::Judge;
use culvert_supervisor::slot;
use culvert_wire::key::SigningKey;
use culvert_wire::update::{
    BLOCK, BUNDLE_MAGIC, FIRST_PART, KeyList, Manifest, Part, PartKind, Payload, Purpose,
    SignedManifest, UpdateError, Verity,
};
use culvert_wire::{Encode as _, UnixMs};
use sha2::{Digest as _, Sha256};

/// Authenticated time of the box.
pub(crate) const NOW: UnixMs = UnixMs(1_800_000_000_000);
/// Bytes of a slot's partition.
pub(crate) const SLOT_LEN: usize = 12 << 20;
const BOARD: &str = "qemu-virt";
const KERNEL: usize = 5_000_000;
const ROOT: usize = 1_500 * 4096;

/// What the box accepts.
pub(crate) fn judge(running: Slot, version: u64) -> Judge {
    Judge {
        trusted: trusted(),
        board: BOARD.into(),
        running,
        version,
    }
}

/// A signed bundle, every block of it different.
pub(crate) fn bundle(version: u64) -> Vec<u8> {
    let (signed, parts) = made(version);
    let manifest = signed.to_bytes();
    let length = u32::try_from(manifest.len()).unwrap().to_be_bytes();
    [&BUNDLE_MAGIC[..], &length, &manifest, &parts[0], &parts[1]].concat()
}

/// A slot's partition as it is shipped with a release.
pub(crate) fn shipped(version: u64) -> Vec<u8> {
    let (signed, parts) = made(version);
    let file = tempfile::tempfile().unwrap();
    file.set_len(SLOT_LEN as u64).unwrap();
    for (part, bytes) in signed.unverified().parts.iter().zip(&parts) {
        file.write_at(bytes, part.offset).unwrap();
    }
    slot::seal(&file, &signed).unwrap();
    let mut out = vec![0; SLOT_LEN];
    file.read_at(&mut out, 0).unwrap();
    out
}

/// The version of the whole, signed release in a slot: manifest, signature,
/// every part's hash, and the hash over the root's blocks that the kernel
/// checks.
pub(crate) fn whole(slot: &impl Device) -> Result<u64, String> {
    let signed = slot::manifest(slot).map_err(|error| error.to_string())?;
    let signed = signed.ok_or("it holds no manifest")?;
    let (manifest, _) = signed
        .verify(&trusted(), BOARD, Purpose::Boot)
        .map_err(|error| error.to_string())?;
    let wrong = |error: UpdateError| error.to_string();
    let mut payload = Payload::new(manifest, SLOT_LEN as u64).map_err(wrong)?;
    let mut root = None;
    for part in &manifest.parts {
        let mut bytes = vec![0; usize::try_from(part.size).unwrap()];
        let read = slot.read_at(&mut bytes, part.offset);
        read.map_err(|error: io::Error| error.to_string())?;
        payload
            .feed(&bytes, |_| Ok::<(), UpdateError>(()))
            .map_err(wrong)?;
        if part.kind == PartKind::Root {
            root = Some(verity(&bytes, manifest.version));
        }
    }
    payload.finish().map_err(wrong)?;
    match root == Some(manifest.verity.root_hash) {
        true => Ok(manifest.version),
        false => Err("its root's hash is another".to_owned()),
    }
}

fn made(version: u64) -> (SignedManifest, [Vec<u8>; 2]) {
    let parts = [filled(KERNEL, version), filled(ROOT, !version)];
    let part = |kind, offset, bytes: &[u8]| Part {
        kind,
        offset,
        size: bytes.len() as u64,
        hash: Sha256::digest(bytes).into(),
    };
    let root_at = (FIRST_PART + KERNEL as u64).next_multiple_of(BLOCK);
    let manifest = Manifest {
        board: BOARD.into(),
        version,
        name: format!("0.{version}.0"),
        issued: NOW,
        expires: NOW.plus_ms(1000),
        parts: vec![
            part(PartKind::Kernel, FIRST_PART, &parts[0]),
            part(PartKind::Root, root_at, &parts[1]),
        ],
        verity: Verity {
            root_hash: verity(&parts[1], version),
            salt: salt(version),
        },
    };
    (SignedManifest::sign(manifest, vec![], &key()), parts)
}

/// The root hash of dm-verity, version 1: the salt goes before each block, and
/// hashes fill blocks until one is left.
fn verity(root: &[u8], version: u64) -> [u8; 32] {
    let block = usize::try_from(BLOCK).unwrap();
    let hash = |bytes: &[u8]| {
        let mut hash = Sha256::new();
        hash.update(salt(version));
        hash.update(bytes);
        hash.update(vec![0; bytes.len().next_multiple_of(block) - bytes.len()]);
        hash.finalize().to_vec()
    };
    let mut level = root.to_vec();
    while level.len() > block {
        level = level.chunks(block).flat_map(hash).collect();
    }
    hash(&level).try_into().unwrap()
}

fn salt(version: u64) -> [u8; 32] {
    Sha256::digest(version.to_be_bytes()).into()
}

fn filled(length: usize, seed: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(length + 8);
    for number in 0..length.div_ceil(8) as u64 {
        let word = (number ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        out.extend_from_slice(&word.to_be_bytes());
    }
    out.truncate(length);
    out
}

fn key() -> SigningKey {
    SigningKey::from_seed(&[9; 32])
}

fn trusted() -> KeyList {
    KeyList {
        generation: 1,
        root: SigningKey::from_seed(&[1; 32]).public(),
        release: vec![key().public()],
    }
}
