//! What is known about a session's paths.

use std::time::Duration;

use crate::address::PathKind;

/// What the peer has proved to have sent so far: differs from an earlier one
/// when something came meanwhile. What others put on the way does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heard(pub(super) noq::FrameStats);

/// Figures of a session since it began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stats {
    /// One row for each open path.
    pub paths: Vec<PathStats>,
    /// Batches of packets that no path took.
    pub dropped_batches: u64,
}

/// Figures of one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathStats {
    /// What carries it.
    pub kind: PathKind,
    /// Round-trip time, smoothed.
    pub rtt: Duration,
    /// Bytes of packets sent.
    pub sent_bytes: u64,
    /// Bytes of packets received.
    pub received_bytes: u64,
    /// Packets sent.
    pub sent_packets: u64,
    /// Packets declared lost.
    pub lost_packets: u64,
    /// Bytes the congestion controller allows on the way.
    pub window: u64,
    /// Largest packet in use, in bytes.
    pub packet_size: u16,
}
