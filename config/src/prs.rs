//! `prs.toml`: the cloud server's settings.
//!
//! `culvert-prs init` writes the file; a documented example is
//! `examples/prs.toml`. Driven by `culvert-prs`. No secret stands in it: the
//! keys are files beside it, and so is a database address with a password.

mod portal;
mod webhooks;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

pub use self::portal::Portal;
pub use self::webhooks::Webhooks;
use crate::{ConfigError, file};

/// Name of the settings file in the data folder.
pub const FILE_NAME: &str = "prs.toml";
/// Addresses one claim code carries at most.
const MAX_ADDRESSES: usize = 8;
/// Longest `host:port`, in bytes.
const MAX_ADDRESS: usize = 262;

/// Checked settings; every value is usable as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prs {
    /// Where links and the API are served: TCP, and UDP for STUN.
    pub listen: SocketAddr,
    /// `host:port` under which boxes and technicians reach the server.
    pub public_addresses: Vec<String>,
    /// Where `/healthz`, `/readyz` and `/metrics` are served, if anywhere.
    pub metrics: Option<SocketAddr>,
    /// File that holds a `postgres://` address; none: SQLite in the data folder.
    pub database_address_file: Option<PathBuf>,
    /// Certificate chain and key for the web side; none: the own private CA's.
    pub certificate: Option<CertificateFiles>,
    /// How long a session lasts unless renewed.
    pub session: Duration,
    /// How long a sign-in holds.
    pub sign_in: Duration,
    /// How long a claim code is good.
    pub claim_code: Duration,
    /// How long running sessions may go on when the server is stopped.
    pub drain: Duration,
    /// Over what time links shall come back after a restart.
    pub come_back: Duration,
    /// The portal.
    pub portal: Portal,
    /// To where webhooks may call out.
    pub webhooks: Webhooks,
}

/// A certificate from elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// PEM, the server's own certificate first.
    pub chain: PathBuf,
    /// PEM.
    pub key: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    listen: String,
    public_addresses: Vec<String>,
    metrics: Option<String>,
    database_address_file: Option<PathBuf>,
    certificate: Option<PathBuf>,
    certificate_key: Option<PathBuf>,
    session_minutes: Option<u16>,
    session_seconds: Option<u16>,
    sign_in_hours: Option<u16>,
    claim_code_hours: Option<u16>,
    drain_seconds: Option<u16>,
    come_back_seconds: Option<u16>,
    #[serde(default)]
    portal: portal::Raw,
    #[serde(default)]
    webhooks: webhooks::Raw,
}

impl Prs {
    /// Reads and checks the settings file of a data folder.
    ///
    /// # Errors
    /// [`ConfigError`], with the file's name.
    pub fn load(data_dir: &Path) -> Result<Self, ConfigError> {
        file::load(&data_dir.join(FILE_NAME), Self::parse)
    }

    /// Checks settings.
    ///
    /// # Errors
    /// [`ConfigError`], with the line or the key.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let raw: Raw = file::parse(text)?;
        if raw.public_addresses.is_empty() || raw.public_addresses.len() > MAX_ADDRESSES {
            return Err(ConfigError::value(
                "public_addresses",
                format!("1 to {MAX_ADDRESSES} addresses are needed"),
            ));
        }
        for address in &raw.public_addresses {
            host_and_port("public_addresses", address)?;
        }
        let metrics = raw.metrics.as_deref();
        Ok(Self {
            portal: Portal::check(raw.portal, &raw.public_addresses)?,
            webhooks: Webhooks::check(raw.webhooks)?,
            listen: socket("listen", &raw.listen)?,
            metrics: metrics.map(|text| socket("metrics", text)).transpose()?,
            public_addresses: raw.public_addresses,
            database_address_file: raw.database_address_file,
            certificate: certificate(raw.certificate, raw.certificate_key)?,
            session: session(raw.session_minutes, raw.session_seconds)?,
            sign_in: hours("sign_in_hours", raw.sign_in_hours, 12, 1..=12)?,
            claim_code: hours("claim_code_hours", raw.claim_code_hours, 72, 1..=24 * 90)?,
            drain: seconds("drain_seconds", raw.drain_seconds, 30, 0..=1800)?,
            come_back: seconds("come_back_seconds", raw.come_back_seconds, 10, 0..=60)?,
        })
    }
}

/// Splits `host:port`.
///
/// # Errors
/// [`ConfigError::Value`] for anything else.
pub fn host_and_port<'a>(key: &'static str, text: &'a str) -> Result<(&'a str, u16), ConfigError> {
    let wrong = || ConfigError::value(key, "an address is HOST:PORT, such as prs.example.com:443");
    let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    let port: u16 = port.parse().map_err(|_| wrong())?;
    let plain =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']');
    let bracketed = host.starts_with('[') && host.ends_with(']');
    if port == 0
        || host.is_empty()
        || text.len() > MAX_ADDRESS
        || !host.chars().all(plain)
        || (host.contains(':') && !bracketed)
    {
        return Err(wrong());
    }
    Ok((host, port))
}

