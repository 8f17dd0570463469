//! From a TCP connection to a link or to the HTTP router.
//!
//! One task per connection, owned by [`listen`]: it ends with it. Each step
//! before the proof has a time limit and counts at the [`Gate`](super::gate).

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use culvert_link::ahead::Ahead;
use culvert_link::{socket, tls};
use culvert_wire::hello::{BROWSER_LINK_PATH, LINK_PATH, NONCE_LEN};
use culvert_wire::reason::Reason;
use http::header::CONNECTION;
use http::uri::Authority;
use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tower::ServiceExt as _;
use tracing::{debug, warn};

use super::admit::{Asked, LinkTask};
use super::control::{Caller, ConnInfo, Control};
use super::gate::Pass;
use super::upgrade::NonceIn;
use super::{Inner, admit, upgrade};

/// Time for the TLS handshake.
const TLS_TIMEOUT: Duration = Duration::from_secs(5);
/// Time for the head of a request, and idle time between two requests.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Time for one request of the HTTP API, its body included.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
/// Life of a connection that does not become a link: a reader that takes its
/// answer byte by byte does not keep its place for ever.
const HTTP_LIFETIME: Duration = Duration::from_secs(300);
/// Longest head of a request, in bytes.
const MAX_HEAD: usize = 16 * 1024;
/// Links that may wait for their task to be started; others wait in theirs.
const WAITING_LINKS: usize = 256;
/// Pause after the system refused a connection (no descriptors left).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

type Upgraded = Arc<Mutex<Option<(OnUpgrade, Asked)>>>;

/// Takes connections until it is dropped or the plane drains; then waits for
/// those that are open. Without an acceptor they are plain HTTP, and no link.
pub(super) async fn listen<C: Control>(
    inner: Arc<Inner>,
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
    router: Router,
    control: Arc<C>,
) {
    let mut connections = JoinSet::new();
    let (ready, mut links) = mpsc::channel(WAITING_LINKS);
    let mut draining = inner.draining.subscribe();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
            Some(link) = links.recv() => {
                connections.spawn(link);
                continue;
            }
            _ = draining.wait_for(Option::is_some) => break,
        };
        let (tcp, from) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                warn!(%error, "Connection could not be accepted");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Some(pass) = inner.gate.enter(from.ip()) else {
            debug!(%from, "Too many connections without a proof");
            continue;
        };
        let (inner, acceptor) = (Arc::clone(&inner), acceptor.clone());
        let (router, control, ready) = (router.clone(), Arc::clone(&control), ready.clone());
        connections.spawn(async move {
            let link = begin(&inner, tcp, from, acceptor, router, control, pass).await;
            if let Some(link) = link {
                // Fails when the plane drains: the link is dropped.
                let _ = ready.send(link).await;
            }
        });
    }
    drop(listener);
    // Links that were about to start are dropped: they come back.
    drop(links);
    while connections.join_next().await.is_some() {}
}

/// One connection to its end, or to the link it became.
async fn begin<C: Control>(
    inner: &Inner,
    tcp: TcpStream,
    from: SocketAddr,
    acceptor: Option<TlsAcceptor>,
    router: Router,
    control: Arc<C>,
    pass: Pass,
) -> Option<LinkTask> {
    if let Err(error) = socket::prepare(&tcp) {
        debug!(%from, %error, "Socket options refused");
        return None;
    }
    let mut info = ConnInfo {
        peer: from,
        exporter: [0; NONCE_LEN],
        plain: true,
    };
    let Some(acceptor) = acceptor else {
        return connection(inner, tcp, info, router, control, pass).await;
    };
    let (tls, exporter) = handshake(tcp, from, acceptor).await?;
    (info.exporter, info.plain) = (exporter, false);
    connection(inner, tls, info, router, control, pass).await
}

async fn handshake(
    tcp: TcpStream,
    from: SocketAddr,
    acceptor: TlsAcceptor,
) -> Option<(TlsStream<Ahead<TcpStream>>, [u8; NONCE_LEN])> {
    // Boxed: the handshake's state must not weigh on the link's task for ever.
    match timeout(TLS_TIMEOUT, Box::pin(acceptor.accept(Ahead::new(tcp)))).await {
        Ok(Ok(tls)) => {
            let exporter = tls::exporter(tls.get_ref().1).ok()?;
            Some((tls, exporter))
        }
        Ok(Err(error)) => {
            debug!(%from, %error, "TLS handshake failed");
            None
        }
        Err(_) => {
            debug!(%from, "TLS handshake took too long");
            None
        }
    }
}

