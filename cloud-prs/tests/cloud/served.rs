//! The program itself: its commands, real TLS, real links, the real relay and
//! database; changes made at the console while it serves (S7).
//!
//! Here is the server and what its links do; each file below is a topic.

mod carrying;
mod checking;
mod keys;
mod looked_at;
mod running;
mod versions;

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use culvert_link::{Dial, Event, Events, Link, Me, ProxyPolicy, Route, connect};
use culvert_wire::UnixMs;
use culvert_wire::api::{
    HostList, NewSession, RenewAnswer, Secret, SessionAnswer, SessionList, SignIn, SignInAnswer,
    SignedIn,
};
use culvert_wire::claim::ClaimCode;
use culvert_wire::frame::{Frame, Invite, InviteResult, Method, Welcome};
use culvert_wire::grant::Protocol;
use culvert_wire::hello::{ClaimHello, GatewayHello};
use culvert_wire::id::{BootId, Lease};
use culvert_wire::key::{Context, PublicKey, SigningKey};
use culvert_wire::reason::Reason;
use culvert_wire::revocation::Scope;
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::Connection as _;
use tokio::net::TcpSocket;
use tokio::time::timeout;

use crate::world::signed;

/// Longer than anything here takes on a machine that is busy otherwise.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
const PASSWORD: &str = "canary battery staple";
const ADDRESS: &str = "192.168.77.9";

/// A data folder and the server on it.
pub(crate) struct Prs {
    folder: tempfile::TempDir,
    port: u16,
    _reserved: TcpSocket,
    child: Option<Child>,
    log: Arc<Mutex<String>>,
    reading: Option<JoinHandle<()>>,
}

/// An address that nobody else is given as long as the socket lives, and that a server
/// can listen on.
fn reserve() -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

impl Prs {
    /// `init`, an owner, a technician, a host; not serving yet.
    pub(crate) fn new() -> Self {
        Self::peopled(Self::bare(tempfile::tempdir().unwrap(), "127.0.0.1", &[]))
    }

    /// `init` alone, with a public name and more arguments.
    fn bare(folder: tempfile::TempDir, name: &str, more: &[&str]) -> Self {
        let (reserved, address) = reserve();
        let port = address.port();
        let prs = Self {
            folder,
            port,
            _reserved: reserved,
            child: None,
            log: Arc::default(),
            reading: None,
        };
        let (listen, public) = (format!("127.0.0.1:{port}"), format!("{name}:{port}"));
        let init = ["init", "--listen", &listen, "--public-address", &public];
        good(&prs.run(&[&init, more].concat(), ""));
        prs
    }

    fn peopled(prs: Self) -> Self {
        for args in [
            &["user", "add", "boss", "--role", "owner", "--password-stdin"][..],
            &["user", "add", "tech", "--password-stdin"],
        ] {
            good(&prs.admin(args, PASSWORD));
        }
        for args in [
            &["customer", "add", "Harbour"][..],
            &["site", "add", "--customer", "harbour", "Pump station"],
            &[
                "host",
                "add",
                "--site",
                "Harbour/Pump station",
                "pump",
                "--address",
                ADDRESS,
                "--service",
                "ssh",
            ],
            &[
                "permission",
                "grant",
                "--user",
                "tech",
                "--customer",
                "Harbour",
            ],
        ] {
            good(&prs.admin(args, ""));
        }
        prs
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_culvert-prs"));
        command.args(args).env("CULVERT_PRS_DATA", self.data());
        command
    }

    /// Runs a command of ours by way of another program.
    fn through(&self, program: &[&str], args: &[&str]) -> Output {
        Command::new(program[0])
            .args(&program[1..])
            .arg(env!("CARGO_BIN_EXE_culvert-prs"))
            .args(args)
            .env("CULVERT_PRS_DATA", self.data())
            .output()
            .unwrap()
    }

