//! A browser's end, a server that plays the relay, and a real gateway's end
//! behind an emulated line. Time is virtual.

use std::time::Duration;

use bytes::Bytes;
use culvert_endpoint::engine::{self, StreamKey};
use culvert_endpoint::{Event, Granted, Session, State};
use culvert_session::native::emulated::{self, End, Line};
use culvert_session::native::{self, PacketRoute as _};
use culvert_session::{Ending, Options};
use culvert_wire::frame::{Channel, Closed, Frame, Join, Packets, Welcome};
use culvert_wire::hello::{BROWSER_BINDING, Binding, LinkAuth, ServerProof, Who};
use culvert_wire::id::SessionId;
use culvert_wire::key::SigningKey;
use culvert_wire::reason::Reason;
use culvert_wire::statement::{NodeStatement, Roles, SignedStatement};
use culvert_wire::stream::{Lane, Open, Service};
use culvert_wire::ticket::Ticket;
use culvert_wire::{Decode as _, Encode as _, UnixMs};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

/// More virtual time than anything here takes.
const LIMIT: Duration = Duration::from_secs(4 * 3600);
/// The server's clock.
pub(crate) const LINK_TIME: UnixMs = UnixMs(1_700_000_000_000);

pub(crate) const PERFECT: Line = Line {
    delay: Duration::from_millis(30),
    ..Line::PERFECT
};
/// Two of a hundred lost, five of a hundred late.
pub(crate) const BAD: Line = Line {
    lost_per_mille: 20,
    late_per_mille: 50,
    ..PERFECT
};

pub(crate) fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

pub(crate) fn target(lane: Lane) -> Open {
    Open {
        service: Service::Target(0),
        lane,
    }
}

/// The browser and the server's half of its link.
pub(crate) struct World {
    pub(crate) session: Session,
    /// What happened and was not taken yet.
    pub(crate) seen: Vec<Event>,
    pub(crate) joins: Vec<Join>,
    pub(crate) last_words: Vec<Frame>,
    /// The server answers joins and carries packets.
    pub(crate) relays: bool,
    /// The gateway's end has not joined: packets for it are dropped.
    pub(crate) absent: bool,
    /// No link is to be had.
    pub(crate) unreachable: bool,
    /// The server says nothing any more.
    pub(crate) silent: bool,
    /// The WebSocket takes nothing.
    pub(crate) full: bool,
    pub(crate) links: usize,
    line: End,
    link: Option<ServerSide>,
    to_browser: Vec<Bytes>,
}

struct ServerSide {
    nonce: [u8; 32],
    binding: Option<Binding>,
    admitted: bool,
    joined: bool,
}

impl World {
    /// A browser, and the line to whatever gateway takes its other end.
    pub(crate) fn new(line: Line) -> (Self, End) {
        let (near, far) = emulated::pair(line);
        let world = Self {
            session: Session::new(key(1), now()),
            seen: Vec::new(),
            joins: Vec::new(),
            last_words: Vec::new(),
            relays: true,
            absent: false,
            unreachable: false,
            silent: false,
            full: false,
            links: 0,
            line: near,
            link: None,
            to_browser: Vec::new(),
        };
        (world, far)
    }

    /// A browser whose session with an echoing gateway is open.
    pub(crate) async fn open(line: Line) -> (Self, Gateway) {
        let (mut world, far) = Self::new(line);
        let gateway = Gateway::start(far, Options::default());
        world.grant();
        world
            .until(|world| world.session.state() == State::Open)
            .await;
        (world, gateway)
    }

    pub(crate) fn grant(&mut self) {
        let granted = Granted {
            session: SessionId::from_random([5; 16]),
            ticket: Ticket::from_random([6; 32]),
            gateway: key(2).public(),
            ends_at: LINK_TIME.plus_ms(3_600_000),
        };
        self.session.grant(granted, now());
    }

    /// Runs until something is so.
    pub(crate) async fn until(&mut self, done: impl Fn(&Self) -> bool) {
        let running = async {
            loop {
                self.turn();
                if done(self) {
                    return;
                }
                self.wait().await;
            }
        };
        timeout(LIMIT, running).await.expect("it happens in time");
    }

