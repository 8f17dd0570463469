//! The program itself: its commands, real TLS, real links, the real relay and
//! database; changes made at the console while it serves (S7).

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
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
    child: Option<Child>,
    log: Arc<Mutex<String>>,
}

impl Prs {
    /// `init`, an owner, a technician, a host; not serving yet.
    pub(crate) fn new() -> Self {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        let prs = Self {
            folder: tempfile::tempdir().unwrap(),
            port,
            child: None,
            log: Arc::default(),
        };
        let listen = format!("127.0.0.1:{port}");
        good(&prs.run(
            &["init", "--listen", &listen, "--public-address", &listen],
            "",
        ));
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
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if line.contains("Listening") {
                    let _ = listens.send(());
                }
                let mut log = log.lock().unwrap();
                log.push_str(&line);
                log.push('\n');
            }
        });
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

    /// Links a claimed box again.
    async fn box_again(&self, key: &SigningKey, boot: u8, lease: Lease) -> (Link, Events) {
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
        welcomed(&mut events).await;
        (link, events)
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

/// "A fresh VPS needs three commands."
#[tokio::test(flavor = "multi_thread")]
async fn three_commands_make_a_server_that_carries_a_session() {
    let mut prs = Prs::new();
    prs.serve();
    let (key, gateway, mut events, _) = prs.claim().await;
    let (technician, signed) = prs.sign_in("tech", &SigningKey::from_seed(&[1; 32])).await;
    assert_eq!(signed.me.customers.len(), 1);

    let (answer, _, near, far) = session(&technician, &gateway, &mut events, &key).await;

    reaches(&far, &near, b"yes").await;
    let whole = good(&prs.admin(&["session", "list"], ""));
    assert!(whole.contains(&answer.session.to_string()) && whole.contains("pump"));
    let path = format!("/api/v1/sessions/{}/renew", answer.session);
    let judged = async {
        let invite = invited(&mut events).await;
        assert!(invite.ticket.is_none());
        let grant = invite
            .grant
            .verify(&gateway.proven().statement.node)
            .unwrap();
        let result = InviteResult {
            session: grant.session,
            serial: grant.serial,
            refused: None,
        };
        gateway.send(Frame::InviteResult(result)).unwrap();
    };
    let renewing = api::<RenewAnswer>(&technician, Method::Post, &path, &());
    let (renewed, ()) = tokio::join!(renewing, judged);
    assert!(renewed.unwrap().ends_at >= answer.ends_at);
}

/// Part 12, R21: a change at the console reaches the gateway of a running
/// server, the route and the person's link.
#[tokio::test(flavor = "multi_thread")]
async fn disabling_somebody_at_the_console_ends_her_session_at_the_gateway() {
    let mut prs = Prs::new();
    prs.serve();
    let (key, gateway, mut events, _) = prs.claim().await;
    let (technician, _) = prs.sign_in("tech", &SigningKey::from_seed(&[1; 32])).await;
    let (answer, _, near, far) = session(&technician, &gateway, &mut events, &key).await;

    good(&prs.admin(&["user", "disable", "tech"], ""));

    let order = loop {
        match timeout(PATIENCE, events.next()).await.unwrap() {
            Some(Event::Revoke(order)) => break order,
            Some(_) => {}
            None => panic!("the link is over"),
        }
    };
    let order = order
        .verify(&gateway.proven().statement.node)
        .unwrap()
        .clone();
    assert_eq!(order.scope, Scope::Sessions(vec![answer.session]));
    assert_eq!(order.reason, Reason::UserDisabled);
    let (why, _) = timeout(PATIENCE, technician.closed()).await.unwrap();
    assert_eq!(why, Reason::UserDisabled);
    timeout(PATIENCE, async {
        while near.closed().is_none() || far.closed().is_none() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .unwrap();
    gateway.send(Frame::Revoked(order.counter)).unwrap();
    // Nothing of hers works any more.
    let me = Me::Technician {
        key: SigningKey::from_seed(&[1; 32]),
        token: None,
    };
    let (again, _events) = connect(&prs.dial(), me, "culvert 1").await.unwrap();
    let ask = SignIn {
        name: "tech".into(),
        password: Secret::new(PASSWORD.into()),
        label: String::new(),
    };
    let refused = api::<SignInAnswer>(&again, Method::Post, "/api/v1/sign-in", &ask).await;
    assert_eq!(refused.unwrap_err(), 401);
    let report = good(&prs.admin(&["report", "--csv"], ""));
    assert!(report.contains("user_disabled"), "{report}");
    good(&prs.admin(&["audit", "verify"], ""));
}

/// R2: the relay is killed; a session goes on by its end keys, its used
/// tickets do not work again.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_outlives_a_killed_server() {
    let mut prs = Prs::new();
    prs.serve();
    let (key, gateway, mut events, welcome) = prs.claim().await;
    let device = SigningKey::from_seed(&[1; 32]);
    let (technician, signed) = prs.sign_in("tech", &device).await;
    let (answer, end, _near, _far) = session(&technician, &gateway, &mut events, &key).await;
    prs.joins_are_noted().await;

    prs.kill();
    prs.serve();

    let lease = welcome.lease.unwrap();
    let (gateway, _events) = prs.box_again(&key, 1, lease).await;
    let me = Me::Technician {
        key: device.clone(),
        token: Some(signed.token.as_ref().unwrap().reveal().to_owned().into()),
    };
    let (technician, _tech_events) = connect(&prs.dial(), me, "culvert 1").await.unwrap();
    // With the ticket of before the route is refused, with the key it is not.
    let replayed = technician
        .join(answer.session, Some(answer.ticket), &end)
        .unwrap();
    timeout(PATIENCE, async {
        while replayed.closed().is_none() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .unwrap();
    let far = gateway.join(answer.session, None, &key).unwrap();
    let near = technician.join(answer.session, None, &end).unwrap();
    timeout(PATIENCE, async {
        while !(near.joined() && far.joined()) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .unwrap();
    reaches(&near, &far, b"again").await;
    // The token still holds, and the device key with it.
    let live: SessionList = api(&technician, Method::Get, "/api/v1/sessions?state=live", &())
        .await
        .unwrap();
    assert_eq!(live.sessions.len(), 1);
}

/// Threat 9, D7: two live boxes with one identity; both are put aside.
#[tokio::test(flavor = "multi_thread")]
async fn two_live_boxes_with_one_identity_are_both_quarantined() {
    let mut prs = Prs::new();
    prs.serve();
    let (key, original, _events, welcome) = prs.claim().await;
    let lease = welcome.lease.unwrap();
    // The copy of the card starts with the original's files.
    let hello = |boot: u8| Me::Gateway {
        key: key.clone(),
        hello: GatewayHello {
            identity: key.public(),
            boot: BootId::from_random([boot; 16]),
            lease: Some(lease),
            revocations: 0,
        },
    };
    let (copy, mut copy_events) = connect(&prs.dial(), hello(2), "box 1").await.unwrap();
    let handed = welcomed(&mut copy_events).await.lease.unwrap();
    copy.send(Frame::LeaseStored(handed)).unwrap();
    // The newer process has the place: the original's link ends, it comes back.
    timeout(PATIENCE, original.closed()).await.unwrap();
    // The copy's acknowledgement may still be on its way.
    let found = async {
        loop {
            let (_link, mut events) = connect(&prs.dial(), hello(1), "box 1").await.unwrap();
            if welcomed(&mut events).await.lease.is_none() {
                return;
            }
        }
    };
    timeout(PATIENCE, found).await.unwrap();

    let listed = good(&prs.admin(&["gateway", "list"], ""));
    assert!(listed.contains("quarantined"), "{listed}");
    let (_copy, mut events) = connect(&prs.dial(), hello(2), "box 1").await.unwrap();
    assert_eq!(welcomed(&mut events).await.lease, None);
    let trail = good(&prs.admin(&["audit", "list"], ""));
    assert!(trail.contains("gateway.quarantine"));
    let log = prs.log.lock().unwrap().clone();
    assert!(log.contains("ERROR") && log.contains("Two boxes use one identity"));
}

/// SIGTERM: links are told when to come back, then the process ends well.
#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_server_tells_its_links_when_to_come_back() {
    let mut prs = Prs::new();
    prs.serve();
    let (_key, gateway, mut events, _) = prs.claim().await;

    let mut child = prs.stop();

    let told = timeout(PATIENCE, events.next()).await.unwrap();
    assert!(
        matches!(
            told,
            Some(Event::Drain {
                come_back_ms: 10_000,
                ..
            })
        ),
        "{told:?}"
    );
    let (why, _) = timeout(PATIENCE, gateway.closed()).await.unwrap();
    assert_eq!(why, Reason::ServerDraining);
    assert!(child.wait().unwrap().success());
}

/// Invariant: no secret, no customer address above DEBUG in a log.
#[tokio::test(flavor = "multi_thread")]
async fn the_log_holds_no_secret_and_no_customer_address_above_debug() {
    let mut prs = Prs::new();
    prs.serve();
    let (key, gateway, mut events, _) = prs.claim().await;
    let (technician, signed) = prs.sign_in("tech", &SigningKey::from_seed(&[1; 32])).await;
    let (answer, _, _near, _far) = session(&technician, &gateway, &mut events, &key).await;
    good(&prs.admin(&["user", "disable", "tech"], ""));
    timeout(PATIENCE, technician.closed()).await.unwrap();
    prs.stop().wait().unwrap();

    let log = prs.log.lock().unwrap().clone();

    for secret in [
        PASSWORD,
        signed.token.as_ref().unwrap().reveal(),
        &answer.ticket.reveal(),
    ] {
        assert!(!log.contains(secret));
    }
    let loud = |line: &&str| {
        [" INFO ", " WARN ", "ERROR "]
            .iter()
            .any(|level| line.contains(level))
    };
    for line in log.lines().filter(loud) {
        assert!(!line.contains(ADDRESS), "{line}");
    }
    // The control: the log was there and is read.
    assert!(log.contains("Listening") && log.contains("Draining"));
}

#[test]
fn a_second_init_and_a_second_server_are_refused() {
    let mut prs = Prs::new();
    prs.serve();
    let listen = [
        "init",
        "--listen",
        "127.0.0.1:1",
        "--public-address",
        "a.example:1",
    ];

    assert!(bad(&prs.run(&listen, "")).contains("nothing was changed"));
    assert!(bad(&prs.run(&["serve"], "")).contains("a server already runs"));
    assert!(bad(&prs.admin(&["restore"], "")).contains("stop it first"));
}

#[test]
fn a_server_with_an_expired_statement_does_not_start_and_says_what_to_do() {
    let prs = Prs::new();
    let statement = prs.data().join("keys/statement");
    let provider = culvert_cloud_prs::data::Data::at(prs.data());
    let mut keys = culvert_cloud_prs::keys::Keys::load(&provider).unwrap();
    // The provider key lives elsewhere, so the server cannot help itself.
    let key_file = prs.folder.path().join("provider.key");
    std::fs::rename(prs.data().join("keys/provider.key"), &key_file).unwrap();
    keys.renew(&provider, &key_file, UnixMs(1_700_000_000_000), 1)
        .unwrap();
    assert!(statement.exists());

    let said = bad(&prs.run(&["serve"], ""));
    assert!(said.contains("key renew-statement"), "{said}");
    assert!(bad(&prs.run(&["check"], "")).contains("must be mended"));

    let file = key_file.to_str().unwrap();
    good(&prs.run(&["key", "renew-statement", "--provider-key", file], ""));
    assert!(!good_or_bad(&prs.run(&["check"], "")).contains("BAD     statement"));
}

fn good_or_bad(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// A server that runs for years: its statement is renewed under it.
#[tokio::test(flavor = "multi_thread")]
async fn a_running_server_takes_a_renewed_statement_over() {
    let mut prs = Prs::new();
    prs.serve();
    let first = prs.proven_until().await;
    good(&prs.run(&["key", "renew-statement", "--days", "60"], ""));

    prs.signal(Signal::SIGHUP);

    let taken = async {
        while prs.proven_until().await == first {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, taken).await.unwrap();
    assert!(prs.proven_until().await < first);
}

/// Grants are judged by the time this server signs.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_clock_is_behind_its_own_past_does_not_start() {
    let prs = Prs::new();
    sqlx::any::install_default_drivers();
    let url = format!("sqlite://{}", prs.data().join("culvert.db").display());
    let mut db = sqlx::AnyConnection::connect(&url).await.unwrap();
    let far = culvert_cloud_prs::steady::system().plus_ms(3_600_000);
    culvert_cloud_prs::store::clock::raise(&mut db, far)
        .await
        .unwrap();

    let said = bad(&prs.run(&["serve"], ""));

    assert!(said.contains("set the clock"), "{said}");
}

/// D7, P: the rotations a running installation goes through.
#[tokio::test(flavor = "multi_thread")]
async fn boxes_and_technicians_follow_rotated_keys() {
    let mut prs = Prs::new();
    prs.serve();
    let pinned = prs.dial();
    let (key, _gateway, _events, welcome) = prs.claim().await;
    prs.stop().wait().unwrap();
    good(&prs.run(&["key", "rotate-node"], ""));
    good(&prs.run(&["key", "rotate-provider"], ""));
    prs.serve();

    let hello = GatewayHello {
        identity: key.public(),
        boot: BootId::from_random([2; 16]),
        lease: welcome.lease,
        revocations: 0,
    };
    let me = Me::Gateway { key, hello };
    let (link, mut events) = connect(&pinned, me, "box 1").await.unwrap();

    assert!(welcomed(&mut events).await.gateway.is_some());
    assert_ne!(link.proven().provider, pinned.provider);
    assert_eq!(link.proven().statement.epoch, 2);
    let now: PublicKey = prs.dial().provider;
    assert_eq!(link.proven().provider, now);
    // Rows signed by the node key before still verify.
    good(&prs.admin(&["audit", "verify"], ""));
}

/// R24: a restore into an empty folder, with nothing old alive.
#[tokio::test(flavor = "multi_thread")]
async fn a_backup_taken_while_serving_restores_a_server_on_which_nothing_old_works() {
    let mut prs = Prs::new();
    prs.serve();
    let (key, _gateway, _events, welcome) = prs.claim().await;
    let device = SigningKey::from_seed(&[1; 32]);
    let (_technician, signed) = prs.sign_in("tech", &device).await;
    let backup = prs.folder.path().join("backup");
    good(&prs.admin(&["backup", backup.to_str().unwrap()], ""));
    prs.kill();
    std::fs::remove_dir_all(prs.data()).unwrap();

    let said = good(&prs.admin(&["restore", backup.to_str().unwrap()], ""));

    assert!(said.contains("1 sign-ins and API tokens"), "{said}");
    prs.serve();
    let me = Me::Technician {
        key: device,
        token: Some(signed.token.as_ref().unwrap().reveal().to_owned().into()),
    };
    let (link, _tech_events) = connect(&prs.dial(), me, "culvert 1").await.unwrap();
    let refused = api::<serde_json::Value>(&link, Method::Get, "/api/v1/me", &()).await;
    assert_eq!(refused.unwrap_err(), 401);
    // The box is still the box.
    let (_link, _events) = prs.box_again(&key, 2, welcome.lease.unwrap()).await;
}
