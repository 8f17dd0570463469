//! The settings partition: a FAT file system that any computer can write.
//!
//! Mounted read-only. The one write is the erasing of a used claim code, over
//! its own bytes, so that no table of the file system changes.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use culvert_config::boxfile::{self, BoxFile};
use culvert_wire::update::MAX_SLOT;
use nix::mount::{MsFlags, mount};

use crate::system;

/// Where it is mounted.
pub const CARD: &str = "/run/card";
/// A release put on the card by hand.
const BUNDLE: &str = "update.culvert";
/// Longest settings file, in bytes.
const MAX_FILE: u64 = 64 * 1024;

/// Mounts the partition.
///
/// # Errors
/// What the system says.
pub fn attach(device: &Path) -> io::Result<()> {
    fs::create_dir_all(CARD)?;
    let flags = system::DATA_ONLY.union(MsFlags::MS_RDONLY);
    Ok(system::mount_at(
        device,
        CARD,
        "vfat",
        flags,
        Some("umask=0077"),
    )?)
}

/// Reads the settings; none without a file.
///
/// # Errors
/// [`Unusable`].
pub fn settings(card: &Path) -> Result<Option<BoxFile>, Unusable> {
    let name = boxfile::FILE_NAME;
    match text(card) {
        Ok(None) => Ok(None),
        Ok(Some(text)) => BoxFile::from_toml(&text)
            .map(Some)
            .map_err(|error| Unusable {
                screen: format!("{name}: {error}"),
                portal: format!("{name}: {}", error.for_others()),
            }),
        Err(error) => Err(Unusable::everywhere(format!(
            "{name} cannot be read: {error}"
        ))),
    }
}

/// Why settings cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unusable {
    /// For whoever stands before the box.
    pub screen: String,
    /// For everybody else: without the customer's addresses.
    pub portal: String,
}

impl Unusable {
    /// One sentence for all.
    pub fn everywhere(sentence: String) -> Self {
        Self {
            portal: sentence.clone(),
            screen: sentence,
        }
    }
}

/// A release that lies on the card, with its length.
pub fn bundle(card: &Path) -> Option<(PathBuf, u64)> {
    let path = card.join(BUNDLE);
    let length = fs::metadata(&path).ok()?.len();
    (length <= MAX_SLOT).then_some((path, length))
}

/// Erases the claim code in the file on a card that is mounted writable.
///
/// # Errors
/// What the system says, or that no code is found there.
pub fn erase_claim(card: &Path) -> io::Result<()> {
    let text = text(card)?.unwrap_or_default();
    let span = boxfile::claim_span(&text)
        .ok_or_else(|| io::Error::other("it is not where it was read"))?;
    let file = OpenOptions::new()
        .write(true)
        .open(card.join(boxfile::FILE_NAME))?;
    file.write_all_at(&vec![b' '; span.len()], span.start as u64)?;
    file.sync_data()
}

/// Makes the card writable for one act.
///
/// # Errors
/// What the system says, or the act.
pub fn writable(act: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    let none = None::<&str>;
    let flags = system::DATA_ONLY.union(MsFlags::MS_REMOUNT);
    mount(none, CARD, none, flags, none)?;
    let done = act();
    mount(none, CARD, none, flags.union(MsFlags::MS_RDONLY), none)?;
    done
}

fn text(card: &Path) -> io::Result<Option<String>> {
    let file = match File::open(card.join(boxfile::FILE_NAME)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if file.metadata()?.len() > MAX_FILE {
        return Err(io::Error::other("it is too long"));
    }
    io::read_to_string(file).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_without_a_file_is_no_mistake_and_a_wrong_file_is_a_sentence() {
        let dir = tempfile::tempdir().unwrap();
        assert!(settings(dir.path()).unwrap().is_none());

        fs::write(dir.path().join("culvert.toml"), "clam = 1").unwrap();
        let wrong = settings(dir.path()).unwrap_err();

        let sentence = "culvert.toml: line 1: unknown key \"clam\", did you mean \"claim\"?";
        assert_eq!(wrong, Unusable::everywhere(sentence.to_owned()));
        let address = "[network]\naddress = \"10.0.0.2/24\"\ngateway = \"10.9.9.9\"";
        fs::write(dir.path().join("culvert.toml"), address).unwrap();
        let wrong = settings(dir.path()).unwrap_err();
        assert!(wrong.screen.contains("10.9.9.9"), "{wrong:?}");
        assert!(!wrong.portal.contains("10."), "{wrong:?}");
        fs::write(dir.path().join("culvert.toml"), b"\xff").unwrap();
        assert!(settings(dir.path()).is_err());
    }

    #[test]
    fn a_code_is_erased_or_it_is_said_that_it_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("culvert.toml");
        assert!(erase_claim(dir.path()).is_err());
        fs::write(&file, "claim = \"\"\"\n culvert-claim-1:abc\n def\"\"\"\n").unwrap();

        erase_claim(dir.path()).unwrap();

        let left = fs::read_to_string(&file).unwrap();
        assert_eq!(left.trim_end(), format!("claim = \"\"\"{:26}\"\"\"", ""));
        assert!(erase_claim(dir.path()).is_err());
    }
}
