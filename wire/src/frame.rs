//! The messages of an open link: one WebSocket binary message each.
//!
//! The first byte is the type. Types below 0x80 must be understood: an unknown
//! one ends the link. Types from 0x80 may be skipped by whoever does not know
//! them. Packets are opaque: the relay forwards and cannot read them.
//!
//! Here are the types and which bodies they carry; each body's layout stands
//! in the file of its topic.

mod health;
mod host_key;
mod http;
mod invite;
mod packets;
mod route;
mod system;
#[cfg(test)]
mod tests;
mod welcome;

use bytes::Bytes;

use crate::id::Lease;
use crate::reason::Reason;
use crate::revocation::SignedRevocation;
use crate::{Decode, DecodeError, Encode, Reader, Writer};

pub use health::{CARD_MOVED, Health, MAX_HEALTH};
pub use host_key::{HostKey, HostKeyEvent};
pub use http::{ApiRequest, ApiResponse, MAX_BODY, MAX_PATH, Method};
pub use invite::{Invite, InviteResult, SessionEnded};
pub use packets::{Channel, MAX_PACKETS, PACKETS_HEADER, Packets};
pub use route::{Closed, Join};
pub use system::{FETCH_LEN, Offer, Progress, System};
pub use welcome::{Refused, Welcome};

/// Longest message on a link, in bytes: an API body with its head.
pub const MAX_MESSAGE: usize = MAX_BODY + 1024;
/// Longest explaining text, in bytes.
pub const MAX_TEXT: usize = 512;
/// Channels one endpoint may have open on one link.
pub const MAX_CHANNELS: usize = 1024;

/// A message on an open link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// Are you there? Sent when nothing else was for the keep-alive time.
    Ping(u64),
    /// The answer, with the ping's number.
    Pong(u64),
    /// Opaque packets.
    Packets(Packets),
    /// The server accepts the endpoint.
    Welcome(Welcome),
    /// The server does not; the link closes.
    Refused(Refused),
    /// An end takes its side of a route.
    Join(Join),
    /// The server has joined it; says whether the other end is there too.
    Joined {
        /// Which route.
        channel: Channel,
        /// Whether the other end has joined.
        peer: bool,
    },
    /// The other end came or went (its link, not the session).
    Peer {
        /// Which route.
        channel: Channel,
        /// Whether it is there.
        present: bool,
    },
    /// An end leaves a route, or the server closes it.
    Closed(Closed),
    /// To a gateway: a session is wanted, or renewed.
    Invite(Box<Invite>),
    /// From a gateway.
    InviteResult(InviteResult),
    /// From a gateway.
    SessionEnded(SessionEnded),
    /// To a gateway.
    Revoke(SignedRevocation),
    /// From a gateway: everything up to this counter is obeyed.
    Revoked(u64),
    /// From a gateway: the lease is on its disk.
    LeaseStored(Lease),
    /// From a gateway, optional: something happened with a host's key.
    HostKey(Box<HostKey>),
    /// From a gateway: how it fares.
    Health(Health),
    /// From a gateway that runs on a box of ours: its system.
    System(System),
    /// To such a gateway: a release it may fetch.
    Offer(Offer),
    /// From a technician's program.
    ApiRequest(ApiRequest),
    /// Its answer.
    ApiResponse(ApiResponse),
    /// The server goes away: links come back after `come_back_ms`, sessions
    /// that still run are cut after `sessions_end_ms`.
    Drain {
        /// When to connect again, in milliseconds from now.
        come_back_ms: u32,
        /// When running sessions are cut, in milliseconds from now.
        sessions_end_ms: u32,
    },
    /// To a gateway: should this link break, come back at any moment of this
    /// time, in milliseconds. The more gateways a server has, the longer.
    Spread(u32),
    /// The last word on a link.
    Goodbye {
        /// Why it closes.
        reason: Reason,
        /// A sentence more; may be empty.
        text: String,
    },
}

/// Type bytes.
mod kind {
    pub(super) const PING: u8 = 0x01;
    pub(super) const PONG: u8 = 0x02;
    pub(super) const PACKETS: u8 = 0x03;
    pub(super) const WELCOME: u8 = 0x04;
    pub(super) const REFUSED: u8 = 0x05;
    pub(super) const GOODBYE: u8 = 0x06;
    pub(super) const DRAIN: u8 = 0x07;
    pub(super) const JOIN: u8 = 0x10;
    pub(super) const JOINED: u8 = 0x11;
    pub(super) const PEER: u8 = 0x12;
    pub(super) const CLOSED: u8 = 0x13;
    pub(super) const INVITE: u8 = 0x20;
    pub(super) const INVITE_RESULT: u8 = 0x21;
    pub(super) const SESSION_ENDED: u8 = 0x22;
    pub(super) const REVOKE: u8 = 0x23;
    pub(super) const REVOKED: u8 = 0x24;
    pub(super) const LEASE_STORED: u8 = 0x25;
    pub(super) const API_REQUEST: u8 = 0x30;
    pub(super) const API_RESPONSE: u8 = 0x31;
    /// Types from here on may be skipped.
    pub(super) const SKIPPABLE: u8 = 0x80;
    pub(super) const HOST_KEY: u8 = 0x81;
    pub(super) const HEALTH: u8 = 0x80;
    pub(super) const SPREAD: u8 = 0x82;
    pub(super) const SYSTEM: u8 = 0x83;
    pub(super) const OFFER: u8 = 0x84;
}

