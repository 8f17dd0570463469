//! What the worker calls: the session, telnet and sealing for JavaScript.
//!
//! Events come as a number and what belongs to it is read from the same
//! object, since an object for each would cost more than what it tells. Bytes
//! of streams and of messages are read from memory, once. Random bytes come
//! from the browser (`crypto.getRandomValues`). Never shows a key.

use bytes::Bytes;
use culvert_session::quality::Quality;
use culvert_session::{Ending, address::PathKind};
use culvert_wire::UnixMs;
use culvert_wire::hello::NONCE_PROTOCOL;
use culvert_wire::id::SessionId;
use culvert_wire::key::{PublicKey, SigningKey};
use culvert_wire::reason::Reason;
use culvert_wire::stream::{Lane, Open, Service};
use culvert_wire::ticket::Ticket;
use wasm_bindgen::prelude::*;
use web_time::Instant;

use crate::engine::{self, StreamKey};
use crate::session::{Event, Granted, Session, State};

mod secrets;
mod terminal;

use secrets::base32;
pub use secrets::seal;
pub use terminal::Talk;

/// Kinds of events: what [`End::poll`] returns; 0 is none.
mod kind {
    pub(super) const LINK_WANTED: u32 = 1;
    pub(super) const LINK_USELESS: u32 = 2;
    pub(super) const RENEWAL_WANTED: u32 = 3;
    pub(super) const STATE: u32 = 4;
    pub(super) const QUALITY: u32 = 5;
    pub(super) const ACCEPTED: u32 = 6;
    pub(super) const REFUSED: u32 = 7;
    pub(super) const READABLE: u32 = 8;
    pub(super) const WRITABLE: u32 = 9;
    pub(super) const OVER: u32 = 10;
    pub(super) const CLOSED: u32 = 11;
    pub(super) const ENDED: u32 = 12;
}

/// One end of one session.
#[wasm_bindgen]
pub struct End {
    session: Session,
    stream: f64,
    ending: Ending,
    quality: Option<Quality>,
    /// What was read from a stream, or a message to send.
    bytes: Vec<u8>,
}

#[wasm_bindgen]
impl End {
    /// Makes a key for one session.
    #[wasm_bindgen(constructor)]
    pub fn new() -> Result<End, JsError> {
        let end = SigningKey::from_seed(&random()?);
        Ok(Self {
            session: Session::new(end, Instant::now()),
            stream: 0.0,
            ending: Ending::new(Reason::Finished, ""),
            quality: None,
            bytes: Vec::new(),
        })
    }

    /// The key's public half, as the API wants it.
    pub fn public_key(&self) -> String {
        self.session.public_key().to_string()
    }

    /// The server has granted the session.
    pub fn grant(
        &mut self,
        session: &str,
        ticket: &str,
        gateway_key: &str,
        ends_at: f64,
    ) -> Result<(), JsError> {
        let granted = Granted {
            session: session.parse::<SessionId>()?,
            ticket: ticket.parse::<Ticket>()?,
            gateway: gateway_key.parse::<PublicKey>()?,
            ends_at: ms(ends_at),
        };
        self.session.grant(granted, Instant::now());
        Ok(())
    }

    /// A WebSocket is about to be opened with this link ticket; gives the
    /// subprotocol that carries the nonce.
    pub fn link_begins(&mut self, ticket: &str) -> Result<String, JsError> {
        let nonce: [u8; 32] = random()?;
        let ticket = ticket.parse::<Ticket>()?;
        self.session
            .link_begins(ticket, nonce, &random()?, Instant::now());
        Ok(format!("{NONCE_PROTOCOL}{}", base32(&nonce)))
    }

    /// The server's next message.
    pub fn message(&mut self, message: Vec<u8>) {
        self.session
            .handle_message(Bytes::from(message), Instant::now());
    }

    /// The WebSocket is closed.
    pub fn link_closed(&mut self) {
        self.session.handle_link_closed(Instant::now());
    }

    /// No link is to be had; the code is a reason's (docs/wire.md).
    pub fn link_failed(&mut self, code: u16) {
        self.session
            .handle_link_failed(Reason::from_code(code), Instant::now());
    }

    /// The API has answered a renewal; none when it refused.
    pub fn renewed(&mut self, ends_at: Option<f64>) {
        self.session.renewed(ends_at.map(ms), Instant::now());
    }

    /// Opens a stream: its number, or below zero when that is refused (see
    /// [`End::code`]).
    pub fn open(
        &mut self,
        service: &str,
        index: u8,
        lane: &str,
        first: &[u8],
    ) -> Result<f64, JsError> {
        let service = match service {
            "target" => Service::Target(index),
            "terminal" => Service::Terminal(index),
            "test" => Service::Test(index),
            _ => return Err(JsError::new("no such service")),
        };
        let lane = match lane {
            "input" => Lane::Input,
            "screen" => Lane::Screen,
            "clipboard" => Lane::Clipboard,
            "bulk" => Lane::Bulk,
            _ => return Err(JsError::new("no such lane")),
        };
        match self.session.open(Open { service, lane }, first) {
            Ok(key) => Ok(number(key)),
            Err(ending) => {
                self.ending = ending;
                Ok(-1.0)
            }
        }
    }

    /// Reads at most `limit` bytes of a stream to [`End::bytes_ptr`]: how many.
    pub fn read(&mut self, stream: f64, limit: usize) -> usize {
        self.bytes.clear();
        self.session.read(key(stream), limit, &mut self.bytes)
    }

    /// Hands bytes to a stream; says how many it took.
    pub fn write(&mut self, stream: f64, bytes: &[u8]) -> usize {
        self.session.write(key(stream), bytes)
    }

