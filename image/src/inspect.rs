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

use crate::{bundle, disk, gpt, slot};

/// A download that ended too early.
const CUT_OFF: &str = "it ends before its last partition";

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Lines about it.
    pub(crate) lines: Vec<String>,
    /// What is not as it should be.
    pub(crate) wrong: Vec<String>,
}

impl Found {
    fn line(&mut self, line: impl Into<String>) {
        self.lines.push(line.into());
    }

    fn wrong(&mut self, what: impl Into<String>) {
        self.wrong.push(what.into());
    }
}

/// Reads a file or a card.
pub(crate) fn look(path: &Path, trusted: Option<&KeyList>) -> anyhow::Result<Found> {
    let mut head = [0; BUNDLE_MAGIC.len()];
    let mut file = File::open(path)?;
    file.read_exact(&mut head)
        .ok()
        .context("this is neither an image nor a bundle")?;
    let mut out = Found::default();
    if head == *BUNDLE_MAGIC {
        let signed = bundle::check(&fs::read(path)?, trusted)?;
        release(&mut out, "bundle", &signed, trusted);
        return Ok(out);
    }
    table(&mut out, &file)?;
    let record = |name: &str| -> anyhow::Result<Option<Environment>> {
        let mut bytes = vec![0; LEN];
        file.read_exact_at(&mut bytes, disk::named(name).start)
            .ok()
            .context(CUT_OFF)?;
        Ok(Environment::decode(&bytes))
    };
    match record::newest(record("record-1")?, record("record-2")?) {
        Some((_, record)) => out.line(format!("state     {}", state(&Slots::read(&record)))),
        None => out.line("state     no valid record"),
    }
    for name in ["slot-a", "slot-b"] {
        let place = disk::named(name);
        let mut bytes = vec![0; usize::try_from(place.length)?];
        file.read_exact_at(&mut bytes, place.start)
            .ok()
            .context(CUT_OFF)?;
        // Without its header a slot does not boot: what lies there may be half
        // of a release.
        let boots = bytes.get(..LEN).and_then(Environment::decode);
        match boots.and_then(|_| slot::manifest(&bytes)) {
            None => out.line(format!("{name}    empty")),
            Some(signed) => {
                release(&mut out, name, &signed, trusted);
                if let Err(error) = parts(&bytes, &signed) {
                    out.wrong(format!("{name}: {error}"));
                }
            }
        }
    }
    Ok(out)
}

/// The partitions as the disk's own table has them, which must be ours.
fn table(out: &mut Found, disk: &File) -> anyhow::Result<()> {
    let (entries, copy) =
        gpt::read(disk).context("this is neither an image nor a bundle: its partition table")?;
    for entry in &entries {
        out.line(format!(
            "{:9} {:>4} MiB at {:>4} MiB",
            entry.name,
            entry.length >> 20,
            entry.start >> 20
        ));
    }
    for place in disk::PLACES {
        if !entries.iter().any(|entry| entry.is(&place)) {
            out.wrong(format!(
                "the partition table has no {} of {} MiB at {} MiB",
                place.name,
                place.length >> 20,
                place.start >> 20
            ));
        }
    }
    if let Err(error) = copy {
        out.wrong(format!(
            "the partition table's copy at the disk's end: {error}"
        ));
    }
    Ok(())
}

/// What the boot loader does next, for people.
fn state(slots: &Slots) -> String {
    let each = |word: &dyn Fn(usize) -> String| format!("a {}, b {}", word(0), word(1));
    let tries = each(&|slot| slots.tries[slot].to_string());
    let good = each(&|slot| if slots.good[slot] { "good" } else { "on trial" }.to_owned());
    let failed = match slots.failed.last() {
        Some(version) => format!(", version {version} failed"),
        None => String::new(),
    };
    format!(
        "boots slot {}; tries left: {tries}; {good}; takes no version below {}{failed}",
        slots.want.letter(),
        slots.version_floor
    )
}

