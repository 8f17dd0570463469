//! A packet capture of one network card, and what it shows.
//!
//! `tcpdump` writes it; reading it needs no tool. Knows IPv4 TCP and names
//! everything else that was seen, so that "nothing else left" can be shown.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::namespace::Ns;
use crate::{LabError, Running, Site, ready};

/// A running capture.
pub struct Capture {
    tcpdump: Running,
    file: PathBuf,
}

/// What a capture saw.
#[derive(Debug, Default)]
pub struct Traffic {
    /// TCP connections, in the order of their first SYN.
    pub flows: Vec<Flow>,
    /// Everything that is neither TCP over IPv4 nor ARP, in words.
    pub others: Vec<String>,
}

/// One TCP connection as seen from its first SYN.
#[derive(Debug)]
pub struct Flow {
    /// Who sent the SYN.
    pub from: SocketAddr,
    /// To whom.
    pub to: SocketAddr,
    /// Whether the other side answered with SYN and ACK.
    pub answered: bool,
    /// The first bytes the sender of the SYN sent.
    pub first_bytes: Vec<u8>,
    sequence: u32,
}

impl Capture {
    /// `only` is a filter in tcpdump's words; empty: everything.
    pub(crate) fn start(
        site: &Site,
        ns: Ns,
        interface: &str,
        only: &str,
    ) -> Result<Self, LabError> {
        let name = format!("capture-{}-{interface}", ns.name());
        let file = site.temp_dir().join(format!("{name}.pcap"));
        let mut command = site.command(ns, "tcpdump");
        // Loopback's longest packets, and room for 2,000 of them while the machine
        // is busy: a capture with a hole cannot be decrypted behind it.
        command
            .args(["-i", interface, "-Z", "root", "-U", "-n"])
            .args(["-s", "65600", "-B", "131072"])
            .args(["--immediate-mode", "-w"])
            .arg(&file)
            .arg(only);
        let tcpdump = site.spawn(&name, &mut command)?;
        ready::until("tcpdump", LIMIT, || {
            let log = tcpdump.log();
            if log.contains("listening on") {
                Ok(())
            } else {
                Err(log)
            }
        })?;
        Ok(Self { tcpdump, file })
    }

    /// The file it writes, packet by packet.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Ends the capture and leaves its file: with all that has come, which tcpdump may
    /// not have been given the time to write.
    pub fn stop(&mut self) {
        let size = |file: &Path| fs::metadata(file).map_or(0, |file| file.len());
        let (deadline, mut written) = (Instant::now() + LIMIT, None);
        while Instant::now() < deadline {
            let before = written.replace(size(&self.file));
            if before == written {
                break;
            }
            thread::sleep(QUIET);
        }
        self.tcpdump.stop(LIMIT);
    }

    /// Ends the capture and reads it.
    pub fn finish(mut self) -> Result<Traffic, LabError> {
        self.stop();
        let bytes = fs::read(&self.file).map_err(LabError::file(&self.file))?;
        read_pcap(&bytes)
    }
}

impl Traffic {
    /// The connections whose target is not inside `192.168.77.0/24`.
    pub fn leaving_the_lan(&self) -> impl Iterator<Item = &Flow> {
        self.flows.iter().filter(|flow| !on_lan(flow.to))
    }

    fn take_tcp(&mut self, from: SocketAddr, to: SocketAddr, tcp: &[u8]) -> Option<()> {
        let sequence = u32::from_be_bytes(tcp.get(4..8)?.try_into().ok()?);
        let data = tcp.get(usize::from(tcp.get(12)? >> 4) * 4..)?;
        let (syn, ack) = (tcp.get(13)? & 2 != 0, tcp.get(13)? & 16 != 0);
        match (syn, ack) {
            (true, false) => {
                let known =
                    |flow: &Flow| flow.from == from && flow.to == to && flow.sequence == sequence;
                if !self.flows.iter().any(known) {
                    self.flows.push(Flow {
                        from,
                        to,
                        answered: false,
                        first_bytes: Vec::new(),
                        sequence,
                    });
                }
            }
            (true, true) => {
                if let Some(flow) = self.latest(to, from) {
                    flow.answered = true;
                }
            }
            (false, _) => {
                if let Some(flow) = self.latest(from, to) {
                    flow.take_data(sequence, data);
                }
            }
        }
        Some(())
    }

    fn latest(&mut self, from: SocketAddr, to: SocketAddr) -> Option<&mut Flow> {
        let mut flows = self.flows.iter_mut().rev();
        flows.find(|flow| flow.from == from && flow.to == to)
    }

    fn take_packet(&mut self, frame: &[u8]) -> Option<()> {
        let kind = u16::from_be_bytes(frame.get(12..14)?.try_into().ok()?);
        match kind {
            0x0806 => return Some(()),
            0x0800 => {}
            other => {
                self.others.push(format!("ethernet type {other:#06x}"));
                return Some(());
            }
        }
        let ip = frame.get(14..)?;
        let length = usize::from(u16::from_be_bytes(ip.get(2..4)?.try_into().ok()?));
        let body = ip.get(usize::from(ip[0] & 15) * 4..length)?;
        let from: [u8; 4] = ip.get(12..16)?.try_into().ok()?;
        let to: [u8; 4] = ip.get(16..20)?.try_into().ok()?;
        let (from, to) = (Ipv4Addr::from(from), Ipv4Addr::from(to));
        if ip[9] != 6 {
            self.others
                .push(format!("protocol {} {from} > {to}", ip[9]));
            return Some(());
        }
        let port = |at: usize| -> Option<u16> {
            Some(u16::from_be_bytes(body.get(at..at + 2)?.try_into().ok()?))
        };
        self.take_tcp(
            SocketAddr::from((from, port(0)?)),
            SocketAddr::from((to, port(2)?)),
            body,
        )
    }
}

impl Flow {
    /// Keeps the start of the stream, in order, whatever arrives twice.
    fn take_data(&mut self, sequence: u32, data: &[u8]) {
        let offset = sequence.wrapping_sub(self.sequence.wrapping_add(1)) as usize;
        let have = self.first_bytes.len();
        if offset <= have && have < KEPT && offset + data.len() > have {
            self.first_bytes.extend_from_slice(&data[have - offset..]);
        }
    }
}

fn on_lan(address: SocketAddr) -> bool {
    match address.ip() {
        IpAddr::V4(ip) => ip.octets()[..3] == [192, 168, 77],
        IpAddr::V6(_) => false,
    }
}

/// Reads a capture in tcpdump's own format (little-endian, Ethernet).
fn read_pcap(bytes: &[u8]) -> Result<Traffic, LabError> {
    let bad = LabError::Unreadable("packet capture");
    if bytes.get(..4) != Some(&[0xd4, 0xc3, 0xb2, 0xa1]) || bytes.get(20) != Some(&1) {
        return Err(bad);
    }
    let mut traffic = Traffic::default();
    let mut rest = bytes.get(24..).unwrap_or_default();
    while let Some(header) = rest.get(..16) {
        let length = u32::from_le_bytes(header[8..12].try_into().expect("four bytes")) as usize;
        let Some(frame) = rest.get(16..16 + length) else {
            break;
        };
        // A frame too short to be read is noise of the wire, not a flow.
        let _ = traffic.take_packet(frame);
        rest = &rest[16 + length..];
    }
    Ok(traffic)
}

/// Longer than tcpdump takes to begin or to end on a busy machine.
const LIMIT: Duration = Duration::from_secs(40);
/// Nothing is written in this time when nothing comes.
const QUIET: Duration = Duration::from_millis(400);
/// Enough for any ClientHello.
const KEPT: usize = 8192;
