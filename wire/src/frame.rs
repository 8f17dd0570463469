//! The messages of an open link: one WebSocket binary message each.
//!
//! The first byte is the type. Types below 0x80 must be understood: an unknown
//! one ends the link. Types from 0x80 may be skipped by whoever does not know
//! them. Packets are opaque: the relay forwards and cannot read them.

mod host_key;

use bytes::{Buf as _, Bytes};

use crate::codec::within;
use crate::grant::SignedGrant;
use crate::hello::Binding;
use crate::id::{GatewayId, Lease, SessionId};
use crate::key::{BadSignature, Context, PublicKey, Signature, SigningKey};
use crate::reason::Reason;
use crate::revocation::SignedRevocation;
use crate::statement::SignedStatement;
use crate::ticket::Ticket;
use crate::{Decode, DecodeError, Encode, Reader, Writer};

pub use host_key::{HostKey, HostKeyEvent};

/// Longest message on a link, in bytes: an API body with its head.
pub const MAX_MESSAGE: usize = MAX_BODY + 1024;
/// Longest API body, in bytes.
pub const MAX_BODY: usize = 256 * 1024;
/// Longest batch of packets in one message, in bytes.
pub const MAX_PACKETS: usize = 64 * 1024;
/// Bytes before the packets of a message: type, channel, segment size.
pub const PACKETS_HEADER: usize = 7;
/// Longest explaining text, in bytes.
pub const MAX_TEXT: usize = 512;
/// Longest API path with its query, in bytes.
pub const MAX_PATH: usize = 2048;
/// Channels one endpoint may have open on one link.
pub const MAX_CHANNELS: usize = 1024;

/// One end's number for a session's route on one link; the joining end
/// chooses it and never reuses one on the same link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Channel(pub u32);

/// Opaque packets of one session: a batch of equal-sized ones and a last one
/// that may be shorter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packets {
    /// Whose.
    pub channel: Channel,
    /// Size of each packet but the last, in bytes.
    pub segment: u16,
    /// The packets, one behind the other, at most [`MAX_PACKETS`].
    pub payload: Bytes,
}

impl Packets {
    /// The message's first [`PACKETS_HEADER`] bytes.
    pub fn header(channel: Channel, segment: u16) -> [u8; PACKETS_HEADER] {
        let [a, b, c, d] = channel.0.to_be_bytes();
        let [e, f] = segment.to_be_bytes();
        [kind::PACKETS, a, b, c, d, e, f]
    }

    /// The channel of a whole message, if it is one of packets.
    pub fn channel_of(message: &[u8]) -> Option<Channel> {
        let (head, payload) = message.split_first_chunk::<PACKETS_HEADER>()?;
        let &[kind::PACKETS, a, b, c, d, e, f] = head else {
            return None;
        };
        let whole = payload.len() <= MAX_PACKETS && !payload.is_empty();
        let sized = u16::from_be_bytes([e, f]) > 0;
        (whole && sized).then_some(Channel(u32::from_be_bytes([a, b, c, d])))
    }
}

/// What the server says once the endpoint has proved itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Welcome {
    /// Send something at least this often, in milliseconds.
    pub keepalive_ms: u32,
    /// The gateway's place, for a gateway.
    pub gateway: Option<GatewayId>,
    /// The new lease, for a gateway: store it, then acknowledge it.
    pub lease: Option<Lease>,
    /// The server's program and version.
    pub version: String,
}

/// Why the server does not want this link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The reason.
    pub reason: Reason,
    /// Come back after this time, in milliseconds.
    pub retry_after_ms: u32,
    /// A sentence more.
    pub text: String,
}

/// Takes one side of a session's route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Join {
    /// The number this end gives to the route.
    pub channel: Channel,
    /// Which session.
    pub session: SessionId,
    /// The one-time ticket; none to rejoin.
    pub ticket: Option<Ticket>,
    /// The end's key: the technician's fresh one, or the gateway's identity.
    pub end: PublicKey,
    signature: Signature,
}

impl Join {
    /// Signs a join for one link.
    pub fn sign(
        channel: Channel,
        session: SessionId,
        ticket: Option<Ticket>,
        end: &SigningKey,
        binding: &Binding,
    ) -> Self {
        let message = Self::message(channel, session, ticket.as_ref(), binding);
        Self {
            channel,
            session,
            ticket,
            end: end.public(),
            signature: end.sign(Context::Join, &message),
        }
    }