/// The boards that the slots' releases are for.
pub(crate) fn boards(disk: &Path) -> anyhow::Result<Vec<String>> {
    let file = File::open(disk).with_context(|| disk.display().to_string())?;
    let mut out = Vec::new();
    for name in ["slot-a", "slot-b"] {
        let place = disk::named(name);
        let mut bytes = vec![0; usize::try_from(place.length)?];
        if file.read_exact_at(&mut bytes, place.start).is_ok()
            && let Some(signed) = slot::manifest(&bytes)
        {
            out.push(signed.unverified().board.clone());
        }
    }
    Ok(out)
}

/// The title of the board that an image is for.
pub(crate) fn board(image: &Path) -> anyhow::Result<String> {
    let boards = boards(image)?;
    let name = boards
        .first()
        .with_context(|| format!("{} is no image of a box", image.display()))?;
    let known = Board::named(name).ok();
    Ok(known.map_or_else(|| name.clone(), |(board, _)| board.title))
}

/// The board with how far it was tried; none that this program knows nothing of.
pub(crate) fn proof(name: &str) -> Option<String> {
    let (board, _) = Board::named(name).ok()?;
    Some(format!("{}: {}", board.title, board.proof.sentence()))
}

/// Refuses what is no image, or not all of one: such a card is found out only
/// at the customer's.
pub(crate) fn whole(image: &Path) -> anyhow::Result<()> {
    board(image)?;
    let name = || image.display().to_string();
    let found = look(image, None).with_context(name)?;
    if !found.wrong.is_empty() {
        bail!("{} is damaged: {}", name(), found.wrong.join("; "));
    }
    Ok(())
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

fn release(out: &mut Found, what: &str, signed: &SignedManifest, trusted: Option<&KeyList>) {
    let manifest = signed.unverified();
    let proof = match trusted {
        None => "signature not checked: no keys given".to_owned(),
        Some(keys) => match signed.verify(keys, &manifest.board, Purpose::Boot) {
            Ok((_, keys)) => format!("signed, keys of generation {}", keys.generation),
            Err(error) => {
                out.wrong(format!("{what}: {error}"));
                error.to_string()
            }
        },
    };
    out.line(format!(
        "{what}: {} (version {}) for {}, {proof}",
        manifest.name, manifest.version, manifest.board
    ));
    if let Some(board) = self::proof(&manifest.board) {
        out.line(format!("  board     {board}"));
    }
    for part in &manifest.parts {
        let hash = HEXLOWER.encode(&part.hash);
        let (name, size, at) = (part.kind.name(), part.size, part.offset);
        out.line(format!("  {name:9} {size:>9} bytes at {at:>9} {hash}"));
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::fs::OpenOptions;
    use std::path::PathBuf;

    use culvert_board::slots::Slot;
    use culvert_wire::update::PartKind;

    use super::*;
    use crate::card::{self, Window};
    use crate::keys::{self, Signer};
    use crate::slot::Release;

    /// A disk with a release in slot A, in a folder with its keys.
    pub(crate) fn image(dir: &Path) -> (PathBuf, File, Signer) {
        let (kernel, image) = (dir.join("kernel"), dir.join("image"));
        keys::init(dir, true).unwrap();
        let signer = Signer::load(dir, true).unwrap();
        fs::write(&kernel, [7; 9000]).unwrap();
        let parts = [(PartKind::Kernel, kernel)];
        let release = Release::of_a_test(("rock64", 3), &parts, &signer).unwrap();
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create_new(true).open(&image);
        let file = file.unwrap();
        file.set_len(disk::DISK).unwrap();
        disk::table(&image, 0).unwrap();
        let start = disk::named("slot-a").start;
        file.write_all_at(&release.slot(start).unwrap(), start)
            .unwrap();
        let place = disk::named("settings");
        let window = Window::new(&file, place.start, place.length);
        card::format(window, 1, *b"SETTINGS   ", &[]).unwrap();
        (image, file, signer)
    }

    #[test]
    fn a_whole_image_is_told_and_nothing_is_wrong() {
        let dir = tempfile::tempdir().unwrap();
        let (image, _, signer) = image(dir.path());

        let found = look(&image, Some(&signer.trusted)).unwrap();

        assert!(found.wrong.is_empty(), "{found:?}");
        assert_eq!(found.lines[0], "boot         8 MiB at   16 MiB");
        let told = "slot-a: 0.3.0 (version 3) for rock64, signed, keys of generation 1";
        assert!(found.lines.iter().any(|line| line == told), "{found:?}");
        assert!(found.lines.iter().any(|line| line == "slot-b    empty"));
        let tried = "  board     Pine64 Rock64: built, never booted on hardware";
        assert!(found.lines.iter().any(|line| line == tried), "{found:?}");
    }

    #[test]
    fn a_release_of_a_foreign_key_and_a_damaged_one_are_wrong() {
        let dir = tempfile::tempdir().unwrap();
        let (image, file, _) = image(dir.path());
        let other = dir.path().join("other");
        keys::init(&other, false).unwrap();
        let foreign = Signer::load(&other, false).unwrap().trusted;
        let wrong = |trusted: Option<&KeyList>| look(&image, trusted).unwrap().wrong;

        assert_eq!(wrong(None), Vec::<String>::new());
        assert_eq!(wrong(Some(&foreign)).len(), 1);

        let start = disk::named("slot-a").start + (128 << 10);
        file.write_all_at(&[8], start + 5000).unwrap();
        assert_eq!(wrong(None).len(), 1);
        assert!(wrong(None)[0].starts_with("slot-a: "), "{:?}", wrong(None));
    }

    #[test]
    fn what_is_not_all_of_an_image_is_not_flashed() {
        let dir = tempfile::tempdir().unwrap();
        let (image, file, _) = image(dir.path());
        let refused = || format!("{:#}", whole(&image).unwrap_err());
        whole(&image).unwrap();

        let start = disk::named("slot-a").start + (128 << 10);
        file.write_all_at(&[8], start + 5000).unwrap();
        assert!(refused().contains("is damaged: slot-a"), "{}", refused());
        for (length, sentence) in [
            (disk::DISK - 512, "is damaged: "),
            (100 << 20, "it ends before its last partition"),
            (30 << 20, "is no image of a box"),
            (0, "is no image of a box"),
        ] {
            file.set_len(length).unwrap();
            assert!(refused().contains(sentence), "{}", refused());
        }
    }

    #[test]
    fn the_state_is_a_sentence() {
        let mut slots = Slots::flashed(3, 1);
        assert_eq!(
            state(&slots),
            "boots slot a; tries left: a 3, b 3; a good, b good; takes no version below 3"
        );
        slots.give_up(Slot::A, 4);
        assert!(
            state(&slots).ends_with(", version 4 failed"),
            "{}",
            state(&slots)
        );
    }

    /// Read from the disk, not from what our builder believes.
    #[test]
    fn a_table_that_is_not_a_box_s_is_wrong() {
        let dir = tempfile::tempdir().unwrap();
        let (image, file, _) = image(dir.path());
        let delete = crate::tool::run(
            "sfdisk",
            0,
            &[
                "-q".as_ref(),
                "--delete".as_ref(),
                image.as_os_str(),
                "7".as_ref(),
            ],
        );
        delete.unwrap();

        let found = look(&image, None).unwrap();

        assert_eq!(
            found.wrong,
            ["the partition table has no data of 32 MiB at 186 MiB"]
        );
        assert!(!found.lines.iter().any(|line| line.starts_with("data")));
        file.write_all_at(&[0; 512], 512).unwrap();
        let error = format!("{:#}", look(&image, None).unwrap_err());
        assert!(
            error.ends_with("its partition table: there is none"),
            "{error}"
        );
    }
}
