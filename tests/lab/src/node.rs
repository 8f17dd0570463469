//! A server's node made by hand, for tests whose server does what they tell
//! it: keys, statement, certificate, and the upgrade of a link.
//!
//! The provider is key 1, the node key 2. Judges nothing.

use std::sync::{Arc, OnceLock};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use culvert_link::server::{Prover, client_nonce};
use culvert_link::{Dial, ProxyPolicy, tls};
use culvert_wire::UnixMs;
use culvert_wire::key::SigningKey;
use culvert_wire::statement::{NodeStatement, Roles, SignedStatement};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// A day, in milliseconds.
pub const DAY: u64 = 24 * 3600 * 1000;

/// A key that a test can name.
pub fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

/// The provider whose node this is.
pub fn provider() -> SigningKey {
    key(1)
}

/// The node's own key.
pub fn node() -> SigningKey {
    key(2)
}

/// The server's time: the wall clock at the start, then a steady count, as the
/// real server's; a machine whose clock is being set must not fail a test.
pub fn now() -> UnixMs {
    static START: OnceLock<(Instant, u64)> = OnceLock::new();
    let (start, at) = START.get_or_init(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let ms = since.map_or(0, |since| since.as_millis());
        (Instant::now(), u64::try_from(ms).unwrap_or(u64::MAX))
    });
    UnixMs(*at).plus_ms(u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX))
}

/// The good statement, for changes.
pub fn statement() -> NodeStatement {
    let issued = UnixMs(now().0 - DAY);
    NodeStatement {
        provider: provider().public(),
        node: node().public(),
        roles: Roles {
            relay: true,
            broker: true,
        },
        issued,
        not_after: issued.plus_ms(60 * DAY),
        epoch: 3,
    }
}

/// What proves the node.
pub fn prover() -> Prover {
    prover_of(statement(), &provider())
}

/// A prover whose statement somebody signed.
pub fn prover_of(statement: NodeStatement, by: &SigningKey) -> Prover {
    Prover {
        node: node(),
        statement: SignedStatement::sign(statement, by),
        rotations: Vec::new(),
    }
}

/// How to reach a node that listens there.
pub fn dial(server: impl ToString) -> Dial {
    Dial {
        servers: vec![server.to_string()],
        provider: provider().public(),
        epoch_floor: 0,
        clock_floor: UnixMs(0),
        proxy: ProxyPolicy::None,
    }
}

/// TLS with a fresh certificate for a name.
///
/// # Panics
/// When none can be made.
pub fn web_config(name: &str) -> Arc<ServerConfig> {
    let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).expect("a certificate");
    let key = made.signing_key.serialize_der();
    server_config(made.cert.der().clone(), key)
}

/// TLS with a certificate and its key.
///
/// # Panics
/// When they do not fit together.
pub fn server_config(certificate: CertificateDer<'static>, key: Vec<u8>) -> Arc<ServerConfig> {
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key));
    let config = ServerConfig::builder_with_provider(tls::provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3 is known")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("the key is the certificate's");
    Arc::new(config)
}

/// Reads an upgrade request and accepts it; the endpoint's nonce.
pub async fn upgrade<S: AsyncRead + AsyncWrite + Unpin>(tls: &mut S) -> Option<[u8; 32]> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(tls.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).ok()?;
    let value = |name: &str| {
        head.lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim().to_owned())
    };
    let accept = derive_accept_key(value("sec-websocket-key")?.as_bytes());
    let protocol = value("sec-websocket-protocol")?;
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: {protocol}\r\n\r\n"
    );
    tls.write_all(answer.as_bytes()).await.ok()?;
    client_nonce(value("culvert-nonce")?.as_bytes())
}
