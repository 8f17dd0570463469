//! The link over real TCP and TLS 1.3 on loopback, against a minimal server
//! made of `culvert_link::server`.

mod connects;
mod server;
