//! A card in a file, and what people do to it with `culvert-image`.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail, ensure};
use culvert_e2e::world::must_work;
use culvert_lab::Programs;

/// A card.
pub(crate) struct Card {
    /// Where it lies.
    pub(crate) path: PathBuf,
    tool: PathBuf,
}

impl Card {
    /// A card with the image of release 1.
    pub(crate) fn flash(built: &Path, path: PathBuf) -> anyhow::Result<Self> {
        let tool = Programs::beside_this_one()?.folder().join("culvert-image");
        let card = Self { path, tool };
        card.copy_of(&built.join("culvert-qemu-virt-1.img"))?;
        Ok(card)
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
        let (start, _) = self.place("settings")?;
        let mut copy = Command::new("mcopy");
        copy.arg("-o")
            .arg("-i")
            .arg(format!("{}@@{start}", self.path.display()))
            .arg(bundle)
            .arg("::update.culvert");
        must_work(&mut copy)?;
        Ok(())
    }

    /// What `inspect` prints, checked with the keys of the demonstration.
    pub(crate) fn inspect(&self) -> anyhow::Result<String> {
        self.tool("inspect", &[])
    }

    /// First byte and length of a partition, as `inspect` prints them.
    pub(crate) fn place(&self, name: &str) -> anyhow::Result<(u64, usize)> {
        let printed = self.inspect()?;
        let words = printed
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>())
            .find(|words| words.first() == Some(&name));
        let Some([_, length, "MiB", "at", start, "MiB"]) = words.as_deref() else {
            bail!("inspect tells no place of {name}:\n{printed}");
        };
        Ok((start.parse::<u64>()? << 20, length.parse::<usize>()? << 20))
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
        let (start, length) = self.place(name)?;
        let file = OpenOptions::new().write(true).open(&self.path)?;
        Ok(file.write_all_at(&vec![0; bytes.min(length)], start)?)
    }

    /// One bit of a partition changes.
    pub(crate) fn flip(&self, name: &str, at: u64) -> anyhow::Result<()> {
        let (start, _) = self.place(name)?;
        let file = OpenOptions::new().read(true).write(true).open(&self.path)?;
        let mut byte = [0];
        file.read_exact_at(&mut byte, start + at)?;
        Ok(file.write_all_at(&[byte[0] ^ 1], start + at)?)
    }

    /// A partition as it is on another card.
    pub(crate) fn restore(&self, name: &str, image: &Path) -> anyhow::Result<()> {
        let (start, length) = self.place(name)?;
        let mut bytes = vec![0; length];
        let from = File::open(image).with_context(|| image.display().to_string())?;
        from.read_exact_at(&mut bytes, start)?;
        let file = OpenOptions::new().write(true).open(&self.path)?;
        Ok(file.write_all_at(&bytes, start)?)
    }

    fn tool(&self, what: &str, words: &[&Path]) -> anyhow::Result<String> {
        let mut command = Command::new(&self.tool);
        command.arg(what).arg(&self.path).args(words);
        let said = String::from_utf8(must_work(&mut command)?.stdout)?;
        ensure!(
            what != "inspect" || !said.is_empty(),
            "inspect says nothing"
        );
        Ok(said)
    }
}
