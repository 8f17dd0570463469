//! Every byte that two Culvert programs exchange outside QUIC itself.
//!
//! Layouts are explicit and versioned; `docs/wire.md` is the one place that
//! defines them, and this crate is its implementation. Decoders take foreign
//! bytes and return [`DecodeError`]s, never panics, and never allocate more
//! than the length of their input.
//!
//! No clock, no randomness, no socket: time ([`UnixMs`]) and seeds are
//! arguments. Driven by `link`, `session`, the gateway, `culvert` and the
//! cloud server.
//!
//! | module | what |
//! |---|---|
//! | [`id`] | 16-byte ids, one type for each kind of thing |
//! | [`key`] | Ed25519 keys, fingerprints, domain-separated signatures |
//! | [`statement`] | the provider key's word on a node's key; key rotation |
//! | [`claim`] | the code that binds a new box to a provider |
//! | [`ticket`] | the right to join one session's route, once |
//! | [`grant`] | who may do what on which targets until when |
//! | [`revocation`] | the broker's order to end access |
//! | [`hello`] | the first messages of a link |
//! | [`frame`] | the messages of an open link |
//! | [`stream`] | the first bytes of a stream inside a session |
//! | [`terminal`] | the messages of a terminal stream |
//! | [`secret`] | bytes that nobody may print |
//! | [`supervisor`] | what the gateway and the supervisor of a box say |
//! | [`update`] | signed releases of the box's system |
//! | [`reason`] | why a session, a route or a link ended |
//! | `sealed` | credentials that only one gateway opens |
//! | `api` | JSON bodies of the HTTP API (feature `api`) |

#[cfg(feature = "api")]
pub mod api;
pub mod claim;
mod codec;
pub mod frame;
pub mod grant;
pub mod hello;
pub mod id;
pub mod key;
pub mod name;
pub mod reason;
pub mod revocation;
pub mod sealed;
pub mod secret;
pub mod statement;
pub mod stream;
pub mod supervisor;
pub mod terminal;
pub mod ticket;
mod time;
pub mod update;

pub use codec::{Decode, DecodeError, Encode, Reader, Writer};
pub use time::UnixMs;
