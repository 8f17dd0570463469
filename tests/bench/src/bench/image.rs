//! The box: sizes, a start and a fall-back in QEMU, memory and flash.
//!
//! `image/boot-test` builds the image with the shipped programs and measures
//! it beside a real server, in `tests/e2e/tests/appliance/figures.rs`; the
//! processor is emulated.
//!
//! P16, P17.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};

use crate::report::Figure;

/// Names in the file, as the bars have them.
const NAMES: [&str; 8] = [
    "slot",
    "bundle",
    "image",
    "build",
    "online",
    "memory",
    "writes",
    "fall_back",
];

pub(crate) fn run() -> anyhow::Result<Vec<Figure>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let file = std::env::temp_dir().join(format!("culvert-figures-{}", std::process::id()));
    let status = Command::new(root.join("image/boot-test"))
        .arg("figures")
        .env("CULVERT_FIGURES", &file)
        .status()
        .context("image/boot-test")?;
    ensure!(status.success(), "image/boot-test figures failed: {status}");
    let text = std::fs::read_to_string(&file)?;
    let _ = std::fs::remove_file(file);
    text.lines().map(figure).collect()
}

fn figure(line: &str) -> anyhow::Result<Figure> {
    let (numbers, about) = line.split_once(" | ").context("a figure says what it is")?;
    let words: Vec<&str> = numbers.split(' ').collect();
    let [name, value, unit] = words[..] else {
        anyhow::bail!("no figure: {line}");
    };
    let name = NAMES.into_iter().find(|known| *known == name);
    let unit = if unit == "s" { "s" } else { "MB" };
    let name = name.with_context(|| format!("an unknown figure: {line}"))?;
    Ok(Figure::new(name, value.parse()?, unit, about))
}
