//! The keys that sign releases: a root that stays offline, and release keys
//! that it names. Files hold the secret seed as base32, mode 0600.
//!
//! The demonstration's keys are the same everywhere, so they are known by
//! themselves: a list that names one, however old, was never anybody's own.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::{Context as _, bail};
use culvert_wire::key::{KEY_LEN, SigningKey};
use culvert_wire::update::{KeyList, MAX_CHAIN, SignedKeyList};
use culvert_wire::{Decode as _, Encode as _};
use data_encoding::{BASE32_NOPAD, BASE32_NOPAD_NOCASE};

/// Secret of the root key.
const ROOT: &str = "root.key";
/// Secret of the release key.
const RELEASE: &str = "release.key";
/// The signed lists, oldest first.
const CHAIN: &str = "chain";
/// Says to people that a folder holds keys that everybody has.
const DEMO: &str = "DEMO";
/// Of the demonstration's root and release key.
const DEMO_SEEDS: [[u8; KEY_LEN]; 2] = [[0xde; KEY_LEN], [0xdf; KEY_LEN]];

/// What a build signs with.
#[derive(Debug)]
pub(crate) struct Signer {
    /// The release key.
    pub(crate) release: SigningKey,
    /// All lists, for boxes that are behind.
    pub(crate) chain: Vec<SignedKeyList>,
    /// The newest list, which the release trusts.
    pub(crate) trusted: KeyList,
}

/// Makes a root key, a release key and the first list.
pub(crate) fn init(dir: &Path, demo: bool) -> anyhow::Result<()> {
    fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
    for name in [ROOT, RELEASE, CHAIN] {
        if dir.join(name).exists() {
            bail!(
                "{} holds keys already: culvert-image keys rotate replaces them, for a new set \
                 take another folder",
                dir.display()
            );
        }
    }
    let [root, release] = if demo {
        fs::write(dir.join(DEMO), "these keys are in everybody's hands\n")?;
        DEMO_SEEDS.map(|seed| SigningKey::from_seed(&seed))
    } else {
        [(); 2].map(|()| SigningKey::from_seed(&rand::random()))
    };
    write(&dir.join(ROOT), &root)?;
    write(&dir.join(RELEASE), &release)?;
    let list = KeyList {
        generation: 1,
        root: root.public(),
        release: vec![release.public()],
    };
    fs::write(
        dir.join(CHAIN),
        SignedKeyList::sign(list, &root, &root).to_bytes(),
    )?;
    Ok(())
}

/// Replaces the release key, and the root too if asked: the next list.
pub(crate) fn rotate(dir: &Path, with_root: bool) -> anyhow::Result<u32> {
    let chain = chain(dir)?;
    if chain.len() >= MAX_CHAIN {
        bail!(
            "{} holds {} lists, and a release carries no more: boxes that are behind would refuse \
             it. Nothing was changed. Make a new set in another folder (culvert-image keys init), \
             build the images with it, and write the boxes' cards anew",
            dir.join(CHAIN).display(),
            chain.len()
        );
    }
    let root = read(&dir.join(ROOT)).context(
        "the root key signs every new list: bring it back from where it is kept, and away again",
    )?;
    let last = chain.last().context("the chain of key lists is empty")?;
    let generation = last.unverified().generation + 1;
    let own = match with_root {
        true => SigningKey::from_seed(&rand::random()),
        false => root.clone(),
    };
    let release = SigningKey::from_seed(&rand::random());
    let list = KeyList {
        generation,
        root: own.public(),
        release: vec![release.public()],
    };
    let mut bytes = fs::read(dir.join(CHAIN))?;
    bytes.extend_from_slice(&SignedKeyList::sign(list, &root, &own).to_bytes());
    let replaced = [(RELEASE, &release), (ROOT, &own)];
    let replaced = &replaced[..if with_root { 2 } else { 1 }];
    // Whole before anything is moved: a full disk leaves the keys as they were.
    let new = |name: &str| dir.join(format!("{name}.new"));
    for name in [RELEASE, ROOT] {
        // Of a rotation that failed.
        let _ = fs::remove_file(new(name));
    }
    for (name, key) in replaced {
        write(&new(name), key)?;
    }
    fs::write(new(CHAIN), bytes)?;
    for (name, _) in replaced {
        let path = dir.join(name);
        fs::rename(&path, dir.join(format!("{name}.{}", generation - 1)))?;
        fs::rename(new(name), path)?;
    }
    fs::rename(new(CHAIN), dir.join(CHAIN))?;
    Ok(generation)
}

impl Signer {
    /// Reads a folder of keys.
    pub(crate) fn load(dir: &Path, demo_allowed: bool) -> anyhow::Result<Self> {
        let release = read(&dir.join(RELEASE))?;
        let chain = chain(dir)?;
        if !demo_allowed && names_demo_key(&chain) {
            bail!(
                "{} holds the demonstration's keys, which everybody has: a release needs its own (culvert-image keys init)",
                dir.display()
            );
        }
        let trusted = chain
            .last()
            .context("the chain of key lists is empty")?
            .unverified()
            .clone();
        if !trusted.release.contains(&release.public()) {
            bail!(
                "the newest list does not name the key in {}",
                dir.join(RELEASE).display()
            );
        }
        Ok(Self {
            release,
            chain,
            trusted,
        })
    }
}

