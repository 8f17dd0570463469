//! The server's time, replaceable in tests.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use culvert_wire::UnixMs;

/// Where the time comes from.
#[derive(Debug, Clone)]
pub enum Clock {
    /// The operating system.
    System,
    /// Whoever holds the other end.
    Set(Arc<AtomicU64>),
}

impl Clock {
    /// The time now.
    pub fn now(&self) -> UnixMs {
        match self {
            Self::System => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH);
                let ms = since.map_or(0, |d| d.as_millis());
                UnixMs(u64::try_from(ms).unwrap_or(u64::MAX))
            }
            Self::Set(ms) => UnixMs(ms.load(Ordering::Relaxed)),
        }
    }
}
