//! Typed settings of all programs: what a person wrote becomes checked values.
//!
//! Each file has two stages. The raw one mirrors the file and refuses unknown
//! keys with the nearest known name; the checked one holds values that are
//! usable as they stand. Nothing here opens a socket or reads a clock; files
//! are read only by the `load` functions. Secrets never stand in a settings
//! file: it names files that hold them. `examples/` are tests.
//!
//! | module | file |
//! |---|---|
//! | [`gateway`] | `gateway.toml`, the box at the customer site |
//! | [`boxfile`] | `culvert.toml`, on the card of one box |
//! | [`prs`] | `prs.toml`, the cloud server |

pub mod boxfile;
mod error;
mod file;
pub mod gateway;
pub mod prs;

pub use error::ConfigError;
pub use file::{load, parse, shown};
