//! Looks for secret words where they must not be, and where they must.
//!
//! A search that finds nothing proves something only if the same search finds
//! the word elsewhere: every use has a control.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// Where `word` occurs below `path` (a file or a folder), as UTF-8 or as
/// UTF-16 (keys and clipboards travel so).
///
/// # Errors
/// When something cannot be read.
pub fn find(path: &Path, word: &str) -> anyhow::Result<Vec<PathBuf>> {
    let wide: Vec<u8> = word.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut found = Vec::new();
    let mut todo = vec![path.to_owned()];
    while let Some(path) = todo.pop() {
        let kind = std::fs::symlink_metadata(&path)
            .with_context(|| path.display().to_string())?
            .file_type();
        if kind.is_dir() {
            for entry in std::fs::read_dir(&path)? {
                todo.push(entry?.path());
            }
        } else if kind.is_file() && holds(&path, &[word.as_bytes(), &wide])? {
            found.push(path);
        }
    }
    Ok(found)
}

fn holds(path: &Path, needles: &[&[u8]]) -> anyhow::Result<bool> {
    let keep = needles.iter().map(|needle| needle.len()).max().unwrap_or(1) - 1;
    let mut file = File::open(path).with_context(|| path.display().to_string())?;
    let mut window = Vec::new();
    let mut chunk = vec![0; 1 << 20];
    loop {
        let read = file.read(&mut chunk)?;
        if read == 0 {
            return Ok(false);
        }
        window.extend_from_slice(&chunk[..read]);
        if needles.iter().any(|needle| contains(&window, needle)) {
            return Ok(true);
        }
        let cut = window.len().saturating_sub(keep);
        window.drain(..cut);
    }
}

fn contains(hay: &[u8], needle: &[u8]) -> bool {
    let Some(first) = needle.first() else {
        return false;
    };
    let mut rest = hay;
    while let Some(at) = rest.iter().position(|byte| byte == first) {
        rest = &rest[at..];
        if rest.starts_with(needle) {
            return true;
        }
        rest = &rest[1..];
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_across_two_chunks_is_found_and_another_is_not() {
        let folder = std::env::temp_dir().join(format!("culvert-canary-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("made");
        let mut bytes = vec![b'x'; (1 << 20) - 3];
        bytes.extend_from_slice(b"needle in hay");
        bytes.extend("wide".encode_utf16().flat_map(u16::to_le_bytes));
        std::fs::write(folder.join("file"), bytes).expect("written");

        let found = |word| find(&folder, word).expect("read").len();

        assert_eq!((found("needle"), found("wide"), found("noodle")), (1, 1, 0));
        std::fs::remove_dir_all(&folder).expect("removed");
    }
}
