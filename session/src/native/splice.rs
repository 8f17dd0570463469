//! Copies between a stream and a TCP connection, both ways, until both ended.
//!
//! A clean end of one way becomes a clean end on the other side and leaves the
//! other way open. A broken one breaks both: a reset of the stream becomes a
//! TCP RST and the other way round, so that nobody takes a cut copy for whole.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::BytesMut;
use culvert_wire::reason::Reason;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, Interest};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};

use super::error::StreamError;
use super::stream::{Stream, StreamReader, StreamWriter};
use crate::Role;

/// Bytes copied so far; readable while the copy runs.
#[derive(Debug, Default)]
pub struct Counters {
    to_tcp: AtomicU64,
    from_tcp: AtomicU64,
}

impl Counters {
    /// Counts bytes that went to a host by another way than a copy.
    pub fn add_to_tcp(&self, bytes: u64) {
        self.to_tcp.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts bytes that came from a host by another way than a copy.
    pub fn add_from_tcp(&self, bytes: u64) {
        self.from_tcp.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Bytes written to TCP connections.
    pub fn to_tcp(&self) -> u64 {
        self.to_tcp.load(Ordering::Relaxed)
    }

    /// Bytes read from TCP connections and handed to the session.
    pub fn from_tcp(&self) -> u64 {
        self.from_tcp.load(Ordering::Relaxed)
    }
}

/// How a copy ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spliced {
    /// Bytes of this copy written to TCP.
    pub to_tcp: u64,
    /// Bytes of this copy read from TCP.
    pub from_tcp: u64,
    /// [`Reason::ClosedByHost`] or [`Reason::ClosedByTechnician`] when both
    /// ways ended cleanly (who ended first), else what broke it.
    pub reason: Reason,
    /// A sentence more: the gateway's when it refused, the peer's when the
    /// session ended. May be empty.
    pub text: String,
}

/// Copies until both ways ended or one broke, and every byte has arrived.
/// `counters` may be shared by many copies.
///
/// At the gateway the TCP connection is the host's, at the technician's end
/// that of the technician's own program.
pub async fn splice(stream: Stream, tcp: TcpStream, counters: Arc<Counters>) -> Spliced {
    splice_until(stream, tcp, counters, std::future::pending()).await
}

/// As [`splice`], broken when `order` resolves, with the reason that it gives.
pub async fn splice_until(
    stream: Stream,
    mut tcp: TcpStream,
    counters: Arc<Counters>,
    order: impl Future<Output = Reason>,
) -> Spliced {
    let role = stream.role();
    let life = stream.life();
    let (mut reader, mut writer) = stream.into_split();
    let mut done = Done::default();
    let (tcp_read, tcp_write) = tcp.split();
    let copies = async {
        tokio::try_join!(
            to_tcp(&mut reader, tcp_write, &counters.to_tcp, &done),
            from_tcp(tcp_read, &mut writer, &counters.from_tcp, &done),
        )
    };
    let result = tokio::select! {
        result = copies => result.map(|_| ()),
        // A host that neither reads nor writes must not outlive the session.
        ending = life.closed() => Err(StreamError::Ended(ending).into()),
        reason = order => Err(Broken::Ordered(reason)),
    };
    let (reason, text) = match result {
        Ok(()) => (done.first(role), String::new()),
        Err(broken) => {
            let reason = broken.reason(role);
            writer.reset(reason);
            reader.stop(reason);
            // A lost connection is told with RST, not with a clean end. Fails
            // only when the connection is gone.
            let _ = tcp.set_zero_linger();
            (reason, broken.text())
        }
    };
    Spliced {
        to_tcp: *done.to_tcp.get_mut(),
        from_tcp: *done.from_tcp.get_mut(),
        reason,
        text,
    }
}

/// Bytes read at once.
const BUFFER: usize = 64 * 1024;
/// A new buffer is taken when less than this is left of the last one.
const LEAST: usize = 8 * 1024;

/// One copy's own figures.
#[derive(Debug, Default)]
struct Done {
    to_tcp: AtomicU64,
    from_tcp: AtomicU64,
    first: OnceLock<Way>,
}

impl Done {
    /// Who ended first when both ended cleanly.
    fn first(&self, role: Role) -> Reason {
        match (self.first.get(), role) {
            (Some(Way::FromTcp), Role::Gateway) | (Some(Way::ToTcp), Role::Technician) => {
                Reason::ClosedByHost
            }
            (Some(Way::FromTcp), Role::Technician) | (Some(Way::ToTcp), Role::Gateway) => {
                Reason::ClosedByTechnician
            }
            (None, _) => Reason::Finished,
        }
    }
}

/// A direction of the copy.
#[derive(Debug, Clone, Copy)]
enum Way {
    ToTcp,
    FromTcp,
}

/// What broke a copy.
enum Broken {
    Tcp(io::Error),
    Stream(StreamError),
    Ordered(Reason),
}

impl Broken {
    fn reason(&self, role: Role) -> Reason {
        match (self, role) {
            (Self::Stream(error), _) => error.reason(),
            (Self::Ordered(reason), _) => *reason,
            (Self::Tcp(error), Role::Gateway) if error.kind() == io::ErrorKind::TimedOut => {
                Reason::HostTimedOut
            }
            (Self::Tcp(_), Role::Gateway) => Reason::HostReset,
            (Self::Tcp(_), Role::Technician) => Reason::ClosedByTechnician,
        }
    }
}

impl Broken {
    fn text(self) -> String {
        match self {
            Self::Stream(StreamError::Refused(_, text)) => text,
            Self::Stream(StreamError::Ended(ending)) => ending.text,
            Self::Stream(StreamError::Reset(_) | StreamError::Malformed | StreamError::Misused)
            | Self::Tcp(_)
            | Self::Ordered(_) => String::new(),
        }
    }
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Self::Tcp(error)
    }
}

