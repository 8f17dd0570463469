//! One session of a browser: its link, its QUIC connection, its coming back.
//!
//! Sans-I/O. The worker opens WebSockets and asks the API when an event wants
//! it, hands messages in, takes messages out, and calls back at
//! [`Session::poll_timeout`]. After any call drain [`Session::poll_event`] and
//! [`Session::poll_message`].
//!
//! ```text
//! new ─► LinkWanted ─► link_begins ─► messages … ─► grant ─► Join, QUIC ─► Open
//!            ▲                                                      │
//!            └──────── the link is lost: Reconnecting ◄─────────────┘
//! ```
//!
//! A lost link ends nothing: a new one is joined with the same end key and
//! QUIC sends again what was on the way. Only a final reason, the peer's word
//! or a peer silent for [`Options::idle`] ends the session.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use culvert_session::address::PathAddress;
use culvert_session::quality::{Meter, Quality};
use culvert_session::{Ciphers, Congestion, Ending, Options};
use culvert_wire::UnixMs;
use culvert_wire::hello::NONCE_LEN;
use culvert_wire::id::SessionId;
use culvert_wire::key::{PublicKey, SigningKey};
use culvert_wire::reason::Reason;
use culvert_wire::stream::Open;
use culvert_wire::ticket::Ticket;
use web_time::Instant;

use crate::engine::{self, Engine, StreamKey};
use crate::link::Link;
use crate::retry::Retry;

mod coming_back;
mod early;
mod renewal;
use early::Early;
use renewal::Renewal;

/// What the server has granted.
#[derive(Debug, Clone)]
pub struct Granted {
    /// The session.
    pub session: SessionId,
    /// The right to join it, once.
    pub ticket: Ticket,
    /// The one gateway that may answer.
    pub gateway: PublicKey,
    /// When it ends unless renewed.
    pub ends_at: UnixMs,
}

/// Where a session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The gateway has not proved its key yet.
    Connecting,
    /// Bytes flow.
    Open,
    /// The link is lost; streams wait.
    Reconnecting,
    /// Over.
    Closed,
}

/// What happened, or what the worker shall do.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// Get a link ticket, open a WebSocket, call [`Session::link_begins`].
    LinkWanted,
    /// Close the WebSocket: it is of no use any more.
    LinkUseless,
    /// Ask the API to renew the session, then call [`Session::renewed`].
    RenewalWanted,
    /// The state has changed.
    State(State),
    /// Something of a stream, or the session's end.
    Engine(engine::Event),
    /// The path's figures, once a second while the session is open.
    Quality(Quality),
}

/// One session.
#[derive(Debug)]
pub struct Session {
    end: SigningKey,
    options: Options,
    state: State,
    granted: Option<Granted>,
    /// The first join was answered: from now on no ticket.
    joined: bool,
    joins: u32,
    link: Option<Link>,
    /// When a new link is wanted.
    link_at: Option<Instant>,
    /// The server said when to come back.
    wish: Duration,
    retry: Retry,
    engine: Option<Engine>,
    early: Early,
    handshake_until: Option<Instant>,
    renewal: Renewal,
    meter: Meter,
    measure_at: Option<Instant>,
    /// The session is over; the link is left when the last packet has gone.
    leaving: Option<Ending>,
    events: VecDeque<Event>,
    batch: Vec<u8>,
    dropped: u64,
    dice: u8,
}

/// How often figures are told.
const MEASURE: Duration = Duration::from_secs(1);

impl Session {
    /// Begins with this end's key, made for this session alone; a link is
    /// wanted at once.
    pub fn new(end: SigningKey, now: Instant) -> Self {
        let options = Options {
            congestion: Congestion::Cubic,
            ciphers: Ciphers::ChaChaFirst,
            ..Options::default()
        };
        let dice = end.public().as_bytes()[0];
        Self {
            end,
            options,
            state: State::Connecting,
            granted: None,
            joined: false,
            joins: 0,
            link: None,
            link_at: Some(now),
            wish: Duration::ZERO,
            retry: Retry::default(),
            engine: None,
            early: Early::default(),
            handshake_until: None,
            renewal: Renewal::default(),
            meter: Meter::default(),
            measure_at: None,
            leaving: None,
            events: VecDeque::new(),
            batch: Vec::new(),
            dropped: 0,
            dice,
        }
    }

    /// This end's key, as the server is told it.
    pub fn public_key(&self) -> PublicKey {
        self.end.public()
    }

    /// The server has granted the session: joins as soon as there is a link.
    pub fn grant(&mut self, granted: Granted, now: Instant) {
        if self.granted.is_some() || self.state == State::Closed {
            return;
        }
        self.renewal.set(granted.ends_at, now);
        match Engine::new(&self.end, granted.gateway, &self.options, now) {
            Ok(engine) => self.engine = Some(engine),
            Err(error) => return self.fail(Ending::new(Reason::Internal, &error.to_string()), now),
        }
        self.granted = Some(granted);
        self.handshake_until = Some(now + self.options.handshake);
        self.join(now);
        self.settle(now);
    }

    /// A WebSocket is being opened, with this nonce and this ticket.
    pub fn link_begins(
        &mut self,
        ticket: Ticket,
        nonce: [u8; NONCE_LEN],
        seed: &[u8; 32],
        now: Instant,
    ) {
        self.link_at = None;
        self.early = Early::default();
        self.link = Some(Link::new(ticket, nonce, seed, now));
    }

    /// The server's next message.
    pub fn handle_message(&mut self, message: Bytes, now: Instant) {
        if let Some(link) = &mut self.link {
            link.handle_message(message, now);
            self.settle(now);
        }
    }

