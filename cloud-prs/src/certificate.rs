//! The web side's certificate: a private CA of the server's own, or files.
//!
//! Boxes and `culvert` never rely on it: they check the provider's key inside
//! TLS. It serves browsers and API clients, which may trust `tls/ca.pem`.

mod judge;

use std::path::Path;

use culvert_config::prs::CertificateFiles;
use culvert_wire::UnixMs;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use time::{Duration, OffsetDateTime};

use crate::data::{Data, DataError};

pub use judge::{Fault, judge};

const CA_KEY: &str = "tls/ca.key";
const CA: &str = "tls/ca.pem";
const SERVER: &str = "tls/server.pem";
const SERVER_KEY: &str = "tls/server.key";
const SERVER_UNTIL: &str = "tls/server.until";
/// The CA's life: longer than any installation should go without thought.
const CA_LIFE: Duration = Duration::days(3650);
/// A server certificate's life: browsers take at most 398 days.
const SERVER_LIFE: Duration = Duration::days(397);
/// A server certificate with less than this left is replaced at a start.
const RENEW_MS: u64 = 60 * 24 * 3600 * 1000;

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file cannot be read or written.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The library refuses.
    #[error("the certificate cannot be made")]
    Make(#[from] rcgen::Error),
    /// A file holds no PEM.
    #[error("{file} holds no PEM {what}")]
    Pem {
        /// Which file.
        file: String,
        /// What should be there.
        what: &'static str,
        /// Why not.
        source: rustls::pki_types::pem::Error,
    },
    /// The system's clock is beyond what a certificate can say.
    #[error("the system's clock is wrong")]
    Clock,
}

/// Makes a private CA and a server certificate for some names.
///
/// # Errors
/// [`CertificateError`].
pub fn make(data: &Data, names: &[String], now: UnixMs) -> Result<(), CertificateError> {
    let key = KeyPair::generate()?;
    let ca = ca_params(now)?.self_signed(&key)?;
    data.write(CA_KEY, &key.serialize_pem())?;
    data.write(CA, &ca.pem())?;
    issue(data, names, now)
}

/// Makes a new server certificate from the private CA.
///
/// # Errors
/// [`CertificateError`].
pub fn issue(data: &Data, names: &[String], now: UnixMs) -> Result<(), CertificateError> {
    let ca_key = KeyPair::from_pem(&data.read(CA_KEY)?)?;
    // The issuer's name and key identifier are all that is taken from it.
    let issuer = Issuer::new(ca_params(now)?, ca_key);
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(names.to_vec())?;
    let (from, until) = life(now, SERVER_LIFE)?;
    params.not_before = from;
    params.not_after = until;
    params
        .distinguished_name
        .push(DnType::CommonName, "Culvert");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let certificate = params.signed_by(&key, &issuer)?;
    data.write(SERVER_KEY, &key.serialize_pem())?;
    data.write(SERVER, &certificate.pem())?;
    let until = until.unix_timestamp().max(0).unsigned_abs() * 1000;
    data.write(SERVER_UNTIL, &format!("{until}\n{}\n", names.join("\n")))?;
    Ok(())
}

/// Until when the self-made certificate is valid; none when there is none.
pub fn valid_until(data: &Data) -> Option<UnixMs> {
    data.read(SERVER_UNTIL)
        .ok()?
        .lines()
        .next()?
        .trim()
        .parse()
        .ok()
        .map(UnixMs)
}

/// Whether the self-made certificate is for exactly these names.
fn is_for(data: &Data, names: &[String]) -> bool {
    let noted = data.read(SERVER_UNTIL).unwrap_or_default();
    noted.lines().skip(1).eq(names.iter().map(String::as_str))
}

/// Replaces the self-made certificate in its last two months, or when the
/// settings give the server other names.
///
/// # Errors
/// [`CertificateError`].
pub fn renew_if_due(data: &Data, names: &[String], now: UnixMs) -> Result<bool, CertificateError> {
    let due = valid_until(data).is_none_or(|until| until.ms_since(now) < RENEW_MS);
    if (due || !is_for(data, names)) && data.has(CA_KEY) {
        issue(data, names, now)?;
        return Ok(true);
    }
    Ok(false)
}

