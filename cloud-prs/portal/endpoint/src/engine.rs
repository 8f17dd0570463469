//! QUIC for one session, without a socket: packets and time come in, packets
//! and events go out.
//!
//! After any call: drain [`Engine::poll_event`] and [`Engine::poll_transmit`],
//! then come back at [`Engine::poll_timeout`]. Never blocks and never waits;
//! what a path does not take is dropped by the caller, and QUIC repairs it.
//! Driven by [`session`](crate::session).

use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroUsize;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use culvert_session::address::PathAddress;
use culvert_session::ending::code_of;
use culvert_session::tls::{self, TlsError};
use culvert_session::transport::{self, MAX_BATCH, MAX_PACKET};
use culvert_session::{Ending, Options};
use culvert_wire::Encode as _;
use culvert_wire::key::{PublicKey, SigningKey};
use culvert_wire::reason::Reason;
use culvert_wire::stream::Open;
use noq_proto::{
    Connection, ConnectionHandle, DatagramEvent, Dir, Endpoint, Event as QuicEvent, FourTuple,
    PathId, StreamEvent, StreamId, VarInt,
};
use web_time::Instant;

use crate::stream::Stream;

mod streams;

/// A stream's number; never used twice in a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamKey(pub u64);

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The gateway has proved its key; streams may be opened.
    Connected,
    /// The gateway has accepted a stream.
    Accepted(StreamKey),
    /// The gateway has refused a stream: it is over.
    Refused(StreamKey, Ending),
    /// A stream may have something to read.
    Readable(StreamKey),
    /// The host's direction has ended cleanly; everything was read.
    Ended(StreamKey),
    /// A stream takes bytes again.
    Writable(StreamKey),
    /// Both ways of a stream are over.
    Over(StreamKey, Ending),
    /// The session is over, and all streams with it.
    Closed(Ending),
}

/// A batch of packets for one path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transmit {
    /// On which path.
    pub path: PathAddress,
    /// Bytes of each packet but the last.
    pub segment: u16,
}

/// Figures of a path.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figures {
    /// Round trip, smoothed.
    pub rtt: std::time::Duration,
    /// Packets sent so far.
    pub sent: u64,
    /// Packets declared lost so far.
    pub lost: u64,
    /// Largest packet in use, in bytes.
    pub mtu: u16,
}

/// Streams that may not be opened now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many streams are open: close some first")]
pub struct TooMany;

/// One QUIC connection, as the technician's end.
pub struct Engine {
    endpoint: Endpoint,
    handle: ConnectionHandle,
    connection: Connection,
    streams: BTreeMap<StreamKey, Stream>,
    events: VecDeque<Event>,
    /// Answers of the endpoint itself, such as a stateless reset: not ours.
    scrap: Vec<u8>,
    connected: bool,
    /// What this end said when it closed.
    said: Option<Ending>,
    over: bool,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

/// Packets of one batch.
const MAX_SEGMENTS: NonZeroUsize =
    NonZeroUsize::new(MAX_BATCH / MAX_PACKET as usize).expect("a batch holds packets");

impl Engine {
    /// Begins the handshake with exactly the gateway that holds `gateway`.
    ///
    /// # Errors
    /// [`TlsError`] when a key is not usable.
    pub fn new(
        end: &SigningKey,
        gateway: PublicKey,
        options: &Options,
        now: Instant,
    ) -> Result<Self, TlsError> {
        let tls = tls::client(end, gateway, options.ciphers)?;
        let config = transport::client(tls, options);
        let mut endpoint = Endpoint::new(Arc::new(transport::endpoint()), None, true);
        let (handle, connection) = endpoint
            .connect(now, config, PathAddress::RELAY.socket(), tls::SERVER_NAME)
            .expect("the address and the settings are constants");
        Ok(Self {
            endpoint,
            handle,
            connection,
            streams: BTreeMap::new(),
            events: VecDeque::new(),
            scrap: Vec::new(),
            connected: false,
            said: None,
            over: false,
        })
    }

    /// Takes a batch of packets that came on a path.
    pub fn handle_packets(
        &mut self,
        path: PathAddress,
        segment: u16,
        payload: &[u8],
        now: Instant,
    ) {
        if segment == 0 {
            return;
        }
        let mut rest = BytesMut::from(payload);
        while !rest.is_empty() {
            let packet = rest.split_to(usize::from(segment).min(rest.len()));
            let from = FourTuple::from_remote(path.socket());
            self.scrap.clear();
            let event = self
                .endpoint
                .handle(now, from, None, packet, &mut self.scrap);
            // Anything else answers a stranger: there is one peer here.
            if let Some(DatagramEvent::ConnectionEvent(_, event)) = event {
                self.connection.handle_event(event);
            }
        }
        self.settle();
    }

