//! The plane over real TCP and TLS on loopback: the shipped link client
//! against the shipped listener, with a small application behind it.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod crowded;
mod drain;
mod hostile;
mod http;
mod loopback;
mod orders;
mod returning;
mod routes;
mod slow;
mod stun;
mod world;
