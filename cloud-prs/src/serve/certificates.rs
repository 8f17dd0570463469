//! The certificate of a running server: looked at again and again, and taken
//! over when its files hold another one, without a restart.
//!
//! Links that are up go on. Files that do not fit, or hold a certificate that is
//! over or not for the portal's name, are told and left: the one that worked stays.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use culvert_config::prs::Prs;
use culvert_link::tls;
use culvert_wire::UnixMs;
use rustls::pki_types::CertificateDer;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::signal::unix::Signal;
use tracing::{error, info, warn};

use super::{ServeError, browser_names, certificate_names};
use crate::app::report;
use crate::certificate;
use crate::data::Data;
use crate::steady;

/// Between two looks at the files.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// Less than this left is worth a warning.
const SOON_MS: u64 = 14 * 24 * 3600 * 1000;

/// What new connections are shown.
#[derive(Debug)]
pub(super) struct Certificates {
    shown: RwLock<Arc<CertifiedKey>>,
}

impl Certificates {
    /// Reads the files; a self-made certificate is renewed first if it is time.
    pub(super) fn load(data: &Data, settings: &Prs, now: UnixMs) -> Result<Arc<Self>, ServeError> {
        let first = read(data, settings, now)?;
        warn_of(&first.cert, settings, now);
        Ok(Arc::new(Self {
            shown: RwLock::new(Arc::new(first)),
        }))
    }

    fn shown(&self) -> Arc<CertifiedKey> {
        // A holder that panicked left a whole value.
        Arc::clone(&self.shown.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Looks after the files until dropped.
    pub(super) async fn keep(&self, data: &Data, settings: &Prs, mut hang_up: Signal) {
        let mut told = String::new();
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                _ = hang_up.recv() => told.clear(),
            }
            let now = steady::now();
            match read(data, settings, now) {
                Ok(found) if found.cert == self.shown().cert => told.clear(),
                Ok(found) => {
                    // A worse one than what works is a slip, not a renewal.
                    if let Err(fault) = judge(&found.cert, settings, now)
                        && judge(&self.shown().cert, settings, now).is_ok()
                    {
                        stays(&mut told, fault.to_string());
                        continue;
                    }
                    warn_of(&found.cert, settings, now);
                    *self.shown.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(found);
                    info!("Certificate taken over");
                    told.clear();
                }
                Err(error) => stays(&mut told, error.to_string()),
            }
        }
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.shown())
    }
}

/// Once for each trouble: files may be half way replaced.
fn stays(told: &mut String, error: String) {
    if *told != error {
        error!(%error, "Certificate files do not hold, the old certificate stays");
        *told = error;
    }
}

fn judge(
    chain: &[CertificateDer<'_>],
    settings: &Prs,
    now: UnixMs,
) -> Result<UnixMs, certificate::Fault> {
    certificate::judge(chain, &browser_names(settings), now)
}

fn read(data: &Data, settings: &Prs, now: UnixMs) -> Result<CertifiedKey, ServeError> {
    if settings.certificate.is_none() {
        certificate::renew_if_due(data, &certificate_names(settings), now)?;
    }
    let (chain, key) = certificate::load(data, settings.certificate.as_ref())?;
    Ok(CertifiedKey::from_der(chain, key, &tls::provider())?)
}

/// Says what browsers will dislike; boxes and `culvert` do not look at it.
fn warn_of(chain: &[CertificateDer<'_>], settings: &Prs, now: UnixMs) {
    match judge(chain, settings, now) {
        Err(fault) => warn!(%fault, "Certificate is not good for browsers"),
        Ok(until) if until.ms_since(now) < SOON_MS => {
            warn!(until = report::date(until), "Certificate ends soon");
        }
        Ok(_) => {}
    }
}
