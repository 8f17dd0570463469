//! Local programs' connections through a real end-to-end session: what is
//! carried, what is refused, what a person is told (threat 32).
#![expect(clippy::unwrap_used, reason = "helpers of tests may panic")]

use std::net::SocketAddr;
use std::sync::Arc;

use culvert_connect::carry::{self, Busy};
use culvert_connect::local::listen::{Limit, Listener};
use culvert_connect::streams::Streams;
use culvert_session::Options;
use culvert_session::native::{Counters, Session, accept, connect, splice};
use culvert_wire::grant::{Protocol, Target};
use culvert_wire::key::SigningKey;
use culvert_wire::reason::Reason;
use culvert_wire::stream::{Answer, Service};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;

/// More than every window and buffer on the way.
const BULK: usize = 8 << 20;

#[tokio::test]
async fn a_forwarded_port_carries_whole_copies_side_by_side() {
    let site = Site::start().await;
    let (at, busy) = forward(&site, Site::ECHO, Limit::FORWARD).await;
    let copies = (0..4).map(|n| {
        tokio::spawn(async move {
            let sent: Vec<u8> = (0..BULK).map(|at| (at * 31 + n).to_le_bytes()[0]).collect();
            let (mut read, mut write) = TcpStream::connect(at).await.unwrap().into_split();
            let copy = sent.clone();
            let writer = tokio::spawn(async move {
                write.write_all(&copy).await.unwrap();
                write.shutdown().await.unwrap();
            });
            let mut got = Vec::new();
            read.read_to_end(&mut got).await.unwrap();
            writer.await.unwrap();
            assert!(got == sent, "copy {n} is whole");
        })
    });
    for copy in copies.collect::<Vec<_>>() {
        copy.await.unwrap();
    }
    assert_eq!(busy.borrow().ever, 4);
}

/// Telnet marks its place in the stream with an urgent byte.
#[tokio::test]
async fn urgent_bytes_stay_in_their_place() {
    let site = Site::start().await;
    let (at, _busy) = forward(&site, Site::ECHO, Limit::ONE).await;
    let mut tcp = TcpStream::connect(at).await.unwrap();
    tcp.write_all(b"before\xff").await.unwrap();
    // The echo shows that the next byte meets a reader that waits.
    tcp.read_exact(&mut [0; 7]).await.unwrap();

    let sent = socket2::SockRef::from(&tcp).send_out_of_band(b"\xf2");
    assert_eq!(sent.unwrap(), 1);
    tcp.write_all(b"after").await.unwrap();

    let mut got = [0; 6];
    tcp.read_exact(&mut got).await.unwrap();
    assert_eq!(&got, b"\xf2after");
}

/// A refused port: the program's connection ends, the others live.
#[tokio::test]
async fn a_dead_host_ends_its_own_connection_only() {
    let site = Site::start().await;
    let (dead, _busy) = forward(&site, Site::DEAD, Limit::FORWARD).await;
    let (echo, _busy2) = forward(&site, Site::ECHO, Limit::FORWARD).await;
    let mut living = TcpStream::connect(echo).await.unwrap();

    let mut refused = TcpStream::connect(dead).await.unwrap();
    let ended = refused.read(&mut [0]).await;

    assert!(matches!(ended, Ok(0) | Err(_)));
    assert_eq!(talk(&mut living, b"still here").await, b"still here");
}

/// Row 32: a viewer's port lets the second program not in.
#[tokio::test]
async fn a_viewers_port_refuses_a_second_program_while_the_first_lives() {
    let site = Site::start().await;
    let (at, _busy) = forward(&site, Site::ECHO, Limit::VNC).await;
    let mut first = TcpStream::connect(at).await.unwrap();
    assert_eq!(talk(&mut first, b"one").await, b"one");

    let mut second = TcpStream::connect(at).await.unwrap();
    let ended = second.read(&mut [0]).await;

    assert!(matches!(ended, Ok(0) | Err(_)));
    assert_eq!(talk(&mut first, b"two").await, b"two");
}

/// Row 32: another user of this computer finds the port and gets nothing.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn another_users_program_is_refused() {
    use std::os::unix::fs::MetadataExt as _;
    const NOBODY: u32 = 65_534;
    if std::fs::metadata("/proc/self").unwrap().uid() != 0 {
        // Only root can start another user's program.
        return;
    }
    let site = Site::start().await;
    let (at, busy) = forward(&site, Site::ECHO, Limit::VNC).await;
    let script = format!(
        "exec 3<>/dev/tcp/{}/{} || exit 9; echo secret >&3; head -c 1 <&3 | wc -c",
        at.ip(),
        at.port()
    );

    let stranger = tokio::process::Command::new("bash")
        .args(["-c", &script])
        .uid(NOBODY)
        .gid(NOBODY)
        .output()
        .await
        .unwrap();

    assert_ne!(stranger.status.code(), Some(9), "it did connect");
    assert_ne!(String::from_utf8_lossy(&stranger.stdout).trim(), "1");
    assert_eq!(busy.borrow().ever, 0, "nothing of it went into the session");
    let mut own = TcpStream::connect(at).await.unwrap();
    assert_eq!(talk(&mut own, b"mine").await, b"mine");
}

