//! The data folder: which file is where, and writing them whole and private.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// A data folder.
#[derive(Debug, Clone)]
pub struct Data {
    dir: PathBuf,
}

/// A file of the data folder that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot {verb} {}", path.display())]
pub struct DataError {
    /// What was tried.
    pub verb: &'static str,
    /// On which file.
    pub path: PathBuf,
    /// Why not.
    pub source: io::Error,
}

impl Data {
    /// The folder at a path.
    pub fn at(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// A file in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The SQLite database.
    pub fn database(&self) -> PathBuf {
        self.path("culvert.db")
    }

    /// Makes the folder and those inside it, for the owner only.
    ///
    /// # Errors
    /// [`DataError`].
    pub fn make(&self) -> Result<(), DataError> {
        for dir in [self.dir.clone(), self.path("keys"), self.path("tls")] {
            fs::create_dir_all(&dir).map_err(failed("make", &dir))?;
            let private = fs::Permissions::from_mode(0o700);
            fs::set_permissions(&dir, private).map_err(failed("protect", &dir))?;
        }
        Ok(())
    }

    /// Reads a text file.
    ///
    /// # Errors
    /// [`DataError`].
    pub fn read(&self, name: &str) -> Result<String, DataError> {
        let path = self.path(name);
        fs::read_to_string(&path).map_err(failed("read", &path))
    }

    /// Writes a file that only the owner may read, wholly or not at all.
    ///
    /// # Errors
    /// [`DataError`].
    pub fn write(&self, name: &str, text: &str) -> Result<(), DataError> {
        write_private(&self.path(name), text)
    }

    /// Whether a file is there.
    pub fn has(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    /// Makes sure that one server at a time uses the folder; holds as long as
    /// the file is open.
    ///
    /// # Errors
    /// [`DataError`]; `None` when a server runs.
    pub fn lock(&self) -> Result<Option<File>, DataError> {
        let path = self.path("serve.lock");
        let file = File::create(&path).map_err(failed("open", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(error)) => Err(failed("lock", &path)(error)),
        }
    }
}

/// Writes a file that only the owner may read, wholly or not at all: beside
/// it, to the disk, then into its place.
///
/// # Errors
/// [`DataError`].
pub fn write_private(path: &Path, text: &str) -> Result<(), DataError> {
    let beside = path.with_extension("new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&beside)
        .map_err(failed("write", &beside))?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(failed("write", &beside))?;
    fs::rename(&beside, path).map_err(failed("write", path))?;
    let folder = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    if let Some(folder) = folder {
        let synced = File::open(folder).and_then(|dir| dir.sync_all());
        synced.map_err(failed("write", folder))?;
    }
    Ok(())
}

fn failed(verb: &'static str, path: &Path) -> impl Fn(io::Error) -> DataError {
    let path = path.to_owned();
    move |source| DataError {
        verb,
        path: path.clone(),
        source,
    }
}