    /// Runs for a while.
    pub(crate) async fn run(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.turn();
            tokio::select! {
                () = sleep_until(end) => {}
                () = self.wait() => {}
            }
        }
        self.turn();
    }

    /// The WebSocket breaks.
    pub(crate) fn break_link(&mut self) {
        self.link = None;
        self.to_browser.clear();
        self.session.handle_link_closed(now());
    }

    /// The gateway's end joins.
    pub(crate) fn arrive(&mut self) {
        self.absent = false;
        let (channel, present) = (Channel(1), true);
        self.tell(&Frame::Peer { channel, present });
    }

    /// The server says something of its own.
    pub(crate) fn tell(&mut self, frame: &Frame) {
        self.to_browser.push(frame.to_bytes());
    }

    /// The server closes the route.
    pub(crate) fn close_route(&mut self, reason: Reason) {
        let channel = Channel(1);
        let text = String::new();
        self.tell(&Frame::Closed(Closed {
            channel,
            reason,
            text,
        }));
    }

    /// Opens a stream and awaits the gateway's answer.
    pub(crate) async fn stream(&mut self, open: Open) -> StreamKey {
        let key = self.session.open(open, b"").unwrap();
        let accepted = Event::Engine(engine::Event::Accepted(key));
        self.until(|world| world.seen.contains(&accepted)).await;
        key
    }

    /// Writes all of it, reads as much, and gives what was read.
    pub(crate) async fn echo(&mut self, key: StreamKey, bytes: &[u8]) -> Vec<u8> {
        let (mut written, mut got) = (0, Vec::new());
        let exchange = async {
            while got.len() < bytes.len() {
                written += self.session.write(key, &bytes[written..]);
                self.session.read(key, 64 * 1024, &mut got);
                self.turn();
                self.wait().await;
            }
        };
        timeout(LIMIT, exchange).await.expect("the echo comes");
        got
    }

    /// How the session ended.
    pub(crate) async fn ending(&mut self) -> Ending {
        self.until(|world| world.ended().is_some()).await;
        self.ended().unwrap()
    }

    pub(crate) fn ended(&self) -> Option<Ending> {
        self.seen.iter().find_map(|event| match event {
            Event::Engine(engine::Event::Closed(ending)) => Some(ending.clone()),
            _ => None,
        })
    }

    /// Hands everything over that is there.
    pub(crate) fn turn(&mut self) {
        self.session.handle_timeout(now());
        loop {
            for message in std::mem::take(&mut self.to_browser) {
                self.session.handle_message(message, now());
            }
            while let Some(event) = self.session.poll_event() {
                self.obey(&event);
                self.seen.push(event);
            }
            let room = !self.full;
            let Some(message) = self.session.poll_message(room, now()) else {
                if self.to_browser.is_empty() {
                    return;
                }
                continue;
            };
            let message = Bytes::copy_from_slice(message);
            self.serve(message);
        }
    }

    async fn wait(&mut self) {
        let due = self.session.poll_timeout().map(Instant::from_std);
        let line = self.line.clone();
        let packets = std::future::poll_fn(|cx| line.poll_recv(cx));
        tokio::select! {
            packets = packets => {
                let carried = self.relays && self.link.as_ref().is_some_and(|link| link.joined);
                if let Some(Packets { segment, payload, .. }) = packets && carried {
                    self.tell(&Frame::Packets(Packets { channel: Channel(1), segment, payload }));
                }
            }
            () = sleep_until(due.unwrap_or_else(|| Instant::now() + LIMIT)) => {}
            // The gateway's task may have something to say.
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
        }
    }

    fn obey(&mut self, event: &Event) {
        match event {
            Event::LinkWanted if self.unreachable => {
                self.session.handle_link_failed(Reason::LinkLost, now());
            }
            Event::LinkWanted => self.begin_link(),
            Event::LinkUseless => self.link = None,
            _ => {}
        }
    }

    fn begin_link(&mut self) {
        self.links += 1;
        let nonce = [u8::try_from(self.links).unwrap(); 32];
        let ticket = Ticket::from_random(nonce);
        self.session.link_begins(ticket, nonce, &[9; 32], now());
        self.link = Some(ServerSide {
            nonce,
            binding: None,
            admitted: false,
            joined: false,
        });
        let binding = Binding {
            exporter: BROWSER_BINDING,
            client_nonce: nonce,
            server_nonce: [77; 32],
        };
        let statement = NodeStatement {
            provider: key(10).public(),
            node: key(11).public(),
            roles: Roles {
                relay: true,
                broker: true,
            },
            issued: LINK_TIME,
            not_after: LINK_TIME.plus_ms(1000),
            epoch: 1,
        };
        let statement = SignedStatement::sign(statement, &key(10));
        let proof = ServerProof::sign(statement, vec![], LINK_TIME, &binding, &key(11));
        if let Some(link) = &mut self.link {
            link.binding = Some(binding);
        }
        self.to_browser.push(proof.to_bytes());
    }

    fn serve(&mut self, message: Bytes) {
        let Some(link) = self.link.as_mut().filter(|_| !self.silent) else {
            return;
        };
        let binding = link.binding.unwrap();
        if !link.admitted {
            let auth = LinkAuth::from_bytes(&message).unwrap();
            let Ok(Who::Browser(hello)) = auth.verify(&binding) else {
                panic!("not a browser's proof");
            };
            assert_eq!(hello.ticket, Ticket::from_random(link.nonce));
            link.admitted = true;
            let welcome = Welcome {
                keepalive_ms: 20_000,
                gateway: None,
                lease: None,
                version: "test".into(),
            };
            return self.tell(&Frame::Welcome(welcome));
        }
        match Frame::from_message(message).unwrap().unwrap() {
            Frame::Join(join) => {
                join.verify(&binding).unwrap();
                link.joined = self.relays;
                self.joins.push(join);
                if self.relays {
                    let (channel, peer) = (Channel(1), !self.absent);
                    self.tell(&Frame::Joined { channel, peer });
                }
            }
            Frame::Packets(packets) => {
                if self.relays && !self.absent {
                    self.line.try_send(packets.segment, &packets.payload);
                }
            }
            Frame::Ping(number) => self.tell(&Frame::Pong(number)),
            other => self.last_words.push(other),
        }
    }
}

