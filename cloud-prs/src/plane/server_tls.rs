//! TLS settings of the server: TLS 1.3 only, HTTP/1.1, no resumption.

use std::sync::Arc;

use culvert_link::tls;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, ResolvesServerCert, WantsServerCert};
use rustls::{ConfigBuilder, ServerConfig};

/// Settings with one certificate chain for as long as the server runs.
///
/// # Errors
/// [`rustls::Error`] when key and certificate do not fit.
pub fn server_config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let config = builder()?.with_single_cert(chain, key)?;
    Ok(finish(config))
}

/// Settings with a certificate that may be renewed while the server runs.
///
/// # Errors
/// [`rustls::Error`] when TLS 1.3 is not to be had.
pub fn renewable_config(
    certificates: Arc<dyn ResolvesServerCert>,
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let config = builder()?.with_cert_resolver(certificates);
    Ok(finish(config))
}

fn builder() -> Result<ConfigBuilder<ServerConfig, WantsServerCert>, rustls::Error> {
    let builder = ServerConfig::builder_with_provider(tls::provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?;
    Ok(builder.with_no_client_auth())
}

fn finish(mut config: ServerConfig) -> Arc<ServerConfig> {
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // Links never resume, and what is not kept needs no memory.
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    #[cfg(feature = "keylog")]
    {
        config.key_log = Arc::new(rustls::KeyLogFile::new());
    }
    Arc::new(config)
}
