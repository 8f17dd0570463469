//! The cards of a batch, one after the other into the same reader.
//!
//! What could not be written is asked for again; what was written goes to a folder
//! of its own, so that a series that was stopped goes on where it was. The card
//! that is still in the reader is known by its claim code, and kept.

use std::fs;
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};

use crate::flash::{self, Target};
use crate::{inspect, provision};

/// Where images go that are on a card.
const WRITTEN: &str = "written";

/// Writes every image of a folder; answers how many.
pub(crate) fn write(
    folder: &Path,
    device: &Path,
    typed: &mut impl BufRead,
    screen: &mut impl Write,
) -> anyhow::Result<usize> {
    let images = images(folder)?;
    ensure!(
        !images.is_empty(),
        "{} holds no image that is still to be written",
        folder.display()
    );
    let written = folder.join(WRITTEN);
    fs::create_dir_all(&written)?;
    let mut before: Option<PathBuf> = None;
    for (number, image) in images.iter().enumerate() {
        let name = image.file_stem().unwrap_or_default().to_string_lossy();
        loop {
            write!(
                screen,
                "card {} of {}, for the box {name}: put it in and press Enter ",
                number + 1,
                images.len()
            )?;
            screen.flush()?;
            if typed.read_line(&mut String::new())? == 0 {
                writeln!(screen)?;
                bail!(
                    "stopped: {} of {} cards are still to be written",
                    images.len() - number,
                    images.len()
                );
            }
            match one(image, device, before.as_deref(), typed, screen) {
                Ok(()) => break,
                Err(error) => writeln!(screen, "{error:#}")?,
            }
        }
        let there = written.join(image.file_name().context("an image has a name")?);
        fs::rename(image, &there)?;
        writeln!(screen, "take it out: it is the card of {name}")?;
        before = Some(there);
    }
    Ok(images.len())
}

fn images(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let mut found: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "img"))
        .collect();
    found.sort();
    Ok(found)
}

fn one(
    image: &Path,
    device: &Path,
    before: Option<&Path>,
    typed: &mut impl BufRead,
    screen: &mut impl Write,
) -> anyhow::Result<()> {
    inspect::whole(image)?;
    let target = Target::look(Path::new("/"), device)?;
    if let Some(before) = before {
        // A card that is none of ours has no settings to be read.
        let there = provision::shown(device).ok().flatten();
        ensure!(
            there.is_none() || there != provision::shown(before)?,
            "{} is still the card of {}: take it out",
            device.display(),
            before.file_stem().unwrap_or_default().to_string_lossy()
        );
    }
    let length = fs::metadata(image)?.len();
    target.permit(device, length, typed, screen)?;
    flash::flash(image, device, screen)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;
    use crate::inspect::tests::image;

    #[test]
    fn a_series_goes_on_where_it_was_and_spares_the_card_that_is_still_in() {
        let dir = tempfile::tempdir().unwrap();
        let (folder, card) = (dir.path().join("cards"), dir.path().join("card"));
        fs::create_dir(&folder).unwrap();
        let (made, _, _) = image(dir.path());
        for name in ["AAAA-AAAA", "BBBB-BBBB"] {
            let path = folder.join(format!("{name}.img"));
            fs::copy(&made, &path).unwrap();
            let settings = format!("[gateway]\nmax_sessions = {}\n", name.len());
            provision::settings(&path, &format!("# {name}\n{settings}")).unwrap();
        }
        fs::write(folder.join("labels.html"), "").unwrap();
        let write = |typed: &str| {
            let mut screen = Vec::new();
            let done = write(&folder, &card, &mut typed.as_bytes(), &mut screen);
            let told = String::from_utf8(screen).unwrap();
            (done.map_err(|error| error.to_string()), told)
        };
        // Nothing is in the reader, then a card that is no removable disk.
        let (done, told) = write("\n");
        assert_eq!(
            done.unwrap_err(),
            "stopped: 2 of 2 cards are still to be written"
        );
        assert!(told.contains("No such file"), "{told}");
        File::create_new(&card)
            .unwrap()
            .set_len(crate::disk::DISK)
            .unwrap();
        let name = card.display().to_string();

        let (done, told) = write(&format!("\n{name}\n\n"));

        assert_eq!(
            done.unwrap_err(),
            "stopped: 1 of 2 cards are still to be written"
        );
        assert!(
            told.contains("is still the card of AAAA-AAAA: take it out"),
            "{told}"
        );
        let settings = |card: &Path| provision::shown(card).unwrap().unwrap();
        assert!(settings(&card).contains("AAAA-AAAA"));
        let (done, told) = write(&format!("\n{name}\n"));
        assert_eq!(done, Ok(1), "{told}");
        assert!(
            told.contains("card 1 of 1, for the box BBBB-BBBB"),
            "{told}"
        );
        assert!(settings(&card).contains("BBBB-BBBB"));
        let (done, _) = write("\n");
        assert!(done.unwrap_err().contains("no image that is still"));
    }
}
