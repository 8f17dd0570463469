//! A minimal server: TLS, upgrade, proof; echoes packets, answers the API.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock};
use std::task::Poll;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use culvert_link::proxy::ProxyPolicy;
use culvert_link::queue::Outgoing;
use culvert_link::server::{Arrival, ArriveError, Prover, arrive, client_nonce};
use culvert_link::{Dial, Me, socket, tls};
use culvert_wire::frame::{ApiResponse, Frame, Packets, Welcome};
use culvert_wire::hello::{Binding, GatewayHello, LinkAuth};
use culvert_wire::id::BootId;
use culvert_wire::key::SigningKey;
use culvert_wire::statement::{NodeStatement, Roles, SignedStatement};
use culvert_wire::{Encode as _, UnixMs};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

pub(crate) const DAY: u64 = 24 * 3600 * 1000;

pub(crate) fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

/// The server's time: the wall clock at the start, then a steady count, as the
/// real server's; a machine whose clock is being set must not fail a test.
pub(crate) fn now() -> UnixMs {
    static START: OnceLock<(Instant, UnixMs)> = OnceLock::new();
    let (start, at) = START.get_or_init(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let ms = u64::try_from(since.as_millis()).unwrap();
        (Instant::now(), UnixMs(ms))
    });
    at.plus_ms(u64::try_from(start.elapsed().as_millis()).unwrap())
}

/// The provider is key 1, the node key 2.
pub(crate) fn prover() -> Prover {
    let issued = UnixMs(now().0 - DAY);
    let statement = NodeStatement {
        provider: key(1).public(),
        node: key(2).public(),
        roles: Roles {
            relay: true,
            broker: true,
        },
        issued,
        not_after: issued.plus_ms(60 * DAY),
        epoch: 3,
    };
    Prover {
        node: key(2),
        statement: SignedStatement::sign(statement, &key(1)),
        rotations: Vec::new(),
    }
}

pub(crate) fn dial(address: SocketAddr) -> Dial {
    Dial {
        servers: vec![address.to_string()],
        provider: key(1).public(),
        epoch_floor: 0,
        clock_floor: UnixMs(0),
        proxy: ProxyPolicy::None,
    }
}

pub(crate) fn gateway() -> Me {
    Me::Gateway {
        key: key(7),
        hello: GatewayHello {
            identity: key(7).public(),
            boot: BootId::from_random([1; 16]),
            lease: None,
            revocations: 0,
        },
    }
}

pub(crate) fn web_config(name: &str) -> Arc<ServerConfig> {
    let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
    let key = made.signing_key.serialize_der();
    server_config(made.cert.der().clone(), key)
}

pub(crate) fn server_config(
    certificate: CertificateDer<'static>,
    key: Vec<u8>,
) -> Arc<ServerConfig> {
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key));
    let config = ServerConfig::builder_with_provider(tls::provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    Arc::new(config)
}

/// A running server; stops when dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    /// Everything that arrived and proved itself.
    pub(crate) seen: Arc<Mutex<Vec<(LinkAuth, Binding)>>>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(crate) async fn start() -> Server {
    start_with(web_config("prs.example.com"), prover()).await
}

pub(crate) async fn start_with(web: Arc<ServerConfig>, prover: Prover) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    start_on(listener, web, prover)
}

pub(crate) fn start_on(listener: TcpListener, web: Arc<ServerConfig>, prover: Prover) -> Server {
    let address = listener.local_addr().unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&seen);
    let task = tokio::spawn(async move {
        let mut running = JoinSet::new();
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            let (web, prover, seen) = (Arc::clone(&web), prover.clone(), Arc::clone(&kept));
            running.spawn(async move {
                if let Ok(arrival) = welcome(tcp, web, &prover).await {
                    let proved = (arrival.auth.clone(), arrival.binding);
                    seen.lock().unwrap().push(proved);
                    serve(arrival).await;
                }
            });
        }
    });
    Server {
        address,
        seen,
        task,
    }
}

pub(crate) async fn welcome(
    tcp: TcpStream,
    web: Arc<ServerConfig>,
    prover: &Prover,
) -> Result<Arrival<TlsStream<TcpStream>>, ArriveError> {
    socket::prepare(&tcp).unwrap();
    let accepted = TlsAcceptor::from(web).accept(tcp).await;
    let mut tls = accepted.map_err(|_| ArriveError::Left)?;
    let exporter = tls::exporter(tls.get_ref().1).unwrap();
    let nonce = upgrade(&mut tls).await.ok_or(ArriveError::Left)?;
    arrive(tls, &[], exporter, nonce, prover, now()).await
}

pub(crate) async fn upgrade<S: AsyncRead + AsyncWrite + Unpin>(tls: &mut S) -> Option<[u8; 32]> {
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

/// Echoes and answers until the link ends.
pub(crate) async fn serve<S: AsyncRead + AsyncWrite + Unpin>(arrival: Arrival<S>) {
    let Arrival {
        mut pipe, binding, ..
    } = arrival;
    let mut out = VecDeque::from([frame(&Frame::Welcome(Welcome {
        keepalive_ms: 20_000,
        gateway: None,
        lease: None,
        version: "test".into(),
    }))]);
    loop {
        let next = poll_fn(|cx| {
            if let Poll::Ready(Err(error)) = pipe.poll_send(cx, || out.pop_front()) {
                return Poll::Ready(Err(error));
            }
            pipe.poll_next(cx)
        });
        let Ok(message) = next.await else { return };
        if let Some(answer) = answer(Frame::from_message(message).unwrap().unwrap(), &binding) {
            out.push_back(answer);
        }
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "a server of few words")]
fn answer(got: Frame, binding: &Binding) -> Option<Outgoing> {
    match got {
        Frame::Packets(packets) => Some(Outgoing::Packets {
            header: Packets::header(packets.channel, packets.segment),
            payload: packets.payload,
        }),
        Frame::Join(join) => {
            join.verify(binding).unwrap();
            let channel = join.channel;
            Some(frame(&Frame::Joined {
                channel,
                peer: true,
            }))
        }
        Frame::ApiRequest(request) => Some(frame(&Frame::ApiResponse(ApiResponse {
            id: request.id,
            status: 200,
            body: format!("{} {}", request.method.name(), request.path).into(),
        }))),
        Frame::Ping(number) => Some(frame(&Frame::Pong(number))),
        _ => None,
    }
}

pub(crate) fn frame(frame: &Frame) -> Outgoing {
    Outgoing::Frame(frame.to_bytes())
}