    /// The WebSocket is closed, or could not be opened.
    pub fn handle_link_closed(&mut self, now: Instant) {
        if let Some(link) = &mut self.link {
            link.handle_closed();
            self.settle(now);
        }
    }

    /// There is no link to be had: the API said why, or nothing answered.
    pub fn handle_link_failed(&mut self, reason: Reason, now: Instant) {
        self.link = None;
        self.lost(&Ending::new(reason, ""), Duration::ZERO, now);
        self.settle(now);
    }

    /// The API has renewed the session until then, or has not.
    pub fn renewed(&mut self, ends_at: Option<UnixMs>, now: Instant) {
        self.renewal.answered(ends_at, now);
    }

    /// Acts on everything that is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if due(self.link_at) {
            self.link_at = None;
            self.events.push_back(Event::LinkWanted);
        }
        if due(self.handshake_until) {
            let text = "the gateway did not answer in time";
            self.fail(Ending::new(Reason::PeerLost, text), now);
        }
        if self.renewal.due(now) {
            self.events.push_back(Event::RenewalWanted);
        }
        if due(self.measure_at) {
            self.measure_at = Some(now + MEASURE);
            self.measure();
        }
        if let Some(link) = &mut self.link {
            link.handle_timeout(now);
        }
        if let Some(engine) = &mut self.engine {
            engine.handle_timeout(now);
        }
        self.settle(now);
    }

    /// Opens a stream.
    ///
    /// # Errors
    /// [`Ending`] when too many are open or the session is over.
    pub fn open(&mut self, open: Open, first: &[u8]) -> Result<StreamKey, Ending> {
        match &mut self.engine {
            Some(engine) if self.state != State::Closed => engine
                .open(open, first)
                .map_err(|error| Ending::new(Reason::TooManySessions, &error.to_string())),
            Some(_) | None => Err(Ending::new(Reason::Finished, "the session is over")),
        }
    }

    /// See [`Engine::read`].
    pub fn read(&mut self, key: StreamKey, limit: usize, out: &mut Vec<u8>) -> usize {
        self.engine
            .as_mut()
            .map_or(0, |engine| engine.read(key, limit, out))
    }

    /// See [`Engine::write`].
    pub fn write(&mut self, key: StreamKey, bytes: &[u8]) -> usize {
        self.engine
            .as_mut()
            .map_or(0, |engine| engine.write(key, bytes))
    }

    /// See [`Engine::finish`].
    pub fn finish(&mut self, key: StreamKey) {
        if let Some(engine) = &mut self.engine {
            engine.finish(key);
        }
    }

    /// See [`Engine::stop`].
    pub fn stop(&mut self, key: StreamKey, reason: Reason) {
        if let Some(engine) = &mut self.engine {
            engine.stop(key, reason);
        }
    }

    /// See [`Engine::reset`].
    pub fn reset(&mut self, key: StreamKey, reason: Reason) {
        if let Some(engine) = &mut self.engine {
            engine.reset(key, reason);
        }
    }

    /// Ends the session; the gateway and the server are told why.
    pub fn close(&mut self, reason: Reason, now: Instant) {
        self.fail(Ending::new(reason, ""), now);
        self.settle(now);
    }

    /// What happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// The next message for the WebSocket. With no `room` packets are dropped
    /// like by any full queue, and QUIC repairs it: nothing waits in a socket
    /// that does not move.
    pub fn poll_message(&mut self, room: bool, now: Instant) -> Option<&[u8]> {
        self.settle(now);
        if self.control() || self.packets(room, now) {
            return Some(&self.batch);
        }
        // The last packets say why; the route goes after them.
        if let (Some(link), Some(ending)) = (&mut self.link, self.leaving.take()) {
            link.leave(&ending, now);
        }
        self.control().then_some(&self.batch[..])
    }

    /// Puts the link's next own message into `batch`.
    fn control(&mut self) -> bool {
        let Some(message) = self.link.as_mut().and_then(Link::poll_message) else {
            return false;
        };
        self.batch.clear();
        self.batch.extend_from_slice(&message);
        true
    }

    /// Puts the next packets into `batch`.
    fn packets(&mut self, room: bool, now: Instant) -> bool {
        let (Some(link), Some(engine)) = (&mut self.link, &mut self.engine) else {
            return false;
        };
        if !link.may_join() {
            return false;
        }
        if let Some(again) = self.early.poll() {
            self.batch = again;
            return true;
        }
        loop {
            self.batch.clear();
            let Some(sent) = engine.poll_transmit(now, &mut self.batch) else {
                return false;
            };
            // The place for a data channel: a batch for its path goes there.
            if room && sent.path == PathAddress::RELAY {
                let head = link.packets_head(sent.segment, now);
                self.batch.splice(0..0, head);
                self.early.note(&self.batch);
                return true;
            }
            self.dropped += 1;
        }
    }

    /// When [`Session::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let engine = self.engine.as_ref().and_then(Engine::poll_timeout);
        let link = self.link.as_ref().and_then(Link::poll_timeout);
        [
            engine,
            link,
            self.link_at,
            self.handshake_until,
            self.renewal.at(),
            self.measure_at,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Where the session stands.
    pub const fn state(&self) -> State {
        self.state
    }

    /// Batches dropped because the WebSocket was full.
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }

    fn measure(&mut self) {
        let Some(figures) = self.engine.as_mut().and_then(Engine::figures) else {
            return;
        };
        let quality = self.meter.measure(
            PathAddress::RELAY.kind,
            figures.rtt,
            (figures.sent, figures.lost),
            figures.mtu,
        );
        self.events.push_back(Event::Quality(quality));
    }

    fn turn(&mut self, state: State) {
        if self.state != state && self.state != State::Closed {
            self.state = state;
            self.events.push_back(Event::State(state));
        }
    }
}
