//! `culvert vnc` and `culvert rdp`.

use std::path::PathBuf;

use culvert_wire::grant::Protocol;
use tokio::sync::watch;

use super::resolve::Found;
use super::serve;
use crate::carry::{self, Busy};
use crate::cli::View;
use crate::failure::Failure;
use crate::home::Home;
use crate::local::listen::{Limit, Listener};
use crate::text::{note, result};
use crate::tunnel::Tunnel;
use crate::viewer::{ViewerError, choose, desktop};
use crate::word::Numbers;

/// Opens a screen.
pub(super) async fn vnc(home: Home, view: View) -> Result<(), Failure> {
    let program = program(&view, desktop::VNC)?;
    let found = Found::find(home, &view.host, Numbers::Vnc).await?;
    let tunnel = found.open(Protocol::Vnc).await?;
    show(tunnel, Protocol::Vnc, program, view.args).await
}

/// Opens a desktop.
pub(super) async fn rdp(home: Home, view: View) -> Result<(), Failure> {
    let program = program(&view, desktop::RDP)?;
    let found = Found::find(home, &view.host, Numbers::Port).await?;
    let tunnel = found.open(Protocol::Rdp).await?;
    show(tunnel, Protocol::Rdp, program, view.args).await
}

/// The viewer, looked for before anything is asked of the server; none to
/// print the address only.
fn program(view: &View, names: &'static [&'static str]) -> Result<Option<PathBuf>, Failure> {
    if view.print {
        return Ok(None);
    }
    Ok(Some(choose(view.viewer.as_deref(), names)?))
}

/// Runs a viewer on a session, or prints where one could connect.
pub(super) async fn show(
    tunnel: Tunnel,
    protocol: Protocol,
    program: Option<PathBuf>,
    args: Vec<std::ffi::OsString>,
) -> Result<(), Failure> {
    let limit = if protocol == Protocol::Rdp {
        Limit::RDP
    } else {
        Limit::VNC
    };
    let listener = Listener::bind(serve::own_port(&tunnel), limit).await?;
    let at = listener.local();
    let scratch = tempfile::tempdir().map_err(ViewerError::Scratch)?;
    let child = match program {
        Some(program) if protocol == Protocol::Rdp => {
            let start = desktop::rdp(program, at, args, scratch.path())?;
            Some(serve::start(&start)?)
        }
        Some(program) => Some(serve::start(&desktop::vnc(program, at, args))?),
        None => {
            result(&format!("{at}\n"));
            note("connect a viewer to this address; Ctrl-C ends the session");
            None
        }
    };
    let (busy, seen) = watch::channel(Busy::default());
    let carrier = tokio::spawn(carry::forward(listener, tunnel.streams().clone(), 0, busy));
    serve::run(tunnel, carrier, seen, child).await
}
