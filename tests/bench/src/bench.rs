//! The benchmarks, one file each.

mod delay;
mod image;
mod memory;
mod portal;
mod relay;
mod revoke;
mod start;
mod storm;

use std::fmt;
use std::path::Path;

use clap::ValueEnum;
use serde::Serialize;

use crate::report::Figure;

/// A benchmark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Name {
    /// Keystrokes beside a bulk stream on a slow relay link.
    Delay,
    /// CPU per GB of relay and ends, beside a plain copy and rathole.
    Relay,
    /// From the session's request to the first SSH byte.
    Start,
    /// Memory of the relay's links and of the gateway; sizes of programs.
    Memory,
    /// The box's image in QEMU.
    Image,
    /// The browser's endpoint in Chromium.
    Portal,
    /// From an administrator's order to the end at the gateway.
    Revoke,
    /// 5,000 gateways after a restart of the relay.
    Storm,
}

impl Name {
    pub(crate) const ALL: [Self; 8] = [
        Self::Delay,
        Self::Relay,
        Self::Start,
        Self::Memory,
        Self::Revoke,
        Self::Storm,
        Self::Portal,
        Self::Image,
    ];
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Delay => "delay",
            Self::Relay => "relay",
            Self::Start => "start",
            Self::Memory => "memory",
            Self::Revoke => "revoke",
            Self::Storm => "storm",
            Self::Portal => "portal",
            Self::Image => "image",
        })
    }
}

/// Runs one; `programs` is the folder of the release programs.
pub(crate) fn run(name: Name, programs: &Path) -> anyhow::Result<Vec<Figure>> {
    match name {
        Name::Delay => delay::run(),
        Name::Relay => relay::run(),
        Name::Start => start::run(programs),
        Name::Memory => memory::run(programs),
        Name::Revoke => revoke::run(programs),
        Name::Storm => storm::run(programs),
        Name::Portal => portal::run(),
        Name::Image => image::run(),
    }
}
