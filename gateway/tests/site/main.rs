//! The gateway's own program at a site made of network namespaces, behind a
//! server that does what a test tells it, lies included.
//!
//! Needs root (namespaces). Nothing touches the machine's own network; every
//! namespace goes with its test.

#![expect(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    clippy::print_stdout,
    reason = "helpers of tests: a panic is a failed test, one frame of many is awaited, a failure shows the log"
)]

mod claims;
mod doctor;
mod dropbear;
mod ends;
mod every_message;
mod forbidden;
mod grasping;
mod host;
mod names;
mod net;
mod person;
mod program;
mod prs;
mod quiet;
mod rejoins;
mod sessions;
mod sshd;
mod terminals;
