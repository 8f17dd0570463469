//! What each TCP connection of a capture carried, as tshark puts it together.
//!
//! Never judges what was found.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};

/// One TCP connection, in the order of a capture.
#[derive(Debug)]
pub struct Connection {
    /// To whom its first packet went.
    pub to: SocketAddr,
    /// How many bytes it carried.
    pub size: usize,
}

/// Both directions of a connection, in no certain order.
pub type Both = [Vec<u8>; 2];

/// The connections of a capture.
///
/// # Errors
/// When tshark cannot read it.
pub fn connections(capture: &Path) -> anyhow::Result<Vec<Connection>> {
    let mut tshark = Command::new("tshark");
    tshark
        .arg("-r")
        .arg(capture)
        .args(["-Y", "tcp", "-T", "fields"]);
    for field in ["tcp.stream", "tcp.len", "ip.dst", "tcp.dstport"] {
        tshark.args(["-e", field]);
    }
    let mut found: Vec<Connection> = Vec::new();
    for line in output(&mut tshark)?.lines() {
        let mut fields = line.split('\t');
        let mut next = || fields.next().context("another form");
        let (number, length): (usize, usize) = (next()?.parse()?, next()?.parse()?);
        let to = format!("{}:{}", next()?, next()?).parse()?;
        if number == found.len() {
            found.push(Connection { to, size: 0 });
        }
        found.get_mut(number).context("out of order")?.size += length;
    }
    Ok(found)
}

/// The capture by time: two processors write loopback's packets as they come, and
/// an answer before its question cannot be decrypted.
///
/// # Errors
/// When it cannot be read.
pub fn in_order(capture: &Path) -> anyhow::Result<PathBuf> {
    let ordered = capture.with_extension("ordered");
    let mut reordercap = Command::new("reordercap");
    output(reordercap.arg(capture).arg(&ordered))?;
    Ok(ordered)
}

/// What the first `count` connections carried: `what` is `tcp` or `tls`.
///
/// # Errors
/// When tshark cannot read the capture.
pub fn follow(
    capture: &Path,
    what: &str,
    options: &[String],
    count: usize,
) -> anyhow::Result<Vec<Both>> {
    let mut tshark = Command::new("tshark");
    tshark.arg("-r").arg(capture).arg("-q").args(options);
    // Loopback's packets are captured in another order now and then.
    tshark.args(["-o", "tcp.reassemble_out_of_order:TRUE"]);
    for number in 0..count {
        tshark.args(["-z", &format!("follow,{what},raw,{number}")]);
    }
    sort(&output(&mut tshark)?, count)
}

/// tshark's text: headings, then lines of raw bytes, one side's indented.
fn sort(text: &str, count: usize) -> anyhow::Result<Vec<Both>> {
    let mut found = vec![Both::default(); count];
    let mut number = 0;
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("Filter: tcp.stream eq ") {
            number = rest.trim().parse()?;
        } else if let Some(bytes) = hex(line.trim()) {
            let one = found.get_mut(number).context("an unknown connection")?;
            one[usize::from(line.starts_with('\t'))].extend(bytes);
        }
    }
    Ok(found)
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
    let digit = |byte: u8| char::from(byte).to_digit(16);
    line.as_bytes()
        .chunks(2)
        .map(|pair| u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_directions_of_each_connection_are_read() {
        let text = "=====\nFilter: tcp.stream eq 1\nNode 1: :0\n6162\n\t63\n64\n";

        let found = sort(text, 2).expect("read");

        assert_eq!(found[1], [b"abd".to_vec(), b"c".to_vec()]);
        assert_eq!(found[0], Both::default());
    }
}
