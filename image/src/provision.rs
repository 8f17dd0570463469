//! Writes the settings of one box onto an image or a card, and a release to be
//! installed by hand. A card that is mounted is left alone, as by `flash`.

use std::fs::{self, File};
use std::path::Path;

use anyhow::{Context as _, bail};
use culvert_config::boxfile::{BoxFile, FILE_NAME};

use crate::card::{self, Window};
use crate::disk;
use crate::flash::{self, Target};
use crate::{gpt, inspect};

/// A release that is installed from the card.
const BUNDLE: &str = "update.culvert";

/// Writes a settings file that the box will be able to use.
pub(crate) fn settings(device: &Path, text: &str) -> anyhow::Result<()> {
    BoxFile::from_toml(text)?;
    card::put(window(device)?, FILE_NAME, text.as_bytes())
}

/// Puts a release next to the settings.
pub(crate) fn release(device: &Path, bundle: &Path) -> anyhow::Result<()> {
    let name = || bundle.display().to_string();
    let bytes = fs::read(bundle).with_context(name)?;
    let signed = crate::bundle::check(&bytes, None).with_context(name)?;
    let (wanted, ours) = (&signed.unverified().board, inspect::boards(device)?);
    // A card whose slots tell nothing is judged by its box.
    if !ours.is_empty() && !ours.contains(wanted) {
        bail!(
            "{} is for the board {wanted}, {} is for {}",
            name(),
            device.display(),
            ours[0]
        );
    }
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
    // What is at that place of any other disk is not ours to write.
    let ours = gpt::read(&file).is_ok_and(|(list, _)| list.iter().any(|entry| entry.is(&place)));
    if !ours {
        bail!("{} is no image and no card of a box", device.display());
    }
    Ok(Window::new(file, place.start, place.length))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt as _;

    use culvert_wire::update::PartKind;

    use super::*;
    use crate::slot::Release;

    #[test]
    fn a_card_that_is_mounted_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let card = dir.path().join("card");
        let file = File::create_new(&card).unwrap();
        file.set_len(disk::DISK).unwrap();
        disk::table(&card, 0).unwrap();
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

    #[test]
    fn a_release_for_another_board_stays_off_the_card() {
        let dir = tempfile::tempdir().unwrap();
        let (card, signer) = (dir.path().join("card"), dir.path().join("keys"));
        crate::keys::init(&signer, true).unwrap();
        let signer = crate::keys::Signer::load(&signer, true).unwrap();
        let kernel = dir.path().join("kernel");
        fs::write(&kernel, [7; 9000]).unwrap();
        let signed = |board: &str| {
            let parts = [(PartKind::Kernel, kernel.clone())];
            Release::of_a_test((board, 1), &parts, &signer).unwrap()
        };
        let file = File::create_new(&card).unwrap();
        file.set_len(disk::DISK).unwrap();
        disk::table(&card, 0).unwrap();
        let place = disk::named("settings");
        let window = Window::new(&file, place.start, place.length);
        card::format(window, 1, *b"SETTINGS   ", &[]).unwrap();
        let put = |board: &str| {
            let path = dir.path().join(board);
            crate::bundle::write(&path, &signed(board)).unwrap();
            release(&card, &path).map_err(|error| error.to_string())
        };
        // A card whose slots tell nothing: its box will judge.
        assert_eq!(put("rock-pi-e"), Ok(()));

        let start = disk::named("slot-a").start;
        let slot = signed("rock64").slot(start).unwrap();
        file.write_all_at(&slot, start).unwrap();

        assert_eq!(put("rock64"), Ok(()));
        let refused = put("rock-pi-e").unwrap_err();
        assert!(
            refused.contains("is for the board rock-pi-e, "),
            "{refused}"
        );
        assert!(refused.ends_with(" is for rock64"), "{refused}");
    }

    #[test]
    fn what_is_no_card_of_a_box_is_not_written() {
        let dir = tempfile::tempdir().unwrap();
        let other = dir.path().join("other");
        fs::write(&other, [7; 9000]).unwrap();

        let refused = settings(&other, "").unwrap_err().to_string();

        let sentence = format!("{} is no image and no card of a box", other.display());
        assert_eq!(refused, sentence);
        assert_eq!(fs::read(&other).unwrap(), [7; 9000]);
    }
}