/// S32: the device's own addresses and ports, and nothing else.
#[tokio::test]
async fn a_browser_reaches_the_sessions_targets_and_nothing_else() {
    let site = Site::start().await;
    let (at, _busy) = socks(&site).await;

    let mut page = browse(at, "site.device", 80).await.unwrap();
    assert_eq!(talk(&mut page, b"GET /").await, b"GET /");
    assert_eq!(
        browse(at, "site.device", 81).await.unwrap_err(),
        5,
        "host refused"
    );
    for (host, port) in [
        ("site.device", 22),
        ("other.device", 80),
        ("localhost", 80),
        ("127.0.0.1", site.echo.port()),
        ("169.254.169.254", 80),
        ("www.example.com", 443),
    ] {
        assert_eq!(
            browse(at, host, port).await.unwrap_err(),
            2,
            "{host}:{port}"
        );
    }
}

#[tokio::test]
async fn the_end_of_the_session_ends_every_connection() {
    let site = Site::start().await;
    let (at, _busy) = forward(&site, Site::ECHO, Limit::FORWARD).await;
    let mut open = TcpStream::connect(at).await.unwrap();
    assert_eq!(talk(&mut open, b"x").await, b"x");

    site.gateway.close(Reason::UserDisabled, "");
    let ended = open.read(&mut [0]).await;

    assert!(matches!(ended, Ok(0) | Err(_)));
    assert_eq!(site.streams.ended().await.reason, Reason::UserDisabled);
}

/// A gateway's end, with an echo host and a host where nothing listens.
struct Site {
    streams: Streams,
    gateway: Session,
    echo: SocketAddr,
    _gone: TcpSocket,
}

impl Site {
    const ECHO: usize = 0;
    const DEAD: usize = 1;

    async fn start() -> Self {
        let (near, far) = culvert_link::memory_pair();
        let end = SigningKey::from_seed(&rand::random());
        let identity = SigningKey::from_seed(&rand::random());
        let (technician, gateway) = tokio::join!(
            connect(near, &end, identity.public(), Options::default()),
            accept(far, &identity, end.public(), Options::default()),
        );
        let gateway = gateway.unwrap();
        let echo = echo_host().await;
        // Nobody else is given the port, and it refuses.
        let gone = TcpSocket::new_v4().unwrap();
        gone.bind(([127, 0, 0, 1], 0).into()).unwrap();
        let dead = gone.local_addr().unwrap();
        tokio::spawn(bridge(gateway.clone(), [echo, dead]));
        let target = |port| Target {
            address: "site.device".parse().unwrap(),
            port,
            protocol: Protocol::Http,
        };
        Self {
            streams: Streams::new(technician.unwrap(), vec![target(80), target(81)]),
            gateway,
            echo,
            _gone: gone,
        }
    }
}

/// What a gateway does with streams, without its rules.
async fn bridge(session: Session, hosts: [SocketAddr; 2]) {
    while let Ok((open, mut stream)) = session.accept().await {
        let Service::Target(index) = open.service else {
            panic!("no test was asked for");
        };
        tokio::spawn(async move {
            let answer = match TcpStream::connect(hosts[usize::from(index)]).await {
                Ok(tcp) => {
                    stream.reply(Answer::Accepted).await.unwrap();
                    splice(stream, tcp, Arc::new(Counters::default())).await;
                    return;
                }
                Err(_) => Answer::Refused {
                    reason: Reason::HostRefused,
                    text: String::new(),
                },
            };
            stream.reply(answer).await.unwrap();
        });
    }
}

async fn echo_host() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut read, mut write) = tcp.into_split();
                let copied = tokio::io::copy(&mut read, &mut write).await;
                drop(copied);
            });
        }
    });
    at
}

async fn listener(limit: Limit) -> Listener {
    Listener::bind("127.0.0.1:0".parse().unwrap(), limit)
        .await
        .unwrap()
}

async fn forward(site: &Site, target: usize, limit: Limit) -> (SocketAddr, watch::Receiver<Busy>) {
    let listener = listener(limit).await;
    let at = listener.local();
    let (busy, seen) = watch::channel(Busy::default());
    tokio::spawn(carry::forward(listener, site.streams.clone(), target, busy));
    (at, seen)
}

async fn socks(site: &Site) -> (SocketAddr, watch::Receiver<Busy>) {
    let listener = listener(Limit::WEB).await;
    let at = listener.local();
    let (busy, seen) = watch::channel(Busy::default());
    tokio::spawn(carry::socks(listener, site.streams.clone(), busy));
    (at, seen)
}

/// Asks the proxy as a browser does; the code of RFC 1928 §6 when it refuses.
async fn browse(at: SocketAddr, host: &str, port: u16) -> Result<TcpStream, u8> {
    let mut tcp = TcpStream::connect(at).await.unwrap();
    let mut request = vec![5, 1, 0, 5, 1, 0, 3, u8::try_from(host.len()).unwrap()];
    request.extend(host.bytes());
    request.extend(port.to_be_bytes());
    tcp.write_all(&request).await.unwrap();
    let mut answer = [0; 12];
    tcp.read_exact(&mut answer).await.unwrap();
    match answer[3] {
        0 => Ok(tcp),
        code => Err(code),
    }
}

async fn talk(tcp: &mut TcpStream, bytes: &[u8]) -> Vec<u8> {
    tcp.write_all(bytes).await.unwrap();
    let mut got = vec![0; bytes.len()];
    tcp.read_exact(&mut got).await.unwrap();
    got
}
