//! Links that die without a word, under the runtime's paused clock: time
//! passes as fast as the machine allows, and only when everybody waits (P13,
//! P14, threat 20).

use std::time::Duration;

use culvert_link::keepalive::Keepalive;
use culvert_link::pipe::{Pipe, PipeError};
use culvert_link::queue::Outgoing;
use culvert_link::ws::{Role, Ws};
use culvert_wire::frame::{Frame, MAX_MESSAGE};
use tokio::io::DuplexStream;
use tokio::time::Instant;

fn pipes(buffer: usize) -> (Pipe<DuplexStream>, Pipe<DuplexStream>) {
    let (near, far) = tokio::io::duplex(buffer);
    let now = Instant::now();
    let client = Ws::new(near, Role::Client, MAX_MESSAGE, &[]);
    let server = Ws::new(far, Role::Server, MAX_MESSAGE, &[]);
    (
        Pipe::new(client, Keepalive::client(now)),
        Pipe::new(server, Keepalive::server(now)),
    )
}

/// Drives a pipe to its end; answers pings if `alive`. Gives the error, and the
/// longest time between two messages that came.
async fn drive(mut pipe: Pipe<DuplexStream>, mut out: Vec<Outgoing>) -> (PipeError, Duration) {
    let mut heard = Instant::now();
    let mut gap = Duration::ZERO;
    let error = std::future::poll_fn(|cx| {
        loop {
            let mut more = false;
            while let std::task::Poll::Ready(message) = pipe.poll_next(cx) {
                let message = match message {
                    Ok(message) => message,
                    Err(error) => return std::task::Poll::Ready(error),
                };
                gap = gap.max(heard.elapsed());
                heard = Instant::now();
                if let Some(Frame::Ping(number)) = Frame::from_message(message).unwrap() {
                    out.push(crate::server::frame(&Frame::Pong(number)));
                }
                more = true;
            }
            match pipe.poll_timer(cx) {
                std::task::Poll::Ready(Ok(ping)) => {
                    out.push(Outgoing::Frame(ping));
                    more = true;
                }
                std::task::Poll::Ready(Err(error)) => return std::task::Poll::Ready(error),
                std::task::Poll::Pending => {}
            }
            if let std::task::Poll::Ready(Err(error)) = pipe.poll_send(cx, || out.pop()) {
                return std::task::Poll::Ready(error);
            }
            if !more {
                return std::task::Poll::Pending;
            }
        }
    })
    .await;
    (error, gap)
}

#[tokio::test(start_paused = true)]
async fn an_idle_link_stays_up_for_days_and_speaks_every_25_seconds() {
    let (client, server) = pipes(64 * 1024);
    let far = tokio::spawn(drive(server, Vec::new()));
    let near = tokio::spawn(drive(client, Vec::new()));

    tokio::time::sleep(Duration::from_secs(2 * 24 * 3600)).await;

    assert!(!near.is_finished() && !far.is_finished());
    near.abort();
    let (_, gap) = far.await.unwrap();
    assert!(gap <= Duration::from_secs(25), "{gap:?}");
}

#[tokio::test(start_paused = true)]
async fn either_end_finds_a_half_open_link_within_35_seconds() {
    let start = Instant::now();
    let (client, server) = pipes(64 * 1024);
    let (error, _) = drive(client, Vec::new()).await;
    assert!(matches!(error, PipeError::Silent), "{error}");
    assert!(start.elapsed() <= Duration::from_secs(35));
    drop(server);

    let start = Instant::now();
    let (_client, server) = pipes(64 * 1024);
    let (error, _) = drive(server, Vec::new()).await;
    assert!(matches!(error, PipeError::Silent), "{error}");
    assert!(start.elapsed() <= Duration::from_secs(35));
}

/// A reader that takes nothing is cut, however much it sends.
#[tokio::test(start_paused = true)]
async fn a_slow_reader_is_cut_by_the_write_time_out() {
    let (mut client, server) = pipes(4096);
    let start = Instant::now();
    let packets = Outgoing::Packets {
        header: [3, 0, 0, 0, 1, 0, 100],
        payload: vec![0; 60_000].into(),
    };
    let server = tokio::spawn(drive(server, vec![packets]));
    // Speaks every second, reads nothing.
    while !server.is_finished() {
        let ping = crate::server::frame(&Frame::Pong(1));
        let mut once = Some(ping);
        let _ = std::future::poll_fn(|cx| {
            let _ = client.poll_send(cx, || once.take());
            std::task::Poll::Ready(())
        })
        .await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let (error, _) = server.await.unwrap();
    assert!(matches!(error, PipeError::Slow), "{error}");
    assert!(start.elapsed() <= Duration::from_secs(25));
}
