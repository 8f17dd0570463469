//! The browser's endpoint, driven natively against the gateway's own session
//! code over a simulated relay: one file for each claim.
#![expect(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    clippy::cast_possible_truncation,
    reason = "helpers of tests, which look for one thing"
)]

mod coming_back;
mod hostile;
mod life;
mod streams;
mod world;
