//! TLS 1.3 with raw public keys (RFC 7250): exactly one peer is accepted.
//!
//! Both ends prove an Ed25519 key inside the handshake. No certificate, no
//! date, no name and no clock takes part. There is no 0-RTT and no session
//! ticket: nothing of a session can be replayed or resumed.

mod verify;

use std::sync::Arc;

use culvert_wire::key::{PublicKey, SigningKey};
use culvert_wire::stream::ALPN;
use noq_proto::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use rustls::client::{AlwaysResolvesClientRawPublicKeys, Resumption};
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::{cipher_suite, default_provider, kx_group, sign};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::server::{AlwaysResolvesServerRawPublicKeys, NoServerSessionStorage};
use rustls::sign::CertifiedKey;
use rustls::version::TLS13;

use crate::options::Ciphers;
use verify::OnePeer;

/// Keys or settings that TLS does not take.
#[derive(Debug, thiserror::Error)]
#[error("the session's keys cannot be used for TLS")]
pub struct TlsError(#[from] rustls::Error);

/// The name in the handshake; raw keys have none and it is never sent.
pub const SERVER_NAME: &str = "session.culvert.invalid";

/// Settings of the technician's end.
///
/// # Errors
/// [`TlsError`] when the key is not usable.
pub fn client(
    own: &SigningKey,
    peer: PublicKey,
    ciphers: Ciphers,
) -> Result<QuicClientConfig, TlsError> {
    let provider = provider(ciphers);
    let mut config = rustls::ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(OnePeer::new(peer, &provider)))
        .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(raw_key(
            own,
        )?)));
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.enable_sni = false;
    config.enable_early_data = false;
    config.resumption = Resumption::disabled();
    Ok(QuicClientConfig::try_from(config).expect("provider() keeps AES-128-GCM"))
}

/// Settings of the gateway's end.
///
/// # Errors
/// [`TlsError`] when the key is not usable.
pub fn server(
    own: &SigningKey,
    peer: PublicKey,
    ciphers: Ciphers,
) -> Result<QuicServerConfig, TlsError> {
    let provider = provider(ciphers);
    let mut config = rustls::ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(Arc::new(OnePeer::new(peer, &provider)))
        .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(raw_key(
            own,
        )?)));
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.max_early_data_size = 0;
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(QuicServerConfig::try_from(config).expect("provider() keeps AES-128-GCM"))
}

/// Both ciphers in the wished order and one key exchange.
fn provider(ciphers: Ciphers) -> Arc<CryptoProvider> {
    let aes = cipher_suite::TLS13_AES_128_GCM_SHA256;
    let chacha = cipher_suite::TLS13_CHACHA20_POLY1305_SHA256;
    let mut provider = default_provider();
    provider.cipher_suites = match ciphers {
        Ciphers::AesFirst => vec![aes, chacha],
        Ciphers::ChaChaFirst => vec![chacha, aes],
    };
    provider.kx_groups = vec![kx_group::X25519];
    Arc::new(provider)
}

fn raw_key(own: &SigningKey) -> Result<Arc<CertifiedKey>, TlsError> {
    let pkcs8 = own.pkcs8_der();
    let signer = sign::any_eddsa_type(&PrivatePkcs8KeyDer::from(pkcs8.as_slice()))?;
    let spki = CertificateDer::from(own.public().spki_der());
    Ok(Arc::new(CertifiedKey::new(vec![spki], signer)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_of_the_wire_is_usable_in_tls() {
        let own = SigningKey::from_seed(&[1; 32]);
        let peer = SigningKey::from_seed(&[2; 32]).public();
        for ciphers in [Ciphers::AesFirst, Ciphers::ChaChaFirst] {
            assert!(client(&own, peer, ciphers).is_ok());
            assert!(server(&own, peer, ciphers).is_ok());
        }
    }
}
