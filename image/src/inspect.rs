//! What an image or a bundle holds, for people.

use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use anyhow::{Context as _, bail};
use culvert_board::environment::{Environment, LEN};
use culvert_board::profile::Board;
use culvert_board::record;
use culvert_board::slots::Slots;
use culvert_wire::update::{
    BUNDLE_MAGIC, KeyList, MAX_SLOT, Payload, Purpose, SignedManifest, UpdateError,
};
use data_encoding::HEXLOWER;

use crate::{bundle, disk, slot};

/// Lines about a file.
pub(crate) fn lines(path: &Path, trusted: Option<&KeyList>) -> anyhow::Result<Vec<String>> {
    let mut head = [0; BUNDLE_MAGIC.len()];
    let mut file = File::open(path).with_context(|| path.display().to_string())?;
    file.read_exact(&mut head)
        .context("this is neither an image nor a bundle")?;
    if head == *BUNDLE_MAGIC {
        let signed = bundle::check(&fs::read(path)?, trusted)?;
        return Ok(release("bundle", &signed, trusted));
    }
    let mut out = Vec::new();
    for place in disk::PLACES {
        out.push(format!(
            "{:9} {:>4} MiB at {:>4} MiB",
            place.name,
            place.length >> 20,
            place.start >> 20
        ));
    }
    let record = |name: &str| -> anyhow::Result<Option<Environment>> {
        let mut bytes = vec![0; LEN];
        file.read_exact_at(&mut bytes, disk::named(name).start)?;
        Ok(Environment::decode(&bytes))
    };
    match record::newest(record("record-1")?, record("record-2")?) {
        Some((_, record)) => out.push(format!("state     {:?}", Slots::read(&record))),
        None => out.push("state     no valid record".to_owned()),
    }
    for name in ["slot-a", "slot-b"] {
        let place = disk::named(name);
        let mut bytes = vec![0; usize::try_from(place.length)?];
        file.read_exact_at(&mut bytes, place.start)?;
        // Without its header a slot does not boot: what lies there may be half
        // of a release.
        let boots = bytes.get(..LEN).and_then(Environment::decode);
        match boots.and_then(|_| slot::manifest(&bytes)) {
            None => out.push(format!("{name}    empty")),
            Some(signed) => {
                parts(&bytes, &signed)?;
                out.extend(release(name, &signed, trusted));
            }
        }
    }
    Ok(out)
}

/// The board that an image is for.
pub(crate) fn board(image: &Path) -> anyhow::Result<String> {
    let place = disk::named("slot-a");
    let mut bytes = vec![0; usize::try_from(place.length)?];
    let file = File::open(image).with_context(|| image.display().to_string())?;
    file.read_exact_at(&mut bytes, place.start)
        .with_context(|| format!("{} is no image of a box", image.display()))?;
    let signed = slot::manifest(&bytes)
        .with_context(|| format!("{} is no image of a box", image.display()))?;
    let name = &signed.unverified().board;
    let known = Board::named(name).ok();
    Ok(known.map_or_else(|| name.clone(), |(board, _)| board.title))
}

/// Checks a slot's parts against its manifest.
fn parts(slot: &[u8], signed: &SignedManifest) -> anyhow::Result<()> {
    let manifest = signed.unverified();
    let mut payload = Payload::new(manifest, MAX_SLOT)?;
    for part in &manifest.parts {
        let from = usize::try_from(part.offset)?;
        let Some(bytes) = slot.get(from..from + usize::try_from(part.size)?) else {
            bail!("the slot is shorter than its release");
        };
        payload.feed(bytes, |_| Ok::<(), UpdateError>(()))?;
    }
    Ok(payload.finish()?)
}

fn release(what: &str, signed: &SignedManifest, trusted: Option<&KeyList>) -> Vec<String> {
    let manifest = signed.unverified();
    let proof = match trusted {
        None => "signature not checked: no keys given".to_owned(),
        Some(keys) => match signed.verify(keys, &manifest.board, Purpose::Boot) {
            Ok((_, keys)) => format!("signed, keys of generation {}", keys.generation),
            Err(error) => error.to_string(),
        },
    };
    let mut out = vec![format!(
        "{what}: {} (version {}) for {}, {proof}",
        manifest.name, manifest.version, manifest.board
    )];
    out.extend(manifest.parts.iter().map(|part| {
        let hash = HEXLOWER.encode(&part.hash);
        let (name, size, at) = (part.kind.name(), part.size, part.offset);
        format!("  {name:9} {size:>9} bytes at {at:>9} {hash}")
    }));
    out
}
