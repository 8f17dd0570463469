//! Copies between streams and real TCP connections. Real time: sockets do not
//! know of a paused clock.

use std::sync::Arc;
use std::time::Duration;

use culvert_session::native::emulated::Line;
use culvert_session::native::{Counters, Spliced, Stream, splice, splice_until};
use culvert_wire::reason::Reason;
use culvert_wire::stream::{Answer, Lane};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::world::{World, bytes, hash, target, world};

/// A program, the session's two ends, and a host.
struct Tunnel {
    program: TcpStream,
    host: TcpStream,
    near: JoinHandle<Spliced>,
    far: JoinHandle<Spliced>,
    far_counters: Arc<Counters>,
    _world: World,
}

#[tokio::test]
async fn four_megabytes_each_way_arrive_whole_and_are_counted() {
    let tunnel = tunnel().await;
    let (up, down) = (bytes(4_000_000, 1), bytes(4_000_000, 2));
    let (program, host) = tokio::join!(
        exchange(tunnel.program, up.clone()),
        exchange(tunnel.host, down.clone()),
    );
    assert_eq!(hash(&program.0), hash(&down));
    assert_eq!(hash(&host.0), hash(&up));
    drop((program, host));
    let far = tunnel.far.await.expect("no panic");
    assert_eq!((far.to_tcp, far.from_tcp), (4_000_000, 4_000_000));
    assert_eq!(tunnel.far_counters.to_tcp(), 4_000_000);
    assert_eq!(tunnel.far_counters.from_tcp(), 4_000_000);
    let near = tunnel.near.await.expect("no panic");
    assert_eq!((near.to_tcp, near.from_tcp), (4_000_000, 4_000_000));
}

#[tokio::test]
async fn each_way_of_a_copy_ends_on_its_own() {
    let mut tunnel = tunnel().await;
    tunnel.program.write_all(b"request").await.expect("open");
    tunnel.program.shutdown().await.expect("open");
    let mut got = Vec::new();
    tunnel.host.read_to_end(&mut got).await.expect("clean end");
    assert_eq!(got, b"request");

    tunnel.host.write_all(b"long answer").await.expect("open");
    drop(tunnel.host);
    got.clear();
    tunnel
        .program
        .read_to_end(&mut got)
        .await
        .expect("clean end");

    assert_eq!(got, b"long answer");
    assert_eq!(ended(tunnel.far).await, Reason::ClosedByTechnician);
    assert_eq!(ended(tunnel.near).await, Reason::ClosedByTechnician);
}

#[tokio::test]
async fn a_host_that_closes_first_is_named() {
    let mut tunnel = tunnel().await;
    drop(tunnel.host);
    let mut got = Vec::new();
    tunnel
        .program
        .read_to_end(&mut got)
        .await
        .expect("clean end");
    drop(tunnel.program);
    assert_eq!(ended(tunnel.far).await, Reason::ClosedByHost);
    assert_eq!(ended(tunnel.near).await, Reason::ClosedByHost);
}

#[tokio::test]
async fn a_host_that_breaks_the_connection_breaks_the_programs() {
    let mut tunnel = tunnel().await;
    tunnel.host.set_zero_linger().expect("a socket");
    drop(tunnel.host);
    let error = tunnel.program.read_u8().await.expect_err("broken");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    assert_eq!(ended(tunnel.far).await, Reason::HostReset);
    assert_eq!(ended(tunnel.near).await, Reason::HostReset);
}

#[tokio::test]
async fn a_program_that_dies_breaks_the_hosts_connection_even_one_that_sends_nothing() {
    let mut tunnel = tunnel().await;
    tunnel.program.set_zero_linger().expect("a socket");
    drop(tunnel.program);
    let error = tunnel.host.read_u8().await.expect_err("broken");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    assert_eq!(ended(tunnel.far).await, Reason::ClosedByTechnician);
}

/// The copy's end is known: an error, never a short whole.
#[tokio::test]
async fn a_session_that_ends_in_mid_copy_is_an_error_at_both_programs() {
    let mut tunnel = tunnel().await;
    tunnel.program.write_all(b"half").await.expect("open");
    let mut got = [0; 4];
    tunnel.host.read_exact(&mut got).await.expect("open");

    tunnel
        ._world
        .gateway
        .close(Reason::EndedByAdministrator, "");

    let host = tunnel.host.read_u8().await.expect_err("broken");
    let program = tunnel.program.read_u8().await.expect_err("broken");
    assert_eq!(host.kind(), std::io::ErrorKind::ConnectionReset);
    assert_eq!(program.kind(), std::io::ErrorKind::ConnectionReset);
    assert_eq!(ended(tunnel.near).await, Reason::EndedByAdministrator);
}

