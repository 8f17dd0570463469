//! The site's hosts: ordinary servers, ordinary settings, an account of the
//! site's own.
//!
//! Nothing is read from or written to the machine's `/etc` or `/home`: each
//! host sees private copies mounted over them (see [`account`]).

pub(crate) mod account;
pub(crate) mod desktop;
mod device;
pub(crate) mod flavours;
pub(crate) mod live;
mod rdp;
mod server;

use std::path::Path;
use std::process::Command;

use crate::keys::Credentials;
use crate::namespace::{Ns, World};
use crate::{LabError, Running};

/// What a server needs to be started.
pub(crate) struct Start<'a> {
    pub(crate) world: &'a World,
    pub(crate) folder: &'a Path,
    pub(crate) who: &'a Credentials,
}

impl Start<'_> {
    pub(crate) fn folder(&self) -> &Path {
        self.folder
    }

    /// Starts a program in a place; `shape` adds its arguments.
    pub(crate) fn run(
        &self,
        ns: Ns,
        program: &str,
        shape: impl FnOnce(&mut Command),
    ) -> Result<Running, LabError> {
        let name = program.rsplit('/').next().unwrap_or(program);
        self.run_as(ns, program, name, shape)
    }

    /// The same with a name of its own in messages and for its log.
    pub(crate) fn run_as(
        &self,
        ns: Ns,
        program: &str,
        name: &str,
        shape: impl FnOnce(&mut Command),
    ) -> Result<Running, LabError> {
        let mut command = self.world.command(ns, program);
        shape(&mut command);
        let log = format!("{}-{name}.log", ns.name());
        Running::start(name, self.folder.join("logs").join(log), &mut command)
    }
}

/// Starts every server of the three hosts and waits until each answers a
/// connection from the gateway's place.
pub(crate) fn start(start: &Start<'_>) -> Result<Vec<Running>, LabError> {
    let mut running = server::start(start)?;
    running.extend(desktop::start(start)?);
    running.extend(rdp::start(start)?);
    running.extend(device::start(start)?);
    server::wait(start)?;
    desktop::wait(start)?;
    desktop::wait_for_session(start)?;
    rdp::wait(start)?;
    device::wait(start)?;
    Ok(running)
}
