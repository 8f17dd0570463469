//! Lays messages out for the wire, as few writes as possible.
//!
//! Short messages are gathered into one buffer; a long one is not copied: its
//! head joins the buffer and its body is written beside it. A batch is closed
//! by [`BATCH`] bytes, so that what waits behind it stays in the caller's
//! queue, where it can still be dropped or overtaken.
//! No I/O: [`super::Ws`] writes what [`Outbound::slices`] shows.

use std::io::IoSlice;

use bytes::{Bytes, BytesMut};

use super::frame::{Head, MAX_HEAD, Opcode, apply_mask};
use super::{Role, pool};

/// Bytes gathered before a write: two TLS records, 13 ms at 20 Mbit/s.
const BATCH: usize = 32 * 1024;
/// Bodies up to this length are gathered, longer ones written in place.
const SHORT: usize = 4 * 1024;
/// Parts of one write.
pub(crate) const PARTS: usize = 8;

/// The sending half of one connection.
#[derive(Debug)]
pub(crate) struct Outbound {
    role: Role,
    /// What is still being gathered.
    gathered: BytesMut,
    /// What goes before it.
    parts: Vec<Bytes>,
    /// Bytes in `parts` and `gathered`.
    total: usize,
    written: usize,
}

impl Outbound {
    pub(crate) fn new(role: Role) -> Self {
        Self {
            role,
            gathered: BytesMut::new(),
            parts: Vec::new(),
            total: 0,
            written: 0,
        }
    }

    /// Whether another message may join what is not written yet.
    pub(crate) fn has_room(&self) -> bool {
        self.written == 0 && self.total < BATCH && self.parts.len() + 2 < PARTS
    }

    /// Whether everything was written.
    pub(crate) fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// Adds one frame of `front` and `body`; only while there is room.
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
        self.total += used + front.len() + body.len();
        self.gathered.extend_from_slice(&room[..used]);
        let start = self.gathered.len();
        self.gathered.extend_from_slice(front);
        let short = body.len() <= SHORT;
        if short {
            self.gathered.extend_from_slice(&body);
        }
        if let Some(mask) = mask {
            apply_mask(&mut self.gathered[start..], mask, 0);
        }
        if short {
            return;
        }
        self.parts.push(self.gathered.split().freeze());
        self.parts.push(match mask {
            Some(mask) => masked(body, mask, front.len()),
            None => body,
        });
    }

    /// What is still to be written.
    pub(crate) fn slices(&self) -> [IoSlice<'_>; PARTS] {
        let mut skip = self.written;
        let mut slices = [IoSlice::new(&[]); PARTS];
        let parts = self.parts.iter().map(|part| &part[..]);
        for (slot, part) in slices.iter_mut().zip(parts.chain([&self.gathered[..]])) {
            let skipped = skip.min(part.len());
            skip -= skipped;
            *slot = IoSlice::new(&part[skipped..]);
        }
        slices
    }

    /// Notes that so many more bytes were written; forgets a batch that is done.
    pub(crate) fn advance(&mut self, bytes: usize) {
        self.written += bytes;
        if self.written == self.total {
            self.gathered = BytesMut::new();
            std::mem::take(&mut self.parts)
                .into_iter()
                .for_each(pool::give);
            self.total = 0;
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