/// The service that says something, and is finished with both ways at once.
pub(crate) const LAST_WORDS: Service = Service::Test(8);
/// How much it says.
pub(crate) const LAST_LENGTH: usize = 40_000;

/// A gateway that accepts every stream and sends back what comes.
pub(crate) struct Gateway {
    pub(crate) session: JoinHandle<native::Session>,
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.session.abort();
    }
}

impl Gateway {
    pub(crate) fn start(route: End, options: Options) -> Self {
        let session = tokio::spawn(async move {
            let accepted = native::accept(route, &key(2), key(1).public(), options).await;
            let session = accepted.unwrap();
            tokio::spawn(echo_all(session.clone()));
            session
        });
        Self { session }
    }

    pub(crate) async fn session(&mut self) -> native::Session {
        (&mut self.session).await.unwrap()
    }
}

async fn echo_all(session: native::Session) {
    while let Ok((open, mut stream)) = session.accept().await {
        tokio::spawn(async move {
            if open.service == Service::Test(9) {
                let reason = Reason::HostRefused;
                let text = "port 22".to_owned();
                let refused = culvert_wire::stream::Answer::Refused { reason, text };
                return drop(stream.reply(refused).await);
            }
            stream
                .reply(culvert_wire::stream::Answer::Accepted)
                .await
                .unwrap();
            let (mut reader, mut writer) = stream.into_split();
            if open.service == LAST_WORDS {
                writer.chunk(vec![7; LAST_LENGTH].into()).await.unwrap();
                writer.finish();
                reader.stop(Reason::Finished);
                // Nothing is left but what QUIC still has to send.
                return;
            }
            while let Ok(Some(chunk)) = reader.chunk(64 * 1024).await {
                if writer.chunk(chunk).await.is_err() {
                    return;
                }
            }
            writer.finish();
            let _ = writer.delivered().await;
        });
    }
}

pub(crate) fn now() -> std::time::Instant {
    Instant::now().into_std()
}
