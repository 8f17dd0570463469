//! Looks for marked bytes where they must not be: in a program's memory and
//! in its files.
//!
//! A search that finds nothing proves nothing by itself; whoever uses it also
//! shows, in the same run, that it finds something that is there.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use crate::LabError;

/// The first of `words` that any readable memory of a running program holds.
pub fn memory_holds<'a>(pid: u32, words: &[&'a str]) -> Result<Option<&'a str>, LabError> {
    let bytes: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
    let found = memory_holds_bytes(pid, &bytes)?;
    Ok(found.map(|at| words[at]))
}

/// The same for any bytes; says which of `needles`.
pub fn memory_holds_bytes(pid: u32, needles: &[&[u8]]) -> Result<Option<usize>, LabError> {
    let needles = Needles::new(needles);
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
        match needles.first_in(&mut range) {
            Ok(Some(at)) => return Ok(Some(at)),
            Ok(None) => read_any = true,
            Err(_) => {}
        }
    }
    if read_any {
        return Ok(None);
    }
    Err(LabError::Unreadable("memory of another program"))
}

/// The first of `words` that any file below `path` (or the file itself) holds.
pub fn files_hold<'a>(path: &Path, words: &[&'a str]) -> Result<Option<&'a str>, LabError> {
    let bytes: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
    let found = files_hold_bytes(path, &bytes)?;
    Ok(found.map(|at| words[at]))
}

/// The same for any bytes; says which of `needles`.
pub fn files_hold_bytes(path: &Path, needles: &[&[u8]]) -> Result<Option<usize>, LabError> {
    search_files(path, &Needles::new(needles))
}

/// The first of `needles` that a text holds.
pub fn text_holds_bytes(text: &[u8], needles: &[&[u8]]) -> Option<usize> {
    Needles::new(needles).first_in_piece(text)
}

fn search_files(path: &Path, needles: &Needles<'_>) -> Result<Option<usize>, LabError> {
    if path.is_dir() {
        for entry in fs::read_dir(path).map_err(LabError::file(path))? {
            let entry = entry.map_err(LabError::file(path))?;
            let found = search_files(&entry.path(), needles)?;
            if found.is_some() {
                return Ok(found);
            }
        }
        return Ok(None);
    }
    if !path.is_file() {
        return Ok(None);
    }
    let mut file = File::open(path).map_err(LabError::file(path))?;
    needles.first_in(&mut file).map_err(LabError::file(path))
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

/// Words to look for, all in one reading.
struct Needles<'a> {
    words: Vec<&'a [u8]>,
    /// Which pairs of bytes begin a word: almost every place is passed over by
    /// one look here.
    begins: Vec<bool>,
    longest: usize,
}

impl<'a> Needles<'a> {
    fn new(words: &[&'a [u8]]) -> Self {
        let mut begins = vec![false; 1 << 16];
        for word in words {
            if let [first, second, ..] = word {
                begins[pair(*first, *second)] = true;
            }
        }
        Self {
            words: words.to_vec(),
            begins,
            longest: words.iter().map(|word| word.len()).max().unwrap_or(1),
        }
    }

    /// Reads in pieces that overlap, so that a word across two is found.
    fn first_in(&self, source: &mut impl Read) -> std::io::Result<Option<usize>> {
        let mut piece = vec![0; PIECE];
        let mut kept = 0;
        loop {
            let count = source.read(&mut piece[kept..])?;
            if count == 0 {
                return Ok(None);
            }
            let full = kept + count;
            if let Some(at) = self.first_in_piece(&piece[..full]) {
                return Ok(Some(at));
            }
            let next = full.saturating_sub(self.longest - 1);
            piece.copy_within(next..full, 0);
            kept = full - next;
        }
    }

    fn first_in_piece(&self, piece: &[u8]) -> Option<usize> {
        let mut before = 0;
        for (at, byte) in piece.iter().enumerate() {
            if self.begins[pair(before, *byte)] && at > 0 {
                let rest = &piece[at - 1..];
                let starts = |word: &&[u8]| rest.starts_with(word);
                if let Some(at) = self.words.iter().position(starts) {
                    return Some(at);
                }
            }
            before = *byte;
        }
        None
    }
}

fn pair(first: u8, second: u8) -> usize {
    usize::from(first) << 8 | usize::from(second)
}

const PIECE: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random_word;

    #[test]
    fn a_word_in_another_programs_memory_is_found_and_another_is_not() {
        let (word, other) = (random_word(24).unwrap(), random_word(24).unwrap());
        let mut sleeper = std::process::Command::new("sleep")
            .arg("60")
            .env("WORD", &word)
            .spawn()
            .unwrap();
        let found = memory_holds(sleeper.id(), &[&other, &word]);
        let missed = memory_holds(sleeper.id(), &[&other]);
        sleeper.kill().unwrap();
        sleeper.wait().unwrap();
        assert_eq!(found.unwrap(), Some(word.as_str()));
        assert_eq!(missed.unwrap(), None);
    }

    #[test]
    fn a_word_across_two_pieces_is_found() {
        let mut bytes = vec![b'.'; PIECE - 3];
        bytes.extend_from_slice(b"canary");
        let first = |words: &[&[u8]]| Needles::new(words).first_in(&mut bytes.as_slice());
        assert_eq!(first(&[b"parrot", b"canary"]).unwrap(), Some(1));
        assert_eq!(first(&[b"canarx", b"parrot"]).unwrap(), None);
    }

    #[test]
    fn a_word_in_a_file_of_a_folder_is_found() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("deep")).unwrap();
        fs::write(folder.path().join("deep/file"), "a canary sings").unwrap();
        assert_eq!(
            files_hold(folder.path(), &["canary"]).unwrap(),
            Some("canary")
        );
        assert_eq!(files_hold(folder.path(), &["parrot"]).unwrap(), None);
    }
}
