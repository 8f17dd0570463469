//! What passed on the customer's LAN, and pieces of it to look for elsewhere.
//!
//! Whatever a protocol makes of what is typed and shown (key events, pixels,
//! TLS of its own), the LAN carries exactly what a session carries: a piece of
//! it found at the relay would be a byte that the relay can read.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use culvert_lab::{CLOUD_PORT, Capture};

use crate::tshark::{self, Both};

/// One connection from the gateway to a host.
#[derive(Debug)]
pub struct Lan {
    /// The host's address.
    pub host: SocketAddr,
    bytes: Both,
}

/// Length of a piece: several key events.
const PIECE: usize = 96;
/// Different bytes that make a piece one of its kind; a flat picture has fewer.
const DIFFERENT: usize = 10;
/// Pieces taken of each direction.
const PIECES: usize = 40;

impl Lan {
    /// The gateway's connections to hosts; ends the capture.
    ///
    /// # Errors
    /// When tshark cannot read the capture.
    pub fn read(capture: &mut Capture) -> anyhow::Result<Vec<Self>> {
        capture.stop();
        let connections = tshark::connections(capture.file())?;
        let followed = tshark::follow(capture.file(), "tcp", &[], connections.len())?;
        let to_hosts = connections
            .into_iter()
            .zip(followed)
            .filter(|(connection, _)| connection.to.port() != CLOUD_PORT);
        Ok(to_hosts
            .map(|(connection, bytes)| Self {
                host: connection.to,
                bytes,
            })
            .collect())
    }

    /// Pieces spread over both directions.
    #[must_use]
    pub fn pieces(&self) -> Vec<&[u8]> {
        self.bytes.iter().flat_map(|bytes| pieces(bytes)).collect()
    }

    /// Whether a word passed as it is.
    #[must_use]
    pub fn holds(&self, word: &str) -> bool {
        let held = |bytes: &Vec<u8>| culvert_lab::text_holds_bytes(bytes, &[word.as_bytes()]);
        self.bytes.iter().any(|bytes| held(bytes).is_some())
    }

    /// What passed while a word was typed over VNC: pieces of its key events.
    #[must_use]
    pub fn typed(&self, word: &str) -> Option<Vec<&[u8]>> {
        let events = self
            .bytes
            .iter()
            .find_map(|bytes| key_events(bytes, word))?;
        let parts = events.chunks(PIECE).map(|part| &part[start(part)..]);
        Some(parts.filter(|part| part.len() >= PIECE / 2).collect())
    }
}

fn pieces(bytes: &[u8]) -> Vec<&[u8]> {
    let step = (bytes.len() / PIECES).max(PIECE);
    let special = |piece: &&[u8]| piece.iter().collect::<BTreeSet<_>>().len() >= DIFFERENT;
    bytes
        .chunks(step)
        .filter_map(|chunk| chunk[start(chunk)..].get(..PIECE))
        .filter(special)
        .collect()
}

/// Where a search has little to look at twice: memory is full of equal bytes.
fn start(bytes: &[u8]) -> usize {
    let rare = |pair: &[u8]| pair[0] != pair[1] && !pair.contains(&0) && !pair.contains(&255);
    bytes.windows(2).position(rare).unwrap_or(0)
}

/// RFC 6143, 7.5.4: each event ends in its key's number, four bytes; each key
/// is followed closely by the next one's.
fn key_events<'a>(bytes: &'a [u8], word: &str) -> Option<&'a [u8]> {
    /// Presses and releases, and what the viewer asks for meanwhile.
    const APART: usize = 512;
    let number = |letter: u8| [0, 0, 0, letter];
    let letters = word.as_bytes();
    let first = number(*letters.first()?);
    let starts = bytes.windows(4).enumerate().filter(|(_, b)| *b == first);
    starts.map(|(at, _)| at).find_map(|start| {
        let mut at = start;
        for letter in &letters[1..] {
            let near = bytes.get(at + 4..(at + 4 + APART).min(bytes.len()))?;
            at += 4 + near.windows(4).position(|b| b == number(*letter))?;
        }
        bytes.get(start..at + 4)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typed_word_is_found_among_key_events_and_another_is_not() {
        let event = |down, letter| [4, down, 0, 0, 0, 0, 0, letter];
        let keys = b"canary"
            .iter()
            .flat_map(|key| [event(1, *key), event(0, *key)]);
        let bytes: Vec<u8> = [[9; 8]].into_iter().chain(keys).flatten().collect();

        assert_eq!(
            key_events(&bytes, "canary").expect("typed").len(),
            10 * 8 + 4
        );
        assert_eq!(key_events(&bytes, "canard"), None);
    }

    #[test]
    fn a_flat_picture_gives_no_pieces_and_a_busy_one_does() {
        let busy: Vec<u8> = (0..10_000_u32)
            .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect();
        assert!(pieces(&[0; 10_000]).is_empty());
        assert!(pieces(&busy).len() >= 30);
    }
}
