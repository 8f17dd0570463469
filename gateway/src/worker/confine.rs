//! What a worker does before it reads a byte of the LAN: gives up everything
//! it does not need, then locks the door behind it.

use std::io;
use std::net::TcpStream as LanStream;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as PairStream;

use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};
use tokio::net::{TcpStream, UnixStream};
use tokio::runtime::{Builder, Runtime};

use super::filter;

/// Address space of a worker, in bytes: several times what a session with full
/// windows takes, and far from what a small box has.
const ADDRESS_SPACE: libc::rlim_t = 256 * 1024 * 1024;
/// Descriptors: the two, and those of the runtime.
const DESCRIPTORS: libc::rlim_t = 16;

/// A confined worker's means: one thread, and its two sockets.
pub(super) struct Confined {
    pub(super) runtime: Runtime,
    pub(super) pair: UnixStream,
    pub(super) lan: TcpStream,
}

/// Confines this process for good.
///
/// # Errors
/// What the system refused: the caller ends the process, it never goes on half
/// confined.
pub(super) fn confine() -> io::Result<Confined> {
    surrender()?;
    let (pair, lan) = filter::inherited();
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let (pair, lan) = {
        let _inside = runtime.enter();
        (pair_of(pair)?, lan_of(lan)?)
    };
    filter::lock()?;
    Ok(Confined { runtime, pair, lan })
}

/// Everything but the filter: no descriptors, no privileges to gain, no core
/// file, no debugger, no files, no processes.
fn surrender() -> io::Result<()> {
    prctl::set_dumpable(false)?;
    prctl::set_no_new_privs()?;
    filter::close_others()?;
    for (resource, limit) in [
        (Resource::RLIMIT_AS, ADDRESS_SPACE),
        (Resource::RLIMIT_NOFILE, DESCRIPTORS),
        (Resource::RLIMIT_NPROC, 0),
        (Resource::RLIMIT_CORE, 0),
        (Resource::RLIMIT_FSIZE, 0),
    ] {
        setrlimit(resource, limit, limit)?;
    }
    Ok(())
}

fn pair_of(descriptor: OwnedFd) -> io::Result<UnixStream> {
    let pair = PairStream::from(descriptor);
    pair.set_nonblocking(true)?;
    UnixStream::from_std(pair)
}

fn lan_of(descriptor: OwnedFd) -> io::Result<TcpStream> {
    let lan = LanStream::from(descriptor);
    lan.set_nonblocking(true)?;
    TcpStream::from_std(lan)
}
