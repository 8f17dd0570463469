//! One end-to-end encrypted session: QUIC between a technician's end and a
//! gateway, over packet paths that know nothing of QUIC.
//!
//! Without features this crate is the part that a native program and a browser
//! share: settings, keys, lanes and the meaning of every close code. It has no
//! clock, no randomness and no socket of its own, and builds for wasm32.
//! Feature `native` adds the shell: tokio, `noq` and the sockets.
//!
//! No lane ever knows on which path its bytes travel.
//!
//! | module | what |
//! |---|---|
//! | [`options`] | what a program may choose for a session |
//! | [`role`] | who is QUIC client, who server, and what follows from it |
//! | [`tls`] | TLS 1.3 with raw public keys: exactly one peer is accepted |
//! | [`transport`] | windows, timers, packet sizes, congestion control |
//! | [`address`] | the invented socket addresses that name packet paths |
//! | [`opening`] | the first bytes of a stream, read piece by piece |
//! | [`sealed`] | credentials of hosts that only one gateway opens |
//! | [`ending`] | QUIC's close and reset codes as reasons, and back |
//! | [`quality`] | what a path is like, from its counters |
//! | `native` | feature `native`: sessions and streams for tokio |

pub mod address;
pub mod ending;
#[cfg(feature = "native")]
pub mod native;
pub mod opening;
pub mod options;
pub mod quality;
pub mod role;
pub mod sealed;
pub mod tls;
pub mod transport;

pub use ending::Ending;
pub use options::{Ciphers, Congestion, Options};
pub use role::Role;