    fn run(&self, args: &[&str], input: &str) -> Output {
        let mut child = self
            .command(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Commands that read nothing have gone already.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let (done, ended) = std::sync::mpsc::channel();
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
        let watch = std::thread::spawn(move || {
            if ended.recv_timeout(2 * PATIENCE).is_err() {
                // A command that should have ended: a server, perhaps.
                let _ = nix::sys::signal::kill(pid, Signal::SIGKILL);
            }
        });
        let output = child.wait_with_output().unwrap();
        let _ = done.send(());
        watch.join().unwrap();
        output
    }

    pub(crate) fn admin(&self, args: &[&str], input: &str) -> Output {
        self.run(&[&["admin"], args].concat(), input)
    }

    /// Starts the server and waits until it listens.
    pub(crate) fn serve(&mut self) {
        let mut child = self
            .command(&["serve"])
            .env("CULVERT_LOG", "trace")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let log = Arc::clone(&self.log);
        let (listens, listening) = std::sync::mpsc::channel();
        self.reading = Some(std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if line.contains("Listening") {
                    let _ = listens.send(());
                }
                let mut log = log.lock().unwrap();
                log.push_str(&line);
                log.push('\n');
            }
        }));
        self.child = Some(child);
        if listening.recv_timeout(PATIENCE).is_err() {
            panic!("{}", self.log.lock().unwrap());
        }
    }

    fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// SIGTERM.
    pub(crate) fn stop(&mut self) -> Child {
        self.signal(Signal::SIGTERM);
        self.child.take().unwrap()
    }

    /// The log of a server that has ended, to the last line.
    fn whole_log(&mut self) -> String {
        self.reading.take().unwrap().join().unwrap();
        self.log.lock().unwrap().clone()
    }

    fn signal(&self, signal: Signal) {
        let id = self.child.as_ref().unwrap().id();
        let pid = Pid::from_raw(i32::try_from(id).unwrap());
        nix::sys::signal::kill(pid, signal).unwrap();
    }

    /// Until when the statement that a new link shows is valid.
    async fn proven_until(&self) -> UnixMs {
        let me = Me::Technician {
            key: SigningKey::from_seed(&[3; 32]),
            token: None,
        };
        let (link, _events) = connect(&self.dial(), me, "culvert 1").await.unwrap();
        link.proven().statement.not_after
    }

    fn dial(&self) -> Dial {
        let key = good(&self.run(&["fingerprint", "--key"], ""));
        Dial {
            servers: vec![format!("127.0.0.1:{}", self.port)],
            provider: key.trim().parse().unwrap(),
            epoch_floor: 1,
            clock_floor: UnixMs(0),
            proxy: ProxyPolicy::None,
        }
    }

    /// Claims a box and leaves its link open.
    pub(crate) async fn claim(&self) -> (SigningKey, Link, Events, Welcome) {
        let code = good(&self.admin(&["gateway", "code", "--site", "Pump station"], ""));
        let code: ClaimCode = code.parse().unwrap();
        let key = SigningKey::from_seed(&rand::random());
        let sealing = [7; 32];
        let hello = ClaimHello {
            claim: code.claim,
            identity: key.public(),
            sealing,
            sealing_signature: key.sign(Context::SealingKey, &sealing),
            boot: BootId::from_random([1; 16]),
        };
        let me = Me::Claim {
            key: key.clone(),
            seed: code.seed,
            hello,
        };
        let (link, mut events) = connect(&self.dial(), me, "box 1").await.unwrap();
        let welcome = welcomed(&mut events).await;
        let lease = welcome.lease.unwrap();
        link.send(Frame::LeaseStored(lease)).unwrap();
        (key, link, events, welcome)
    }

    /// Links a claimed box again; what it is told, its lease among it.
    async fn box_again(&self, key: &SigningKey, boot: u8, lease: Lease) -> (Link, Events, Welcome) {
        let hello = GatewayHello {
            identity: key.public(),
            boot: BootId::from_random([boot; 16]),
            lease: Some(lease),
            revocations: 0,
        };
        let me = Me::Gateway {
            key: key.clone(),
            hello,
        };
        let (link, mut events) = connect(&self.dial(), me, "box 1").await.unwrap();
        let welcome = welcomed(&mut events).await;
        (link, events, welcome)
    }

    /// Waits until the server has written down that both ends joined.
    async fn joins_are_noted(&self) {
        sqlx::any::install_default_drivers();
        let url = format!("sqlite://{}", self.data().join("culvert.db").display());
        let mut db = sqlx::AnyConnection::connect(&url).await.unwrap();
        let sql = "SELECT COUNT(*) AS waiting FROM sessions \
                   WHERE technician_ticket IS NOT NULL OR gateway_ticket IS NOT NULL";
        let noted = async {
            loop {
                let row = sqlx::query(sql).fetch_one(&mut db).await.unwrap();
                if sqlx::Row::get::<i64, _>(&row, "waiting") == 0 {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, noted).await.unwrap();
    }

    /// Signs somebody in over a link of hers.
    pub(crate) async fn sign_in(&self, name: &str, device: &SigningKey) -> (Link, SignedIn) {
        let me = Me::Technician {
            key: device.clone(),
            token: None,
        };
        let (link, _events) = connect(&self.dial(), me, "culvert 1").await.unwrap();
        let ask = SignIn {
            name: name.into(),
            password: Secret::new(PASSWORD.into()),
            label: "laptop".into(),
        };
        let answer = api(&link, Method::Post, "/api/v1/sign-in", &ask).await;
        (link, signed(answer.unwrap()))
    }
}

impl Drop for Prs {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.kill();
        }
    }
}