    /// Confirms that the end holds its key, on this link.
    ///
    /// # Errors
    /// [`BadSignature`] when it does not.
    pub fn verify(&self, binding: &Binding) -> Result<(), BadSignature> {
        let message = Self::message(self.channel, self.session, self.ticket.as_ref(), binding);
        self.end.verify(Context::Join, &message, &self.signature)
    }

    fn message(
        channel: Channel,
        session: SessionId,
        ticket: Option<&Ticket>,
        binding: &Binding,
    ) -> Vec<u8> {
        let mut out = Writer::default();
        out.u32(channel.0);
        session.encode(&mut out);
        out.option(ticket, |out, ticket| ticket.encode(out));
        binding.message(&out.finish())
    }
}

/// Calls a gateway to a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invite {
    /// The broker's statement, when it is not the link's own node.
    pub broker: Option<SignedStatement>,
    /// The grant.
    pub grant: SignedGrant,
    /// The gateway's ticket; none when the grant renews a running session.
    pub ticket: Option<Ticket>,
}

/// A gateway's answer to an [`Invite`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InviteResult {
    /// Which session.
    pub session: SessionId,
    /// The grant's serial.
    pub serial: u32,
    /// Nothing when accepted, else why not.
    pub refused: Option<(Reason, String)>,
}

/// A gateway's record of a session that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionEnded {
    /// Which session.
    pub session: SessionId,
    /// Why.
    pub reason: Reason,
    /// Bytes from the LAN hosts to the technician.
    pub from_hosts: u64,
    /// Bytes from the technician to the LAN hosts.
    pub to_hosts: u64,
    /// Streams opened.
    pub streams: u32,
}

/// Why one end was told that a route is closed, or closes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// Which route.
    pub channel: Channel,
    /// Why.
    pub reason: Reason,
    /// A sentence more; may be empty.
    pub text: String,
}

/// A request to the HTTP API over a link: same routes, no second connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiRequest {
    /// Chosen by the asker, repeated in the answer.
    pub id: u32,
    /// The HTTP method.
    pub method: Method,
    /// Path and query.
    pub path: String,
    /// JSON, may be empty.
    pub body: Bytes,
}

/// The answer to an [`ApiRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiResponse {
    /// The request's number.
    pub id: u32,
    /// The HTTP status.
    pub status: u16,
    /// JSON or CSV, may be empty.
    pub body: Bytes,
}

/// HTTP methods of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Reads.
    Get,
    /// Makes or acts.
    Post,
    /// Changes.
    Patch,
    /// Replaces.
    Put,
    /// Removes.
    Delete,
}

impl Method {
    /// All methods.
    pub const ALL: [Self; 5] = [Self::Get, Self::Post, Self::Patch, Self::Put, Self::Delete];

    /// The HTTP word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Patch => "PATCH",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }

    const fn code(self) -> u8 {
        match self {
            Self::Get => 0,
            Self::Post => 1,
            Self::Patch => 2,
            Self::Put => 3,
            Self::Delete => 4,
        }
    }
}

/// What a gateway says of its own way to the server; a server that does not
/// know it skips it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// The code of the doctor's cause, such as `ok` or `udp_blocked`.
    pub code: String,
    /// What it means, in a sentence.
    pub text: String,
    /// The program's version.
    pub version: String,
    /// For how long the program has run, in seconds.
    pub uptime_s: u64,
}

