//! Lays messages out for the wire, as few writes as possible.
//!
//! Short messages are gathered into one buffer; a long one is not copied: its
//! head joins the buffer and its body is written beside it. A batch is closed
//! by a long body or by [`BATCH`] bytes, so that what waits behind it stays in
//! the caller's queue, where it can still be dropped or overtaken.
//! No I/O: [`super::Ws`] writes what [`Outbound::slices`] shows.

use std::io::IoSlice;

use bytes::{Bytes, BytesMut};

use super::{Role, pool};
use super::frame::{Head, MAX_HEAD, Opcode, apply_mask};

/// Bytes gathered before a write: one TLS record.
const BATCH: usize = 16 * 1024;
/// Bodies up to this length are gathered, longer ones written in place.
const SHORT: usize = 4 * 1024;

/// The sending half of one connection.
#[derive(Debug)]
pub(crate) struct Outbound {
    role: Role,
    heads: BytesMut,
    body: Bytes,
    written: usize,
}

impl Outbound {
    pub(crate) fn new(role: Role) -> Self {
        Self {
            role,
            heads: BytesMut::new(),
            body: Bytes::new(),
            written: 0,
        }
    }

    /// Whether another message may join what is not written yet.
    pub(crate) fn has_room(&self) -> bool {
        self.body.is_empty() && self.written == 0 && self.heads.len() < BATCH
    }

    /// Whether everything was written.
    pub(crate) fn is_empty(&self) -> bool {
        self.heads.is_empty() && self.body.is_empty()
    }

    /// Adds one frame of `front` and `body`; only while there is room, or for
    /// a control frame's few bytes.
    pub(crate) fn push(&mut self, opcode: Opcode, front: &[u8], body: Bytes) {
        let mask = match self.role {
            Role::Client => Some(rand::random::<[u8; 4]>()),
            Role::Server => None,
        };
        let head = Head {
            fin: true,
            opcode,
            mask,
            length: (front.len() + body.len()) as u64,
        };
        let mut room = [0; MAX_HEAD];
        let used = head.encode(&mut room);
        self.heads.extend_from_slice(&room[..used]);
        let start = self.heads.len();
        self.heads.extend_from_slice(front);
        if body.len() <= SHORT {
            self.heads.extend_from_slice(&body);
            if let Some(mask) = mask {
                apply_mask(&mut self.heads[start..], mask, 0);
            }
            return;
        }
        self.body = match mask {
            Some(mask) => {
                apply_mask(&mut self.heads[start..], mask, 0);
                masked(body, mask, front.len())
            }
            None => body,
        };
    }

    /// What is still to be written.
    pub(crate) fn slices(&self) -> [IoSlice<'_>; 2] {
        let heads = self.written.min(self.heads.len());
        let body = self.written - heads;
        [
            IoSlice::new(&self.heads[heads..]),
            IoSlice::new(&self.body[body..]),
        ]
    }

    /// Notes that so many more bytes were written; forgets a batch that is done.
    pub(crate) fn advance(&mut self, bytes: usize) {
        self.written += bytes;
        if self.written == self.heads.len() + self.body.len() {
            self.heads = BytesMut::new();
            pool::give(std::mem::take(&mut self.body));
            self.written = 0;
        }
    }
}

/// Masks a body where it lies if nobody else holds it, else a copy.
fn masked(body: Bytes, mask: [u8; 4], offset: usize) -> Bytes {
    let mut own = body
        .try_into_mut()
        .unwrap_or_else(|shared| BytesMut::from(&shared[..]));
    apply_mask(&mut own, mask, offset);
    own.freeze()
}