impl Encode for Frame {
    fn encode(&self, out: &mut Writer) {
        match self {
            Self::Ping(number) => {
                out.u8(kind::PING);
                out.u64(*number);
            }
            Self::Pong(number) => {
                out.u8(kind::PONG);
                out.u64(*number);
            }
            Self::Packets(packets) => packets.write(out),
            Self::Welcome(welcome) => body(out, kind::WELCOME, welcome),
            Self::Refused(refused) => body(out, kind::REFUSED, refused),
            Self::Join(join) => body(out, kind::JOIN, join),
            Self::Joined { channel, peer } => {
                body(out, kind::JOINED, channel);
                out.flag(*peer);
            }
            Self::Peer { channel, present } => {
                body(out, kind::PEER, channel);
                out.flag(*present);
            }
            Self::Closed(closed) => body(out, kind::CLOSED, closed),
            Self::Invite(invite) => body(out, kind::INVITE, invite.as_ref()),
            Self::InviteResult(result) => body(out, kind::INVITE_RESULT, result),
            Self::SessionEnded(ended) => body(out, kind::SESSION_ENDED, ended),
            Self::Revoke(revocation) => body(out, kind::REVOKE, revocation),
            Self::Revoked(counter) => {
                out.u8(kind::REVOKED);
                out.u64(*counter);
            }
            Self::LeaseStored(lease) => body(out, kind::LEASE_STORED, lease),
            Self::HostKey(host_key) => body(out, kind::HOST_KEY, host_key.as_ref()),
            Self::Health(health) => body(out, kind::HEALTH, health),
            Self::System(system) => body(out, kind::SYSTEM, system),
            Self::Offer(offer) => body(out, kind::OFFER, offer),
            Self::ApiRequest(request) => body(out, kind::API_REQUEST, request),
            Self::ApiResponse(response) => body(out, kind::API_RESPONSE, response),
            Self::Drain {
                come_back_ms,
                sessions_end_ms,
            } => {
                out.u8(kind::DRAIN);
                out.u32(*come_back_ms);
                out.u32(*sessions_end_ms);
            }
            Self::Spread(millis) => {
                out.u8(kind::SPREAD);
                out.u32(*millis);
            }
            Self::Goodbye { reason, text } => {
                body(out, kind::GOODBYE, reason);
                out.text(text, MAX_TEXT);
            }
        }
    }
}

fn body(out: &mut Writer, kind: u8, body: &impl Encode) {
    out.u8(kind);
    body.encode(out);
}

impl Frame {
    /// Reads one message; `None` is a type that may be skipped. The packets of
    /// [`Frame::Packets`] share the message's memory.
    ///
    /// # Errors
    /// [`DecodeError`]; the link must be closed with
    /// [`Reason::ProtocolError`].
    pub fn from_message(message: Bytes) -> Result<Option<Self>, DecodeError> {
        let message = match Packets::from_message(message) {
            Ok(packets) => return Ok(Some(Self::Packets(packets))),
            Err(message) => message,
        };
        let mut input = Reader::new(&message);
        let frame = match input.u8()? {
            kind::PACKETS => {
                return Err(DecodeError::value("packets", message.len() as u64));
            }
            kind::HOST_KEY => Self::HostKey(Box::new(HostKey::decode(&mut input)?)),
            kind::HEALTH => Self::Health(Health::decode(&mut input)?),
            kind::SPREAD => Self::Spread(input.u32()?),
            kind::SYSTEM => Self::System(System::decode(&mut input)?),
            kind::OFFER => Self::Offer(Offer::decode(&mut input)?),
            skipped if skipped >= kind::SKIPPABLE => return Ok(None),
            known => Self::decode_known(known, &mut input)?,
        };
        input.end()?;
        Ok(Some(frame))
    }

    fn decode_known(kind: u8, input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match kind {
            kind::PING => Self::Ping(input.u64()?),
            kind::PONG => Self::Pong(input.u64()?),
            kind::WELCOME => Self::Welcome(Welcome::decode(input)?),
            kind::REFUSED => Self::Refused(Refused::decode(input)?),
            kind::JOIN => Self::Join(Join::decode(input)?),
            kind::JOINED => Self::Joined {
                channel: Channel::decode(input)?,
                peer: input.flag("flag")?,
            },
            kind::PEER => Self::Peer {
                channel: Channel::decode(input)?,
                present: input.flag("flag")?,
            },
            kind::CLOSED => Self::Closed(Closed::decode(input)?),
            kind::INVITE => Self::Invite(Box::new(Invite::decode(input)?)),
            kind::INVITE_RESULT => Self::InviteResult(InviteResult::decode(input)?),
            kind::SESSION_ENDED => Self::SessionEnded(SessionEnded::decode(input)?),
            kind::REVOKE => Self::Revoke(SignedRevocation::decode(input)?),
            kind::REVOKED => Self::Revoked(input.u64()?),
            kind::LEASE_STORED => Self::LeaseStored(Lease::decode(input)?),
            kind::API_REQUEST => Self::ApiRequest(ApiRequest::decode(input)?),
            kind::API_RESPONSE => Self::ApiResponse(ApiResponse::decode(input)?),
            kind::DRAIN => Self::Drain {
                come_back_ms: input.u32()?,
                sessions_end_ms: input.u32()?,
            },
            kind::GOODBYE => Self::Goodbye {
                reason: Reason::decode(input)?,
                text: input.text("text", MAX_TEXT)?.to_owned(),
            },
            unknown => return Err(DecodeError::UnknownFrame(unknown)),
        })
    }
}
