//! Looks for marked bytes where they must not be: in a program's memory and
//! in its files.
//!
//! A search that finds nothing proves nothing by itself; whoever uses it also
//! shows, in the same run, that it finds something that is there.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use crate::LabError;

/// Whether any readable memory of a running program holds `needle`.
pub fn memory_holds(pid: u32, needle: &[u8]) -> Result<bool, LabError> {
    let maps = format!("/proc/{pid}/maps");
    let maps = fs::read_to_string(&maps).map_err(LabError::file(maps))?;
    let path = format!("/proc/{pid}/mem");
    let mut memory = File::open(&path).map_err(LabError::file(path))?;
    let mut read_any = false;
    for (start, end) in maps.lines().filter_map(readable_range) {
        // Some ranges (of the kernel, of devices) are mapped but cannot be read.
        if memory.seek(SeekFrom::Start(start)).is_err() {
            continue;
        }
        let mut range = (&mut memory).take(end - start);
        match holds(&mut range, needle) {
            Ok(true) => return Ok(true),
            Ok(false) => read_any = true,
            Err(_) => {}
        }
    }
    if read_any {
        return Ok(false);
    }
    Err(LabError::Unreadable("memory of another program"))
}

/// Whether any file below `folder` (or the file itself) holds `needle`.
pub fn files_hold(path: &Path, needle: &[u8]) -> Result<bool, LabError> {
    if path.is_dir() {
        for entry in fs::read_dir(path).map_err(LabError::file(path))? {
            let entry = entry.map_err(LabError::file(path))?;
            if files_hold(&entry.path(), needle)? {
                return Ok(true);
            }
        }
        return Ok(false);
    }
    if !path.is_file() {
        return Ok(false);
    }
    let mut file = File::open(path).map_err(LabError::file(path))?;
    holds(&mut file, needle).map_err(LabError::file(path))
}

fn readable_range(line: &str) -> Option<(u64, u64)> {
    let (range, rest) = line.split_once(' ')?;
    if !rest.starts_with('r') {
        return None;
    }
    let (start, end) = range.split_once('-')?;
    let number = |text| u64::from_str_radix(text, 16).ok();
    Some((number(start)?, number(end)?))
}

/// Reads in pieces that overlap, so that a needle across two is found.
fn holds(source: &mut impl Read, needle: &[u8]) -> std::io::Result<bool> {
    let overlap = needle.len().saturating_sub(1);
    let mut piece = vec![0; PIECE];
    let mut kept = 0;
    loop {
        let count = source.read(&mut piece[kept..])?;
        if count == 0 {
            return Ok(false);
        }
        let full = kept + count;
        if piece[..full]
            .windows(needle.len())
            .any(|bytes| bytes == needle)
        {
            return Ok(true);
        }
        let next = full.saturating_sub(overlap);
        piece.copy_within(next..full, 0);
        kept = full - next;
    }
}

const PIECE: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random_word;

    #[test]
    fn a_word_in_this_programs_memory_is_found() {
        let word = random_word(24).unwrap();
        assert!(memory_holds(std::process::id(), word.as_bytes()).unwrap());
    }

    #[test]
    fn a_word_across_two_pieces_is_found() {
        let mut bytes = vec![b'.'; PIECE - 3];
        bytes.extend_from_slice(b"canary");
        assert!(holds(&mut bytes.as_slice(), b"canary").unwrap());
        assert!(!holds(&mut bytes.as_slice(), b"canarx").unwrap());
    }

    #[test]
    fn a_word_in_a_file_of_a_folder_is_found() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("deep")).unwrap();
        fs::write(folder.path().join("deep/file"), "a canary sings").unwrap();
        assert!(files_hold(folder.path(), b"canary").unwrap());
        assert!(!files_hold(folder.path(), b"parrot").unwrap());
    }
}
