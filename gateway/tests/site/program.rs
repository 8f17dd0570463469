//! The gateway's own program in its namespace, and a technician's end.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use culvert_gateway::identity::Identity;
use culvert_gateway::state::{Claim, State};
use culvert_lab::node::dial;
use culvert_link::{Link, Me, connect};
use culvert_session::Options;
use culvert_session::native::{self, Session, Stream};
use culvert_wire::grant::{Grant, Target};
use culvert_wire::key::{PublicKey, SigningKey};
use culvert_wire::stream::{Answer, Lane, Open, Service};
use culvert_wire::ticket::Ticket;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::net::{CLOUD, Net};
use crate::prs::{Prs, SOON, key, provider};

/// The program and its folder.
pub(crate) struct Gateway {
    ns: String,
    pub(crate) dir: TempDir,
    running: Option<Child>,
    /// Every `run` so far writes here.
    log: PathBuf,
    /// What the program believes the time is.
    clock: Option<String>,
}

impl Gateway {
    /// A box that is claimed already; `settings` are added to its own.
    pub(crate) fn claimed(net: &Net, settings: &str) -> Self {
        let gateway = Self::unclaimed(net, settings);
        let claim = Claim {
            provider: provider().public(),
            servers: vec![format!("{CLOUD}:443")],
            epoch_floor: 0,
            gateway: None,
            code: None,
            confirmed: true,
        };
        let state = State {
            claim: Some(claim),
            ..State::default()
        };
        // A box makes its key before it is claimed, and no other afterwards.
        Identity::load_or_make(&gateway.data()).unwrap();
        state.store(&gateway.data()).unwrap();
        gateway
    }

    /// A server, and a claimed box that has its link to it.
    pub(crate) async fn linked(net: &Net, settings: &str) -> (Prs, Self) {
        let prs = Prs::start().await;
        let mut gateway = Self::claimed(net, settings);
        gateway.up(&prs).await;
        (prs, gateway)
    }

    pub(crate) fn unclaimed(net: &Net, settings: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let text = format!(
            "data_dir = \"{}\"\nlog = \"info\"\n{settings}",
            data.display()
        );
        fs::write(dir.path().join("gateway.toml"), text).unwrap();
        fs::write(dir.path().join("resolv.conf"), "nameserver 192.168.77.10\n").unwrap();
        Self {
            ns: net.gateway(),
            log: dir.path().join("log"),
            dir,
            running: None,
            clock: None,
        }
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// The box's key.
    pub(crate) fn key(&self) -> PublicKey {
        let identity = Identity::load_or_make(&self.data()).unwrap();
        identity.signing.public()
    }

    /// Makes the program believe another time, from its start on.
    pub(crate) fn set_clock(&mut self, time: &str) {
        self.clock = Some(time.to_owned());
    }

    /// Starts `run`.
    pub(crate) fn start(&mut self) {
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.log)
            .unwrap();
        let mut command = self.command(&["run"]);
        let child = command.stderr(log).stdout(Stdio::null()).spawn().unwrap();
        self.running = Some(child);
    }

    /// Starts `run` and waits for its link; the one before may still stand.
    pub(crate) async fn up(&mut self, prs: &Prs) {
        let before = prs.links();
        self.start();
        prs.linked_since(self.key(), before).await;
    }

    /// Asks it to end and waits; how it ended.
    pub(crate) fn stop(&mut self) -> Option<i32> {
        let mut child = self.running.take()?;
        signal(&child, Signal::SIGTERM);
        child.wait().unwrap().code()
    }

