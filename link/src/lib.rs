//! The link: an endpoint's standing connection to the provider's server.
//!
//! TLS 1.3 on TCP 443, a real HTTP/1.1 WebSocket upgrade, binary messages; the
//! server proves itself *inside* TLS (decision D2), so no web certificate, no
//! wrong clock and no intercepting proxy can matter or fool. Nothing secret is
//! sent before that proof holds. Both ends' halves live here; what the frames
//! mean to the server is the relay's business, what packets mean is the
//! session's.
//!
//! | module | what |
//! |---|---|
//! | [`client`] | dial, prove, sign in: gives a [`Link`] and its [`Events`] |
//! | [`standing`] | a gateway's link for ever: list of servers, jittered returns |
//! | [`server`] | the server's half of one upgraded connection |
//! | [`ws`] | WebSocket over any byte stream |
//! | [`pipe`] | one task's loop over a WebSocket: batches, keep-alive, time-outs |
//! | [`queue`] | what waits to be sent, shared fairly (pure) |
//! | [`keepalive`] | when to ping and when to give up (pure) |
//! | [`backoff`] | when to come back (pure) |
//! | [`proxy`] | HTTP CONNECT, its settings and sign-ins |
//! | [`tls`] | TLS settings, exporter, whose certificate that was |
//! | [`socket`] | TCP options |
//! | [`ahead`] | one system call for a whole batch |

pub mod ahead;
pub mod backoff;
pub mod client;
mod driver;
mod http1;
pub mod keepalive;
mod link;
pub mod pipe;
pub mod proxy;
pub mod queue;
mod resolve;
mod route;
pub mod server;
pub mod socket;
pub mod standing;
pub mod tls;
pub mod ws;

pub use client::{ConnectError, Dial, Me, connect};
pub use link::{Event, Events, Link, LinkClosed, Spread};
pub use proxy::{ProxyPolicy, ProxyServer};
pub use resolve::resolve;
pub use route::{Route, memory_pair};
