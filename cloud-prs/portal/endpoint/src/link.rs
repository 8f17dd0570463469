//! The browser's link to the server, frame by frame, without a socket.
//!
//! Takes the server's proof for what a page can take from it (link time and
//! nonce: the page relies on the web PKI), proves a key made for this link and
//! shows the link ticket, then joins, carries packets and keeps the link
//! alive. Never asks the API: the page uses HTTPS. Driven by
//! [`session`](crate::session).

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use culvert_session::Ending;
use culvert_wire::frame::{Channel, Closed, Frame, Join, PACKETS_HEADER, Packets};
use culvert_wire::hello::{
    BROWSER_BINDING, Binding, BrowserHello, LinkAuth, NONCE_LEN, ServerProof, Who,
};
use culvert_wire::id::SessionId;
use culvert_wire::key::SigningKey;
use culvert_wire::reason::Reason;
use culvert_wire::ticket::Ticket;
use culvert_wire::{Decode as _, DecodeError, Encode as _, UnixMs};
use web_time::Instant;

/// What the server is told about this program.
pub const PROGRAM: &str = concat!("culvert-portal ", env!("CARGO_PKG_VERSION"));
/// Silence after which the server counts as gone: 33 s on native links too.
const SILENCE: Duration = Duration::from_secs(33);
/// Time for the server's first words.
const HELLO: Duration = Duration::from_secs(15);
/// Pings without the server's wish: NATs and proxies forget after 30 s.
const PING_AFTER: Duration = Duration::from_secs(20);
/// The route's number on its link: there is one route on each.
const CHANNEL: Channel = Channel(1);

/// What happened on the link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkEvent {
    /// The server is there, and its clock says this.
    Time(UnixMs),
    /// The server has accepted the browser.
    Up,
    /// The route is joined.
    Joined {
        /// The other end is there.
        peer: bool,
    },
    /// The other end has come.
    Met,
    /// Packets of the other end.
    Packets {
        /// Bytes of each packet but the last.
        segment: u16,
        /// The packets.
        payload: Bytes,
    },
    /// The route is closed; the link may go on.
    Closed(Ending),
    /// The server goes away: come back after this time.
    Drain(Duration),
    /// The link is of no use any more; come back after this time at the
    /// earliest, unless the reason is final.
    Lost(Ending, Duration),
}

/// One link, from its upgrade request to its end.
#[derive(Debug)]
pub struct Link {
    key: SigningKey,
    nonce: [u8; NONCE_LEN],
    /// Given up when it has been shown.
    ticket: Option<Ticket>,
    binding: Option<Binding>,
    out: VecDeque<Bytes>,
    events: VecDeque<LinkEvent>,
    heard: Instant,
    sent: Instant,
    pinged: Instant,
    ping_after: Duration,
    pings: u64,
    lost: bool,
}

impl Link {
    /// Begins a link with random bytes that the caller drew: a nonce, and a
    /// key's seed.
    pub fn new(ticket: Ticket, nonce: [u8; NONCE_LEN], seed: &[u8; 32], now: Instant) -> Self {
        Self {
            key: SigningKey::from_seed(seed),
            nonce,
            ticket: Some(ticket),
            binding: None,
            out: VecDeque::new(),
            events: VecDeque::new(),
            heard: now,
            sent: now,
            pinged: now,
            ping_after: PING_AFTER,
            pings: 0,
            lost: false,
        }
    }

    /// Takes the server's next message.
    pub fn handle_message(&mut self, message: Bytes, now: Instant) {
        if self.lost {
            return;
        }
        self.heard = now;
        let taken = match self.ticket.take() {
            Some(ticket) => self.greet(&message, ticket, now),
            None => self.take(message),
        };
        if let Err(error) = taken {
            self.lose(
                Ending::new(Reason::ProtocolError, &error.to_string()),
                Duration::ZERO,
            );
        }
    }

    /// The WebSocket is closed.
    pub fn handle_closed(&mut self) {
        self.lose(Ending::new(Reason::LinkLost, ""), Duration::ZERO);
    }

    /// Pings, or gives a silent server up.
    pub fn handle_timeout(&mut self, now: Instant) {
        let limit = if self.ticket.is_some() {
            HELLO
        } else {
            SILENCE
        };
        if now.duration_since(self.heard) >= limit {
            self.lose(Ending::new(Reason::KeepaliveTimeout, ""), Duration::ZERO);
        } else if self.ping_at().is_some_and(|at| at <= now) {
            self.pings += 1;
            self.pinged = now;
            self.say(&Frame::Ping(self.pings), now);
        }
    }

    /// Takes this end's side of a route; possible once the server has shown
    /// its nonce.
    pub fn join(
        &mut self,
        session: SessionId,
        ticket: Option<Ticket>,
        end: &SigningKey,
        now: Instant,
    ) {
        if let Some(binding) = &self.binding {
            let join = Join::sign(CHANNEL, session, ticket, end, binding);
            self.say(&Frame::Join(join), now);
        }
    }

    /// Whether [`Link::join`] works.
    pub const fn may_join(&self) -> bool {
        self.binding.is_some() && !self.lost
    }

