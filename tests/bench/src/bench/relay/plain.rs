//! One turn through a relay that ends TLS, copies, and starts TLS again: the
//! least that any relay with TLS on both legs can do.

use std::net::SocketAddr;
use std::sync::{Arc, mpsc};

use anyhow::Context as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::blind::{Passed, Sizes};
use crate::rig::cpu::{Cpu, RoleThread};

/// What turns have cost so far.
#[derive(Debug, Default)]
pub(super) struct Cost {
    pub(super) seconds: f64,
    pub(super) forwarded: u64,
}

impl Cost {
    pub(super) fn add(&mut self, turn: &Self) {
        self.seconds += turn.seconds;
        self.forwarded += turn.forwarded;
    }
}

/// Replays messages of these sizes through the copy.
pub(super) fn turn(sizes: Sizes) -> anyhow::Result<Cost> {
    let (tell, told) = mpsc::channel();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into()])?;
    let certificate = made.cert.der().clone();
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let acceptor = acceptor(certificate.clone(), key)?;
    let copy = RoleThread::start("copy", move || async move {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        tell.send(listener.local_addr()?)?;
        let sender = accept(&listener, &acceptor).await?;
        let receiver = accept(&listener, &acceptor).await?;
        let clock = Cpu::of_this_thread();
        let before = clock.seconds()?;
        let (sender_read, sender_write) = tokio::io::split(sender);
        let (receiver_read, receiver_write) = tokio::io::split(receiver);
        tokio::try_join!(
            copy(sender_read, receiver_write),
            copy(receiver_read, sender_write),
        )?;
        Ok(clock.seconds()? - before)
    })?;
    let address = told.recv().context("no relay")?;
    let connector = connector(certificate)?;
    let (connected, ready) = mpsc::channel();
    let (their_sizes, their_connector) = (sizes.clone(), connector.clone());
    let sender = RoleThread::start("sender", move || async move {
        let stream = dial(address, &their_connector).await?;
        connected.send(())?;
        send(stream, &their_sizes).await
    })?;
    ready.recv().context("no sender")?;
    let receiver = RoleThread::start("receiver", move || async move {
        let stream = dial(address, &connector).await?;
        receive(stream, &sizes).await
    })?;
    let forwarded = receiver.join()?;
    sender.join()?;
    let seconds = copy.join()?;
    Ok(Cost { seconds, forwarded })
}

fn acceptor(
    certificate: CertificateDer<'static>,
    key: PrivatePkcs8KeyDer<'static>,
) -> anyhow::Result<TlsAcceptor> {
    let provider = culvert_link::tls::provider();
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], PrivateKeyDer::Pkcs8(key))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn connector(certificate: CertificateDer<'static>) -> anyhow::Result<TlsConnector> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate)?;
    let config = ClientConfig::builder_with_provider(culvert_link::tls::provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

async fn accept(
    listener: &TcpListener,
    acceptor: &TlsAcceptor,
) -> anyhow::Result<tokio_rustls::server::TlsStream<TcpStream>> {
    let (stream, _) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok(acceptor.accept(stream).await?)
}

async fn dial(to: SocketAddr, connector: &TlsConnector) -> anyhow::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(to).await?;
    stream.set_nodelay(true)?;
    let name = ServerName::try_from("localhost")?;
    Ok(connector.connect(name, stream).await?)
}

async fn copy(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
) -> anyhow::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            break;
        }
        to.write_all(&buffer[..read]).await?;
        to.flush().await?;
    }
    to.shutdown().await?;
    Ok(())
}

/// Writes what went out, reads what came in.
async fn send(stream: TlsStream<TcpStream>, sizes: &Sizes) -> anyhow::Result<()> {
    let (mut read, mut write) = tokio::io::split(stream);
    let block = vec![0x55; 64 * 1024 + 16];
    let send = async {
        for passed in sizes {
            if let Passed::Out(length) = passed {
                write.write_all(&block[..*length]).await?;
                write.flush().await?;
            }
        }
        write.shutdown().await?;
        anyhow::Ok(())
    };
    let mut buffer = vec![0; 64 * 1024];
    let drain = async {
        while read.read(&mut buffer).await? > 0 {}
        anyhow::Ok(())
    };
    tokio::try_join!(send, drain)?;
    Ok(())
}

/// Reads what went out; answers as often as was answered. Gives the bytes of
/// both ways.
async fn receive(stream: TlsStream<TcpStream>, sizes: &Sizes) -> anyhow::Result<u64> {
    let (mut read, mut write) = tokio::io::split(stream);
    let mut buffer = vec![0; 256 * 1024];
    let (mut due, mut got, mut answered) = (0, 0, 0);
    for passed in sizes {
        match *passed {
            Passed::Out(length) => due += length as u64,
            Passed::In(length) => {
                while got < due {
                    let now = read.read(&mut buffer).await?;
                    anyhow::ensure!(now > 0, "the copy ended early");
                    got += now as u64;
                }
                write.write_all(&buffer[..length]).await?;
                write.flush().await?;
                answered += length as u64;
            }
        }
    }
    loop {
        match read.read(&mut buffer).await? {
            0 => break,
            now => got += now as u64,
        }
    }
    anyhow::ensure!(got == due, "{got} of {due} bytes arrived");
    write.shutdown().await?;
    Ok(got + answered)
}
