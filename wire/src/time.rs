//! Points in time as the wire carries them.

use crate::{Decode, DecodeError, Encode, Reader, Writer};

/// Milliseconds since 1970-01-01 00:00 UTC, without leap seconds.
///
/// Which clock it came from is the caller's business: ends judge by link time,
/// never by a box's system clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "api", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UnixMs(pub u64);

impl UnixMs {
    /// This time plus `ms` milliseconds, at most the end of time.
    #[must_use]
    pub const fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to this time, 0 if it is not earlier.
    pub const fn ms_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl Encode for UnixMs {
    fn encode(&self, out: &mut Writer) {
        out.u64(self.0);
    }
}

impl Decode for UnixMs {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self(input.u64()?))
    }
}