/// Longest code of a [`Health`], in bytes.
const MAX_CODE: usize = 64;
/// Longest sentence of a [`Health`], in bytes.
pub const MAX_HEALTH: usize = 255;

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
            Self::Packets(packets) => {
                out.put(&Packets::header(packets.channel, packets.segment));
                out.put(&packets.payload);
            }
            Self::Welcome(welcome) => {
                out.u8(kind::WELCOME);
                out.u32(welcome.keepalive_ms);
                out.option(welcome.gateway.as_ref(), |out, id| id.encode(out));
                out.option(welcome.lease.as_ref(), |out, lease| lease.encode(out));
                out.text(&welcome.version, crate::hello::MAX_VERSION);
            }
            Self::Refused(refused) => {
                out.u8(kind::REFUSED);
                refused.reason.encode(out);
                out.u32(refused.retry_after_ms);
                out.text(&refused.text, MAX_TEXT);
            }
            Self::Join(join) => {
                out.u8(kind::JOIN);
                out.u32(join.channel.0);
                join.session.encode(out);
                out.option(join.ticket.as_ref(), |out, ticket| ticket.encode(out));
                join.end.encode(out);
                join.signature.encode(out);
            }
            Self::Joined { channel, peer } => flag(out, kind::JOINED, *channel, *peer),
            Self::Peer { channel, present } => flag(out, kind::PEER, *channel, *present),
            Self::Closed(closed) => {
                out.u8(kind::CLOSED);
                out.u32(closed.channel.0);
                closed.reason.encode(out);
                out.text(&closed.text, MAX_TEXT);
            }
            Self::Invite(invite) => {
                out.u8(kind::INVITE);
                out.option(invite.broker.as_ref(), |out, s| s.encode(out));
                invite.grant.encode(out);
                out.option(invite.ticket.as_ref(), |out, ticket| ticket.encode(out));
            }
            Self::InviteResult(result) => {
                out.u8(kind::INVITE_RESULT);
                result.session.encode(out);
                out.u32(result.serial);
                out.option(result.refused.as_ref(), |out, (reason, text)| {
                    reason.encode(out);
                    out.text(text, MAX_TEXT);
                });
            }
            Self::SessionEnded(ended) => {
                out.u8(kind::SESSION_ENDED);
                ended.session.encode(out);
                ended.reason.encode(out);
                out.u64(ended.from_hosts);
                out.u64(ended.to_hosts);
                out.u32(ended.streams);
            }
            Self::Revoke(revocation) => {
                out.u8(kind::REVOKE);
                revocation.encode(out);
            }
            Self::Revoked(counter) => {
                out.u8(kind::REVOKED);
                out.u64(*counter);
            }
            Self::LeaseStored(lease) => {
                out.u8(kind::LEASE_STORED);
                lease.encode(out);
            }
            Self::HostKey(host_key) => {
                out.u8(kind::HOST_KEY);
                host_key.encode(out);
            }
            Self::Health(health) => {
                out.u8(kind::HEALTH);
                out.text(&health.code, MAX_CODE);
                out.text(&health.text, MAX_HEALTH);
                out.text(&health.version, crate::hello::MAX_VERSION);
                out.u64(health.uptime_s);
            }
            Self::ApiRequest(request) => {
                out.u8(kind::API_REQUEST);
                out.u32(request.id);
                out.u8(request.method.code());
                out.text(&request.path, MAX_PATH);
                out.bytes32(&request.body);
            }
            Self::ApiResponse(response) => {
                out.u8(kind::API_RESPONSE);
                out.u32(response.id);
                out.u16(response.status);
                out.bytes32(&response.body);
            }
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
                out.u8(kind::GOODBYE);
                reason.encode(out);
                out.text(text, MAX_TEXT);
            }
        }
    }
}