    /// Ends this end's direction.
    pub fn finish(&mut self, stream: f64) {
        self.session.finish(key(stream));
    }

    /// Wants no more bytes.
    pub fn stop(&mut self, stream: f64, code: u16) {
        self.session.stop(key(stream), Reason::from_code(code));
    }

    /// Breaks a stream.
    pub fn reset(&mut self, stream: f64, code: u16) {
        self.session.reset(key(stream), Reason::from_code(code));
    }

    /// Ends the session.
    pub fn close(&mut self, code: u16) {
        self.session.close(Reason::from_code(code), Instant::now());
    }

    /// The next message for the WebSocket, at [`End::bytes_ptr`]: its length,
    /// 0 for none. Without room packets are dropped.
    pub fn send(&mut self, room: bool) -> usize {
        match self.session.poll_message(room, Instant::now()) {
            Some(message) => {
                self.bytes.clear();
                self.bytes.extend_from_slice(message);
                self.bytes.len()
            }
            None => 0,
        }
    }

    /// Where the bytes of [`End::read`] and [`End::send`] lie.
    pub fn bytes_ptr(&self) -> *const u8 {
        self.bytes.as_ptr()
    }

    /// Milliseconds until [`End::tick`] wants to be called; below zero for
    /// never.
    pub fn timeout(&self) -> f64 {
        let now = Instant::now();
        self.session.poll_timeout().map_or(-1.0, |at| {
            at.saturating_duration_since(now).as_secs_f64() * 1000.0
        })
    }

    /// Acts on what is due.
    pub fn tick(&mut self) {
        self.session.handle_timeout(Instant::now());
    }

    /// The next event's kind; 0 for none.
    pub fn poll(&mut self) -> u32 {
        let Some(event) = self.session.poll_event() else {
            return 0;
        };
        match event {
            Event::LinkWanted => kind::LINK_WANTED,
            Event::LinkUseless => kind::LINK_USELESS,
            Event::RenewalWanted => kind::RENEWAL_WANTED,
            Event::State(_) => kind::STATE,
            Event::Quality(quality) => {
                self.quality = Some(quality);
                kind::QUALITY
            }
            Event::Engine(event) => self.engine_event(event),
        }
    }

    fn engine_event(&mut self, event: engine::Event) -> u32 {
        match event {
            // The state tells.
            engine::Event::Connected => kind::STATE,
            engine::Event::Accepted(key) => self.about(kind::ACCEPTED, key),
            engine::Event::Readable(key) => self.about(kind::READABLE, key),
            engine::Event::Ended(key) => self.about(kind::ENDED, key),
            engine::Event::Writable(key) => self.about(kind::WRITABLE, key),
            engine::Event::Refused(key, ending) => {
                self.ending = ending;
                self.about(kind::REFUSED, key)
            }
            engine::Event::Over(key, ending) => {
                self.ending = ending;
                self.about(kind::OVER, key)
            }
            engine::Event::Closed(ending) => {
                self.ending = ending;
                kind::CLOSED
            }
        }
    }

    fn about(&mut self, kind: u32, key: StreamKey) -> u32 {
        self.stream = number(key);
        kind
    }

    /// Which stream the last event was about.
    pub fn stream(&self) -> f64 {
        self.stream
    }

    /// The session's state.
    pub fn state(&self) -> String {
        match self.session.state() {
            State::Connecting => "connecting",
            State::Open => "open",
            State::Reconnecting => "reconnecting",
            State::Closed => "closed",
        }
        .to_owned()
    }

    /// The reason's number of the last end.
    pub fn code(&self) -> u16 {
        self.ending.reason.code()
    }

    /// Its name.
    pub fn slug(&self) -> String {
        self.ending.reason.slug().to_owned()
    }

    /// A sentence for people.
    pub fn sentence(&self) -> String {
        sentence(&self.ending)
    }

    /// The path's kind: `relay` or `rtc`.
    pub fn path_kind(&self) -> String {
        match self.quality.map(|quality| quality.kind) {
            Some(PathKind::DataChannel) => "rtc",
            Some(_) | None => "relay",
        }
        .to_owned()
    }

    /// Round trip, loss in percent, packet size.
    pub fn path_figures(&self) -> Vec<f64> {
        self.quality.map_or_else(Vec::new, |quality| {
            let rtt = quality.rtt.as_secs_f64() * 1000.0;
            vec![rtt, quality.lost_percent, f64::from(quality.mtu)]
        })
    }

    /// Batches dropped because the WebSocket was full.
    pub fn dropped(&self) -> f64 {
        self.session.dropped() as f64
    }
}

/// A reason's sentence, with what the other end added.
fn sentence(ending: &Ending) -> String {
    let mut sentence = ending.reason.sentence().to_owned();
    if let Some(first) = sentence.get(..1) {
        let first = first.to_uppercase();
        sentence.replace_range(..1, &first);
    }
    if ending.text.is_empty() {
        sentence + "."
    } else {
        format!("{sentence} ({}).", ending.text)
    }
}

fn random() -> Result<[u8; 32], JsError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| JsError::new(&error.to_string()))?;
    Ok(bytes)
}

/// A number of JavaScript as a time; nonsense is the beginning of time.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "such casts saturate"
)]
fn ms(time: f64) -> UnixMs {
    UnixMs(time as u64)
}

/// Stream numbers stay far below 2^53.
fn number(key: StreamKey) -> f64 {
    key.0 as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "such casts saturate, and no stream has such a number"
)]
fn key(stream: f64) -> StreamKey {
    StreamKey((stream as u64).min((1 << 62) - 1))
}
