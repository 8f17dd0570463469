//! A slot: the boot loader's header, the signed manifest, the parts.

use std::io;

use culvert_board::environment::{Environment, LEN};
use culvert_board::slots::MANIFEST_AT;
use culvert_wire::update::{MAX_MANIFEST, Manifest, PartKind, SignedManifest};
use culvert_wire::{Decode as _, Encode as _};

use crate::device::Device;

/// The header for a release in a slot that begins at byte `start` of the disk.
fn header(manifest: &Manifest, start: u64) -> Environment {
    let place = |kind| manifest.part(kind).map(|part| (part.offset, part.size));
    culvert_board::slots::header(
        manifest.version,
        start,
        place(PartKind::Kernel),
        place(PartKind::Initramfs),
        place(PartKind::DeviceTree),
    )
}

/// Writes the manifest and syncs, then the header and syncs: a slot without a
/// header does not boot.
///
/// # Errors
/// What the system says.
pub fn seal(slot: &impl Device, signed: &SignedManifest) -> io::Result<()> {
    let bytes = signed.to_bytes();
    let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
    slot.write_at(&length.to_be_bytes(), MANIFEST_AT)?;
    slot.write_at(&bytes, MANIFEST_AT + 4)?;
    slot.sync()?;
    let header = header(signed.unverified(), slot.start()?)
        .encode()
        .ok_or_else(|| io::Error::other("the slot's header is too long"))?;
    slot.write_at(&header, 0)?;
    slot.sync()
}

/// Makes the slot unbootable.
///
/// # Errors
/// What the system says.
pub fn unseal(slot: &impl Device) -> io::Result<()> {
    slot.write_at(&[0; LEN], 0)?;
    slot.sync()
}

/// The version that a slot's header names; none: the slot cannot boot.
pub fn version(slot: &impl Device) -> Option<u64> {
    let mut head = vec![0; LEN];
    slot.read_at(&mut head, 0).ok()?;
    Environment::decode(&head)?.number("h_version")
}

/// Reads the manifest of a slot; none if there is no readable one.
///
/// # Errors
/// What the system says.
pub fn manifest(slot: &impl Device) -> io::Result<Option<SignedManifest>> {
    let mut length = [0; 4];
    slot.read_at(&mut length, MANIFEST_AT)?;
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if length > MAX_MANIFEST {
        return Ok(None);
    }
    let mut bytes = vec![0; length];
    slot.read_at(&mut bytes, MANIFEST_AT + 4)?;
    Ok(SignedManifest::from_bytes(&bytes).ok())
}
