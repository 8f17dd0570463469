//! Worker processes: whatever parses what a LAN host sends runs in one of these
//! and nowhere else.
//!
//! A worker is this program again, with an empty environment, two descriptors
//! (the pair to the gateway, one connected LAN socket), no privileges to gain
//! and a filter that kills it for any system call but a few (its module `filter`). It
//! serves one session of one bridge and is gone with it. What it says is read
//! like a stranger's words. Never touches the WAN.
//!
//! One runtime for all bridges; driven by [`crate::terminal`].

mod confine;
mod filter;
pub mod message;
pub mod pair;
mod program;
mod ssh;

use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as PairStream;
use std::path::PathBuf;
use std::process::{ExitCode, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::AsyncWriteExt as _;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpStream, UnixStream};
use tokio::process::{Child, Command};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use message::{FromWorker, ToWorker};
use pair::{Messages, PairError};

/// Workers at once, kept terminals included: what a small box carries
/// (SPECIFICATION.md has the memory of one).
pub const MAX_WORKERS: usize = 24;
/// A worker that does not read what it is told is stuck.
const STUCK: Duration = Duration::from_secs(10);
/// The first argument that makes this program a worker.
const WORKER: &str = "worker";

/// What a worker speaks to its host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bridge {
    /// A terminal over SSH.
    Ssh,
}

impl Bridge {
    const fn name(self) -> &'static str {
        match self {
            Self::Ssh => "ssh",
        }
    }
}

/// Starts workers, not too many.
#[derive(Debug, Clone)]
pub struct Workers {
    program: PathBuf,
    slots: Arc<Semaphore>,
}

/// The right to run one worker.
#[derive(Debug)]
pub struct Slot {
    _permit: OwnedSemaphorePermit,
}

impl Slot {
    fn of(permit: OwnedSemaphorePermit) -> Self {
        Self { _permit: permit }
    }
}

impl Workers {
    /// Workers of the program that runs.
    pub fn new() -> Self {
        // Also right when the file was replaced by an update meanwhile.
        Self::of("/proc/self/exe".into())
    }

    /// Workers of another program, which calls [`main_if_worker`].
    pub fn of(program: PathBuf) -> Self {
        Self {
            program,
            slots: Arc::new(Semaphore::new(MAX_WORKERS)),
        }
    }

    /// The right to one more, if there is room.
    pub fn reserve(&self) -> Option<Slot> {
        self.slots.clone().try_acquire_owned().ok().map(Slot::of)
    }

    /// The same, waiting a moment for one that is just ending.
    pub async fn reserve_soon(&self, limit: Duration) -> Option<Slot> {
        let slot = timeout(limit, self.slots.clone().acquire_owned()).await;
        slot.ok()?.ok().map(Slot::of)
    }

    /// Starts a worker that owns this connection from here on.
    ///
    /// # Errors
    /// What the system refused.
    pub fn start(&self, slot: Slot, bridge: Bridge, lan: TcpStream) -> io::Result<Worker> {
        let (ours, theirs) = PairStream::pair()?;
        ours.set_nonblocking(true)?;
        let child = Command::new(&self.program)
            .arg0("culvert-gateway")
            .args([WORKER, bridge.name()])
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::from(OwnedFd::from(lan.into_std()?)))
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let (read, write) = UnixStream::from_std(ours)?.into_split();
        Ok(Worker {
            child,
            messages: Messages::new(read),
            write,
            _slot: slot,
        })
    }
}

impl Default for Workers {
    fn default() -> Self {
        Self::new()
    }
}

/// A running worker; killed when dropped.
#[derive(Debug)]
pub struct Worker {
    child: Child,
    messages: Messages<OwnedReadHalf>,
    write: OwnedWriteHalf,
    _slot: Slot,
}

impl Worker {
    /// What it says next; `None` when it is over. May be dropped and called
    /// again.
    ///
    /// # Errors
    /// [`PairError`] when it said what a worker must not say.
    pub async fn next(&mut self) -> Result<Option<FromWorker>, PairError> {
        next(&mut self.messages).await
    }

    /// Tells it something.
    ///
    /// # Errors
    /// When it is gone, or does not listen.
    pub async fn tell(&mut self, message: &ToWorker) -> io::Result<()> {
        let bytes = message.to_message();
        let written = timeout(STUCK, self.write.write_all(&bytes)).await;
        written.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    /// Both directions at once, for a loop that must not wait for either.
    pub fn both(&mut self) -> (&mut Messages<OwnedReadHalf>, &mut OwnedWriteHalf) {
        (&mut self.messages, &mut self.write)
    }

    /// Its process.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits for its end, or ends it; says in a sentence how it was, if that
    /// was not as it should be.
    pub async fn end(mut self) -> Option<String> {
        let ended = timeout(Duration::from_secs(1), self.child.wait()).await;
        match ended {
            Ok(Ok(status)) => how(status),
            Ok(Err(error)) => Some(format!("it could not be awaited: {error}")),
            // Dropping it kills it.
            Err(_) => Some("it hung and was ended".to_owned()),
        }
    }
}

/// What a worker says next, from its half of the pair.
///
/// # Errors
/// [`PairError`].
pub async fn next(messages: &mut Messages<OwnedReadHalf>) -> Result<Option<FromWorker>, PairError> {
    match messages.next().await? {
        Some((kind, body)) => Ok(Some(FromWorker::decode(kind, &body)?)),
        None => Ok(None),
    }
}

/// Writes as much as the worker takes now.
///
/// # Errors
/// When it is gone.
pub async fn push(write: &mut OwnedWriteHalf, bytes: &mut BytesMut) -> io::Result<()> {
    write.write_buf(bytes).await.map(drop)
}

fn how(status: ExitStatus) -> Option<String> {
    use std::os::unix::process::ExitStatusExt as _;
    match (status.code(), status.signal()) {
        (Some(0), _) => None,
        (_, Some(libc::SIGSYS)) => Some("it tried something forbidden and was ended".to_owned()),
        (_, Some(signal)) => Some(format!("signal {signal} ended it")),
        (Some(code), None) => Some(format!("it gave up with code {code}")),
        (None, None) => Some("it ended".to_owned()),
    }
}

/// Runs a worker, if this process was started as one, and never comes back
/// from that but to end.
pub fn main_if_worker() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().as_deref() != Some(OsStr::new(WORKER)) {
        return None;
    }
    let bridge = arguments.next();
    // There is nobody to read it, and a hostile host may have caused it.
    std::panic::set_hook(Box::new(|_| {}));
    match bridge.as_deref().and_then(OsStr::to_str) {
        Some("ssh") => {}
        _ => return Some(ExitCode::FAILURE),
    }
    let Ok(confined) = confine::confine() else {
        return Some(ExitCode::FAILURE);
    };
    confined
        .runtime
        .block_on(ssh::run(confined.pair, confined.lan));
    std::process::exit(0)
}

/// Confines this process as a worker is, for the test that tries each
/// forbidden call.
///
/// # Errors
/// What the system refused.
#[doc(hidden)]
pub fn confine_for_trial() -> io::Result<()> {
    confine::confine().map(|confined| {
        // Its descriptors stay open to the end of the process.
        std::mem::forget(confined);
    })
}