/// A chain and its key.
pub type Loaded = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// Reads the self-made certificate, or the given files.
///
/// # Errors
/// [`CertificateError`].
pub fn load(data: &Data, given: Option<&CertificateFiles>) -> Result<Loaded, CertificateError> {
    let (chain, key) = match given {
        Some(files) => (files.chain.clone(), files.key.clone()),
        None => (data.path(SERVER), data.path(SERVER_KEY)),
    };
    let pem = |what, path: &Path| {
        let file = path.display().to_string();
        move |source| CertificateError::Pem { file, what, source }
    };
    let chain = CertificateDer::pem_file_iter(&chain)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(pem("certificate", &chain))?;
    let key = PrivateKeyDer::from_pem_file(&key).map_err(pem("private key", &key))?;
    Ok((chain, key))
}

/// Reads certificate authorities.
///
/// # Errors
/// [`CertificateError`].
pub fn authorities(file: &Path) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|source| CertificateError::Pem {
            file: file.display().to_string(),
            what: "certificate",
            source,
        })
}

fn ca_params(now: UnixMs) -> Result<CertificateParams, CertificateError> {
    let mut params = CertificateParams::default();
    let (from, until) = life(now, CA_LIFE)?;
    params.not_before = from;
    params.not_after = until;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
        .distinguished_name
        .push(DnType::CommonName, "Culvert private CA");
    Ok(params)
}

fn life(now: UnixMs, long: Duration) -> Result<(OffsetDateTime, OffsetDateTime), CertificateError> {
    let seconds = i64::try_from(now.0 / 1000).map_err(|_| CertificateError::Clock)?;
    let now = OffsetDateTime::from_unix_timestamp(seconds).map_err(|_| CertificateError::Clock)?;
    let from = now.checked_sub(Duration::hours(1));
    let until = now.checked_add(long);
    from.zip(until).ok_or(CertificateError::Clock)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustls::RootCertStore;
    use rustls::client::WebPkiServerVerifier;
    use rustls::client::danger::ServerCertVerifier as _;
    use rustls::pki_types::{ServerName, UnixTime};

    use super::*;

    const NOW: UnixMs = UnixMs(1_800_000_000_000);

    fn verifies(data: &Data, name: &str, at: UnixMs) -> bool {
        let mut roots = RootCertStore::empty();
        let ca = CertificateDer::from_pem_file(data.path(CA)).unwrap();
        roots.add(ca).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .unwrap();
        let (chain, _) = load(data, None).unwrap();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let at = UnixTime::since_unix_epoch(std::time::Duration::from_millis(at.0));
        verifier
            .verify_server_cert(&chain[0], &chain[1..], &name, &[], at)
            .is_ok()
    }

    #[test]
    fn the_self_made_certificate_is_good_for_its_names_and_its_time() {
        let dir = tempfile::tempdir().unwrap();
        let data = Data::at(dir.path());
        data.make().unwrap();
        make(&data, &["prs.example.com".into(), "192.0.2.1".into()], NOW).unwrap();

        assert!(verifies(&data, "prs.example.com", NOW));
        assert!(verifies(&data, "192.0.2.1", NOW));
        assert!(!verifies(&data, "other.example.com", NOW));
        assert!(!verifies(
            &data,
            "prs.example.com",
            NOW.plus_ms(400 * 24 * 3600 * 1000)
        ));
    }

    #[test]
    fn a_name_that_the_settings_add_is_in_the_certificate_from_the_next_start() {
        let dir = tempfile::tempdir().unwrap();
        let data = Data::at(dir.path());
        data.make().unwrap();
        let names = ["192.0.2.1".to_owned()];
        make(&data, &names, NOW).unwrap();
        let more = [names[0].clone(), "portal.example.com".to_owned()];

        assert!(!renew_if_due(&data, &names, NOW).unwrap());
        assert!(!verifies(&data, "portal.example.com", NOW));
        assert!(renew_if_due(&data, &more, NOW).unwrap());
        assert!(!renew_if_due(&data, &more, NOW).unwrap());
        assert!(verifies(&data, "portal.example.com", NOW));
        assert!(verifies(&data, "192.0.2.1", NOW));
    }

    #[test]
    fn a_certificate_in_its_last_months_is_replaced_under_the_same_ca() {
        let dir = tempfile::tempdir().unwrap();
        let data = Data::at(dir.path());
        data.make().unwrap();
        let names = ["prs.example.com".to_owned()];
        make(&data, &names, NOW).unwrap();
        let later = NOW.plus_ms(350 * 24 * 3600 * 1000);

        assert!(!renew_if_due(&data, &names, NOW).unwrap());
        assert!(renew_if_due(&data, &names, later).unwrap());

        assert!(verifies(
            &data,
            "prs.example.com",
            later.plus_ms(100 * 24 * 3600 * 1000)
        ));
    }
}