impl Frame {
    /// Reads one message; `None` is a type that may be skipped. The packets of
    /// [`Frame::Packets`] share the message's memory.
    ///
    /// # Errors
    /// [`DecodeError`]; the link must be closed with
    /// [`Reason::ProtocolError`].
    pub fn from_message(mut message: Bytes) -> Result<Option<Self>, DecodeError> {
        if let Some(channel) = Packets::channel_of(&message) {
            let segment = u16::from_be_bytes([message[5], message[6]]);
            message.advance(PACKETS_HEADER);
            return Ok(Some(Self::Packets(Packets {
                channel,
                segment,
                payload: message,
            })));
        }
        let mut input = Reader::new(&message);
        let frame = match input.u8()? {
            kind::PACKETS => {
                return Err(DecodeError::Value {
                    field: "packets",
                    value: message.len() as u64,
                });
            }
            kind::HOST_KEY => Self::HostKey(Box::new(HostKey::decode(&mut input)?)),
            kind::HEALTH => Self::Health(Health {
                code: input.text("code", MAX_CODE)?.to_owned(),
                text: input.text("text", MAX_HEALTH)?.to_owned(),
                version: input.text("version", crate::hello::MAX_VERSION)?.to_owned(),
                uptime_s: input.u64()?,
            }),
            kind::SPREAD => Self::Spread(input.u32()?),
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
            kind::WELCOME => Self::Welcome(Welcome {
                keepalive_ms: input.u32()?,
                gateway: input.option("gateway", GatewayId::decode)?,
                lease: input.option("lease", Lease::decode)?,
                version: input.text("version", crate::hello::MAX_VERSION)?.to_owned(),
            }),
            kind::REFUSED => Self::Refused(Refused {
                reason: Reason::decode(input)?,
                retry_after_ms: input.u32()?,
                text: input.text("text", MAX_TEXT)?.to_owned(),
            }),
            kind::JOIN => Self::Join(Join {
                channel: Channel(input.u32()?),
                session: SessionId::decode(input)?,
                ticket: input.option("ticket", Ticket::decode)?,
                end: PublicKey::decode(input)?,
                signature: Signature::decode(input)?,
            }),
            kind::JOINED => Self::Joined {
                channel: Channel(input.u32()?),
                peer: boolean(input)?,
            },
            kind::PEER => Self::Peer {
                channel: Channel(input.u32()?),
                present: boolean(input)?,
            },
            kind::CLOSED => Self::Closed(Closed {
                channel: Channel(input.u32()?),
                reason: Reason::decode(input)?,
                text: input.text("text", MAX_TEXT)?.to_owned(),
            }),
            kind::DRAIN => Self::Drain {
                come_back_ms: input.u32()?,
                sessions_end_ms: input.u32()?,
            },
            kind::GOODBYE => Self::Goodbye {
                reason: Reason::decode(input)?,
                text: input.text("text", MAX_TEXT)?.to_owned(),
            },
            kind::API_REQUEST | kind::API_RESPONSE => Self::decode_api(kind, input)?,
            other => Self::decode_gateway(other, input)?,
        })
    }

    fn decode_gateway(kind: u8, input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match kind {
            kind::INVITE => Self::Invite(Box::new(Invite {
                broker: input.option("broker", SignedStatement::decode)?,
                grant: SignedGrant::decode(input)?,
                ticket: input.option("ticket", Ticket::decode)?,
            })),
            kind::INVITE_RESULT => Self::InviteResult(InviteResult {
                session: SessionId::decode(input)?,
                serial: input.u32()?,
                refused: input.option("refused", |input| {
                    let reason = Reason::decode(input)?;
                    Ok((reason, input.text("text", MAX_TEXT)?.to_owned()))
                })?,
            }),
            kind::SESSION_ENDED => Self::SessionEnded(SessionEnded {
                session: SessionId::decode(input)?,
                reason: Reason::decode(input)?,
                from_hosts: input.u64()?,
                to_hosts: input.u64()?,
                streams: input.u32()?,
            }),
            kind::REVOKE => Self::Revoke(SignedRevocation::decode(input)?),
            kind::REVOKED => Self::Revoked(input.u64()?),
            kind::LEASE_STORED => Self::LeaseStored(Lease::decode(input)?),
            unknown => return Err(DecodeError::UnknownFrame(unknown)),
        })
    }

    fn decode_api(kind: u8, input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let id = input.u32()?;
        if kind == kind::API_RESPONSE {
            return Ok(Self::ApiResponse(ApiResponse {
                id,
                status: input.u16()?,
                body: Bytes::copy_from_slice(input.bytes32("body", MAX_BODY)?),
            }));
        }
        let code = input.u8()?;
        let method = Method::ALL
            .into_iter()
            .find(|method| method.code() == code)
            .ok_or_else(|| DecodeError::Value {
                field: "method",
                value: u64::from(code),
            })?;
        let path = input.text("path", MAX_PATH)?.to_owned();
        within("path", path.len(), MAX_PATH)?;
        Ok(Self::ApiRequest(ApiRequest {
            id,
            method,
            path,
            body: Bytes::copy_from_slice(input.bytes32("body", MAX_BODY)?),
        }))
    }
}

fn flag(out: &mut Writer, kind: u8, channel: Channel, flag: bool) {
    out.u8(kind);
    out.u32(channel.0);
    out.u8(u8::from(flag));
}

