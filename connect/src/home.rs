//! The folder that holds what `culvert` remembers.
//!
//! `CULVERT_HOME`, else the system's place for a user's local data. Files in
//! it are readable by their owner only and replaced whole: a crash leaves the
//! old or the new content, never half of one. No secret leaves the folder.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// Names another folder; used by demos, tests and people with two providers.
pub const HOME_VARIABLE: &str = "CULVERT_HOME";

/// The folder.
#[derive(Debug, Clone)]
pub struct Home {
    dir: PathBuf,
    /// Named by the environment or a test, rather than the user's one.
    named: bool,
}

impl Home {
    /// The folder of this user, from the environment.
    ///
    /// # Errors
    /// [`HomeError::Nowhere`] when the system names no home folder.
    pub fn find() -> Result<Self, HomeError> {
        Self::from_variable(std::env::var_os(HOME_VARIABLE))
    }

    /// A folder given by name.
    pub fn at(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            named: true,
        }
    }

    /// Whether it is the user's own and only one: then the system's keyring
    /// may hold secrets for it.
    pub const fn is_users_own(&self) -> bool {
        !self.named
    }

    /// The folder, when it is not the user's usual one.
    pub fn named(&self) -> Option<&Path> {
        self.named.then_some(self.dir.as_path())
    }

    fn from_variable(variable: Option<OsString>) -> Result<Self, HomeError> {
        if let Some(dir) = variable.filter(|dir| !dir.is_empty()) {
            return Ok(Self::at(dir));
        }
        directories::ProjectDirs::from("", "", "culvert")
            .map(|dirs| Self {
                dir: dirs.data_local_dir().into(),
                named: false,
            })
            .ok_or(HomeError::Nowhere)
    }

    /// Where a file of this name is.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The content of a file, if it is there.
    ///
    /// # Errors
    /// [`HomeError::Read`]; [`HomeError::Open`] when others can read it.
    pub fn read(&self, name: &str) -> Result<Option<String>, HomeError> {
        let path = self.path(name);
        match fs::read_to_string(&path) {
            Ok(text) => {
                check_private(&path)?;
                Ok(Some(text))
            }
            Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(HomeError::Read { path, source }),
        }
    }

    /// Replaces a file as a whole.
    ///
    /// # Errors
    /// [`HomeError::Write`] when the disk or the permissions do not allow it.
    pub fn write(&self, name: &str, text: &str) -> Result<(), HomeError> {
        let path = self.path(name);
        self.replace(&path, text)
            .map_err(|source| HomeError::Write { path, source })
    }

    /// Removes a file; a missing one is fine.
    ///
    /// # Errors
    /// [`HomeError::Write`] when it cannot be removed.
    pub fn remove(&self, name: &str) -> Result<(), HomeError> {
        let path = self.path(name);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(HomeError::Write { path, source })
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn replace(&self, path: &Path, text: &str) -> io::Result<()> {
        make_private_dir(&self.dir)?;
        // tempfile makes its files with mode 0600 on Unix.
        let mut file = tempfile::NamedTempFile::new_in(&self.dir)?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    }
}

#[cfg(unix)]
fn make_private_dir(dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
}

#[cfg(not(unix))]
fn make_private_dir(dir: &Path) -> io::Result<()> {
    // A user's local application data is closed to other users by default.
    fs::create_dir_all(dir)
}

#[cfg(unix)]
fn check_private(path: &Path) -> Result<(), HomeError> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = fs::metadata(path)
        .map_err(|source| HomeError::Read {
            path: path.into(),
            source,
        })?
        .permissions()
        .mode();
    if mode & 0o077 == 0 {
        return Ok(());
    }
    Err(HomeError::Open { path: path.into() })
}

#[cfg(not(unix))]
fn check_private(_path: &Path) -> Result<(), HomeError> {
    Ok(())
}

/// Why the folder could not be used.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// The system names no home folder.
    #[error("no home folder is known: set {HOME_VARIABLE} to a folder of your own")]
    Nowhere,
    /// A file cannot be read.
    #[error("{} cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// Other users can read the file.
    #[error("{} can be read by others: run chmod 600 on it, and sign in again if they may have", path.display())]
    Open {
        /// The file.
        path: PathBuf,
    },
    /// A file cannot be written.
    #[error("{} cannot be written", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// A file holds something else than was written to it.
    #[error("{} is damaged: {why}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_file_comes_back_and_can_be_removed() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path().join("deep/er"));

        home.write("token", "one").unwrap();
        home.write("token", "two").unwrap();

        assert_eq!(home.read("token").unwrap().as_deref(), Some("two"));
        home.remove("token").unwrap();
        home.remove("token").unwrap();
        assert_eq!(home.read("token").unwrap(), None);
    }

    /// A stolen or shared laptop: secrets are the owner's alone.
    #[cfg(unix)]
    #[test]
    fn files_and_their_folder_are_private_and_others_are_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path().join("culvert"));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;

        home.write("token", "secret").unwrap();

        assert_eq!(mode(&home.path("token")), 0o600);
        assert_eq!(mode(&dir.path().join("culvert")), 0o700);
        fs::set_permissions(home.path("token"), fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(home.read("token"), Err(HomeError::Open { .. })));
    }

    #[test]
    fn the_variable_names_the_folder() {
        let home = Home::from_variable(Some("/x/y".into())).unwrap();

        assert_eq!(home.path("a"), Path::new("/x/y/a"));
    }

    #[cfg(unix)]
    #[test]
    fn a_failed_write_keeps_the_old_content() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path());
        home.write("known", "old").unwrap();
        fs::create_dir(dir.path().join("busy")).unwrap();

        // A folder in the way: the rename fails after the write.
        assert!(home.write("busy", "new").is_err());

        assert_eq!(home.read("known").unwrap().as_deref(), Some("old"));
        let left = fs::read_dir(dir.path()).unwrap().count();
        assert_eq!(left, 2, "no temporary file stays behind");
    }
}
