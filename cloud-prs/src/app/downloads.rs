//! `culvert` for people's own computers, as it lies in the data folder's
//! `downloads`. Names are known ones; nothing that somebody asks for becomes a path.
//!
//! A program is offered only while `NAME.sha256` beside it, as `sha256sum` writes
//! it, says what it is: one that is half there or was exchanged never is. Each
//! version of a file is read for that once.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::path::Path;
use std::time::SystemTime;

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;

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

/// Bytes of a `.sha256` that are looked at.
const LINE: u64 = 1024;

/// A program that can be fetched.
#[derive(Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Download {
    /// Its file's name, fetched as `/api/v1/downloads/NAME`.
    pub name: &'static str,
    /// Linux, Windows or macOS.
    pub system: &'static str,
    /// Which processors it runs on.
    pub processor: &'static str,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256 in hexadecimal digits, to be compared with what the provider
    /// says elsewhere.
    pub sha256: String,
}

type Sum = [u8; 32];

/// A version of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Version {
    bytes: u64,
    changed: SystemTime,
}

/// The sums of the files that were looked at.
#[derive(Debug, Default)]
pub(super) struct Sums(Mutex<HashMap<&'static str, (Version, Sum)>>);

impl App {
    /// What lies there now.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn downloads(&self, call: &Call) -> Result<Vec<Download>, AppError> {
        call.needs(Action::Launch)?;
        let mut there = Vec::new();
        for (name, system, processor) in KNOWN {
            if let Some((_, version, sum)) = self.offered(name).await {
                there.push(Download {
                    name,
                    system,
                    processor,
                    bytes: version.bytes,
                    sha256: HEXLOWER.encode(&sum),
                });
            }
        }
        Ok(there)
    }

    /// A program by its name, and its length.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn download(&self, call: &Call, name: &str) -> Result<(File, u64), AppError> {
        call.needs(Action::Launch)?;
        let known = KNOWN.iter().find(|(known, ..)| *known == name);
        let (name, ..) = known.ok_or_else(AppError::not_found)?;
        let offered = self.offered(name).await;
        let (file, version, _) = offered.ok_or_else(AppError::not_found)?;
        Ok((file, version.bytes))
    }

    /// Where they lie.
    pub fn download_folder(&self) -> &Path {
        &self.here.downloads
    }

    /// The file of a known name, if it is what its sum says.
    async fn offered(&self, name: &'static str) -> Option<(File, Version, Sum)> {
        // Whoever asks meanwhile waits: nothing is read twice.
        let mut sums = self.sums.0.lock().await;
        let known = sums.get(name).copied();
        let path = self.here.downloads.join(name);
        let looked = spawn_blocking(move || {
            let (file, version, sum) = opened(&path, known)?;
            let said = said(&path.with_file_name(format!("{name}.sha256")));
            Ok::<_, io::Error>((file, version, sum, said))
        });
        let (file, version, sum, said) = looked.await.ok()?.ok()?;
        let fits = said == Some(sum);
        if sums.insert(name, (version, sum)) != Some((version, sum)) && !fits {
            tracing::warn!(
                name,
                "Not offered: NAME.sha256 beside it is missing or another's"
            );
        }
        fits.then_some((file, version, sum))
    }
}

/// Opens a file; it is read for its sum unless this version's is known.
fn opened(path: &Path, known: Option<(Version, Sum)>) -> io::Result<(File, Version, Sum)> {
    let mut file = File::open(path)?;
    let about = file.metadata()?;
    let version = Version {
        bytes: about.len(),
        changed: about.modified()?,
    };
    if let Some((_, sum)) = known.filter(|(known, _)| *known == version) {
        return Ok((file, version, sum));
    }
    let mut sum = Sha256::new();
    let mut piece = vec![0; 64 * 1024];
    loop {
        match file.read(&mut piece)? {
            0 => break,
            length => sum.update(&piece[..length]),
        }
    }
    file.rewind()?;
    Ok((file, version, sum.finalize().into()))
}

/// The sum that a line of `sha256sum` begins with.
fn said(path: &Path) -> Option<Sum> {
    let mut line = String::new();
    let file = File::open(path).ok()?;
    file.take(LINE).read_to_string(&mut line).ok()?;
    let digits = line.split_whitespace().next()?;
    let sum = HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).ok()?;
    sum.try_into().ok()
}
