//! Releases made out of a built one: signed anew with the demonstration's
//! keys, or changed on their way.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use culvert_wire::key::SigningKey;
use culvert_wire::update::{BUNDLE_MAGIC, KeyList, Manifest, SignedKeyList, SignedManifest};
use culvert_wire::{Decode as _, Encode as _};

/// A release that was built.
pub(crate) struct Release {
    manifest: Manifest,
    payload: Vec<u8>,
    folder: PathBuf,
}

impl Release {
    /// Takes a bundle apart; new ones go into `folder`.
    pub(crate) fn read(bundle: &Path, folder: &Path) -> anyhow::Result<Self> {
        let bytes = fs::read(bundle).with_context(|| bundle.display().to_string())?;
        let head = BUNDLE_MAGIC.len();
        let length = u32::from_be_bytes(bytes[head..head + 4].try_into()?);
        let (manifest, payload) = bytes[head + 4..].split_at(usize::try_from(length)?);
        let signed = SignedManifest::from_bytes(manifest)?;
        Ok(Self {
            manifest: signed.unverified().clone(),
            payload: payload.to_vec(),
            folder: folder.to_owned(),
        })
    }

    /// A bundle of this release with another version, signed as it should be.
    pub(crate) fn version(&self, version: u64) -> anyhow::Result<PathBuf> {
        self.signed("good", version, |_| {})
    }

    /// The same, with something else changed before it is signed.
    pub(crate) fn signed(
        &self,
        name: &str,
        version: u64,
        change: impl FnOnce(&mut Manifest),
    ) -> anyhow::Result<PathBuf> {
        let mut manifest = self.manifest.clone();
        manifest.version = version;
        manifest.name = format!("0.{version}.0");
        change(&mut manifest);
        let signed = SignedManifest::sign(manifest, vec![lists(1)?], &key(0xdf));
        self.write(name, version, &signed, &self.payload)
    }

    /// The signed manifest of a version as it lies in a slot: behind its length.
    pub(crate) fn manifest(&self, version: u64) -> anyhow::Result<Vec<u8>> {
        let bundle = fs::read(self.version(version)?)?;
        Ok(bundle[BUNDLE_MAGIC.len()..self.payload_at(&bundle)].to_vec())
    }

    /// Signed with a key that two later lists do not name any more.
    pub(crate) fn revoked_key(&self, version: u64) -> anyhow::Result<PathBuf> {
        let mut manifest = self.manifest.clone();
        manifest.version = version;
        let chain = vec![lists(1)?, lists(2)?, lists(3)?];
        let signed = SignedManifest::sign(manifest, chain, &key(0xdf));
        self.write("revoked", version, &signed, &self.payload)
    }

    /// Signed with somebody else's keys.
    pub(crate) fn foreign_key(&self, version: u64) -> anyhow::Result<PathBuf> {
        let mut manifest = self.manifest.clone();
        manifest.version = version;
        let list = KeyList {
            generation: 1,
            root: key(1).public(),
            release: vec![key(2).public()],
        };
        let chain = vec![SignedKeyList::sign(list, &key(1), &key(1))];
        let signed = SignedManifest::sign(manifest, chain, &key(2));
        self.write("foreign", version, &signed, &self.payload)
    }

    /// A good bundle whose bytes were changed afterwards.
    pub(crate) fn changed(
        &self,
        name: &str,
        version: u64,
        change: impl FnOnce(&mut Vec<u8>),
    ) -> anyhow::Result<PathBuf> {
        let path = self.signed(name, version, |_| {})?;
        let mut bytes = fs::read(&path)?;
        change(&mut bytes);
        fs::write(&path, bytes)?;
        Ok(path)
    }

    /// Where the payload begins in a bundle of this release.
    pub(crate) fn payload_at(&self, bundle: &[u8]) -> usize {
        bundle.len() - self.payload.len()
    }

    fn write(
        &self,
        name: &str,
        version: u64,
        signed: &SignedManifest,
        payload: &[u8],
    ) -> anyhow::Result<PathBuf> {
        let manifest = signed.to_bytes();
        let length = u32::try_from(manifest.len())?.to_be_bytes();
        let path = self.folder.join(format!("{name}-{version}.bundle"));
        fs::write(
            &path,
            [&BUNDLE_MAGIC[..], &length, &manifest, payload].concat(),
        )?;
        Ok(path)
    }
}

/// The keys that the box was flashed with.
pub(crate) fn trusted() -> KeyList {
    KeyList {
        generation: 1,
        root: key(0xde).public(),
        release: vec![key(0xdf).public()],
    }
}

/// The demonstration's lists of keys: the first as `culvert-image keys init
/// --demo` makes it, and rotations of the release key behind it.
fn lists(generation: u32) -> anyhow::Result<SignedKeyList> {
    let release = match generation {
        1 => key(0xdf),
        later => key(u8::try_from(later)?),
    };
    let list = KeyList {
        generation,
        root: key(0xde).public(),
        release: vec![release.public()],
    };
    Ok(SignedKeyList::sign(list, &key(0xde), &key(0xde)))
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}
