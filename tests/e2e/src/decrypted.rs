//! What one who has the server's TLS keys reads in a capture.
//!
//! `tshark` opens TLS with the keys; the WebSocket inside it and its masks are
//! read here. Never judges what was found; that is the test's part.

use std::path::Path;

use anyhow::ensure;
use culvert_lab::{Capture, text_holds_bytes};

use crate::tshark;

/// What one TCP connection carried inside TLS, per direction.
#[derive(Debug, Default)]
pub struct Decrypted {
    /// As it is inside TLS: HTTP, then WebSocket frames.
    tls: [Vec<u8>; 2],
    /// What the WebSocket's frames carried, unmasked.
    messages: [Vec<u8>; 2],
}

impl Decrypted {
    /// Which side tshark indents differs; the end is who asks for the upgrade.
    fn end_first(&mut self) {
        if self.tls[Sender::Server as usize].starts_with(b"GET ") {
            self.tls.swap(0, 1);
        }
    }

    /// Whether this connection carried `word` in a direction.
    #[must_use]
    pub fn holds(&self, from: Sender, word: &str) -> bool {
        let holds = |bytes: &[u8]| {
            bytes
                .windows(word.len())
                .any(|part| part == word.as_bytes())
        };
        holds(&self.tls[from as usize]) || holds(&self.messages[from as usize])
    }

    /// The first of `needles` that this connection carried, in any direction.
    #[must_use]
    pub fn first_of(&self, needles: &[&[u8]]) -> Option<usize> {
        let texts = self.tls.iter().chain(&self.messages);
        texts
            .into_iter()
            .find_map(|text| text_holds_bytes(text, needles))
    }

    /// How many bytes the WebSocket's frames carried in a direction.
    #[must_use]
    pub fn carried(&self, from: Sender) -> usize {
        self.messages[from as usize].len()
    }
}

/// Who sent.
#[derive(Clone, Copy, Debug)]
pub enum Sender {
    /// The end that opened the connection.
    End = 0,
    /// The server.
    Server = 1,
}

/// Every connection of a capture that the keys open; ends the capture.
///
/// # Errors
/// When tshark cannot read the capture.
pub fn read(capture: &mut Capture, keys: &Path, port: u16) -> anyhow::Result<Vec<Decrypted>> {
    capture.stop();
    let file = tshark::in_order(capture.file())?;
    let connections = tshark::connections(&file)?;
    let options = [
        "-o".to_owned(),
        format!("tls.keylog_file:{}", keys.display()),
        "-d".to_owned(),
        format!("tcp.port=={port},tls"),
    ];
    let followed = tshark::follow(&file, "tls", &options, connections.len())?;
    let with_tls = |tls| Decrypted {
        tls,
        ..Decrypted::default()
    };
    let mut found: Vec<Decrypted> = followed.into_iter().map(with_tls).collect();
    for (one, connection) in found.iter().zip(&connections) {
        let (size, read) = (connection.size, one.tls.iter().map(Vec::len).sum::<usize>());
        // The rest is the handshake's and the records' own.
        ensure!(
            read >= size.saturating_sub(HANDSHAKE) / 2,
            "of {size} bytes of a connection only {read} were read"
        );
    }
    found.retain(|one| one.tls.iter().any(|bytes| !bytes.is_empty()));
    for one in &mut found {
        one.end_first();
        for from in [0, 1] {
            one.messages[from] = payloads(&one.tls[from]);
        }
    }
    Ok(found)
}

/// What the WebSocket frames behind an HTTP head carry, one after another.
fn payloads(bytes: &[u8]) -> Vec<u8> {
    let head = bytes.windows(4).position(|part| part == b"\r\n\r\n");
    let mut rest = head.map_or(&[][..], |at| &bytes[at + 4..]);
    let mut all = Vec::new();
    while let Some((payload, after)) = frame(rest) {
        all.extend(payload);
        rest = after;
    }
    all
}

/// The first frame's payload, unmasked, and what follows it (RFC 6455, 5.2).
fn frame(bytes: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let second = *bytes.get(1)?;
    let (length, at) = match second & 127 {
        126 => (
            u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?).into(),
            4,
        ),
        127 => (u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?), 10),
        short => (u64::from(short), 2),
    };
    let (mask, at) = match second & 128 {
        0 => ([0; 4], at),
        _ => (bytes.get(at..at + 4)?.try_into().ok()?, at + 4),
    };
    let end = at.checked_add(usize::try_from(length).ok()?)?;
    let masked = bytes.get(at..end)?.iter().zip(mask.iter().cycle());
    Some((
        masked.map(|(byte, mask)| byte ^ mask).collect(),
        &bytes[end..],
    ))
}

/// More than the handshake of a connection.
const HANDSHAKE: usize = 6000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_directions_are_read_and_masks_are_taken_off() {
        let masked = b"canary".iter().zip([1, 2, 3, 4].iter().cycle());
        let masked: Vec<u8> = masked.map(|(byte, mask)| byte ^ mask).collect();
        let head = b"GET / HTTP/1.1\r\n\r\n\x82\x86\x01\x02\x03\x04";
        let end = [&head[..], &masked].concat();
        let server = b"HTTP/1.1 101 x\r\n\r\n\x82\x06parrot";
        let mut one = Decrypted {
            tls: [server.to_vec(), end],
            ..Decrypted::default()
        };
        one.end_first();
        assert_eq!(payloads(&one.tls[0]), b"canary");
        assert_eq!(payloads(&one.tls[1]), b"parrot");
    }
}
