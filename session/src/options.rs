//! What a program may choose for a session.
//!
//! Every value is usable as it stands; the defaults are the measured ones.

use std::time::Duration;

/// Choices for one session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Congestion control of what this end sends.
    pub congestion: Congestion,
    /// Which cipher this end prefers; the technician's end decides.
    pub ciphers: Ciphers,
    /// A peer that is silent for this long is lost. The smaller value of the
    /// two ends counts. A link that comes back within this time loses nothing.
    pub idle: Duration,
    /// The handshake has to be over within this time.
    pub handshake: Duration,
    /// The first bytes of a stream have to arrive within this time.
    pub opening: Duration,
    /// Streams that the technician's end may have open at once.
    pub max_streams: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            congestion: Congestion::Cubic,
            ciphers: Ciphers::AesFirst,
            idle: Duration::from_secs(30),
            handshake: Duration::from_secs(20),
            opening: Duration::from_secs(10),
            max_streams: 256,
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
