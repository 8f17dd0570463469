//! The way from 203.0.113.10:443 to the cloud server on this machine.
//!
//! `socat` accepts in the internet's namespace and carries each connection
//! over a unix-domain socket (paths cross network namespaces); this process
//! takes it there and connects to loopback. So the machine's own network gets
//! no interface, address or route. The intercepting variant ends TLS here,
//! as a company's inspection proxy does, and keeps every byte it could read.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, ServerConfig, SignatureScheme};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::runtime::Runtime;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::LabError;
use crate::network::{CLOUD_IP, CLOUD_NAME};
use crate::options::Internet;

/// Who signed the certificate an intercepting proxy shows.
const INSPECTOR: &str = "Example Corp Web Inspection";

/// Everything an intercepting proxy could read.
#[derive(Clone, Debug, Default)]
pub struct Overheard {
    /// What the site (or the technician) sent.
    pub from_ends: Vec<u8>,
    /// What the cloud server sent.
    pub from_cloud: Vec<u8>,
    /// TLS handshakes the proxy completed with an end.
    pub handshakes: usize,
}

/// The running forwarder; ends with this value.
pub(crate) struct Forwarder {
    runtime: Option<Runtime>,
    socket: PathBuf,
    ear: Ear,
}

type Ear = Arc<Mutex<Overheard>>;

impl Forwarder {
    pub(crate) fn start(
        folder: &Path,
        cloud: SocketAddr,
        internet: Internet,
    ) -> Result<Self, LabError> {
        let socket = folder.join("internet.sock");
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("lab-internet")
            .enable_all()
            .build()
            .map_err(LabError::Forwarder)?;
        let listener = {
            let _inside = runtime.enter();
            UnixListener::bind(&socket).map_err(LabError::file(&socket))?
        };
        let ear = Ear::default();
        let inspector = match internet {
            Internet::Honest => None,
            Internet::Intercepting => {
                Some(Inspector::new(Arc::clone(&ear)).map_err(LabError::Forwarder)?)
            }
        };
        runtime.spawn(accept(listener, cloud, inspector));
        Ok(Self {
            runtime: Some(runtime),
            socket,
            ear,
        })
    }

    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    pub(crate) fn overheard(&self) -> Overheard {
        listen(&self.ear).clone()
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn accept(listener: UnixListener, cloud: SocketAddr, inspector: Option<Inspector>) {
    while let Ok((end, _)) = listener.accept().await {
        let inspector = inspector.clone();
        tokio::spawn(async move {
            // A connection's failure is the ends' business; they see it closed.
            let _ = carry(end, cloud, inspector).await;
        });
    }
}

async fn carry(
    mut end: UnixStream,
    cloud: SocketAddr,
    inspector: Option<Inspector>,
) -> io::Result<()> {
    let mut cloud = TcpStream::connect(cloud).await?;
    cloud.set_nodelay(true)?;
    match inspector {
        None => {
            tokio::io::copy_bidirectional(&mut end, &mut cloud).await?;
            Ok(())
        }
        Some(inspector) => inspector.carry(end, cloud).await,
    }
}

/// Ends TLS on both sides and keeps what passes.
#[derive(Clone)]
struct Inspector {
    acceptor: TlsAcceptor,
    connector: TlsConnector,
    ear: Ear,
}

impl Inspector {
    fn new(ear: Ear) -> io::Result<Self> {
        let provider = Arc::new(ring::default_provider());
        let (chain, key) = certificate().map_err(io::Error::other)?;
        let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .and_then(|versions| versions.with_no_client_auth().with_single_cert(chain, key))
            .map_err(io::Error::other)?;
        let client = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyChain(provider)))
            .with_no_client_auth();
        Ok(Self {
            acceptor: TlsAcceptor::from(Arc::new(server)),
            connector: TlsConnector::from(Arc::new(client)),
            ear,
        })
    }

    async fn carry(self, end: UnixStream, cloud: TcpStream) -> io::Result<()> {
        let end = self.acceptor.accept(end).await?;
        listen(&self.ear).handshakes += 1;
        let name = ServerName::try_from(CLOUD_IP).map_err(io::Error::other)?;
        let cloud = self.connector.connect(name, cloud).await?;
        let (end_in, end_out) = tokio::io::split(end);
        let (cloud_in, cloud_out) = tokio::io::split(cloud);
        tokio::try_join!(
            copy(end_in, cloud_out, |bytes| listen(&self.ear)
                .from_ends
                .extend_from_slice(bytes)),
            copy(cloud_in, end_out, |bytes| listen(&self.ear)
                .from_cloud
                .extend_from_slice(bytes)),
        )?;
        Ok(())
    }
}

async fn copy(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    overhear: impl Fn(&[u8]),
) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            return to.shutdown().await;
        }
        overhear(&buffer[..count]);
        to.write_all(&buffer[..count]).await?;
        to.flush().await?;
    }
}

fn listen(ear: &Ear) -> std::sync::MutexGuard<'_, Overheard> {
    ear.lock().unwrap_or_else(PoisonError::into_inner)
}

type Chain = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn certificate() -> Result<Chain, rcgen::Error> {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority
        .distinguished_name
        .push(DnType::CommonName, INSPECTOR);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
    let key = KeyPair::generate()?;
    let leaf = CertificateParams::new(vec![CLOUD_IP.to_owned(), CLOUD_NAME.to_owned()])?
        .signed_by(&key, &authority)?;
    let key = PrivateKeyDer::try_from(key.serialize_der())
        .map_err(|_| rcgen::Error::CouldNotParseKeyPair)?;
    Ok((vec![leaf.der().clone(), authority.der().clone()], key))
}

/// An inspection proxy of the careless kind: takes the cloud server's
/// certificate whatever it is.
#[derive(Debug)]
struct AnyChain(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyChain {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, cert, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, cert, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
