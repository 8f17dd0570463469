//! What a program may choose for a session.
//!
//! Every value is usable as it stands; the defaults are the measured ones.

use std::time::Duration;

use crate::transport::SESSION_WINDOW;

/// Choices for one session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Congestion control of what this end sends.
    pub congestion: Congestion,
    /// Which cipher this end prefers; the technician's end decides.
    pub ciphers: Ciphers,
    /// A peer that is silent for this long is lost. The smaller value of the
    /// two ends counts. A link that comes back within this time loses nothing,
    /// so it covers a dead link's discovery and its return.
    pub idle: Duration,
    /// The handshake has to be over within this time.
    pub handshake: Duration,
    /// The first bytes of a stream have to arrive within this time.
    pub opening: Duration,
    /// Streams that the technician's end may have open at once.
    pub max_streams: u32,
    /// Bytes all streams together may have on the way to this end, and that it
    /// keeps for repair of what it sends: what a hostile peer can make it keep.
    pub session_window: u32,
}

impl Options {
    /// For a box with little memory and many sessions. Bytes to LAN hosts that
    /// do not read fill a smaller window; bytes from them are not concerned,
    /// since those wait at the technician's end.
    pub fn small() -> Self {
        Self {
            session_window: 4_000_000,
            ..Self::default()
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            congestion: Congestion::Cubic,
            ciphers: Ciphers::AesFirst,
            idle: Duration::from_secs(120),
            handshake: Duration::from_secs(20),
            opening: Duration::from_secs(10),
            max_streams: 256,
            session_window: SESSION_WINDOW,
        }
    }
}

/// How fast an end dares to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Congestion {
    /// RFC 9438: behaves with the relay's bounded queue.
    #[default]
    Cubic,
    /// RFC 9002's own.
    NewReno,
    /// Model-based; keeps queues short but stalls when load follows idleness.
    Bbr3,
}

impl Congestion {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Cubic, Self::NewReno, Self::Bbr3];

    /// The name that settings and reports use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cubic => "cubic",
            Self::NewReno => "new_reno",
            Self::Bbr3 => "bbr3",
        }
    }
}

/// Order of the two ciphers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Ciphers {
    /// AES-128-GCM first: machines with AES instructions.
    #[default]
    AesFirst,
    /// ChaCha20-Poly1305 first: browsers and processors without them.
    ChaChaFirst,
}
