//! A minimal server: TLS, upgrade, proof; echoes packets, answers the API.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::task::Poll;

pub(crate) use culvert_lab::node::{
    DAY, dial, key, now, prover, server_config, upgrade, web_config,
};
use culvert_link::queue::Outgoing;
use culvert_link::server::{Arrival, ArriveError, Prover, arrive};
use culvert_link::{Me, socket, tls};
use culvert_wire::Encode as _;
use culvert_wire::frame::{ApiResponse, Frame, Packets, Welcome};
use culvert_wire::hello::{Binding, GatewayHello, LinkAuth};
use culvert_wire::id::BootId;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

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

/// An address that nobody else is given as long as the socket lives, and that somebody
/// can listen on.
pub(crate) fn reserve() -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
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
