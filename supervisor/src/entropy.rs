//! Waits until the kernel can make numbers that nobody can guess.
//!
//! The box's key is made once and holds for its life. The kernel collects what it
//! needs by itself, also on a board without a source of its own, and that takes a
//! while; until then a key could be the one of another box. Who reads
//! `/dev/random` waits for this alone (Linux 5.6 and later), and makes the kernel
//! hurry: it measures its own timer meanwhile.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use nix::fcntl::OFlag;

/// The kernel's generator.
pub const SOURCE: &str = "/dev/random";
/// How often whoever waits shows that the box lives.
const ALIVE: Duration = Duration::from_secs(1);

/// Whether a key can be made now.
///
/// # Errors
/// What the system says.
pub fn ready(source: &Path) -> io::Result<bool> {
    let flags = OFlag::O_NONBLOCK.bits();
    let mut file = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(source)?;
    match file.read_exact(&mut [0]) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
        Err(error) => Err(error),
    }
}

/// Returns when a key can be made; `alive` is called once a second until then.
///
/// # Errors
/// What the system says.
pub fn wait(source: &Path, mut alive: impl FnMut()) -> io::Result<()> {
    let mut file = File::open(source)?;
    let (tell, told) = mpsc::sync_channel(1);
    thread::spawn(move || {
        // Who waits may have given up.
        let _ = tell.send(file.read_exact(&mut [0]));
    });
    loop {
        match told.recv_timeout(ALIVE) {
            Ok(read) => return read,
            Err(RecvTimeoutError::Timeout) => alive(),
            Err(RecvTimeoutError::Disconnected) => return Err(io::ErrorKind::BrokenPipe.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;

    use super::*;

    /// A pipe is what the kernel's generator is: empty for a while.
    #[test]
    fn who_makes_a_key_waits_alive_until_the_kernel_can() {
        let dir = tempfile::tempdir().unwrap();
        let source = dir.path().join("random");
        mkfifo(&source, Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
        let both = OpenOptions::new().read(true).write(true).open(&source);
        let mut kernel = both.unwrap();

        assert!(!ready(&source).unwrap());
        let mut lived = 0;
        wait(&source, || {
            lived += 1;
            if lived == 2 {
                kernel.write_all(&[7]).unwrap();
            }
        })
        .unwrap();

        assert_eq!(lived, 2);
        kernel.write_all(&[7]).unwrap();
        assert!(ready(&source).unwrap());
    }

    #[test]
    fn a_kernel_without_a_generator_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let none = dir.path().join("none");

        assert!(ready(&none).is_err());
        assert!(wait(&none, || ()).is_err());
        assert!(ready(SOURCE.as_ref()).is_ok());
    }
}