pub(crate) fn good(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn bad(output: &Output) -> String {
    assert!(!output.status.success());
    String::from_utf8(output.stderr.clone()).unwrap()
}

async fn welcomed(events: &mut Events) -> Welcome {
    match timeout(PATIENCE, events.next()).await.unwrap() {
        Some(Event::Welcome(welcome)) => welcome,
        other => panic!("{other:?}"),
    }
}

async fn api<T: DeserializeOwned>(
    link: &Link,
    method: Method,
    path: &str,
    body: &impl Serialize,
) -> Result<T, u16> {
    let body = serde_json::to_vec(body).unwrap();
    let answer = timeout(PATIENCE, link.api(method, path, body))
        .await
        .unwrap()
        .unwrap();
    if answer.status >= 300 {
        return Err(answer.status);
    }
    Ok(serde_json::from_slice(&answer.body).unwrap())
}

async fn invited(events: &mut Events) -> Invite {
    loop {
        match timeout(PATIENCE, events.next()).await.unwrap() {
            Some(Event::Invite(invite)) => return *invite,
            Some(_) => {}
            None => panic!("the link is over"),
        }
    }
}

/// Waits until it is so.
async fn eventually(so: impl Fn() -> bool) {
    let waiting = async {
        while !so() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, waiting).await.unwrap();
}

/// Sends until it arrives: packets for an end that is not there yet are lost,
/// as packets are.
async fn reaches(from: &Route, to: &Route, what: &[u8]) {
    let segment = u16::try_from(what.len()).unwrap();
    let sending = async {
        loop {
            from.try_send(segment, what);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let got = async {
        loop {
            let got = std::future::poll_fn(|cx| to.poll_recv(cx)).await;
            let got = got.expect("the route is open");
            if got.payload[..what.len()] == *what {
                return;
            }
        }
    };
    let arrived = async {
        tokio::select! {
            () = got => {}
            () = sending => {}
        }
    };
    timeout(PATIENCE, arrived).await.unwrap();
}

/// Both ends join a fresh session; what the technician sends arrives.
pub(crate) async fn session(
    technician: &Link,
    gateway: &Link,
    events: &mut Events,
    key: &SigningKey,
) -> (SessionAnswer, SigningKey, Route, Route) {
    let list: HostList = api(technician, Method::Get, "/api/v1/hosts?q=pump", &())
        .await
        .unwrap();
    assert!(list.hosts[0].online);
    let end = SigningKey::from_seed(&rand::random());
    let ask = NewSession {
        host: list.hosts[0].id,
        protocol: Protocol::Ssh,
        ports: vec![],
        end_key: end.public(),
        test: false,
    };
    let answer: SessionAnswer = api(technician, Method::Post, "/api/v1/sessions", &ask)
        .await
        .unwrap();
    let invite = invited(events).await;
    let broker = gateway.proven().statement.node;
    let grant = invite.grant.verify(&broker).unwrap();
    assert_eq!(
        (grant.session, grant.technician_end),
        (answer.session, end.public())
    );
    let far = gateway.join(answer.session, invite.ticket, key).unwrap();
    let ticket = Some(answer.ticket.clone());
    let near = technician.join(answer.session, ticket, &end).unwrap();
    reaches(&near, &far, b"hello").await;
    (answer, end, near, far)
}
