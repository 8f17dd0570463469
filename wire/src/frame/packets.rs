//! Opaque packets of a session, and the number an end gives to their route.
//!
//! Never looks into a packet. A batch is read out of its message without a
//! copy; the relay finds the channel of one without reading the rest.

use bytes::{Buf as _, Bytes};

use super::kind;
use crate::{Decode, DecodeError, Encode, Reader, Writer};

/// Longest batch of packets in one message, in bytes.
pub const MAX_PACKETS: usize = 64 * 1024;
/// Bytes before the packets of a message: type, channel, segment size.
pub const PACKETS_HEADER: usize = 7;

/// One end's number for a session's route on one link; the joining end
/// chooses it and never reuses one on the same link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Channel(pub u32);

impl Encode for Channel {
    fn encode(&self, out: &mut Writer) {
        out.u32(self.0);
    }
}

impl Decode for Channel {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self(input.u32()?))
    }
}

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

    /// A whole message; they share its memory. One that is none of packets is
    /// given back.
    pub(super) fn from_message(mut message: Bytes) -> Result<Self, Bytes> {
        let Some(channel) = Self::channel_of(&message) else {
            return Err(message);
        };
        let segment = u16::from_be_bytes([message[5], message[6]]);
        message.advance(PACKETS_HEADER);
        Ok(Self {
            channel,
            segment,
            payload: message,
        })
    }

    /// The whole message: type, channel, segment size, packets.
    pub(super) fn write(&self, out: &mut Writer) {
        out.put(&Self::header(self.channel, self.segment));
        out.put(&self.payload);
    }
}
