//! Small files that survive a power cut: written whole beside the old one,
//! synced, renamed over it, readable by their owner only.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown,
};
use std::path::Path;

use nix::unistd::geteuid;

/// Longest file read here, in bytes.
const MAX_FILE: u64 = 64 * 1024;

/// Whether a write must be on the disk before it returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durable {
    /// Yes: keys and claim.
    Synced,
    /// No: what the next minute writes anew (flash wears out).
    Whenever,
}

/// Makes a folder that only its owner can enter.
///
/// # Errors
/// What the system says.
pub fn make_dir(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// Replaces `path` by `bytes`: afterwards it holds the old or the new bytes,
/// whatever happens in between.
///
/// # Errors
/// What the system says; the old file is then untouched.
pub fn replace(path: &Path, bytes: &[u8], durable: Durable) -> io::Result<()> {
    let beside = path.with_extension("new");
    // Left over from a power cut, or planted: never written through.
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    write_new(&beside, bytes, durable)?;
    fs::rename(&beside, path)?;
    match (durable, path.parent()) {
        (Durable::Synced, Some(dir)) => File::open(dir)?.sync_all(),
        (Durable::Synced | Durable::Whenever, _) => Ok(()),
    }
}

/// Writes `path` unless it exists already; whoever comes first wins, whole.
///
/// # Errors
/// What the system says.
pub fn create_once(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = path.with_extension(format!("{:016x}", rand::random::<u64>()));
    write_new(&beside, bytes, Durable::Synced)?;
    // Unlike a rename, a link never takes the place of another file.
    let linked = fs::hard_link(&beside, path);
    fs::remove_file(&beside)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        Ok(()) | Err(_) => {}
    }
    match path.parent() {
        Some(dir) => File::open(dir)?.sync_all(),
        None => Ok(()),
    }
}

/// A file that root makes in another user's folder belongs to that user: the
/// administrator claims the box, the service's own user runs it.
///
/// # Errors
/// What the system says.
pub fn hand_over(file: &File, path: &Path) -> io::Result<()> {
    let Some(dir) = path.parent().filter(|_| geteuid().is_root()) else {
        return Ok(());
    };
    let owner = fs::metadata(dir)?;
    match owner.uid() {
        0 => Ok(()),
        uid => fchown(file, Some(uid), Some(owner.gid())),
    }
}

fn write_new(path: &Path, bytes: &[u8], durable: Durable) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    hand_over(&file, path)?;
    file.write_all(bytes)?;
    match durable {
        Durable::Synced => file.sync_all(),
        Durable::Whenever => Ok(()),
    }
}

/// Reads a file of bounded length; none if it does not exist.
///
/// # Errors
/// What the system says, and when it is too long.
pub fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(io::Error::other("the file is too long"));
    }
    Ok(Some(bytes))
}

/// Takes away what others may do with a file; true if there was something.
///
/// # Errors
/// What the system says.
pub fn make_private(path: &Path) -> io::Result<bool> {
    let open = fs::metadata(path)?.permissions().mode() & 0o077 != 0;
    if open {
        fs::set_permissions(path, Permissions::from_mode(0o600))?;
    }
    Ok(open)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.json");

        replace(&path, b"one", Durable::Synced).unwrap();
        replace(&path, b"two", Durable::Whenever).unwrap();

        assert_eq!(read(&path).unwrap().unwrap(), b"two");
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_half_written_neighbour_or_a_planted_link_does_no_harm() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.json");
        let victim = dir.path().join("victim");
        fs::write(&victim, "mine").unwrap();
        replace(&path, b"old", Durable::Synced).unwrap();
        std::os::unix::fs::symlink(&victim, dir.path().join("state.new")).unwrap();

        replace(&path, b"new", Durable::Synced).unwrap();

        assert_eq!(fs::read(&victim).unwrap(), b"mine");
        assert_eq!(read(&path).unwrap().unwrap(), b"new");
    }

    #[test]
    fn a_write_that_fails_leaves_the_old_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.json");
        replace(&path, b"old", Durable::Synced).unwrap();
        fs::create_dir(dir.path().join("state.new")).unwrap();

        assert!(replace(&path, b"new", Durable::Synced).is_err());

        assert_eq!(read(&path).unwrap().unwrap(), b"old");
    }

    #[test]
    fn an_endless_file_is_refused_and_a_missing_one_is_none() {
        assert!(read(Path::new("/dev/zero")).is_err());
        assert!(read(Path::new("/nonexistent/x")).unwrap().is_none());
    }

    #[test]
    fn of_many_who_create_a_file_at_once_one_wins_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("identity.key");
        std::thread::scope(|scope| {
            for letter in b'a'..=b'p' {
                let path = &path;
                scope.spawn(move || create_once(path, &[letter; 4096]).unwrap());
            }
        });

        let winner = read(&path).unwrap().unwrap();

        assert_eq!(winner, vec![winner[0]; 4096]);
        create_once(&path, b"late").unwrap();
        assert_eq!(read(&path).unwrap().unwrap(), winner);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_root_writes_belongs_to_the_folders_owner() {
        if !geteuid().is_root() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::chown(dir.path(), Some(65534), Some(65534)).unwrap();
        let path = dir.path().join("state.json");

        replace(&path, b"x", Durable::Synced).unwrap();
        create_once(&dir.path().join("identity.key"), b"x").unwrap();

        for name in ["state.json", "identity.key"] {
            let owner = fs::metadata(dir.path().join(name)).unwrap().uid();
            assert_eq!(owner, 65534, "{name}");
        }
    }

    #[test]
    fn a_file_that_others_can_read_is_closed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("identity.key");
        fs::write(&path, "x").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();

        assert!(make_private(&path).unwrap());
        assert!(!make_private(&path).unwrap());
    }
}
