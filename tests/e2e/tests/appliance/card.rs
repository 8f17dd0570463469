//! A card in a file, and what people do to it with `culvert-image`.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail, ensure};
use culvert_board::environment::{Environment, LEN};
use culvert_board::record;
use culvert_board::slots::MANIFEST_AT;
use culvert_e2e::world::must_work;
use culvert_lab::Programs;

use crate::sabotage::Release;

/// A partition.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    /// First byte.
    pub(crate) start: u64,
    /// Bytes.
    pub(crate) length: u64,
}

/// A card.
pub(crate) struct Card {
    /// Where it lies.
    pub(crate) path: PathBuf,
    /// What made it.
    pub(crate) tool: PathBuf,
}

impl Card {
    /// A card with the image of release 1.
    pub(crate) fn flash(built: &Path, path: PathBuf) -> anyhow::Result<Self> {
        Self::copy(&built.join("culvert-qemu-virt-1.img"), path)
    }

    /// A card with any image.
    pub(crate) fn copy(image: &Path, path: PathBuf) -> anyhow::Result<Self> {
        let tool = Programs::beside_this_one()?.folder().join("culvert-image");
        let card = Self { path, tool };
        card.copy_of(image)?;
        Ok(card)
    }

    /// A card that lies somewhere already.
    pub(crate) fn at(&self, path: PathBuf) -> Self {
        let tool = self.tool.clone();
        Self { path, tool }
    }

    /// Becomes a copy of another card.
    pub(crate) fn copy_of(&self, other: &Path) -> anyhow::Result<()> {
        // Holes stay holes: the file is mostly empty.
        let mut copy = Command::new("cp");
        copy.arg("--sparse=always").arg(other).arg(&self.path);
        must_work(&mut copy)?;
        Ok(())
    }

    /// Writes the box's settings.
    pub(crate) fn provision(&self, settings: &str) -> anyhow::Result<()> {
        let file = self.path.with_extension("toml");
        fs::write(&file, settings)?;
        self.tool("provision", &[Path::new("--settings"), &file])?;
        Ok(())
    }

    /// The settings that are there.
    pub(crate) fn settings(&self) -> anyhow::Result<String> {
        self.tool("provision", &[Path::new("--show")])
    }

    /// Puts a bundle, good or not, where the box looks for a release by hand:
    /// as a computer of any make would, which checks nothing.
    pub(crate) fn put_bundle(&self, bundle: &Path) -> anyhow::Result<()> {
        let mut copy = self.mtools("mcopy")?;
        must_work(copy.arg("-o").arg(bundle).arg("::update.culvert"))?;
        Ok(())
    }

    /// Takes it away again.
    pub(crate) fn take_bundle(&self) -> anyhow::Result<()> {
        must_work(self.mtools("mdel")?.arg("::update.culvert"))?;
        Ok(())
    }

    fn mtools(&self, what: &str) -> anyhow::Result<Command> {
        let Place { start, .. } = self.place("settings")?;
        let mut command = Command::new(what);
        command
            .arg("-i")
            .arg(format!("{}@@{start}", self.path.display()));
        Ok(command)
    }

    /// Writes the settings' file as any computer would, which checks nothing.
    pub(crate) fn write_settings(&self, text: &str) -> anyhow::Result<()> {
        let file = self.path.with_extension("toml");
        fs::write(&file, text)?;
        let mut copy = self.mtools("mcopy")?;
        must_work(copy.arg("-o").arg(file).arg("::culvert.toml"))?;
        Ok(())
    }

    /// Copies a partition into a file.
    pub(crate) fn take_out(&self, name: &str, to: &Path) -> anyhow::Result<()> {
        let Place { start, length } = self.place(name)?;
        let mut bytes = vec![0; usize::try_from(length)?];
        File::open(&self.path)?.read_exact_at(&mut bytes, start)?;
        Ok(fs::write(to, bytes)?)
    }

    /// And back.
    pub(crate) fn put_in(&self, name: &str, from: &Path) -> anyhow::Result<()> {
        let file = OpenOptions::new().write(true).open(&self.path)?;
        Ok(file.write_all_at(&fs::read(from)?, self.place(name)?.start)?)
    }

    /// What `inspect` prints, also of a card that it finds something wrong with.
    pub(crate) fn inspect(&self) -> anyhow::Result<String> {
        let mut command = Command::new(&self.tool);
        let output = command.arg("inspect").arg(&self.path).output()?;
        let said = String::from_utf8(output.stdout)?;
        let why = String::from_utf8_lossy(&output.stderr);
        ensure!(!said.is_empty(), "inspect says nothing: {why}");
        Ok(said)
    }

