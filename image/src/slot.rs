//! A slot's parts laid out: what a release is made of.

use std::fs;
use std::path::{Path, PathBuf};

use culvert_board::environment::Environment;
use culvert_wire::update::{
    BLOCK, FIRST_PART, HASH_LEN, MAX_CHAIN, MAX_MANIFEST, Manifest, Part, PartKind, SignedManifest,
    Verity,
};
use culvert_wire::{Decode as _, Encode as _, UnixMs};
use sha2::{Digest as _, Sha256};

use crate::keys::Signer;

/// A release that is built and signed.
#[derive(Debug)]
pub(crate) struct Release {
    /// Its signed manifest.
    pub(crate) signed: SignedManifest,
    /// The files of its parts, in order.
    pub(crate) files: Vec<PathBuf>,
}

/// What a release is called and how long it may be installed.
#[derive(Debug, Clone)]
pub(crate) struct Label {
    /// The board.
    pub(crate) board: String,
    /// The counter.
    pub(crate) version: u64,
    /// The name.
    pub(crate) name: String,
    /// Seconds since 1970.
    pub(crate) epoch: u64,
    /// Days until it expires.
    pub(crate) days: u64,
}

impl Release {
    /// One of a test, in 2027, by the name `0.VERSION.0`.
    #[cfg(test)]
    pub(crate) fn of_a_test(
        (board, version): (&str, u64),
        parts: &[(PartKind, PathBuf)],
        signer: &Signer,
    ) -> anyhow::Result<Self> {
        let label = Label {
            board: board.into(),
            version,
            name: format!("0.{version}.0"),
            epoch: 1_800_000_000,
            days: 1,
        };
        let verity = Verity {
            root_hash: [1; 32],
            salt: [2; 32],
        };
        Self::sign(&label, parts, verity, signer)
    }

    /// Lays the parts out one behind the other and signs them.
    pub(crate) fn sign(
        label: &Label,
        parts: &[(PartKind, PathBuf)],
        verity: Verity,
        signer: &Signer,
    ) -> anyhow::Result<Self> {
        let mut at = FIRST_PART;
        let mut listed = Vec::new();
        for (kind, path) in parts {
            let bytes = fs::read(path)?;
            let size = bytes.len() as u64;
            let hash: [u8; HASH_LEN] = Sha256::digest(&bytes).into();
            listed.push(Part {
                kind: *kind,
                offset: at,
                size,
                hash,
            });
            at = (at + size).next_multiple_of(BLOCK);
        }
        let issued = UnixMs(label.epoch * 1000);
        let manifest = Manifest {
            board: label.board.clone(),
            version: label.version,
            name: label.name.clone(),
            issued,
            expires: issued.plus_ms(label.days * 24 * 3600 * 1000),
            parts: listed,
            verity,
        };
        let lists = signer.chain.len();
        anyhow::ensure!(
            lists <= MAX_CHAIN,
            "a release carries at most {MAX_CHAIN} lists of keys, this chain has {lists}"
        );
        let signed = SignedManifest::sign(manifest, signer.chain.clone(), &signer.release);
        // A manifest that no box would read must not leave the house.
        SignedManifest::from_bytes(&signed.to_bytes())?;
        anyhow::ensure!(
            signed.to_bytes().len() <= MAX_MANIFEST,
            "the chain of key lists is too long"
        );
        Ok(Self {
            signed,
            files: parts.iter().map(|(_, path)| path.clone()).collect(),
        })
    }

    /// The slot as it lies on a disk from byte `start` on: header, manifest,
    /// parts.
    pub(crate) fn slot(&self, start: u64) -> anyhow::Result<Vec<u8>> {
        let manifest = self.signed.unverified();
        let mut out = vec![0; usize::try_from(manifest.end())?];
        let header = header(manifest, start);
        let mut put = |at: u64, bytes: &[u8]| -> anyhow::Result<()> {
            let at = usize::try_from(at)?;
            out[at..at + bytes.len()].copy_from_slice(bytes);
            Ok(())
        };
        put(0, &header)?;
        let signed = self.signed.to_bytes();
        put(
            culvert_board::slots::MANIFEST_AT,
            &u32::try_from(signed.len())?.to_be_bytes(),
        )?;
        put(culvert_board::slots::MANIFEST_AT + 4, &signed)?;
        for (part, file) in manifest.parts.iter().zip(&self.files) {
            put(part.offset, &fs::read(file)?)?;
        }
        Ok(out)
    }
}

fn header(manifest: &Manifest, start: u64) -> Vec<u8> {
    let place = |kind| manifest.part(kind).map(|part| (part.offset, part.size));
    let header: Environment = culvert_board::slots::header(
        manifest.version,
        start,
        place(PartKind::Kernel),
        place(PartKind::Initramfs),
        place(PartKind::DeviceTree),
    );
    header.encode().expect("a dozen short numbers").to_vec()
}

/// Reads the manifest out of a slot's first bytes.
pub(crate) fn manifest(slot: &[u8]) -> Option<SignedManifest> {
    let at = usize::try_from(culvert_board::slots::MANIFEST_AT).ok()?;
    let length: [u8; 4] = slot.get(at..at + 4)?.try_into().ok()?;
    let length = usize::try_from(u32::from_be_bytes(length)).ok()?;
    if length > MAX_MANIFEST {
        return None;
    }
    SignedManifest::from_bytes(slot.get(at + 4..at + 4 + length)?).ok()
}

/// A part's bytes ended by zeros at a whole block, as the kernel reads them.
pub(crate) fn pad_to_block(path: &Path) -> anyhow::Result<()> {
    let file = fs::OpenOptions::new().write(true).open(path)?;
    let length = file.metadata()?.len();
    Ok(file.set_len(length.next_multiple_of(BLOCK))?)
}
