//! The SSH client of a terminal: one host, one account, one shell.
//!
//! Runs confined: its only means are the pair to the gateway and the one LAN
//! connection. Asks the gateway about the host's key before anything else, and
//! the technician for what the host wants to know. Forwards nothing: no agent,
//! no port, no X11; a channel that the host opens is refused.

mod algorithms;
mod dialogue;
mod explain;
mod host;
mod shell;
mod sign_in;

use std::sync::Arc;
use std::time::Duration;

use culvert_wire::reason::Reason;
use culvert_wire::terminal::Exit;
use russh::client::{self, Handle};
use russh::{Disconnect, Limits, SshId};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use super::message::{Begin, FromWorker};
use dialogue::Dialogue;
use host::Host;

/// From the connection to the host's key; a silent host is none.
const GREETING: Duration = Duration::from_secs(20);
/// A quiet host is asked whether it is still there this often.
const KEEPALIVE: Duration = Duration::from_secs(30);
/// Questions without an answer until the host is gone.
const KEEPALIVES: usize = 3;
/// New keys after so many bytes (RFC 4253 §9) …
const REKEY_BYTES: usize = 1 << 30;
/// … or so long.
const REKEY_TIME: Duration = Duration::from_secs(3600);
/// What a host may send before it is read: enough for a fast LAN, and small
/// beside the worker's memory.
const WINDOW: u32 = 512 * 1024;

/// Why there is no shell, or none any more.
#[derive(Debug)]
enum Failure {
    /// The gateway is gone, or had enough.
    Gone,
    /// It did not work.
    Refused { reason: Reason, text: String },
    /// The host knows only old algorithms.
    Legacy(String),
}

impl Failure {
    fn refused(reason: Reason, text: impl Into<String>) -> Self {
        let text = text.into();
        Self::Refused { reason, text }
    }
}

/// Serves one terminal to its end.
pub(super) async fn run(pair: UnixStream, lan: TcpStream) {
    let dialogue = Arc::new(Dialogue::start(pair));
    let last = match serve(&dialogue, lan).await {
        Ok(exit) => FromWorker::Page(culvert_wire::terminal::ToPage::Exit(exit)),
        Err(Failure::Gone) => return,
        Err(Failure::Refused { reason, text }) => FromWorker::Failed { reason, text },
        Err(Failure::Legacy(text)) => FromWorker::Legacy(text),
    };
    dialogue.say_last(last).await;
}

async fn serve(dialogue: &Arc<Dialogue>, lan: TcpStream) -> Result<Exit, Failure> {
    let begin = dialogue.begin().await?;
    let (mut handle, host) = greet(dialogue, lan, &begin).await?;
    let stored = host.stored();
    let account = sign_in::sign_in(&mut handle, dialogue, begin.account, stored).await?;
    let window = dialogue.size().unwrap_or(begin.size);
    let exit = shell::run(&handle, dialogue, &account, &begin.term, window).await?;
    // Fails only when the host was faster.
    let _ = timeout(
        Duration::from_secs(1),
        handle.disconnect(Disconnect::ByApplication, "", ""),
    )
    .await;
    Ok(exit)
}

/// The key exchange, with the gateway's verdict on the host's key in it.
async fn greet(
    dialogue: &Arc<Dialogue>,
    lan: TcpStream,
    begin: &Begin,
) -> Result<(Handle<Host>, Arc<host::Shared>), Failure> {
    let config = client::Config {
        client_id: SshId::Standard("SSH-2.0-Culvert".into()),
        limits: Limits::new(REKEY_BYTES, REKEY_BYTES, REKEY_TIME),
        window_size: WINDOW,
        channel_buffer_size: 16,
        preferred: algorithms::offered(begin.legacy, begin.pinned.as_deref()),
        keepalive_interval: Some(KEEPALIVE),
        keepalive_max: KEEPALIVES,
        ..client::Config::default()
    };
    let shared = Arc::new(host::Shared::default());
    let host = Host::new(dialogue.clone(), shared.clone());
    let connecting = client::connect_stream(Arc::new(config), lan, host);
    tokio::select! {
        connected = connecting => match connected {
            Ok(handle) => Ok((handle, shared)),
            Err(error) => Err(explain::greeting(error, begin.legacy)),
        },
        () = silence(&shared) => Err(Failure::refused(
            Reason::HostTimedOut,
            "it accepted the connection but did not speak SSH to the end of the greeting",
        )),
    }
}

/// Resolves when the host did not show a key in time.
async fn silence(shared: &host::Shared) {
    if timeout(GREETING, shared.key_shown()).await.is_ok() {
        std::future::pending().await
    }
}