impl From<StreamError> for Broken {
    fn from(error: StreamError) -> Self {
        Self::Stream(error)
    }
}

async fn to_tcp(
    reader: &mut StreamReader,
    mut tcp: WriteHalf<'_>,
    total: &AtomicU64,
    done: &Done,
) -> Result<(), Broken> {
    while let Some(chunk) = reader.chunk(BUFFER).await? {
        tokio::select! {
            biased;
            written = tcp.write_all(&chunk) => written?,
            // Who takes nothing must not hide that the peer gave up.
            error = reader.broken() => return Err(error.into()),
        }
        total.fetch_add(chunk.len() as u64, Ordering::Relaxed);
        done.to_tcp.fetch_add(chunk.len() as u64, Ordering::Relaxed);
    }
    done.first.get_or_init(|| Way::ToTcp);
    match tcp.shutdown().await {
        // It closed both ways before us: no byte was lost by that.
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
        shut => Ok(shut?),
    }
}

async fn from_tcp(
    mut tcp: ReadHalf<'_>,
    writer: &mut StreamWriter,
    total: &AtomicU64,
    done: &Done,
) -> Result<(), Broken> {
    let mut buffer = BytesMut::new();
    loop {
        if buffer.capacity() < LEAST {
            buffer.reserve(BUFFER);
        }
        let read = tokio::select! {
            read = tcp.read_buf(&mut buffer) => read?,
            // A host that says nothing must not hide that the peer gave up.
            // Before the end this resolves only for that.
            _ = writer.stopped() => { writer.delivered().await?; return Ok(()) }
        };
        if read == 0 {
            break;
        }
        tokio::select! {
            biased;
            written = writer.chunk(buffer.split().freeze()) => written?,
            // A peer that takes nothing must not hide that the connection broke.
            error = broken(&tcp) => return Err(error.into()),
        }
        total.fetch_add(read as u64, Ordering::Relaxed);
        done.from_tcp.fetch_add(read as u64, Ordering::Relaxed);
    }
    done.first.get_or_init(|| Way::FromTcp);
    writer.finish();
    Ok(writer.delivered().await?)
}

/// Resolves when a connection that is not read just now is broken (RST).
async fn broken(tcp: &ReadHalf<'_>) -> io::Error {
    match tcp.ready(Interest::ERROR).await {
        Ok(_) => io::ErrorKind::ConnectionReset.into(),
        Err(error) => error,
    }
}
