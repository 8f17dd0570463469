//! Writes the settings of one box onto an image or a card, and a release to be
//! installed by hand. A card that is mounted is left alone, as by `flash`.

use std::fs::{self, File};
use std::path::Path;

use anyhow::Context as _;
use culvert_config::boxfile::{BoxFile, FILE_NAME};

use crate::card::{self, Window};
use crate::disk;
use crate::flash::{self, Target};

/// A release that is installed from the card.
const BUNDLE: &str = "update.culvert";

/// Writes a settings file that the box will be able to use.
pub(crate) fn settings(device: &Path, text: &str) -> anyhow::Result<()> {
    BoxFile::from_toml(text)?;
    card::put(window(device)?, FILE_NAME, text.as_bytes())
}

/// Puts a release next to the settings.
pub(crate) fn release(device: &Path, bundle: &Path) -> anyhow::Result<()> {
    let bytes = fs::read(bundle).with_context(|| bundle.display().to_string())?;
    crate::bundle::check(&bytes, None)?;
    card::put(window(device)?, BUNDLE, &bytes)
}

/// What stands in the settings file now.
pub(crate) fn shown(device: &Path) -> anyhow::Result<Option<String>> {
    let bytes = card::read(window(device)?, FILE_NAME)?;
    Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

fn window(device: &Path) -> anyhow::Result<Window<File>> {
    open(&Target::look(Path::new("/"), device)?, device)
}

fn open(target: &Target, device: &Path) -> anyhow::Result<Window<File>> {
    target.permit_write(device)?;
    let file = flash::open(device)?;
    let place = disk::named("settings");
    Ok(Window::new(file, place.start, place.length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_that_is_mounted_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let card = dir.path().join("card");
        fs::write(&card, [0; 512]).unwrap();
        let class = dir.path().join("sys/class/block/sdb");
        fs::create_dir_all(&class).unwrap();
        fs::write(class.join("size"), "2048\n").unwrap();
        fs::create_dir_all(dir.path().join("proc")).unwrap();
        let mounts = dir.path().join("proc/mounts");
        let look = || Target::disk(dir.path(), "sdb").unwrap();
        fs::write(&mounts, "/dev/sda1 / ext4 rw 0 0\n").unwrap();
        assert!(open(&look(), &card).is_ok());

        fs::write(&mounts, "/dev/sdb6 /media/settings vfat rw 0 0\n").unwrap();

        let refused = open(&look(), &card).unwrap_err().to_string();
        let sentence = format!(
            "{} is in use at /media/settings: unmount it first",
            card.display()
        );
        assert_eq!(refused, sentence);
    }
}
