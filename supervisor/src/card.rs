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
/// How releases are named before `culvert-image provision` puts them on a card.
const BUNDLE_END: &str = ".bundle";
/// What a settings file is named by editors that do not show a name's end.
const MISNAMED: [&str; 2] = ["culvert.toml.txt", "culvert.txt"];
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
    let found = match text(card) {
        Ok(None) => None,
        Ok(Some(text)) => {
            let read = BoxFile::from_toml(&text).map_err(|error| Unusable {
                screen: format!("{name}: {error}"),
                portal: format!("{name}: {}", error.for_others()),
            })?;
            Some(read)
        }
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            return Err(Unusable::everywhere(format!(
                "{name} is no plain text: save it as UTF-8"
            )));
        }
        Err(error) => {
            return Err(Unusable::everywhere(format!(
                "{name} cannot be read: {error}"
            )));
        }
    };
    // Beside the file that every card has from the start, and that says nothing.
    let says_nothing = found.as_ref().is_none_or(BoxFile::is_empty);
    match MISNAMED.iter().find(|other| card.join(other).exists()) {
        Some(other) if says_nothing => Err(Unusable::everywhere(format!(
            "the card holds {other}: settings are read from {name} only, rename it"
        ))),
        Some(_) | None => Ok(found),
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

/// A release that lies on the card.
///
/// # Errors
/// A sentence about one that cannot be taken as it lies there.
pub fn bundle(card: &Path) -> Result<Option<PathBuf>, String> {
    let path = card.join(BUNDLE);
    match fs::metadata(&path) {
        Ok(about) if about.len() > MAX_SLOT => Err("it is larger than any slot".to_owned()),
        Ok(_) => Ok(Some(path)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let names = fs::read_dir(card).into_iter().flatten().flatten();
            let other = names
                .map(|entry| entry.file_name().to_string_lossy().into_owned())
                .find(|name| name.ends_with(BUNDLE_END));
            match other {
                Some(other) => Err(format!("{other} is not looked at: rename it to {BUNDLE}")),
                None => Ok(None),
            }
        }
        Err(error) => Err(format!("it cannot be read: {error}")),
    }
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
        fs::write(dir.path().join("culvert.toml"), b"\xff\xfec\0").unwrap();
        let wrong = settings(dir.path()).unwrap_err();
        assert!(wrong.screen.contains("save it as UTF-8"), "{wrong:?}");
    }

    /// What an editor of Windows makes of the name, beside the card's own file.
    #[test]
    fn settings_under_another_name_are_told_unless_the_right_file_says_something() {
        let dir = tempfile::tempdir().unwrap();
        let [own, other] = ["culvert.toml", "culvert.toml.txt"].map(|name| dir.path().join(name));
        fs::write(other, "[gateway]\nmax_sessions = 3\n").unwrap();
        let sentence =
            "the card holds culvert.toml.txt: settings are read from culvert.toml only, rename it";
        let told = || settings(dir.path()).unwrap_err();
        assert_eq!(told(), Unusable::everywhere(sentence.to_owned()));
        fs::write(&own, "# claim = \"culvert-claim-1:…\"\n[gateway]\n").unwrap();
        assert_eq!(told(), Unusable::everywhere(sentence.to_owned()));

        fs::write(&own, "[gateway]\nmax_sessions = 4\n").unwrap();

        assert!(settings(dir.path()).unwrap().is_some());
    }

    #[test]
    fn a_release_that_cannot_be_taken_as_it_lies_there_is_a_sentence() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(bundle(dir.path()), Ok(None));
        fs::write(dir.path().join("culvert-rock64-2.bundle"), "").unwrap();
        assert_eq!(
            bundle(dir.path()).unwrap_err(),
            "culvert-rock64-2.bundle is not looked at: rename it to update.culvert"
        );

        let path = dir.path().join("update.culvert");
        let file = File::create_new(&path).unwrap();

        assert_eq!(bundle(dir.path()), Ok(Some(path)));
        file.set_len(MAX_SLOT + 1).unwrap();
        assert_eq!(
            bundle(dir.path()).unwrap_err(),
            "it is larger than any slot"
        );
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
