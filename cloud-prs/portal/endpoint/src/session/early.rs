//! What was said before the other end had joined, to be said again when it has.
//!
//! The relay drops packets for an end that is not there yet. A browser whose link
//! was ready before the click often joins a moment before the box does: its first
//! packets would be sent again only when QUIC's timer runs out, 300 ms later (RFC
//! 9002 section 6.2). A datagram that comes twice does no harm (RFC 9000 section
//! 21.4). Bounded, and of the first moments of a link only.

use std::collections::VecDeque;

/// Messages that are kept: the handshake's first flight, and what streams say in it.
const MOST: usize = 4;

/// The first messages of a link.
#[derive(Debug, Default)]
pub(super) struct Early {
    kept: Vec<Vec<u8>>,
    again: VecDeque<Vec<u8>>,
    /// The other end was there, or has come.
    over: bool,
}

impl Early {
    /// A message with packets was sent.
    pub(super) fn note(&mut self, message: &[u8]) {
        if !self.over && self.kept.len() < MOST {
            self.kept.push(message.to_vec());
        }
    }

    /// The other end has come: says everything again, once.
    pub(super) fn repeat(&mut self) {
        if !self.over {
            self.again.extend(self.kept.drain(..));
        }
        self.over = true;
    }

    /// The other end was there from the beginning.
    pub(super) fn forget(&mut self) {
        self.kept = Vec::new();
        self.over = true;
    }

    /// The next message that is said again.
    pub(super) fn poll(&mut self) -> Option<Vec<u8>> {
        self.again.pop_front()
    }
}