fn boolean(input: &mut Reader<'_>) -> Result<bool, DecodeError> {
    match input.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        other => Err(DecodeError::Value {
            field: "flag",
            value: u64::from(other),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples() -> Vec<Frame> {
        let key = SigningKey::from_seed(&[1; 32]);
        let binding = Binding {
            exporter: [1; 32],
            client_nonce: [2; 32],
            server_nonce: [3; 32],
        };
        let session = SessionId::from_random([4; 16]);
        let ticket = Ticket::from_random([5; 32]);
        vec![
            Frame::Ping(1),
            Frame::Pong(u64::MAX),
            Frame::HostKey(Box::new(HostKey {
                session,
                target: crate::grant::Target {
                    address: "192.168.7.9".parse().unwrap(),
                    port: 22,
                    protocol: crate::grant::Protocol::Ssh,
                },
                algorithm: "ssh-ed25519".into(),
                fingerprint: "SHA256:new".into(),
                old: Some("SHA256:old".into()),
                event: HostKeyEvent::ChangeSeen,
            })),
            Frame::Packets(Packets {
                channel: Channel(7),
                segment: 1200,
                payload: Bytes::from_static(&[9; 2500]),
            }),
            Frame::Welcome(Welcome {
                keepalive_ms: 20_000,
                gateway: Some(GatewayId::from_random([6; 16])),
                lease: Some(Lease::from_random([7; 16])),
                version: "culvert-prs 0.1.0".into(),
            }),
            Frame::Refused(Refused {
                reason: Reason::Quarantined,
                retry_after_ms: 60_000,
                text: "two boxes".into(),
            }),
            Frame::Join(Join::sign(
                Channel(1),
                session,
                Some(ticket),
                &key,
                &binding,
            )),
            Frame::Join(Join::sign(Channel(2), session, None, &key, &binding)),
            Frame::Joined {
                channel: Channel(1),
                peer: true,
            },
            Frame::Peer {
                channel: Channel(1),
                present: false,
            },
            Frame::Closed(Closed {
                channel: Channel(1),
                reason: Reason::Finished,
                text: String::new(),
            }),
            Frame::InviteResult(InviteResult {
                session,
                serial: 0,
                refused: Some((Reason::NotInAllowList, "no".into())),
            }),
            Frame::SessionEnded(SessionEnded {
                session,
                reason: Reason::ClosedByHost,
                from_hosts: 1 << 40,
                to_hosts: 3,
                streams: 2,
            }),
            Frame::Revoked(3),
            Frame::LeaseStored(Lease::from_random([8; 16])),
            Frame::Health(Health {
                code: "udp_blocked".into(),
                text: "UDP to the server is blocked".into(),
                version: "culvert-gateway 0.1.0".into(),
                uptime_s: 86_400,
            }),
            Frame::ApiRequest(ApiRequest {
                id: 1,
                method: Method::Post,
                path: "/api/v1/sessions".into(),
                body: Bytes::from_static(b"{}"),
            }),
            Frame::ApiResponse(ApiResponse {
                id: 1,
                status: 201,
                body: Bytes::from_static(b"{}"),
            }),
            Frame::Drain {
                come_back_ms: 1,
                sessions_end_ms: 2,
            },
            Frame::Spread(20_000),
            Frame::Goodbye {
                reason: Reason::ServerDraining,
                text: "soon".into(),
            },
        ]
    }

    #[test]
    fn every_frame_survives_the_wire() {
        for frame in samples() {
            assert_eq!(
                Frame::from_message(frame.to_bytes()),
                Ok(Some(frame.clone())),
                "{frame:?}"
            );
        }
    }

    #[test]
    fn every_cut_frame_is_an_error() {
        for frame in samples() {
            let bytes = frame.to_bytes();
            for end in 0..bytes.len() {
                let got = Frame::from_message(bytes.slice(..end));
                let is_packets = matches!(frame, Frame::Packets(_)) && end > PACKETS_HEADER;
                assert_eq!(got.is_err(), !is_packets, "{frame:?} cut at {end}");
            }
        }
    }

    #[test]
    fn unknown_types_are_refused_below_0x80_and_skipped_from_there() {
        assert_eq!(
            Frame::from_message(Bytes::from_static(&[0x7f, 1])),
            Err(DecodeError::UnknownFrame(0x7f))
        );
        assert_eq!(
            Frame::from_message(Bytes::from_static(&[0x90, 1])),
            Ok(None)
        );
        assert_eq!(Frame::from_message(Bytes::from_static(&[0xff])), Ok(None));
    }

    #[test]
    fn a_join_is_bound_to_its_link() {
        let key = SigningKey::from_seed(&[1; 32]);
        let mut binding = Binding {
            exporter: [1; 32],
            client_nonce: [2; 32],
            server_nonce: [3; 32],
        };
        let join = Join::sign(
            Channel(1),
            SessionId::from_random([4; 16]),
            None,
            &key,
            &binding,
        );

        assert_eq!(join.verify(&binding), Ok(()));
        binding.exporter[3] ^= 1;
        assert!(join.verify(&binding).is_err());
    }
}
