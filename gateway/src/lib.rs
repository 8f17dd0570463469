//! The box at the customer site: dials out, judges grants by itself, carries
//! bytes between a session's streams and the LAN hosts it was granted.
//!
//! Listens on nothing. Never parses what a LAN host sends. The cloud can
//! narrow what the box allows, never widen it.
//!
//! | module | what |
//! |---|---|
//! | [`identity`], [`state`], [`memory`], [`files`] | keys and memory of the box |
//! | [`guard`] | which addresses may be dialled (pure) |
//! | [`session`] | which sessions are accepted, kept and ended (pure) |
//! | [`dial`], [`bridge`], [`outcome`] | connections to LAN hosts, streams over them, and what came of those |
//! | [`terminal`] | terminals, and what outlives their streams |
//! | [`worker`] | processes that speak to hosts, confined |
//! | [`pins`] | the host keys that technicians have accepted |
//! | [`clock`], [`renewal`] | link time, and what keeps it true |
//! | [`reports`] | ends of sessions not told yet |
//! | [`connect`], [`claim`] | how the box presents itself; the first time |
//! | [`run`] | the loop that drives all of it |
//! | [`status`] | what the running process says about itself |
//! | [`supervised`] | the box's supervisor, if there is one |
//! | [`doctor`] | why there is no link, in words for people |
//! | [`cli`] | the command line |

pub mod bridge;
pub mod claim;
pub mod cli;
pub mod clock;
pub mod connect;
pub mod dial;
pub mod doctor;
pub mod files;
pub mod guard;
pub mod identity;
pub mod memory;
pub mod outcome;
pub mod pins;
pub mod renewal;
pub mod reports;
pub mod run;
pub mod session;
pub mod state;
pub mod status;
pub mod supervised;
pub mod terminal;
pub mod worker;

use tokio::time::{Duration, Instant};

/// What the box calls itself on a link.
pub const VERSION: &str = concat!("culvert-gateway ", env!("CARGO_PKG_VERSION"));

/// A time that never comes, for a timer that is not set.
fn far_away() -> Instant {
    Instant::now() + Duration::from_secs(24 * 3600)
}
