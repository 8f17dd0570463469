//! The box's last words: why it restarts by itself, what its screen showed
//! before and what the kernel said, kept on the data for whoever asks later.
//!
//! Written when the box restarts itself and when a hang is noticed, 16 KiB at
//! most each time: a day without that writes nothing. A power cut, a crash of the
//! kernel and a process 1 that hangs leave nothing; the next start says that, too.

use std::fs::{self, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use culvert_wire::supervisor::LinkState;
use nix::fcntl::OFlag;

use super::{Running, start};
use crate::console;
use crate::trouble::{Cause, Troubles};

/// The supervisor's folder on the data.
const HOME: &str = "/data/system";
/// Names in it: the words of the start before this one, and those that a start has told.
const LAST: &str = "last";
const TOLD: &str = "told";
/// Bytes of the kernel's own lines.
const KERNEL: usize = 8 * 1024;
/// The portal shows for so long that the box restarted by itself.
const SHOWN: Duration = Duration::from_secs(24 * 3600);
/// Begins the words of a restart that nobody has to ask about.
const WANTED: &str = "wanted: ";

/// How the start before this one ended.
#[derive(Debug, Clone, PartialEq, Eq)]
enum End {
    /// There was none, as far as is known.
    First,
    /// By a release that was installed.
    Wanted,
    /// The box restarted itself, or let the watchdog do it.
    ByItself(String),
    /// Nothing was written.
    Silent,
}

/// Keeps the last words of a restart that was asked for.
pub(super) fn wanted(why: &str) {
    keep(&format!("{WANTED}{why}"));
}

/// Keeps the last words of a restart, or of a hang that ends in one.
pub(super) fn keep(why: &str) {
    // The first line is what the next start tells.
    let why = why.replace('\n', " ");
    let text = format!("{why}\n\n{}\n{}", console::said(), kernel());
    let path = format!("{HOME}/{LAST}");
    if let Err(error) = start::replace(&path, text.as_bytes(), 0) {
        console::line(&format!("the last words cannot be kept: {error}"));
    }
}

/// What was about to end did not.
pub(super) fn forget() {
    let path = format!("{HOME}/{LAST}");
    if let Err(error) = fs::remove_file(&path).and_then(|()| start::settle(&path)) {
        console::line(&format!("the last words stay: {error}"));
    }
}

/// Says how the start before this one ended.
pub(super) fn tell(troubles: &mut Troubles) {
    match taken(Path::new(HOME)) {
        Ok(End::First | End::Wanted) => {}
        Ok(End::ByItself(why)) => {
            let sentence = format!("this box restarted by itself: {why}");
            console::line(&sentence);
            troubles.note(Cause::Restarted, &sentence);
        }
        Ok(End::Silent) => console::line(
            "the last start ended without a word: power was cut, the watchdog reset the board, \
             or the kernel crashed",
        ),
        Err(error) => console::line(&format!("the last words cannot be read: {error}")),
    }
}

impl Running {
    /// After a day it is no news that the box had restarted by itself.
    pub(super) fn outlive_restart(&mut self, now: Instant) {
        if now.duration_since(self.begun) > SHOWN && self.troubles.forget(Cause::Restarted) {
            self.gateway.say(&self.troubles.message());
        }
    }

    /// A reason with the cause that the link is not up: a code, never an address.
    pub(super) fn with_cause(&self, why: &str) -> String {
        match (self.link.state, self.link.cause.as_str()) {
            (LinkState::Up, _) | (_, "") => why.to_owned(),
            (_, cause) => format!("{why} ({cause})"),
        }
    }
}

/// Reads the words and sets them aside, so that they are told once.
fn taken(home: &Path) -> io::Result<End> {
    let (last, told) = (home.join(LAST), home.join(TOLD));
    let text = match fs::read(&last) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // A box that was never up has kept nothing at all.
            let fresh = fs::read_dir(home)?.next().is_none();
            return Ok(if fresh { End::First } else { End::Silent });
        }
        Err(error) => return Err(error),
    };
    fs::rename(&last, &told)?;
    fs::File::open(home)?.sync_all()?;
    let why = text.lines().next().unwrap_or_default();
    Ok(match why.strip_prefix(WANTED) {
        Some(_) => End::Wanted,
        None => End::ByItself(why.to_owned()),
    })
}

/// The newest of the kernel's own lines; nothing where they cannot be read.
fn kernel() -> String {
    let nonblocking = OFlag::O_NONBLOCK.bits();
    let mut options = OpenOptions::new();
    let Ok(mut log) = options
        .read(true)
        .custom_flags(nonblocking)
        .open("/dev/kmsg")
    else {
        return String::new();
    };
    let mut lines = console::Ring::new(KERNEL);
    // One read is one record; the limit is above what the kernel's ring holds.
    let mut buffer = [0; 8192];
    for _ in 0..8192 {
        match log.read(&mut buffer) {
            Ok(length) => lines.push(&record(&String::from_utf8_lossy(&buffer[..length]))),
            // What was read was overwritten meanwhile: on with the next.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            Err(_) => break,
        }
    }
    lines.text()
}

/// `level,number,microseconds,flags;text` in the words of a screen.
fn record(raw: &str) -> String {
    let (head, text) = raw.split_once(';').unwrap_or(("", raw));
    let micros = head.split(',').nth(2).and_then(|at| at.parse().ok());
    let at = Duration::from_micros(micros.unwrap_or_default());
    format!(
        "{:6} s kernel: {}",
        at.as_secs(),
        text.lines().next().unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P16: what is kept of a box's log has an end, and a wanted restart is no news.
    #[test]
    fn a_restart_by_itself_is_told_once_and_a_wanted_one_not() {
        let dir = tempfile::tempdir().unwrap();
        let end = || taken(dir.path()).unwrap();
        assert_eq!(end(), End::First);

        fs::write(dir.path().join(LAST), "the gateway is hung\n\nlines\n").unwrap();
        assert_eq!(end(), End::ByItself("the gateway is hung".into()));
        // Whoever looks at the card still finds them.
        let kept = fs::read_to_string(dir.path().join(TOLD)).unwrap();
        assert!(kept.ends_with("lines\n"));
        assert_eq!(end(), End::Silent);

        fs::write(dir.path().join(LAST), "wanted: version 3 is installed\n").unwrap();
        assert_eq!(end(), End::Wanted);
        // Torn, or of somebody else's hand: no reason to stop.
        fs::write(dir.path().join(LAST), b"\xff\xfe").unwrap();
        assert_eq!(end(), End::ByItself("\u{fffd}\u{fffd}".into()));
        assert!(taken(&dir.path().join("none")).is_err());
    }

    #[test]
    fn the_kernels_records_are_lines_of_a_screen() {
        let raw = "4,339,5140900,-;mmc0: error -110\n SUBSYSTEM=mmc\n DEVICE=+mmc:1\n";
        assert_eq!(record(raw), "     5 s kernel: mmc0: error -110");
        assert_eq!(record("nonsense"), "     0 s kernel: nonsense");
    }
}
