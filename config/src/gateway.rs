//! `gateway.toml`: the box's own settings, which the cloud can never widen.
//!
//! Every key has a default, so an empty file is a whole one. Driven by
//! `culvert-gateway`; a documented example is `examples/gateway.toml`.

mod allow;
mod network;
mod proxy;
mod server;

use std::path::{Path, PathBuf};

use culvert_wire::key::PublicKey;
use serde::Deserialize;

use crate::{ConfigError, file};

pub use allow::{Allow, Ports, Scope};
pub use network::{Network, ParseNetworkError};
pub use proxy::Proxy;

/// Where the settings are looked for when no other file is named.
pub const DEFAULT_FILE: &str = "/etc/culvert/gateway.toml";
/// Where the box keeps its keys and its claim unless told otherwise.
pub const DEFAULT_DATA_DIR: &str = "/var/lib/culvert-gateway";
/// Sessions at once unless told otherwise: well above the ten promised.
const DEFAULT_MAX_SESSIONS: u16 = 32;
/// Streams of one session unless told otherwise: a browser opens a dozen.
const DEFAULT_MAX_STREAMS: u16 = 64;
/// Highest number for either: beyond it the box's memory is not bounded well.
const MOST: u16 = 256;
/// Servers a box may try.
const MAX_SERVERS: usize = 8;

/// Checked settings; every value is usable as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gateway {
    /// `host:port` of each server; empty: those of the claim code.
    pub servers: Vec<String>,
    /// The only provider that may claim this box; none: that of the claim code.
    pub provider: Option<PublicKey>,
    /// Where keys, claim and status are kept.
    pub data_dir: PathBuf,
    /// A claim code put here is used at the next start, then the file removed.
    pub claim_file: PathBuf,
    /// How to get out to the servers.
    pub proxy: Proxy,
    /// What sessions may reach; empty: nothing.
    pub allow: Vec<Allow>,
    /// Sessions at once.
    pub max_sessions: usize,
    /// Streams of one session at once.
    pub max_streams: usize,
    /// What the log tells.
    pub log: Level,
}

impl Gateway {
    /// Reads and checks a settings file.
    ///
    /// # Errors
    /// [`ConfigError`], with the file's name.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        file::load(path, Self::from_toml)
    }

    /// Reads and checks settings.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        Self::check(file::parse(text)?)
    }

    fn check(raw: Raw) -> Result<Self, ConfigError> {
        let data_dir = raw.data_dir.unwrap_or_else(|| DEFAULT_DATA_DIR.into());
        let servers = raw.servers.unwrap_or_default();
        if servers.len() > MAX_SERVERS {
            let problem = format!("{} are too many, {MAX_SERVERS} is the limit", servers.len());
            return Err(ConfigError::value("servers", problem));
        }
        Ok(Self {
            servers: servers
                .iter()
                .map(|text| server::check(text))
                .collect::<Result<_, _>>()?,
            provider: raw.provider.as_deref().map(provider).transpose()?,
            claim_file: raw.claim_file.unwrap_or_else(|| data_dir.join("claim.txt")),
            data_dir,
            proxy: Proxy::check(raw.proxy.unwrap_or_default())?,
            allow: Allow::check(raw.allow)?,
            max_sessions: count("max_sessions", raw.max_sessions, DEFAULT_MAX_SESSIONS)?,
            max_streams: count("max_streams", raw.max_streams, DEFAULT_MAX_STREAMS)?,
            log: raw.log.unwrap_or_default(),
        })
    }
}

impl Default for Gateway {
    fn default() -> Self {
        Self::check(Raw::default()).expect("every default is a valid value")
    }
}

/// What the log tells; each level includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// What is broken.
    Error,
    /// What is unusual but works.
    Warn,
    /// The life of links and sessions.
    #[default]
    Info,
    /// Early exits and one-offs; the first level that names LAN addresses.
    Debug,
    /// Everything.
    Trace,
}

impl Level {
    /// The level's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// The file as written; `examples/gateway.toml` says what each key means.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    servers: Option<Vec<String>>,
    provider: Option<String>,
    data_dir: Option<PathBuf>,
    claim_file: Option<PathBuf>,
    proxy: Option<proxy::Raw>,
    allow: Option<Vec<allow::Raw>>,
    max_sessions: Option<u16>,
    max_streams: Option<u16>,
    log: Option<Level>,
}

fn provider(text: &str) -> Result<PublicKey, ConfigError> {
    text.parse().map_err(|_| {
        ConfigError::value(
            "provider",
            "not a provider key: 52 letters and digits as `culvert-prs fingerprint --key` prints them",
        )
    })
}

fn count(key: &'static str, value: Option<u16>, default: u16) -> Result<usize, ConfigError> {
    match value.unwrap_or(default) {
        count @ 1..=MOST => Ok(usize::from(count)),
        other => Err(ConfigError::value(
            key,
            format!("{other} is not between 1 and {MOST}"),
        )),
    }
}
