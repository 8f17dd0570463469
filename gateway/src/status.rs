//! How the box is, told by the running process in a file and read by
//! `culvert-gateway status`: no socket is needed for it.
//!
//! The file is replaced when something changes and never synced: it is true
//! for a moment only, and flash wears out.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;

use culvert_wire::UnixMs;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::files::{self, Durable};

/// The file's name in the data folder.
const FILE: &str = "status.json";
/// The file that a running process holds locked.
const LOCK: &str = "lock";

/// What the running process last said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The process.
    pub pid: u32,
    /// Its version.
    pub version: String,
    /// Where the link stands.
    pub link: LinkStatus,
    /// The last link time heard, in milliseconds since 1970.
    pub link_time_ms: Option<u64>,
    /// Sessions at the moment.
    pub sessions: usize,
    /// What went wrong last, kept while the link is up.
    pub last_error: Option<LastError>,
}

/// Where the link stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum LinkStatus {
    /// The box waits for a claim code.
    Unclaimed,
    /// No link yet, or none any more.
    Down,
    /// A server keeps the link but gives no sessions: two boxes use this
    /// identity, or its card was moved.
    Quarantined,
    /// A server accepted the box.
    Up {
        /// The server's program and version.
        server: String,
    },
}

/// What went wrong last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastError {
    /// A cause code, as `doctor` prints them, or a reason code.
    pub cause: String,
    /// A sentence.
    pub text: String,
}

impl Status {
    /// A process that has just started.
    pub fn new(version: &str) -> Self {
        Self {
            pid: std::process::id(),
            version: version.to_owned(),
            link: LinkStatus::Down,
            link_time_ms: None,
            sessions: 0,
            last_error: None,
        }
    }

    /// Reads what a process said; none if it never did.
    ///
    /// # Errors
    /// What the system says. Text that is no status counts as none.
    pub fn load(dir: &Path) -> io::Result<Option<Self>> {
        let bytes = files::read(&dir.join(FILE))?;
        Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    /// Writes the status.
    ///
    /// # Errors
    /// What the system says.
    pub fn store(&self, dir: &Path) -> io::Result<()> {
        let text = serde_json::to_vec(self).expect("plain texts and numbers");
        files::replace(&dir.join(FILE), &text, Durable::Whenever)
    }
}

/// The right to be the one running process of a data folder; the system takes
/// it back when the process ends, however it ends.
#[derive(Debug)]
pub struct Running {
    _file: File,
}

impl Running {
    /// Takes the right; none while another process has it.
    ///
    /// # Errors
    /// What the system says.
    pub fn claim(dir: &Path) -> io::Result<Option<Self>> {
        Self::lock(&dir.join(LOCK))
    }

    /// As [`Running::claim`], for another purpose's file.
    ///
    /// # Errors
    /// What the system says.
    pub fn lock(path: &Path) -> io::Result<Option<Self>> {
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)?;
        files::hand_over(&file, path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Whether some process runs on this data folder.
    pub fn is_taken(dir: &Path) -> bool {
        File::open(dir.join(LOCK))
            .is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }
}

/// A point in time for people.
pub fn utc(time: UnixMs) -> String {
    i64::try_from(time.0 / 1000)
        .ok()
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
        .and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_else(|| "beyond all calendars".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_process_said_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let said = Status {
            link: LinkStatus::Up {
                server: "culvert-prs 0.1.0".into(),
            },
            last_error: Some(LastError {
                cause: "tcp".into(),
                text: "x".into(),
            }),
            ..Status::new("culvert-gateway 0.1.0")
        };
        assert_eq!(Status::load(dir.path()).unwrap(), None);

        said.store(dir.path()).unwrap();

        assert_eq!(Status::load(dir.path()).unwrap(), Some(said));
        std::fs::write(dir.path().join(FILE), "half").unwrap();
        assert_eq!(Status::load(dir.path()).unwrap(), None);
    }

    #[test]
    fn only_one_process_runs_on_a_folder() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!Running::is_taken(dir.path()));
        let first = Running::claim(dir.path()).unwrap();
        assert!(first.is_some());

        assert!(Running::claim(dir.path()).unwrap().is_none());
        assert!(Running::is_taken(dir.path()));

        drop(first);
        assert!(Running::claim(dir.path()).unwrap().is_some());
    }

    #[test]
    fn times_are_told_in_utc() {
        assert_eq!(utc(UnixMs(1_795_219_200_123)), "2026-11-21T00:00:00Z");
        assert_eq!(utc(UnixMs(u64::MAX)), "beyond all calendars");
    }
}
