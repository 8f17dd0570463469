//! The server's time, replaceable in tests.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use culvert_wire::UnixMs;

/// Where the time comes from.
#[derive(Debug, Clone)]
pub enum Clock {
    /// The server's own, see [`steady`](crate::steady).
    System,
    /// Whoever holds the other end.
    Set(Arc<AtomicU64>),
}

impl Clock {
    /// The time now.
    pub fn now(&self) -> UnixMs {
        match self {
            Self::System => crate::steady::now(),
            Self::Set(ms) => UnixMs(ms.load(Ordering::Relaxed)),
        }
    }
}
