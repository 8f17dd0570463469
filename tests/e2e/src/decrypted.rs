//! What one who has the server's TLS keys reads in a capture.
//!
//! `tshark` does the reading: TLS with the keys, the WebSocket inside it and
//! its masks. Never judges what was found; that is the test's part.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};
use culvert_lab::Capture;

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
    let sizes = connections(capture.file())?;
    let mut tshark = Command::new("tshark");
    tshark.arg("-r").arg(capture.file());
    tshark.args(["-o", &format!("tls.keylog_file:{}", keys.display())]);
    tshark.args(["-d", &format!("tcp.port=={port},tls"), "-q"]);
    // Loopback's packets are captured in another order now and then.
    tshark.args(["-o", "tcp.reassemble_out_of_order:TRUE"]);
    for number in 0..sizes.len() {
        tshark.args(["-z", &format!("follow,tls,raw,{number}")]);
    }
    let mut found = sort(&output(&mut tshark)?, sizes.len())?;
    for (one, size) in found.iter().zip(&sizes) {
        let read = one.tls.iter().map(Vec::len).sum::<usize>();
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

/// tshark's text: headings, then lines of raw bytes, one side's indented.
fn sort(text: &str, count: usize) -> anyhow::Result<Vec<Decrypted>> {
    let mut found: Vec<Decrypted> = (0..count).map(|_| Decrypted::default()).collect();
    let mut number = 0;
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("Filter: tcp.stream eq ") {
            number = rest.trim().parse()?;
        } else if let Some(bytes) = hex(line.trim()) {
            let one = found.get_mut(number).context("an unknown connection")?;
            one.tls[usize::from(line.starts_with('\t'))].extend(bytes);
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

/// How many bytes each TCP connection of a capture has carried.
fn connections(capture: &Path) -> anyhow::Result<Vec<usize>> {
    let mut tshark = Command::new("tshark");
    tshark.arg("-r").arg(capture);
    tshark.args(["-T", "fields", "-e", "tcp.stream", "-e", "tcp.len"]);
    let mut sizes = Vec::new();
    for line in output(&mut tshark)?.lines() {
        let (number, length) = line.split_once('\t').context("another form")?;
        let (number, length): (usize, usize) = (number.parse()?, length.parse()?);
        if sizes.len() <= number {
            sizes.resize(number + 1, 0);
        }
        sizes[number] += length;
    }
    Ok(sizes)
}

fn output(command: &mut Command) -> anyhow::Result<String> {
    let output = command.output().context("starting tshark")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {said}");
    Ok(String::from_utf8(output.stdout)?)
}

/// A line of raw bytes; the headings between them are none.
fn hex(line: &str) -> Option<Vec<u8>> {
    if line.is_empty() || !line.len().is_multiple_of(2) {
        return None;
    }
    (0..line.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(line.get(at..at + 2)?, 16).ok())
        .collect()
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
        let hex = |bytes: &[u8]| {
            bytes
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>()
        };
        let text = format!(
            "=====\nFilter: tcp.stream eq 1\nNode 1: :0\n{}\n\t{}\n",
            hex(&end),
            hex(server)
        );
        let mut found = sort(&text, 2).expect("read");
        let mut one = found.pop().expect("the second");
        one.tls.swap(0, 1);
        one.end_first();
        assert_eq!(payloads(&one.tls[0]), b"canary");
        assert_eq!(payloads(&one.tls[1]), b"parrot");
        assert!(found[0].tls[0].is_empty());
    }
}
