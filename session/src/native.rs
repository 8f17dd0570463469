//! Sessions for native programs: tokio, `noq` and the sockets of every path
//! kind.
//!
//! [`connect`] (technician) and [`accept`] (gateway) run the handshake over a
//! [`PacketRoute`] and give a [`Session`] of [`Stream`]s. Below QUIC sits a
//! packet multiplexer that knows paths and nothing of QUIC; it drops what a
//! path does not take and never blocks.
//!
//! Never dials anybody: routes and sockets come from the caller.

mod endpoint;
mod error;
mod incoming;
mod life;
mod mux;
mod route;
mod session;
mod splice;
mod stats;
mod stream;

#[cfg(feature = "emulated")]
pub mod emulated;

pub use endpoint::{accept, connect};
pub use error::{SessionError, StreamError};
pub use route::PacketRoute;
pub use session::Session;
pub use splice::{Counters, Spliced, splice, splice_until};
pub use stats::{Heard, PathStats, Stats};
pub use stream::{Stream, StreamReader, StreamWriter};