#[tokio::test]
async fn a_slow_reader_slows_the_sender_and_loses_nothing() {
    let tunnel = tunnel().await;
    let sent = bytes(6_000_000, 5);
    let expected = hash(&sent);
    let mut host = tunnel.host;
    let sender = tokio::spawn(async move {
        host.write_all(&sent).await.expect("open");
        host.shutdown().await.expect("open");
        host
    });
    let mut program = tunnel.program;
    tokio::time::sleep(Duration::from_millis(300)).await;
    // Two socket buffers, two windows: far less than was sent.
    let mut got = Vec::new();
    program.read_to_end(&mut got).await.expect("clean end");
    assert_eq!(hash(&got), expected);
    sender.await.expect("all written");
}

/// T2: who loses a target learns why, and the host's connection breaks.
#[tokio::test]
async fn an_order_breaks_both_sides_with_its_reason() {
    let world = world(Line::PERFECT).await;
    let (near, far) = streams(&world).await;
    let (mut program, near_tcp) = tcp_pair().await;
    let (mut host, far_tcp) = tcp_pair().await;
    let near = tokio::spawn(splice(near, near_tcp, Arc::default()));
    let (order, ordered) = tokio::sync::oneshot::channel();
    let order_came = async { ordered.await.expect("given") };
    let far = tokio::spawn(splice_until(far, far_tcp, Arc::default(), order_came));
    program.write_all(b"x").await.expect("open");
    host.read_u8().await.expect("open");

    order.send(Reason::AccessRevoked).expect("awaited");

    let error = host.read_u8().await.expect_err("broken");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    assert_eq!(ended(far).await, Reason::AccessRevoked);
    assert_eq!(ended(near).await, Reason::AccessRevoked);
}

/// P25: a host that has said all and takes nothing more.
#[tokio::test]
async fn a_reset_is_noticed_while_the_host_takes_nothing() {
    let world = world(Line::PERFECT).await;
    let (mut near, far) = streams(&world).await;
    let (mut host, far_tcp) = tcp_pair().await;
    host.shutdown().await.expect("open");
    let far = tokio::spawn(splice(far, far_tcp, Arc::default()));
    let mut got = Vec::new();
    near.read_to_end(&mut got).await.expect("a clean end");
    stall(near.write_all(&bytes(20_000_000, 1))).await;

    near.reset(Reason::ClosedByTechnician);

    assert_eq!(ended(far).await, Reason::ClosedByTechnician);
}

/// P25: the program is gone, and nothing is read from it just now.
#[tokio::test]
async fn a_dead_program_is_noticed_while_the_host_takes_nothing() {
    let mut tunnel = tunnel().await;
    stall(tunnel.program.write_all(&bytes(40_000_000, 1))).await;

    tunnel.program.set_zero_linger().expect("a socket");
    drop(tunnel.program);

    assert_eq!(ended(tunnel.near).await, Reason::ClosedByTechnician);
    assert_eq!(ended(tunnel.far).await, Reason::ClosedByTechnician);
    drop(tunnel.host);
}

/// Writes until nobody takes any more.
async fn stall(writing: impl Future<Output = std::io::Result<()>>) {
    let stalled = timeout(Duration::from_secs(3), writing).await;
    assert!(stalled.is_err(), "somebody took everything: {stalled:?}");
}

async fn streams(world: &World) -> (Stream, Stream) {
    let near = world.technician.open(target(Lane::Bulk)).await;
    let (_, mut far) = world.gateway.accept().await.expect("a stream");
    far.reply(Answer::Accepted).await.expect("reply");
    (near.expect("open"), far)
}

async fn ended(task: JoinHandle<Spliced>) -> Reason {
    timeout(Duration::from_secs(20), task)
        .await
        .expect("ends by itself")
        .expect("no panic")
        .reason
}

async fn tunnel() -> Tunnel {
    let world = world(Line::PERFECT).await;
    let (near, far) = streams(&world).await;
    let (program, near_tcp) = tcp_pair().await;
    let (host, far_tcp) = tcp_pair().await;
    let far_counters = Arc::new(Counters::default());
    Tunnel {
        program,
        host,
        near: tokio::spawn(splice(near, near_tcp, Arc::default())),
        far: tokio::spawn(splice(far, far_tcp, far_counters.clone())),
        far_counters,
        _world: world,
    }
}

async fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let address = listener.local_addr().expect("bound");
    let (ours, theirs) = tokio::join!(TcpStream::connect(address), listener.accept());
    (ours.expect("loopback"), theirs.expect("loopback").0)
}

/// Writes all, ends, reads all; gives the connection back still open.
async fn exchange(tcp: TcpStream, bytes: Vec<u8>) -> (Vec<u8>, TcpStream) {
    let (mut read, mut write) = tcp.into_split();
    let send = async move {
        write.write_all(&bytes).await.expect("open");
        write.shutdown().await.expect("open");
        write
    };
    let mut got = Vec::new();
    let (write, end) = tokio::join!(send, read.read_to_end(&mut got));
    end.expect("clean end");
    (got, read.reunite(write).expect("the same"))
}
