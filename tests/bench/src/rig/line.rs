//! A slow line in front of a TCP server: delay and rate both ways.
//!
//! Emulated in user space, so that it works on every machine: bytes are taken
//! at the line's rate and handed on after its delay. The receive buffer is
//! small, as the queue of a good access router is.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use socket2::SockRef;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::{Instant, sleep_until};

/// What a line does, the same both ways.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line {
    /// One way's time.
    pub(crate) delay: Duration,
    /// Bits per second; none for no limit.
    pub(crate) rate: Option<f64>,
}

/// Bytes the line's end buffers before TCP slows its sender down; the kernel
/// doubles it.
const BUFFER: usize = 16 * 1024;
/// Bytes taken at once: below a millisecond at 20 Mbit/s.
const PIECE: usize = 2048;

/// Accepts connections and carries each over a line to `to`. Never ends.
pub(crate) async fn carry(listener: TcpListener, to: SocketAddr, line: Line) -> anyhow::Result<()> {
    loop {
        let (near, _) = listener.accept().await?;
        let socket = TcpSocket::new_v4()?;
        if line.rate.is_some() {
            socket.set_recv_buffer_size(u32::try_from(BUFFER)?)?;
            SockRef::from(&near).set_recv_buffer_size(BUFFER)?;
        }
        let far = socket.connect(to).await?;
        prepare(&near)?;
        prepare(&far)?;
        let (near_read, near_write) = near.into_split();
        let (far_read, far_write) = far.into_split();
        tokio::spawn(one_way(near_read, far_write, line));
        tokio::spawn(one_way(far_read, near_write, line));
    }
}

fn prepare(stream: &TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)
}

/// Copies until the end, which travels over the line too.
async fn one_way(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, line: Line) {
    let mut flying: VecDeque<(Instant, Bytes)> = VecDeque::new();
    let mut buffer = BytesMut::new();
    let mut free_at = Instant::now();
    let mut open = true;
    while open || !flying.is_empty() {
        let due = flying.front().map(|(due, _)| *due);
        tokio::select! {
            biased;
            () = at(due) => {
                let Some((_, piece)) = flying.pop_front() else { continue };
                if to.write_all(&piece).await.is_err() {
                    return;
                }
            }
            read = next(&mut from, &mut buffer, free_at), if open => {
                let now = Instant::now();
                match read {
                    Ok(1..) => {}
                    Ok(0) | Err(_) => { open = false; continue }
                }
                let piece = buffer.split().freeze();
                // A timer that fires late must not make the line slower.
                let begins = free_at.max(now - Duration::from_millis(3));
                free_at = begins + took(line, piece.len());
                flying.push_back((free_at.max(now) + line.delay, piece));
            }
        }
    }
    // Fails only when the far end is gone.
    let _ = to.shutdown().await;
}

async fn at(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// Takes the next piece once the line is free.
async fn next(
    from: &mut OwnedReadHalf,
    buffer: &mut BytesMut,
    free_at: Instant,
) -> std::io::Result<usize> {
    if free_at > Instant::now() {
        sleep_until(free_at).await;
    }
    buffer.reserve(PIECE);
    let mut limited = from.take(PIECE as u64);
    limited.read_buf(buffer).await
}

fn took(line: Line, bytes: usize) -> Duration {
    line.rate.map_or(Duration::ZERO, |rate| {
        Duration::from_secs_f64(bytes as f64 * 8.0 / rate)
    })
}