    /// Ends it without a warning.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.running.take() {
            signal(&child, Signal::SIGKILL);
            child.wait().unwrap();
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.running.as_ref().unwrap().id()
    }

    /// Memory of its own in KiB: `ip netns exec` and `sh` became the program.
    pub(crate) fn resident_kib(&self) -> u64 {
        self.status_kib("VmRSS:")
    }

    /// Of its resident memory what is no page of the program's file.
    pub(crate) fn allocated_kib(&self) -> u64 {
        self.status_kib("RssAnon:")
    }

    fn status_kib(&self, field: &str) -> u64 {
        let path = format!("/proc/{}/status", self.pid());
        let text = fs::read_to_string(path).unwrap();
        let line = text.lines().find(|line| line.starts_with(field)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// The processes that it started: every thread of its runtime has children
    /// of its own.
    pub(crate) fn workers(&self) -> Vec<u32> {
        let threads = fs::read_dir(format!("/proc/{}/task", self.pid())).unwrap();
        let children = |thread: fs::DirEntry| {
            fs::read_to_string(thread.path().join("children")).unwrap_or_default()
        };
        let all: String = threads.flatten().map(children).collect();
        all.split_whitespace()
            .map(|pid| pid.parse().unwrap())
            .collect()
    }

    /// Runs another of its commands to its end, off the runtime.
    pub(crate) async fn ask(&self, words: &[&str]) -> Output {
        let mut command = self.command(words);
        tokio::task::spawn_blocking(move || command.output().unwrap())
            .await
            .unwrap()
    }

    pub(crate) fn log(&self) -> String {
        let mut text = String::new();
        let mut file = fs::File::open(&self.log).unwrap();
        file.read_to_string(&mut text).unwrap();
        text
    }

    pub(crate) fn resolv_conf(&self, text: &str) {
        fs::write(self.dir.path().join("resolv.conf"), text).unwrap();
    }

    /// `ip netns exec` gives the program mounts of its own: the name server
    /// is set there, not on the machine.
    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", &self.ns, "sh", "-ec"])
            .arg("mount --bind \"$0\" /etc/resolv.conf; exec \"$@\"")
            .arg(self.dir.path().join("resolv.conf"))
            .arg(env!("CARGO_BIN_EXE_culvert-gateway"))
            .arg("--config")
            .arg(self.dir.path().join("gateway.toml"))
            .args(words)
            .env_remove("https_proxy")
            .env_remove("HTTPS_PROXY")
            .env_remove("all_proxy")
            .env_remove("ALL_PROXY")
            .stdin(Stdio::null());
        if let Some(clock) = &self.clock {
            command
                .env("LD_PRELOAD", faketime())
                .env("FAKETIME", format!("@{clock}"))
                .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        }
        command
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() && self.log.exists() {
            println!("--- the gateway's log\n{}", self.log());
        }
    }
}

/// The library of Debian's package `libfaketime`, on any architecture.
fn faketime() -> PathBuf {
    let libraries = fs::read_dir("/usr/lib").unwrap().map(Result::unwrap);
    let named = |entry: fs::DirEntry| entry.path().join("faketime/libfaketimeMT.so.1");
    let found = libraries.map(named).find(|path| path.exists());
    found.expect("the package libfaketime is installed")
}

fn signal(child: &Child, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
    kill(pid, signal).unwrap();
}

/// A technician's end with one session.
pub(crate) struct Technician {
    pub(crate) session: Session,
    pub(crate) link: Link,
}

impl Technician {
    /// A new session on these targets, which the gateway must accept.
    pub(crate) async fn in_session(
        prs: &Prs,
        gateway: &Gateway,
        targets: Vec<Target>,
    ) -> (Grant, Self) {
        let grant = prs.grant(gateway.key(), targets);
        let technician = Self::admitted(prs, &grant).await;
        (grant, technician)
    }

    /// Joins the session of a grant, which the gateway must accept.
    pub(crate) async fn admitted(prs: &Prs, grant: &Grant) -> Self {
        assert_eq!(prs.invite(grant.clone()).await.refused, None);
        Self::join(grant).await
    }

    /// Joins a session that the gateway accepted.
    pub(crate) async fn join(grant: &Grant) -> Self {
        Self::join_as(grant, &key(5)).await.unwrap()
    }

    /// Joins with some key; the session's handshake may fail.
    pub(crate) async fn join_as(
        grant: &Grant,
        end: &SigningKey,
    ) -> Result<Self, native::SessionError> {
        let dial = dial(format!("{CLOUD}:443"));
        let me = Me::Technician {
            key: SigningKey::from_seed(&rand::random()),
            token: None,
        };
        let (link, _events) = connect(&dial, me, "test technician").await.unwrap();
        let ticket = Some(Ticket::from_random([8; 32]));
        let route = link.join(grant.session, ticket, end).unwrap();
        let options = Options {
            handshake: SOON,
            ..Options::default()
        };
        let session = native::connect(route, end, grant.gateway, options).await?;
        Ok(Self { session, link })
    }

    pub(crate) async fn open(&self, service: Service) -> (Stream, Answer) {
        let lane = Lane::Input;
        let opened = tokio::time::timeout(SOON, async {
            let mut stream = self.session.open(Open { service, lane }).await.unwrap();
            let answer = stream.answer().await.unwrap();
            (stream, answer)
        });
        opened.await.expect("the gateway answers")
    }

    /// Opens target 0, which must work.
    pub(crate) async fn stream(&self) -> Stream {
        let (stream, answer) = self.open(Service::Target(0)).await;
        assert_eq!(answer, Answer::Accepted);
        stream
    }
}

/// What a command said on both outputs.
pub(crate) fn said(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    String::from_utf8_lossy(out).into_owned() + &String::from_utf8_lossy(err)
}

/// Waits until a file holds something.
pub(crate) async fn eventually(what: &str, mut ready: impl FnMut() -> bool) {
    let waited = tokio::time::timeout(SOON, async {
        while !ready() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    waited
        .await
        .unwrap_or_else(|_| panic!("waited in vain: {what}"));
}

/// Whether a path exists; for [`eventually`].
pub(crate) fn exists(path: &Path) -> bool {
    path.exists()
}
