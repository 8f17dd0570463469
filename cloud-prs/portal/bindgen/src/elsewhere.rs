//! A second place to build in: a copy of the sources, and what others have
//! written taken over from the first build.
//!
//! Never touches the first place. Driven by `main`.

use std::fs::{self, DirEntry};
use std::path::Path;

use anyhow::{Context as _, Result};

/// Folders of the workspace that are no sources.
const NO_SOURCES: [&str; 4] = ["target", "node_modules", "dist", ".git"];

/// Removes what an earlier build left.
pub(crate) fn clear(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).context("an old second build is in the way")?;
    }
    Ok(())
}

/// Copies the workspace's sources.
pub(crate) fn copy_sources(from: &Path, to: &Path) -> Result<()> {
    let is_source = |name: &str| !NO_SOURCES.contains(&name);
    walk(from, to, &is_source, &|from, to| {
        fs::copy(from, to).map(drop)
    })
}

/// Takes over what cargo has built, but not our own crates. Hard links keep the
/// times by which cargo judges what is fresh.
pub(crate) fn link_others(from: &Path, to: &Path) -> Result<()> {
    let of_others = |name: &str| !name.trim_start_matches("lib").starts_with("culvert");
    walk(from, to, &of_others, &|from, to| fs::hard_link(from, to))
}

/// Does the same with every file of a folder and those in it that are wanted.
fn walk(
    from: &Path,
    to: &Path,
    wanted: &dyn Fn(&str) -> bool,
    file: &dyn Fn(&Path, &Path) -> std::io::Result<()>,
) -> Result<()> {
    let said = || format!("copying {}", from.display());
    fs::create_dir_all(to).with_context(said)?;
    let entries: Vec<DirEntry> = fs::read_dir(from)
        .and_then(Iterator::collect)
        .with_context(said)?;
    for entry in entries {
        let name = entry.file_name();
        if !wanted(&name.to_string_lossy()) {
            continue;
        }
        // Never into itself: the second place may lie in the first one.
        if to.starts_with(entry.path()) {
            continue;
        }
        let (from, to) = (entry.path(), to.join(&name));
        let kind = entry.file_type().with_context(said)?;
        if kind.is_dir() {
            walk(&from, &to, wanted, file)?;
        } else if kind.is_file() {
            file(&from, &to).with_context(|| format!("copying {}", from.display()))?;
        }
    }
    Ok(())
}
