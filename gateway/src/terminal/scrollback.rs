//! The last output of a terminal, addressed by the number of its bytes since
//! the terminal began. Pure; in memory only.

use std::collections::VecDeque;

use bytes::Bytes;
use culvert_wire::terminal::KEPT;

/// At most [`KEPT`] bytes.
#[derive(Debug, Default)]
pub(super) struct Scrollback {
    bytes: VecDeque<u8>,
    /// Bytes ever taken.
    end: u64,
}

impl Scrollback {
    /// Takes output; the oldest goes when there is no room.
    pub(super) fn take(&mut self, output: &[u8]) {
        let fits = &output[output.len().saturating_sub(KEPT)..];
        let excess = (self.bytes.len() + fits.len()).saturating_sub(KEPT);
        self.bytes.drain(..excess);
        self.bytes.extend(fits);
        self.end = self.end.saturating_add(output.len() as u64);
    }

    /// The number of the byte that comes next.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// The number of the oldest byte that is still here.
    pub(super) fn start(&self) -> u64 {
        self.end - self.bytes.len() as u64
    }

    /// Where somebody who has seen all before `seen` goes on; `None` when she
    /// claims more than there was.
    pub(super) fn resume(&self, seen: u64) -> Option<u64> {
        (seen <= self.end).then(|| seen.max(self.start()))
    }

    /// Bytes from a number on, at most `limit`; empty when there are none.
    pub(super) fn read(&self, from: u64, limit: usize) -> Bytes {
        let skip = usize::try_from(from.saturating_sub(self.start())).unwrap_or(usize::MAX);
        let from = skip.min(self.bytes.len());
        let to = from.saturating_add(limit).min(self.bytes.len());
        self.bytes.range(from..to).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Replay then live, whatever the sizes: every byte once, in order, or
        /// missing at the front only.
        #[test]
        fn what_is_read_is_what_was_taken(
            sizes in prop::collection::vec(0usize..300_000, 0..12),
            seen in 0u64..2_000_000,
            step in 1usize..70_000,
        ) {
            let mut all = Vec::new();
            let mut scrollback = Scrollback::default();
            for (number, size) in sizes.into_iter().enumerate() {
                let piece: Vec<u8> = (0..size).map(|at| (at * 31 + number).to_le_bytes()[0]).collect();
                all.extend_from_slice(&piece);
                scrollback.take(&piece);
            }
            prop_assert_eq!(scrollback.end(), all.len() as u64);
            let Some(mut from) = scrollback.resume(seen) else {
                prop_assert!(seen > all.len() as u64);
                return Ok(());
            };
            prop_assert!(from == seen || all.len() as u64 - from == KEPT as u64);
            let start = usize::try_from(from).unwrap();
            let mut got = Vec::new();
            loop {
                let piece = scrollback.read(from, step);
                if piece.is_empty() { break; }
                from += piece.len() as u64;
                got.extend_from_slice(&piece);
            }
            prop_assert_eq!(&got[..], &all[start..]);
        }
    }
}
