//! A signed update: manifest, then the parts.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

use anyhow::{Context as _, bail};
use culvert_wire::update::{
    BUNDLE_MAGIC, KeyList, MAX_MANIFEST, MAX_SLOT, Payload, Purpose, SignedManifest, UpdateError,
};
use culvert_wire::{Decode as _, Encode as _};

use crate::slot::Release;

/// Writes a release's bundle.
pub(crate) fn write(path: &Path, release: &Release) -> anyhow::Result<()> {
    let mut out = BufWriter::new(File::create(path).with_context(|| path.display().to_string())?);
    let manifest = release.signed.to_bytes();
    out.write_all(BUNDLE_MAGIC)?;
    out.write_all(&u32::try_from(manifest.len())?.to_be_bytes())?;
    out.write_all(&manifest)?;
    for file in &release.files {
        io::copy(&mut File::open(file)?, &mut out)?;
    }
    out.into_inner()?.sync_all()?;
    Ok(())
}

/// Takes a bundle apart and checks every hash; with keys also its signature.
pub(crate) fn check(bytes: &[u8], trusted: Option<&KeyList>) -> anyhow::Result<SignedManifest> {
    let head = BUNDLE_MAGIC.len() + 4;
    let Some((length, rest)) = bytes
        .strip_prefix(BUNDLE_MAGIC)
        .and_then(|rest| rest.split_first_chunk::<4>())
    else {
        bail!("this is no update bundle");
    };
    let length = usize::try_from(u32::from_be_bytes(*length))?;
    if length > MAX_MANIFEST || length > rest.len() {
        bail!("this is no update bundle");
    }
    let signed = SignedManifest::from_bytes(&rest[..length])?;
    if let Some(trusted) = trusted {
        let board = signed.unverified().board.clone();
        signed.verify(trusted, &board, Purpose::Boot)?;
    }
    let mut payload = Payload::new(signed.unverified(), MAX_SLOT)?;
    payload.feed(&bytes[head + length..], |_| Ok::<(), UpdateError>(()))?;
    payload.finish()?;
    Ok(signed)
}

/// Reads a list of keys: as a release holds it, or the newest of a chain.
pub(crate) fn keys(path: &Path) -> anyhow::Result<KeyList> {
    let name = || path.display().to_string();
    let bytes = fs::read(path).with_context(name)?;
    if let Ok(list) = KeyList::from_bytes(&bytes) {
        return Ok(list);
    }
    let chain = crate::keys::lists(&bytes).with_context(|| format!("{} holds no keys", name()))?;
    let newest = chain
        .last()
        .with_context(|| format!("{} is empty", name()))?;
    Ok(newest.unverified().clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_from_a_folder_s_chain_and_from_a_release_s_list() {
        let dir = tempfile::tempdir().unwrap();
        crate::keys::init(dir.path(), true).unwrap();
        crate::keys::rotate(dir.path(), false).unwrap();
        let (chain, list) = (dir.path().join("chain"), dir.path().join("trust"));

        let newest = keys(&chain).unwrap();

        assert_eq!(newest.generation, 2);
        fs::write(&list, newest.to_bytes()).unwrap();
        assert_eq!(keys(&list).unwrap(), newest);
        fs::write(&list, "nothing").unwrap();
        let told = format!("{:#}", keys(&list).unwrap_err());
        assert!(told.contains("holds no keys"), "{told}");
    }
}
