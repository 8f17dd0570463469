//! Why a settings file was refused: one sentence with file, line and remedy.
//!
//! Never quotes a line of the file: a misplaced secret must not reach a log.

use std::io;
use std::path::PathBuf;

/// Why a settings file was refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A key that no version of this program knows.
    #[error("line {line}: unknown key \"{key}\"{}", hint(nearest.as_deref()))]
    UnknownKey {
        /// Where, counted from 1.
        line: usize,
        /// What was written.
        key: String,
        /// The known key that looks most like it.
        nearest: Option<String>,
    },
    /// The file is not TOML, or a value has the wrong type.
    #[error("line {line}: {problem}")]
    Syntax {
        /// Where, counted from 1.
        line: usize,
        /// What the reader found.
        problem: String,
    },
    /// A value that cannot be used.
    #[error("{key}: {problem}")]
    Value {
        /// The key, with its table: `proxy.url`.
        key: &'static str,
        /// What is wrong and what would be right.
        problem: String,
    },
    /// Any of the above, in a file with a name.
    #[error("{}: {source}", path.display())]
    In {
        /// Which file.
        path: PathBuf,
        /// What is wrong in it.
        source: Box<ConfigError>,
    },
}

impl ConfigError {
    /// A value of `key` that cannot be used.
    pub fn value(key: &'static str, problem: impl Into<String>) -> Self {
        Self::Value {
            key,
            problem: problem.into(),
        }
    }
}

impl ConfigError {
    /// The same without a value from the file, which may be an address of the
    /// customer's network: for readers elsewhere.
    pub fn for_others(&self) -> String {
        match self {
            Self::UnknownKey { .. } | Self::Syntax { .. } => self.to_string(),
            Self::Value { key, .. } => {
                format!("the value of {key} cannot be used: the box's screen says why")
            }
            Self::Read { .. } => "it cannot be read".to_owned(),
            Self::In { source, .. } => source.for_others(),
        }
    }
}

fn hint(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |name| format!(", did you mean \"{name}\"?"))
}
