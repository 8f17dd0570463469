//! A button's line at a GPIO chip, through the kernel's character device
//! (linux/gpio.h, version 2): its edges as they happen, with their times.
//!
//! The only unsafe code of this crate: the kernel reads and writes flat
//! buffers whose lengths are the structures'.
#![expect(unsafe_code, reason = "two ioctls over plain buffers")]

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};
use std::path::Path;
use std::time::Duration;

use nix::fcntl::{FcntlArg, OFlag, fcntl};

use crate::button::Edge;
use crate::profile::Line;

/// `sizeof(struct gpiochip_info)`.
const INFO: usize = 68;
/// Name and label begin there and have 32 bytes each.
const LABEL: usize = 32;
/// `sizeof(struct gpio_v2_line_request)`.
const REQUEST: usize = 592;
/// Offsets in it: consumer, flags, number of lines, events kept, descriptor.
const CONSUMER: usize = 256;
const FLAGS: usize = 288;
const LINES: usize = 560;
const KEPT: usize = 564;
const DESCRIPTOR: usize = 588;
/// `sizeof(struct gpio_v2_line_event)`.
const EVENT: usize = 48;
/// `GPIO_V2_LINE_EVENT_RISING_EDGE`: the line became active.
const RISING: u32 = 1;
/// Flags of `enum gpio_v2_line_flag`.
const ACTIVE_LOW: u64 = 1 << 1;
const INPUT: u64 = 1 << 2;
const BOTH_EDGES: u64 = 1 << 4 | 1 << 5;
const PULL_UP: u64 = 1 << 8;
/// Edges the kernel keeps while nobody reads.
const EDGES: u32 = 64;

/// The calls of linux/gpio.h that are used here.
mod call {
    use super::{INFO, REQUEST};

    nix::ioctl_read!(chip_info, 0xb4, 0x01, [u8; INFO]);
    nix::ioctl_readwrite!(get_line, 0xb4, 0x07, [u8; REQUEST]);
}

/// The line, open for its edges.
#[derive(Debug)]
pub struct Edges {
    events: File,
}

impl Edges {
    /// Opens the line that a board's file names.
    ///
    /// # Errors
    /// What is missing, or what the system says.
    pub fn open(root: &Path, line: &Line) -> io::Result<Self> {
        let chip = chip(root, &line.chip)?;
        let mut buffer = request(line);
        // SAFETY: the buffer is a whole `struct gpio_v2_line_request`, and the
        // kernel keeps no pointer after the call.
        unsafe { call::get_line(chip.as_raw_fd(), &raw mut buffer) }?;
        let mut fd = [0; 4];
        fd.copy_from_slice(&buffer[DESCRIPTOR..]);
        // SAFETY: the call has just made this descriptor, for us alone.
        let events = unsafe { OwnedFd::from_raw_fd(i32::from_ne_bytes(fd)) };
        fcntl(&events, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        Ok(Self {
            events: events.into(),
        })
    }

    /// The edges since the last call; none if there are none.
    pub fn read(&mut self) -> Vec<Edge> {
        let mut bytes = [0; EVENT * EDGES as usize];
        match self.events.read(&mut bytes) {
            Ok(length) => decoded(&bytes[..length]),
            // Nothing there.
            Err(_) => Vec::new(),
        }
    }
}

impl AsFd for Edges {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.events.as_fd()
    }
}

/// The chip with a label; their numbers depend on the order of drivers.
fn chip(root: &Path, label: &str) -> io::Result<File> {
    let mut seen = Vec::new();
    for entry in fs::read_dir(root.join("dev"))?.flatten() {
        if !entry.file_name().to_string_lossy().starts_with("gpiochip") {
            continue;
        }
        let chip = File::open(entry.path())?;
        let mut info = [0; INFO];
        // SAFETY: the buffer is a whole `struct gpiochip_info`.
        if unsafe { call::chip_info(chip.as_raw_fd(), &raw mut info) }.is_err() {
            continue;
        }
        let found = text(&info[LABEL..LABEL * 2]);
        if found == label {
            return Ok(chip);
        }
        seen.push(found);
    }
    Err(io::Error::other(format!(
        "no GPIO chip {label}; there are: {}",
        seen.join(", ")
    )))
}

fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

fn request(line: &Line) -> [u8; REQUEST] {
    let mut out = [0; REQUEST];
    let mut put = |at: usize, bytes: &[u8]| out[at..at + bytes.len()].copy_from_slice(bytes);
    let low = if line.active_low {
        ACTIVE_LOW | PULL_UP
    } else {
        0
    };
    put(0, &line.offset.to_ne_bytes());
    put(CONSUMER, b"culvert button");
    put(FLAGS, &(INPUT | BOTH_EDGES | low).to_ne_bytes());
    put(LINES, &1u32.to_ne_bytes());
    put(KEPT, &EDGES.to_ne_bytes());
    out
}

fn decoded(bytes: &[u8]) -> Vec<Edge> {
    let edge = |event: &[u8]| -> Option<Edge> {
        let at = u64::from_ne_bytes(event.get(..8)?.try_into().ok()?);
        let id = u32::from_ne_bytes(event.get(8..12)?.try_into().ok()?);
        Some(Edge {
            down: id == RISING,
            at: Duration::from_nanos(at),
        })
    };
    bytes.chunks_exact(EVENT).filter_map(edge).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> Line {
        Line {
            chip: "9030000.pl061".into(),
            offset: 3,
            active_low: true,
        }
    }

    #[test]
    fn a_request_asks_for_both_edges_of_one_line_where_the_kernel_looks() {
        let bytes = request(&line());

        let number = |at: usize| u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap());
        assert_eq!((number(0), number(LINES)), (3, 1));
        let flags = u64::from_ne_bytes(bytes[FLAGS..FLAGS + 8].try_into().unwrap());
        assert_eq!(flags, 0b1_0011_0110);
        assert_eq!(text(&bytes[CONSUMER..FLAGS]), "culvert button");
    }

    #[test]
    fn events_are_read_whole_or_not_at_all() {
        let mut bytes = vec![0; EVENT * 2 + 10];
        bytes[..8].copy_from_slice(&1_500_000_000u64.to_ne_bytes());
        bytes[8..12].copy_from_slice(&1u32.to_ne_bytes());
        bytes[EVENT..EVENT + 8].copy_from_slice(&2_000_000_000u64.to_ne_bytes());
        bytes[EVENT + 8..EVENT + 12].copy_from_slice(&2u32.to_ne_bytes());

        let edges = decoded(&bytes);

        let at = Duration::from_millis;
        let expected = [(true, 1500), (false, 2000)].map(|(down, ms)| Edge { down, at: at(ms) });
        assert_eq!(edges, expected);
    }

    /// A file that is no chip answers no ioctl.
    #[test]
    fn a_chip_that_is_not_there_is_an_error_with_a_sentence() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("dev")).unwrap();
        fs::write(dir.path().join("dev/gpiochip0"), "").unwrap();

        let error = Edges::open(dir.path(), &line()).unwrap_err().to_string();

        assert!(error.starts_with("no GPIO chip 9030000.pl061"), "{error}");
    }
}
