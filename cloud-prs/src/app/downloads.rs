//! `culvert` for people's own computers, as it lies in the data folder's
//! `downloads`: what is there, and nothing else. Names are known ones; nothing
//! that somebody asks for becomes a path.

use std::fs;
use std::path::{Path, PathBuf};

use super::{App, AppError, Call};
use crate::authz::Action;

/// Name of the file, the system and the processor that it is for.
const KNOWN: [(&str, &str, &str); 5] = [
    ("culvert-linux-x86_64", "Linux", "Intel and AMD, 64 bits"),
    ("culvert-linux-aarch64", "Linux", "ARM, 64 bits"),
    (
        "culvert-windows-x86_64.exe",
        "Windows",
        "Intel and AMD, 64 bits",
    ),
    ("culvert-macos-aarch64", "macOS", "Apple silicon"),
    ("culvert-macos-x86_64", "macOS", "Intel"),
];

/// A program that can be fetched.
#[derive(Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Download {
    /// Its file's name, fetched as `/downloads/NAME`.
    pub name: &'static str,
    /// Linux, Windows or macOS.
    pub system: &'static str,
    /// Which processors it runs on.
    pub processor: &'static str,
    /// Its length.
    pub bytes: u64,
}

impl App {
    /// What lies there now.
    ///
    /// # Errors
    /// [`AppError`].
    pub fn downloads(&self, call: &Call) -> Result<Vec<Download>, AppError> {
        call.needs(Action::Launch)?;
        let folder = self.download_folder();
        let there = KNOWN.iter().filter_map(|(name, system, processor)| {
            let file = fs::metadata(folder.join(name)).ok()?;
            file.is_file().then_some(Download {
                name,
                system,
                processor,
                bytes: file.len(),
            })
        });
        Ok(there.collect())
    }

    /// Where the file of a known name lies, which may be missing.
    ///
    /// # Errors
    /// [`AppError`].
    pub fn download(&self, call: &Call, name: &str) -> Result<PathBuf, AppError> {
        call.needs(Action::Launch)?;
        let known = KNOWN.iter().find(|(known, ..)| *known == name);
        let (name, ..) = known.ok_or_else(AppError::not_found)?;
        Ok(self.download_folder().join(name))
    }

    /// Where they lie.
    pub fn download_folder(&self) -> &Path {
        &self.here.downloads
    }
}
