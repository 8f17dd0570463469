//! What a certificate is worth to whoever looks at it: its time, its names.
//!
//! Whether somebody trusts who signed it is not judged: that is the looker's
//! business. Driven by `check` and by the running server's watch.

use culvert_wire::UnixMs;
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, Error, RootCertStore};

use crate::app::report;

/// What is wrong with a certificate.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It is no certificate.
    #[error("the chain's first certificate cannot be read: put the server's own certificate first")]
    Unreadable,
    /// It is over.
    #[error("it ended on {}: renew it; a running server takes the new files by itself", report::date(*.until))]
    Over {
        /// Since when.
        until: UnixMs,
    },
    /// It has not begun.
    #[error("it is valid from {} only: look at the clock, or wait", report::date(*.from))]
    Early {
        /// From when.
        from: UnixMs,
    },
    /// It names others.
    #[error("it is not for {name}: browsers will refuse it; get one that names it")]
    Name {
        /// The name that is missing.
        name: String,
    },
}

/// The year 10000: a certificate that never ends says the last second before it.
const FAR: u64 = 253_402_300_800_000;

/// Judges the server's own certificate of a chain; until when it is valid.
///
/// # Errors
/// [`Fault`].
pub fn judge(chain: &[CertificateDer<'_>], names: &[String], now: UnixMs) -> Result<UnixMs, Fault> {
    let own = chain.first().ok_or(Fault::Unreadable)?;
    let own = ParsedCertificate::try_from(own).map_err(|_| Fault::Unreadable)?;
    let from = match time_of(&own, UnixMs(0)) {
        Some(Fault::Early { from }) => from,
        Some(_) => return Err(Fault::Unreadable),
        None => UnixMs(0),
    };
    let Some(Fault::Over { until }) = time_of(&own, UnixMs(FAR)) else {
        return Err(Fault::Unreadable);
    };
    if now < from {
        return Err(Fault::Early { from });
    }
    if now >= until {
        return Err(Fault::Over { until });
    }
    for name in names {
        let wrong = || Fault::Name { name: name.clone() };
        let server = ServerName::try_from(name.as_str()).map_err(|_| wrong())?;
        verify_server_name(&own, &server).map_err(|_| wrong())?;
    }
    Ok(until)
}

/// What the verifier says about a time. It looks at it first; that nobody is
/// trusted here comes after.
fn time_of(own: &ParsedCertificate<'_>, at: UnixMs) -> Option<Fault> {
    let nobody = RootCertStore::empty();
    let at = UnixTime::since_unix_epoch(std::time::Duration::from_millis(at.0));
    let algorithms = rustls::crypto::ring::default_provider().signature_verification_algorithms;
    let ms = |time: UnixTime| UnixMs(time.as_secs().saturating_mul(1000));
    match verify_server_cert_signed_by_trust_anchor(own, &nobody, &[], at, algorithms.all) {
        Err(Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) => {
            Some(Fault::Over {
                until: ms(not_after),
            })
        }
        Err(Error::InvalidCertificate(CertificateError::NotValidYetContext {
            not_before, ..
        })) => Some(Fault::Early {
            from: ms(not_before),
        }),
        // Its time was looked at first.
        Err(Error::InvalidCertificate(CertificateError::UnknownIssuer)) => None,
        Ok(()) => None,
        Err(_) => Some(Fault::Unreadable),
    }
}
