//! An offer from its coming to the supervisor's end, with the supervisor's socket
//! and a real HTTPS server in the test's hands (P8).

use std::collections::VecDeque;
use std::os::unix::net::UnixDatagram as Pair;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use culvert_lab::node::web_config;
use culvert_link::ProxyPolicy;
use culvert_wire::supervisor::{FromSupervisor, MAX_MESSAGE};
use culvert_wire::{Decode as _, Encode as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::*;

const VERSION: u64 = 2;
const BUNDLE: &[u8] = b"a bundle";
const OK: &str = "200 OK";
const GONE: &str = "410 Gone";

/// P8: a session goes first, and the server hears so at once and at every offer.
#[tokio::test]
async fn a_box_in_a_session_says_that_it_waits_and_begins_when_the_session_ends() {
    let mut this = Site::new(&[OK]).await;
    this.update.handle_offer(offer(false), &this.supervised);

    this.carry(1);

    assert_eq!(this.said(), waits(BEFORE));
    assert_eq!(this.given(), []);
    // What the server has heard of an offer is no answer to the next.
    this.update.told = this.update.system(&this.supervised);
    this.update.handle_offer(offer(false), &this.supervised);
    assert_eq!(this.update.told, None);

    this.carry(0);
    assert_eq!(this.said(), Progress::Taking { version: VERSION });
    this.taken();
    this.pieces(0).await;

    assert_eq!(this.given(), [begin(), data(), FromGateway::UpdateEnd]);
}

#[tokio::test]
async fn a_forced_release_waits_for_no_session() {
    let mut this = Site::new(&[OK]).await;
    this.update.handle_offer(offer(true), &this.supervised);

    this.carry(1);
    this.taken();
    this.pieces(1).await;

    assert_eq!(this.given().last(), Some(&FromGateway::UpdateEnd));
}

/// P8, the stop switch: it waited, and meanwhile the release was stopped.
#[tokio::test]
async fn a_release_stopped_while_a_box_waited_is_not_taken() {
    let mut this = Site::new(&[GONE]).await;
    this.update.handle_offer(offer(false), &this.supervised);
    this.carry(1);
    this.carry(0);
    this.taken();

    this.pieces(0).await;

    assert_eq!(this.given(), [begin()], "nothing of it was handed on");
    assert!(matches!(this.said(), Progress::Refused { why, .. } if why.contains("stopped")));
    assert!(matches!(this.update.stage, Stage::Idle));
}

/// P8: all of it is there, but a session that began meanwhile keeps it from its
/// place; the server is asked once more when that ends.
#[tokio::test]
async fn a_release_stopped_while_it_was_held_is_not_put_in_its_place() {
    for (answer, last) in [(GONE, data()), (OK, FromGateway::UpdateEnd)] {
        let mut this = Site::new(&[OK, answer]).await;
        this.update.handle_offer(offer(false), &this.supervised);
        this.carry(0);
        this.taken();
        this.pieces(1).await;
        this.carry(1);
        assert_eq!(this.said(), waits(BEHIND));

        this.carry(0);
        this.pieces(0).await;

        assert_eq!(this.given().last(), Some(&last), "{answer}");
    }
}

/// A body that ends too early is no bundle.
#[tokio::test]
async fn a_bundle_that_breaks_off_is_not_put_in_its_place() {
    let mut this = Site::new(&["200 cut short"]).await;
    this.update.handle_offer(offer(false), &this.supervised);
    this.carry(0);
    this.taken();

    this.pieces(0).await;

    assert!(!this.given().contains(&FromGateway::UpdateEnd));
    assert!(matches!(this.said(), Progress::Refused { .. }));
}

/// A box, with its supervisor and its server.
struct Site {
    update: Update,
    supervised: Supervised,
    supervisor: Pair,
    source: Source,
    server: JoinHandle<()>,
    given: Vec<FromGateway>,
}

impl Site {
    /// Its server gives these answers, one to each request.
    async fn new(answers: &[&'static str]) -> Self {
        let (ours, supervisor) = Pair::pair().unwrap();
        supervisor.set_nonblocking(true).unwrap();
        let mut supervised = Supervised::over(Some(ours)).unwrap();
        let system = FromSupervisor::System {
            board: "rock64".into(),
            version: 1,
            trial: false,
            failed: 0,
        };
        supervisor.send(&system.to_bytes()).unwrap();
        supervised.next().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let servers = vec![listener.local_addr().unwrap().to_string()];
        let answers = answers.iter().copied().collect();
        Self {
            update: Update::new(),
            supervised,
            supervisor,
            source: Source {
                servers,
                proxy: ProxyPolicy::None,
            },
            server: tokio::spawn(serve(listener, Arc::new(Mutex::new(answers)))),
            given: Vec::new(),
        }
    }

    fn carry(&mut self, sessions: usize) {
        let source = self.source.clone();
        self.update
            .carry(sessions, &self.supervised, || Some(source));
    }

    /// The supervisor has written what it was given.
    fn taken(&mut self) {
        self.update.handle_supervisor(&UpdateState::Taken(1));
    }

    /// What the loop does until there is nothing to wait for.
    async fn pieces(&mut self, sessions: usize) {
        while matches!(
            self.update.stage,
            Stage::Fetching { .. } | Stage::Asking { .. }
        ) {
            let next = timeout(Duration::from_secs(20), self.update.next());
            let piece = next.await.expect("a piece, or the end");
            self.update.handle_piece(piece, sessions, &self.supervised);
            self.taken();
        }
    }

    /// What the server would be told.
    fn said(&self) -> Progress {
        self.update.system(&self.supervised).unwrap().progress
    }

    /// What the supervisor was given so far, but for signs of life.
    fn given(&mut self) -> Vec<FromGateway> {
        let mut buffer = vec![0; MAX_MESSAGE];
        while let Ok(length) = self.supervisor.recv(&mut buffer) {
            let message = FromGateway::from_bytes(&buffer[..length]).unwrap();
            if message != FromGateway::Health {
                self.given.push(message);
            }
        }
        self.given.clone()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(listener: TcpListener, answers: Arc<Mutex<VecDeque<&'static str>>>) {
    let tls = TlsAcceptor::from(web_config("prs.example.com"));
    loop {
        let (tcp, _) = listener.accept().await.unwrap();
        let mut stream = tls.accept(tcp).await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(stream.read_u8().await.unwrap());
        }
        let request = String::from_utf8(request).unwrap();
        assert!(request.starts_with("GET /boxes/release "), "{request}");
        assert!(request.contains(&"07".repeat(16)), "{request}");
        let status = answers
            .lock()
            .unwrap()
            .pop_front()
            .expect("asked once more");
        let body = match status {
            OK => BUNDLE,
            GONE => b"",
            _ => &BUNDLE[..3],
        };
        let length = match status {
            GONE => 0,
            _ => BUNDLE.len(),
        };
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(body).await.unwrap();
        // The box may have heard enough.
        let _ = stream.shutdown().await;
    }
}

fn offer(forced: bool) -> Offer {
    Offer {
        version: VERSION,
        size: BUNDLE.len() as u64,
        forced,
        fetch: [7; 16],
    }
}

fn waits(why: &str) -> Progress {
    Progress::Refused {
        version: VERSION,
        why: why.to_owned(),
    }
}

fn begin() -> FromGateway {
    FromGateway::UpdateBegin {
        size: BUNDLE.len() as u64,
        forced: false,
    }
}

fn data() -> FromGateway {
    FromGateway::UpdateData(BUNDLE.to_vec())
}
