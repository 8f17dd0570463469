//! What the end-to-end tests share: a whole system around a real site, a
//! technician's client that ignores orders, and a search for canaries.
//!
//! Each test file starts one site and makes its claims there. Needs the lab's
//! Debian packages (installed on demand) and the built programs.

pub mod bare;
pub mod browser;
pub mod canary;
pub mod decrypted;
pub mod lan;
pub mod odd;
pub mod portal;
pub mod programs;
pub mod script;
pub mod signed_in;
pub mod stubborn;
pub mod supervised;
pub mod tshark;
pub mod world;

pub use world::World;