    /// Leaves the route for a reason, then the link.
    pub fn leave(&mut self, ending: &Ending, now: Instant) {
        if !self.may_join() {
            return;
        }
        let (reason, text) = (ending.reason, ending.text.clone());
        let channel = CHANNEL;
        self.say(
            &Frame::Closed(Closed {
                channel,
                reason,
                text,
            }),
            now,
        );
        let (reason, text) = (Reason::Finished, String::new());
        self.say(&Frame::Goodbye { reason, text }, now);
    }

    /// What stands before a batch of packets in its message.
    pub fn packets_head(&mut self, segment: u16, now: Instant) -> [u8; PACKETS_HEADER] {
        self.sent = now;
        Packets::header(CHANNEL, segment)
    }

    /// The next message that is not packets.
    pub fn poll_message(&mut self) -> Option<Bytes> {
        self.out.pop_front()
    }

    /// What happened.
    pub fn poll_event(&mut self) -> Option<LinkEvent> {
        self.events.pop_front()
    }

    /// When [`Link::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.lost {
            return None;
        }
        let limit = if self.ticket.is_some() {
            HELLO
        } else {
            SILENCE
        };
        let dead = self.heard + limit;
        Some(self.ping_at().map_or(dead, |ping| ping.min(dead)))
    }

    fn ping_at(&self) -> Option<Instant> {
        self.binding
            .is_some()
            .then(|| self.heard.min(self.sent).max(self.pinged) + self.ping_after)
    }

    /// The server's first message: the answer goes out at once.
    fn greet(&mut self, message: &[u8], ticket: Ticket, now: Instant) -> Result<(), DecodeError> {
        let proof = ServerProof::from_bytes(message)?;
        let binding = Binding {
            exporter: BROWSER_BINDING,
            client_nonce: self.nonce,
            server_nonce: proof.server_nonce,
        };
        let hello = BrowserHello {
            link: self.key.public(),
            ticket,
        };
        let auth = LinkAuth::sign(
            Who::Browser(hello),
            PROGRAM.to_owned(),
            &binding,
            &self.key,
            None,
        );
        self.binding = Some(binding);
        self.sent = now;
        self.out.push_back(auth.to_bytes());
        self.events.push_back(LinkEvent::Time(proof.link_time));
        Ok(())
    }

    fn take(&mut self, message: Bytes) -> Result<(), DecodeError> {
        let Some(frame) = Frame::from_message(message)? else {
            return Ok(());
        };
        match frame {
            Frame::Packets(Packets {
                channel,
                segment,
                payload,
            }) if channel == CHANNEL => {
                self.events
                    .push_back(LinkEvent::Packets { segment, payload });
            }
            Frame::Welcome(welcome) => {
                let wish = Duration::from_millis(welcome.keepalive_ms.into());
                self.ping_after = wish.clamp(Duration::from_secs(1), PING_AFTER);
                self.events.push_back(LinkEvent::Up);
            }
            Frame::Refused(refused) => {
                let wait = Duration::from_millis(refused.retry_after_ms.into());
                self.lose(Ending::new(refused.reason, &refused.text), wait);
            }
            Frame::Joined { channel, peer } if channel == CHANNEL => {
                self.events.push_back(LinkEvent::Joined { peer });
            }
            Frame::Peer {
                channel,
                present: true,
            } if channel == CHANNEL => self.events.push_back(LinkEvent::Met),
            Frame::Closed(closed) if closed.channel == CHANNEL => {
                let ending = Ending::new(closed.reason, &closed.text);
                self.events.push_back(LinkEvent::Closed(ending));
            }
            Frame::Drain { come_back_ms, .. } => {
                let wait = Duration::from_millis(come_back_ms.into());
                self.events.push_back(LinkEvent::Drain(wait));
            }
            Frame::Goodbye { reason, text } => {
                self.lose(Ending::new(reason, &text), Duration::ZERO)
            }
            Frame::Ping(number) => self.out.push_back(Frame::Pong(number).to_bytes()),
            Frame::Pong(_) | Frame::Peer { .. } | Frame::Spread(_) => {}
            // Of a channel that is not ours any more.
            Frame::Packets(_) | Frame::Joined { .. } | Frame::Closed(_) => {}
            Frame::Join(_)
            | Frame::Invite(_)
            | Frame::InviteResult(_)
            | Frame::SessionEnded(_)
            | Frame::Revoke(_)
            | Frame::Revoked(_)
            | Frame::LeaseStored(_)
            | Frame::HostKey(_)
            | Frame::Health(_)
            | Frame::System(_)
            | Frame::Offer(_)
            | Frame::ApiRequest(_)
            | Frame::ApiResponse(_) => {
                let text = "a frame that a browser does not take";
                self.lose(Ending::new(Reason::ProtocolError, text), Duration::ZERO);
            }
        }
        Ok(())
    }

    fn say(&mut self, frame: &Frame, now: Instant) {
        self.sent = now;
        self.out.push_back(frame.to_bytes());
    }

    fn lose(&mut self, ending: Ending, wait: Duration) {
        if !std::mem::replace(&mut self.lost, true) {
            self.out.clear();
            self.events.push_back(LinkEvent::Lost(ending, wait));
        }
    }
}