fn socket(key: &'static str, text: &str) -> Result<SocketAddr, ConfigError> {
    text.parse().map_err(|_| {
        ConfigError::value(
            key,
            "an address is IP:PORT, such as 0.0.0.0:443 or [::]:443",
        )
    })
}

fn certificate(
    chain: Option<PathBuf>,
    key: Option<PathBuf>,
) -> Result<Option<CertificateFiles>, ConfigError> {
    match (chain, key) {
        (None, None) => Ok(None),
        (Some(chain), Some(key)) => Ok(Some(CertificateFiles { chain, key })),
        (Some(_), None) | (None, Some(_)) => Err(ConfigError::value(
            "certificate",
            "certificate and certificate_key go together",
        )),
    }
}

fn within(
    key: &'static str,
    value: Option<u16>,
    otherwise: u16,
    range: std::ops::RangeInclusive<u16>,
) -> Result<u64, ConfigError> {
    let value = value.unwrap_or(otherwise);
    if range.contains(&value) {
        return Ok(u64::from(value));
    }
    let (least, most) = (range.start(), range.end());
    Err(ConfigError::value(
        key,
        format!("{least} to {most} are possible"),
    ))
}

fn seconds(
    key: &'static str,
    value: Option<u16>,
    otherwise: u16,
    range: std::ops::RangeInclusive<u16>,
) -> Result<Duration, ConfigError> {
    within(key, value, otherwise, range).map(Duration::from_secs)
}

/// In minutes as a rule, in seconds where somebody wants it shorter.
fn session(in_minutes: Option<u16>, in_seconds: Option<u16>) -> Result<Duration, ConfigError> {
    if in_minutes.is_some() && in_seconds.is_some() {
        let text = "give session_minutes or session_seconds, not both";
        return Err(ConfigError::value("session_seconds", text));
    }
    match in_seconds {
        Some(_) => seconds("session_seconds", in_seconds, 60, 20..=3600),
        None => minutes("session_minutes", in_minutes, 60, 1..=24 * 60),
    }
}

fn minutes(
    key: &'static str,
    value: Option<u16>,
    otherwise: u16,
    range: std::ops::RangeInclusive<u16>,
) -> Result<Duration, ConfigError> {
    within(key, value, otherwise, range).map(|n| Duration::from_secs(n * 60))
}

fn hours(
    key: &'static str,
    value: Option<u16>,
    otherwise: u16,
    range: std::ops::RangeInclusive<u16>,
) -> Result<Duration, ConfigError> {
    within(key, value, otherwise, range).map(|n| Duration::from_secs(n * 3600))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: &str = "listen = \"0.0.0.0:443\"\npublic_addresses = [\"prs.example.com:443\"]\n";

    fn refused(more: &str) -> String {
        Prs::parse(&format!("{LEAST}{more}"))
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn the_documented_example_is_whole_and_holds_the_defaults() {
        let example = Prs::parse(include_str!("../examples/prs.toml")).unwrap();
        let least = Prs::parse(LEAST).unwrap();

        assert_eq!(example.session, least.session);
        assert_eq!(example.sign_in, least.sign_in);
        assert_eq!(example.claim_code, least.claim_code);
        assert_eq!(example.drain, least.drain);
        assert_eq!(example.come_back, least.come_back);
    }

    #[test]
    fn an_unknown_key_names_the_nearest_one() {
        assert_eq!(
            refused("session_minuts = 5"),
            "line 3: unknown key \"session_minuts\", did you mean \"session_minutes\"?"
        );
    }

    /// D7: sign-ins last 12 hours at most.
    #[test]
    fn values_out_of_range_name_their_key() {
        assert_eq!(
            refused("sign_in_hours = 13"),
            "sign_in_hours: 1 to 12 are possible"
        );
        assert!(refused("session_minutes = 0").starts_with("session_minutes: "));
        assert!(refused("session_seconds = 19").starts_with("session_seconds: "));
        assert!(refused("session_minutes = 5\nsession_seconds = 30").contains("not both"));
        assert!(refused("metrics = \"somewhere\"").starts_with("metrics: "));
        assert!(refused("certificate = \"x.pem\"").starts_with("certificate: "));
    }

    #[test]
    fn public_addresses_are_host_and_port() {
        for good in ["a.example:443", "192.0.2.1:8443", "[2001:db8::1]:443"] {
            assert!(host_and_port("public_addresses", good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "a.example",
            ":443",
            "a:0",
            "a:99999",
            "a b:1",
            "2001:db8::1:443",
            "http://a:1",
        ] {
            assert!(host_and_port("public_addresses", bad).is_err(), "{bad}");
        }
    }
}
