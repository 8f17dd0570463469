//! The browser as a full end of a session.
//!
//! The same settings, keys, lanes and reasons as native programs (package
//! `culvert-session` without its shell), driven by a small event loop in a Web
//! Worker. All of it is sans-I/O: sockets, timers and `fetch` stay in
//! TypeScript (`portal/src/session`), time and random bytes are arguments.
//! Never sees the page, and shows no key to it.
//!
//! | module | what |
//! |---|---|
//! | [`session`] | one session: link, QUIC, coming back, renewing |
//! | [`link`] | the browser's link to the server, frame by frame |
//! | [`engine`] | QUIC: packets in and out, streams |
//! | [`stream`] | what is known of one stream |
//! | [`retry`] | when to try again |
//! | [`seal`] | credentials that only one gateway opens |
//! | `web` | wasm32 only: what the worker calls |

pub mod engine;
pub mod link;
pub mod retry;
pub mod seal;
pub mod session;
pub mod stream;
#[cfg(target_arch = "wasm32")]
pub mod web;

pub use session::{Event, Granted, Session, State};