    /// Acts on timers that are due.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.connection.poll_timeout().is_some_and(|at| at <= now) {
            self.connection.handle_timeout(now);
            self.settle();
        }
    }

    /// Asks the peer for a word on a path: shows what was lost while the path
    /// was away.
    pub fn ping(&mut self) {
        // Fails only when the path is gone, and the session with it.
        let _ = self.connection.ping_path(PathId::ZERO);
    }

    /// Ends the session; the first reason given stands.
    pub fn close(&mut self, ending: Ending, now: Instant) {
        if self.over {
            return;
        }
        let text = Bytes::copy_from_slice(ending.text.as_bytes());
        self.connection.close(now, code_of(ending.reason), text);
        self.said = Some(ending.clone());
        self.end(ending);
    }

    /// Opens a stream; `first` goes out with the opening.
    ///
    /// # Errors
    /// [`TooMany`].
    pub fn open(&mut self, open: Open, first: &[u8]) -> Result<StreamKey, TooMany> {
        let id = self.connection.streams().open(Dir::Bi).ok_or(TooMany)?;
        // Fails only for streams that are over.
        let _ = self
            .connection
            .send_stream(id)
            .set_priority(open.lane.priority());
        let key = StreamKey(id.into());
        let opening = [&open.to_bytes()[..], first].concat();
        self.streams.insert(key, Stream::new(opening.into()));
        self.push_opening(key);
        Ok(key)
    }

    /// The next batch, appended to `out`.
    pub fn poll_transmit(&mut self, now: Instant, out: &mut Vec<u8>) -> Option<Transmit> {
        let sent = self.connection.poll_transmit(now, MAX_SEGMENTS, out)?;
        let segment = sent.segment_size.unwrap_or(sent.size);
        Some(Transmit {
            path: PathAddress::of(sent.destination).unwrap_or(PathAddress::RELAY),
            segment: u16::try_from(segment).unwrap_or(MAX_PACKET),
        })
    }

    /// What happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.settle();
        self.events.pop_front()
    }

    /// When [`Engine::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.connection.poll_timeout()
    }

    /// Whether the gateway has proved its key.
    pub const fn connected(&self) -> bool {
        self.connected
    }

    /// Figures of the relay path.
    pub fn figures(&mut self) -> Option<Figures> {
        let stats = self.connection.path_stats(PathId::ZERO)?;
        // Probes for a larger packet are lost by design.
        Some(Figures {
            rtt: stats.rtt,
            sent: stats.sent_packets.saturating_sub(stats.sent_plpmtud_probes),
            lost: stats.lost_packets.saturating_sub(stats.lost_plpmtud_probes),
            mtu: stats.current_mtu,
        })
    }

    /// Carries events between QUIC's two halves, then to the caller.
    fn settle(&mut self) {
        while let Some(event) = self.connection.poll_endpoint_events() {
            if let Some(event) = self.endpoint.handle_event(self.handle, event) {
                self.connection.handle_event(event);
            }
        }
        while let Some(event) = self.connection.poll() {
            match event {
                QuicEvent::Connected => {
                    self.connected = true;
                    self.events.push_back(Event::Connected);
                }
                QuicEvent::ConnectionLost { reason } => {
                    let ending = Ending::of(&reason, self.said.as_ref());
                    self.end(ending);
                }
                QuicEvent::Stream(event) => self.stream_event(&event),
                // The relay path is the only one, and nothing sends datagrams yet.
                QuicEvent::HandshakeDataReady
                | QuicEvent::HandshakeConfirmed
                | QuicEvent::DatagramReceived
                | QuicEvent::DatagramsUnblocked
                | QuicEvent::Path(_)
                | QuicEvent::NatTraversal(_) => {}
            }
        }
    }

    fn stream_event(&mut self, event: &StreamEvent) {
        match event {
            StreamEvent::Readable { id } => self.readable(StreamKey((*id).into())),
            StreamEvent::Writable { id } => self.writable(StreamKey((*id).into())),
            StreamEvent::Finished { id } => self.finished(StreamKey((*id).into())),
            StreamEvent::Stopped { id, error_code } => {
                self.stopped(StreamKey((*id).into()), *error_code);
            }
            // The gateway opens none, and openings that do not fit are refused.
            StreamEvent::Opened { .. } | StreamEvent::Available { .. } => {}
        }
    }

    fn end(&mut self, ending: Ending) {
        if std::mem::replace(&mut self.over, true) {
            return;
        }
        self.streams.clear();
        self.events.push_back(Event::Closed(ending));
    }
}

/// QUIC's name of a stream.
fn id(key: StreamKey) -> StreamId {
    VarInt::from_u64(key.0)
        .expect("a key comes from a stream id")
        .into()
}

/// Why this end gives a stream up when it does not say.
const GIVEN_UP: Reason = Reason::ClosedByTechnician;
