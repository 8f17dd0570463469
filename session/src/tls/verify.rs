//! Accepts one raw public key and refuses every other.
//!
//! Never looks at a chain, a name or a date.

use std::fmt;

use culvert_wire::key::PublicKey;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key,
};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, PeerIncompatible,
    SignatureScheme,
};

/// The verifier of both roles.
pub(super) struct OnePeer {
    peer: PublicKey,
    algorithms: WebPkiSupportedAlgorithms,
}

impl OnePeer {
    pub(super) fn new(peer: PublicKey, provider: &CryptoProvider) -> Self {
        Self {
            peer,
            algorithms: provider.signature_verification_algorithms,
        }
    }

    /// TLS tells the peer of a refused key as alert 49, `access_denied`; see
    /// `ending`.
    fn admit(&self, key: &CertificateDer<'_>) -> Result<(), Error> {
        match PublicKey::from_spki_der(key) {
            Ok(key) if key == self.peer => Ok(()),
            Ok(_) | Err(_) => Err(CertificateError::ApplicationVerificationFailure.into()),
        }
    }
}

impl fmt::Debug for OnePeer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnePeer")
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}

/// What the two roles' traits of rustls ask in the very same words.
macro_rules! for_both_roles {
    () => {
        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Err(PeerIncompatible::Tls13RequiredForQuic.into())
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            key: &CertificateDer<'_>,
            signed: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            let key = SubjectPublicKeyInfoDer::from(key.as_ref());
            verify_tls13_signature_with_raw_key(message, &key, signed, &self.algorithms)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            vec![SignatureScheme::ED25519]
        }

        fn requires_raw_public_keys(&self) -> bool {
            true
        }
    };
}

impl ServerCertVerifier for OnePeer {
    fn verify_server_cert(
        &self,
        key: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.admit(key).map(|()| ServerCertVerified::assertion())
    }

    for_both_roles!();
}

impl ClientCertVerifier for OnePeer {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        key: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.admit(key).map(|()| ClientCertVerified::assertion())
    }

    for_both_roles!();
}