async fn connection<S, C>(
    inner: &Inner,
    io: S,
    info: ConnInfo,
    router: Router,
    control: Arc<C>,
    pass: Pass,
) -> Option<LinkTask>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    C: Control,
{
    let upgraded: Upgraded = Arc::default();
    let pass = Arc::new(pass);
    let mut serve = {
        let (upgraded, pass) = (Arc::clone(&upgraded), Arc::clone(&pass));
        let control = Arc::clone(&control);
        let service = service_fn(move |request| {
            let (router, upgraded) = (router.clone(), Arc::clone(&upgraded));
            let (control, pass) = (Arc::clone(&control), Arc::clone(&pass));
            async move {
                let answer = respond(request, info, router, &*control, &upgraded, &pass).await;
                Ok::<_, Infallible>(answer)
            }
        });
        Box::pin(
            hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_TIMEOUT)
                .max_buf_size(MAX_HEAD)
                .serve_connection(TokioIo::new(io), service)
                .with_upgrades(),
        )
    };
    let served = match timeout(HTTP_LIFETIME, serve.as_mut()).await {
        Ok(served) => Ok(served),
        Err(_) => {
            // No request that is under way is cut off; no other begins.
            serve.as_mut().graceful_shutdown();
            timeout(REQUEST_TIMEOUT, serve.as_mut()).await
        }
    };
    drop(serve);
    match served {
        Ok(Ok(())) => {}
        Ok(Err(error)) => debug!(from = %info.peer, %error, "HTTP connection ended"),
        Err(_) => debug!(from = %info.peer, "HTTP connection was open long enough"),
    }
    let pending = upgraded
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    let (pending, asked) = pending?;
    let parts = pending.await.ok()?.downcast::<TokioIo<S>>().ok()?;
    let (io, leftover) = (parts.io.into_inner(), parts.read_buf);
    let admit = admit::run(
        inner,
        control,
        io,
        &leftover,
        info.exporter,
        asked,
        info.peer,
        pass,
    );
    Box::pin(admit).await
}

async fn respond<C: Control>(
    mut request: Request<Incoming>,
    info: ConnInfo,
    router: Router,
    control: &C,
    upgraded: &Upgraded,
    pass: &Pass,
) -> Response<Body> {
    if info.plain && !loopback_host(&request) {
        // A name of somebody else's that was made to point here.
        let mut answer = Response::new(Body::from("this address is for localhost only"));
        *answer.status_mut() = StatusCode::MISDIRECTED_REQUEST;
        return answer;
    }
    if request.uri().path() == LINK_PATH && !info.plain {
        let answer = open_link(request, NonceIn::Header, None, upgraded);
        // No link after all: it is an HTTP connection like any other.
        let linked = answer.status() == StatusCode::SWITCHING_PROTOCOLS;
        return if linked || pass.asks_http() {
            answer
        } else {
            crowded()
        };
    }
    if !pass.asks_http() {
        return crowded();
    }
    request.extensions_mut().insert(info);
    if request.uri().path() == BROWSER_LINK_PATH {
        return greet(request, control, upgraded).await;
    }
    let answer = router.oneshot(request.map(Body::new));
    match timeout(REQUEST_TIMEOUT, answer).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(never)) => match never {},
        Err(_) => {
            let mut answer = Response::new(Body::from("the request took too long"));
            *answer.status_mut() = StatusCode::REQUEST_TIMEOUT;
            answer
        }
    }
}

/// The answer when too many HTTP connections are open.
fn crowded() -> Response<Body> {
    let mut answer = Response::new(Body::from("too many connections, try again later"));
    *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    let close = HeaderValue::from_static("close");
    answer.headers_mut().insert(CONNECTION, close);
    answer
}

/// Whether a request names this machine by a name that only it can have.
fn loopback_host(request: &Request<Incoming>) -> bool {
    let host = request.headers().get(http::header::HOST);
    let Some(authority) = host.and_then(|host| Authority::try_from(host.as_bytes()).ok()) else {
        return false;
    };
    let name = authority.host();
    let address = name.trim_matches(['[', ']']).parse::<IpAddr>();
    name.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

/// A browser's request for a link: judged by the application first.
async fn greet<C: Control>(
    request: Request<Incoming>,
    control: &C,
    upgraded: &Upgraded,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let greeted = match timeout(HEAD_TIMEOUT, control.greet_browser(&parts)).await {
        Ok(greeted) => greeted,
        Err(_) => Err(Reason::DatabaseDown),
    };
    match greeted {
        Ok(browser) => {
            let request = Request::from_parts(parts, body);
            open_link(request, NonceIn::Subprotocol, Some(browser), upgraded)
        }
        Err(reason) => upgrade::refused(reason),
    }
}

/// Answers an upgrade request, and leaves what becomes of it in `upgraded`.
fn open_link(
    mut request: Request<Incoming>,
    nonce_in: NonceIn,
    browser: Option<Caller>,
    upgraded: &Upgraded,
) -> Response<Body> {
    match upgrade::judge(&request, nonce_in) {
        Ok((nonce, answer)) => {
            let pending = hyper::upgrade::on(&mut request);
            let mut slot = upgraded.lock().unwrap_or_else(PoisonError::into_inner);
            *slot = Some((pending, Asked { nonce, browser }));
            answer
        }
        Err(answer) => answer,
    }
}