fn names_demo_key(chain: &[SignedKeyList]) -> bool {
    let known = DEMO_SEEDS.map(|seed| SigningKey::from_seed(&seed).public());
    chain.iter().map(SignedKeyList::unverified).any(|list| {
        let mut named = list.release.iter().chain([&list.root]);
        named.any(|key| known.contains(key))
    })
}

fn chain(dir: &Path) -> anyhow::Result<Vec<SignedKeyList>> {
    let path = dir.join(CHAIN);
    let name = || path.display().to_string();
    let bytes = fs::read(&path).with_context(name)?;
    lists(&bytes).with_context(name)
}

/// The lists of a chain, oldest first.
pub(crate) fn lists(bytes: &[u8]) -> anyhow::Result<Vec<SignedKeyList>> {
    let mut input = culvert_wire::Reader::new(bytes);
    let mut out = Vec::new();
    while !input.is_empty() {
        out.push(SignedKeyList::decode(&mut input)?);
    }
    Ok(out)
}

fn write(path: &Path, key: &SigningKey) -> anyhow::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .with_context(|| path.display().to_string())?;
    writeln!(
        file,
        "{}",
        BASE32_NOPAD.encode(&key.seed()[..]).to_ascii_lowercase()
    )?;
    Ok(())
}

fn read(path: &Path) -> anyhow::Result<SigningKey> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let bytes = BASE32_NOPAD_NOCASE
        .decode(text.trim().as_bytes())
        .ok()
        .and_then(|bytes| <[u8; KEY_LEN]>::try_from(bytes).ok())
        .with_context(|| format!("{} holds no key", path.display()))?;
    Ok(SigningKey::from_seed(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slot::Release;

    #[test]
    fn keys_rotate_along_a_chain_and_the_old_release_key_is_out() {
        let dir = tempfile::tempdir().unwrap();
        init(dir.path(), false).unwrap();
        let first = Signer::load(dir.path(), false).unwrap();

        assert_eq!(rotate(dir.path(), false).unwrap(), 2);
        assert_eq!(rotate(dir.path(), true).unwrap(), 3);

        let third = Signer::load(dir.path(), false).unwrap();
        assert_eq!((third.chain.len(), third.trusted.generation), (3, 3));
        assert!(!third.trusted.release.contains(&first.release.public()));
        assert_ne!(third.trusted.root, first.trusted.root);
        // A root that stays is in one place only.
        let left = |name: &str| dir.path().join(name).exists();
        assert!(left("release.key.1") && left("release.key.2") && left("root.key.2"));
        assert!(!left("root.key.1") && !left("chain.new"));
        fs::rename(dir.path().join(ROOT), dir.path().join("away")).unwrap();
        let missing = format!("{:#}", rotate(dir.path(), false).unwrap_err());
        assert!(missing.contains("bring it back"), "{missing}");
        fs::rename(dir.path().join("away"), dir.path().join(ROOT)).unwrap();
        // Nothing writes over a root key.
        let again = init(dir.path(), false).unwrap_err().to_string();
        assert!(again.contains("holds keys already"), "{again}");
    }

    /// Boxes with the first list must find the way to the newest.
    #[test]
    fn a_chain_that_no_release_could_carry_is_neither_made_nor_signed() {
        let dir = tempfile::tempdir().unwrap();
        init(dir.path(), false).unwrap();
        for generation in 2..=u32::try_from(MAX_CHAIN).unwrap() {
            assert_eq!(rotate(dir.path(), false).unwrap(), generation);
        }
        let files = || [CHAIN, RELEASE, ROOT].map(|name| fs::read(dir.path().join(name)).unwrap());
        let before = files();

        let refused = rotate(dir.path(), true).unwrap_err().to_string();
        assert!(refused.contains("Make a new set"), "{refused}");
        assert_eq!(files(), before);
        assert!(!dir.path().join("release.key.32").exists());

        let mut signer = Signer::load(dir.path(), false).unwrap();
        assert!(sign(&signer).is_ok());
        signer.chain.push(signer.chain[0].clone());
        let refused = sign(&signer).unwrap_err().to_string();
        assert!(refused.contains("this chain has 33"), "{refused}");
    }

    fn sign(signer: &Signer) -> anyhow::Result<Release> {
        Release::of_a_test(("board", 1), &[], signer)
    }

    /// The demonstration's key signs nothing that a customer could get.
    #[test]
    fn a_release_build_refuses_the_demonstration_s_keys() {
        let dir = tempfile::tempdir().unwrap();
        init(dir.path(), true).unwrap();
        // The keys tell, not a file beside them.
        fs::remove_file(dir.path().join(DEMO)).unwrap();
        let refused = || Signer::load(dir.path(), false).unwrap_err().to_string();

        assert!(refused().contains("demonstration"), "{}", refused());
        assert!(Signer::load(dir.path(), true).is_ok());
        // Whoever has the first root can sign another list than ours.
        for with_root in [false, true] {
            rotate(dir.path(), with_root).unwrap();
            assert!(refused().contains("demonstration"), "{}", refused());
        }
    }
}