    /// A partition, as `inspect` prints it.
    pub(crate) fn place(&self, name: &str) -> anyhow::Result<Place> {
        let printed = self.inspect()?;
        let words = printed
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>())
            .find(|words| words.first() == Some(&name));
        let Some([_, length, "MiB", "at", start, "MiB"]) = words.as_deref() else {
            bail!("inspect tells no place of {name}:\n{printed}");
        };
        Ok(Place {
            start: start.parse::<u64>()? << 20,
            length: length.parse::<u64>()? << 20,
        })
    }

    /// First byte of a part in a slot, as `inspect` prints it.
    pub(crate) fn part(&self, slot: &str, part: &str) -> anyhow::Result<u64> {
        let printed = self.inspect()?;
        let mut lines = printed
            .lines()
            .skip_while(|line| !line.starts_with(&format!("{slot}:")));
        let line = lines.find(|line| line.trim_start().starts_with(&format!("{part} ")));
        let words = line.into_iter().flat_map(str::split_whitespace);
        let at = words.skip_while(|word| *word != "at").nth(1);
        Ok(at.with_context(|| printed.clone())?.parse()?)
    }

    /// The first bytes of a partition become zeros.
    pub(crate) fn zero(&self, name: &str, bytes: usize) -> anyhow::Result<()> {
        let Place { start, length } = self.place(name)?;
        let file = OpenOptions::new().write(true).open(&self.path)?;
        let bytes = usize::try_from(length)?.min(bytes);
        Ok(file.write_all_at(&vec![0; bytes], start)?)
    }

    /// One bit of a partition changes.
    pub(crate) fn flip(&self, name: &str, at: u64) -> anyhow::Result<()> {
        let Place { start, .. } = self.place(name)?;
        let file = OpenOptions::new().read(true).write(true).open(&self.path)?;
        let mut byte = [0];
        file.read_exact_at(&mut byte, start + at)?;
        Ok(file.write_all_at(&[byte[0] ^ 1], start + at)?)
    }

    /// A partition as it is on another card.
    pub(crate) fn restore(&self, name: &str, image: &Path) -> anyhow::Result<()> {
        let Place { start, length } = self.place(name)?;
        let mut bytes = vec![0; usize::try_from(length)?];
        let from = File::open(image).with_context(|| image.display().to_string())?;
        from.read_exact_at(&mut bytes, start)?;
        let file = OpenOptions::new().write(true).open(&self.path)?;
        Ok(file.write_all_at(&bytes, start)?)
    }

    /// Makes the state record longer than what a disk writes whole, by a name
    /// that the box does not know and keeps: so that a cut can tear it.
    pub(crate) fn lengthen_records(&self) -> anyhow::Result<()> {
        for name in ["record-1", "record-2"] {
            let mut record = self.record(name)?.context("a record")?;
            let seq = record::seq(&record);
            record.put("filler", &"x".repeat(600));
            self.put_record(name, &record::sealed(&mut record, seq)?)?;
        }
        Ok(())
    }

    /// One copy of the state record; none if it is worthless.
    pub(crate) fn record(&self, name: &str) -> anyhow::Result<Option<Environment>> {
        let mut bytes = [0; LEN];
        let start = self.place(name)?.start;
        File::open(&self.path)?.read_exact_at(&mut bytes, start)?;
        Ok(Environment::decode(&bytes))
    }

    /// And another in its place.
    pub(crate) fn put_record(&self, name: &str, bytes: &[u8; LEN]) -> anyhow::Result<()> {
        let file = OpenOptions::new().write(true).open(&self.path)?;
        Ok(file.write_all_at(bytes, self.place(name)?.start)?)
    }

    /// A slot's release, of the built parts, becomes another version of it.
    pub(crate) fn put_release(
        &self,
        slot: &str,
        version: u64,
        release: &Release,
    ) -> anyhow::Result<()> {
        let mut header = self.record(slot)?.context("a header")?;
        header.put_number("h_version", version);
        self.put_record(slot, &header.encode().context("a header is short")?)?;
        let file = OpenOptions::new().write(true).open(&self.path)?;
        let at = self.place(slot)?.start + MANIFEST_AT;
        Ok(file.write_all_at(&release.manifest(version)?, at)?)
    }

    /// Whether a text stands anywhere in a partition.
    pub(crate) fn holds(&self, name: &str, text: &str) -> anyhow::Result<bool> {
        let Place { start, length } = self.place(name)?;
        let mut bytes = vec![0; usize::try_from(length)?];
        File::open(&self.path)?.read_exact_at(&mut bytes, start)?;
        Ok(memmem(&bytes, text.as_bytes()))
    }

    fn tool(&self, what: &str, words: &[&Path]) -> anyhow::Result<String> {
        let mut command = Command::new(&self.tool);
        command.arg(what).arg(&self.path).args(words);
        Ok(String::from_utf8(must_work(&mut command)?.stdout)?)
    }
}

fn memmem(bytes: &[u8], text: &[u8]) -> bool {
    let Some(first) = text.first() else {
        return true;
    };
    let begins = bytes.iter().enumerate().filter(|(_, byte)| *byte == first);
    begins
        .map(|(at, _)| at)
        .any(|at| bytes[at..].starts_with(text))
}
