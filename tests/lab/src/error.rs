//! What can go wrong while a site is built or used.
//!
//! Never hides the output of the tool that failed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Why the lab could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// Namespaces are not to be had here.
    #[error(
        "this needs namespaces of its own: run it as root (`sudo ./demo`), or allow user namespaces (`sysctl kernel.unprivileged_userns_clone=1`) and give this user a line in /etc/subuid and /etc/subgid: {0}"
    )]
    NoNamespaces(String),
    /// Programs are missing and cannot be installed by this user.
    #[error("these Debian packages are missing: type `apt-get install {0}` as root")]
    Packages(String),
    /// A file of the lab could not be read or written.
    #[error("file {path}")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A program could not be started.
    #[error("program {program} did not start")]
    Start {
        /// Which program.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// A program ran and failed.
    #[error("{what} failed: {output}")]
    Failed {
        /// What was to be done.
        what: String,
        /// Everything it printed.
        output: String,
    },
    /// Something did not come up in time.
    #[error("{what} was not ready within {limit:?}: {output}")]
    NotReady {
        /// What was waited for.
        what: String,
        /// How long.
        limit: Duration,
        /// The last thing seen.
        output: String,
    },
    /// Foreign bytes (a capture, a picture) do not read as they should.
    #[error("unreadable {0}")]
    Unreadable(&'static str),
    /// The local forwarder could not listen or make its keys.
    #[error("the internet's forwarder")]
    Forwarder(#[source] io::Error),
}

impl LabError {
    /// Adds the last lines of every log, where something did not come up.
    pub(crate) fn with_logs(self, folder: &Path) -> Self {
        let Self::NotReady {
            what,
            limit,
            mut output,
        } = self
        else {
            return self;
        };
        for path in fs::read_dir(folder).into_iter().flatten().flatten() {
            let text = fs::read(path.path()).unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            let name = path.file_name();
            for line in text.lines().skip(text.lines().count().saturating_sub(6)) {
                output.push_str(&format!("\n{}: {line}", name.display()));
            }
        }
        Self::NotReady {
            what,
            limit,
            output,
        }
    }

    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }
}
