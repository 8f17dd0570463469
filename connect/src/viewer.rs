//! Native programs: which is installed, and its exact arguments.
//!
//! Programs are started by path with an argument list, never through a shell,
//! and never from a relative entry of `PATH`. No name, address or answer of a
//! server becomes an argument, except numbers, our own loopback addresses and
//! what [`crate::pick::slug`] left of a name. What a person typed behind `--`
//! goes to the program as it is.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

pub mod browser;
pub mod desktop;
pub mod putty;
pub mod ssh;

/// A program and its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// The program's file.
    pub program: PathBuf,
    /// Its arguments, one by one.
    pub args: Vec<OsString>,
}

/// The program to use: the one a person named, else the first installed one.
///
/// # Errors
/// [`ViewerError`] when there is none.
pub fn choose(
    wanted: Option<&Path>,
    names: &'static [&'static str],
) -> Result<PathBuf, ViewerError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    choose_in(wanted, names, &path)
}

fn choose_in(
    wanted: Option<&Path>,
    names: &'static [&'static str],
    path: &OsStr,
) -> Result<PathBuf, ViewerError> {
    let Some(wanted) = wanted else {
        let found = names.iter().find_map(|name| find(name.as_ref(), path));
        return found.ok_or(ViewerError::None { names });
    };
    let found = if wanted.components().count() > 1 {
        is_program(wanted).then(|| wanted.to_owned())
    } else {
        find(wanted, path)
    };
    found.ok_or_else(|| ViewerError::Missing {
        program: wanted.to_owned(),
    })
}

/// A program of this name in the absolute folders of `path`.
fn find(name: &Path, path: &OsStr) -> Option<PathBuf> {
    std::env::split_paths(path)
        .filter(|dir| dir.is_absolute())
        .map(|dir| dir.join(name))
        .find_map(|file| {
            if cfg!(windows) && file.extension().is_none() {
                let file = file.with_extension("exe");
                return is_program(&file).then_some(file);
            }
            is_program(&file).then_some(file)
        })
}

#[cfg(unix)]
fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    file.metadata()
        .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(file: &Path) -> bool {
    file.is_file()
}

/// The program's name without folder and ending, in lower case: what decides
/// how it takes its arguments.
pub fn stem(program: &Path) -> String {
    let stem = program.file_stem().unwrap_or_default();
    stem.to_string_lossy().to_lowercase()
}

/// Why no program was started.
#[derive(Debug, thiserror::Error)]
pub enum ViewerError {
    /// None of the known ones is installed.
    #[error(
        "none of these programs is installed: {}. Install one, name another with --viewer, or use \
         --print to get an address for it", names.join(", ")
    )]
    None {
        /// What was looked for.
        names: &'static [&'static str],
    },
    /// The one that was named is not there.
    #[error("there is no program {}", program.display())]
    Missing {
        /// As it was named.
        program: PathBuf,
    },
    /// It could not be started.
    #[error("{} could not be started", program.display())]
    Start {
        /// Which.
        program: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// A file for it could not be written.
    #[error("a temporary file for the program could not be written")]
    Scratch(#[source] std::io::Error),
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    /// An address of our own, for the tests of each kind of viewer.
    pub(super) fn at() -> SocketAddr {
        "127.7.8.9:40123".parse().unwrap()
    }

    /// A program's arguments.
    pub(super) fn words(start: &Start) -> Vec<&str> {
        start.args.iter().map(|arg| arg.to_str().unwrap()).collect()
    }

    #[cfg(unix)]
    fn program(dir: &Path, name: &str, mode: u32) -> PathBuf {
        let file = dir.join(name);
        std::fs::write(&file, "").unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(&file, mode).unwrap();
        file
    }

    #[cfg(unix)]
    #[test]
    fn the_first_installed_program_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let second = program(dir.path(), "second", 0o755);
        program(dir.path(), "first", 0o644);
        let path = dir.path().as_os_str();

        let found = choose_in(None, &["first", "second"], path).unwrap();

        assert_eq!(found, second, "a file that cannot run is no program");
        let none = choose_in(None, &["first"], path);
        assert!(matches!(none, Err(ViewerError::None { .. })));
    }

    #[cfg(unix)]
    #[test]
    fn a_named_program_is_taken_or_missed_but_never_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let own = program(dir.path(), "own", 0o755);
        let path = dir.path().as_os_str();

        assert_eq!(choose_in(Some(&own), &["x"], OsStr::new("")).unwrap(), own);
        assert_eq!(choose_in(Some("own".as_ref()), &["x"], path).unwrap(), own);
        let gone = choose_in(Some("gone".as_ref()), &["own"], path);
        assert!(matches!(gone, Err(ViewerError::Missing { .. })));
    }

    #[test]
    fn relative_folders_of_the_search_path_are_not_searched() {
        let found = choose_in(None, &["Cargo.toml", "build.rs"], OsStr::new(".:..::"));

        assert!(matches!(found, Err(ViewerError::None { .. })));
    }
}
