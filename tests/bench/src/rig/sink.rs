//! A LAN host that takes connections and notes when each of them ends: it reads
//! what comes, or gives bytes without end where it is asked for them.
//!
//! The part `sink`: its times are the machine's uptime, which is one for all
//! network namespaces.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use culvert_connect::api::Api;
use culvert_connect::home::Home;
use culvert_connect::reach::Server;
use culvert_connect::tunnel::{Ask, Tunnel};
use culvert_connect::word::{HostWord, Numbers};
use culvert_session::native::Stream;
use culvert_wire::grant::Protocol;
use tokio::io::AsyncWriteExt as _;

/// Where it listens.
pub(crate) const PORT: u16 = 9_100;

/// What a connection begins with that only sends.
pub(crate) const HERE: &[u8] = b"here";
/// What one begins with that wants bytes without end.
pub(crate) const GIVE: &[u8] = b"give";

/// What it saw.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Seen {
    /// It listens.
    Ready,
    /// A connection came.
    Came,
    /// One ended, at this second of the machine's uptime.
    Gone(f64),
}

/// A running one.
pub(crate) struct Sink {
    child: Child,
    _lifeline: ChildStdin,
    seen: Receiver<Seen>,
}

impl Sink {
    /// Starts it; `command` runs this program at the host.
    pub(crate) fn start(mut command: Command) -> anyhow::Result<Self> {
        command.args(["--part", "sink"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let lifeline = child.stdin.take().context("no input")?;
        let out = child.stdout.take().context("no output")?;
        let (tell, seen) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                let Some(event) = read(&line) else { continue };
                // Fails only when nobody looks any more.
                let _ = tell.send(event);
            }
        });
        let mut sink = Self {
            child,
            _lifeline: lifeline,
            seen,
        };
        sink.wait(Seen::Ready)?;
        Ok(sink)
    }

    /// Waits for the next thing that it sees.
    pub(crate) fn next(&mut self, limit: Duration) -> Option<Seen> {
        self.seen.recv_timeout(limit).ok()
    }

    /// Waits for this, which has to be next.
    pub(crate) fn wait(&mut self, what: Seen) -> anyhow::Result<()> {
        let next = self.next(Duration::from_secs(20));
        anyhow::ensure!(next == Some(what), "{next:?} instead of {what:?}");
        Ok(())
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        // Fails only when it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A session with one connection to a host's sink, which begins with `first`.
pub(crate) async fn open(
    home: &Home,
    host: &str,
    first: &[u8],
) -> anyhow::Result<(Tunnel, Stream)> {
    let mut server = Server::known(home.clone())?;
    let link = server.signed_in().await?;
    let word = HostWord::parse(host, Numbers::Port)?;
    let ask = Ask {
        host: Api(&link.0).host(&word).await?.id,
        protocol: Protocol::Tcp,
        ports: vec![PORT],
        test: false,
    };
    let tunnel = Tunnel::open(&server, link, ask).await?;
    let mut stream = tunnel.streams().open(0).await?;
    stream.write_all(first).await?;
    Ok((tunnel, stream))
}

/// The machine's own count of seconds, to a hundredth.
pub(crate) fn uptime() -> anyhow::Result<f64> {
    let text = std::fs::read_to_string("/proc/uptime")?;
    let seconds = text.split_whitespace().next();
    Ok(seconds.context("an empty uptime")?.parse()?)
}

/// The part: serves until its input ends.
pub(crate) fn serve_until_input_ends() -> anyhow::Result<()> {
    let listener = TcpListener::bind(("0.0.0.0", PORT))?;
    say("ready")?;
    thread::spawn(move || {
        for connection in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || watch(connection));
        }
    });
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

fn watch(mut connection: TcpStream) -> anyhow::Result<()> {
    say("came")?;
    // An end and a break are the same here.
    let mut buffer = [0; 16_384];
    let begins = connection.read(&mut buffer).unwrap_or_default();
    if buffer[..begins] == *GIVE {
        while connection.write_all(&buffer).is_ok() {}
    }
    while connection.read(&mut buffer).is_ok_and(|read| read > 0) {}
    say(&format!("gone {}", uptime()?))
}

fn say(line: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

fn read(line: &str) -> Option<Seen> {
    match line.split_once(' ') {
        None if line == "ready" => Some(Seen::Ready),
        None if line == "came" => Some(Seen::Came),
        Some(("gone", at)) => at.parse().ok().map(Seen::Gone),
        None | Some(_) => None,
    }
}
