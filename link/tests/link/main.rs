//! The link over real TCP and TLS 1.3 on loopback, against a minimal server
//! made of `culvert_link::server`, through real proxies and a middlebox.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod connects;
mod intercepted;
mod proxies;
mod server;
mod silent;
mod stands;
