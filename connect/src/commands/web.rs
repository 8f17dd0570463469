//! `culvert web`.

use std::path::PathBuf;

use culvert_wire::grant::Protocol;
use tokio::sync::watch;

use super::resolve::Found;
use super::serve;
use crate::carry::{self, Busy};
use crate::cli::Web;
use crate::failure::Failure;
use crate::home::Home;
use crate::local::listen::{Limit, Listener};
use crate::text::{note, result};
use crate::tunnel::Tunnel;
use crate::viewer::{ViewerError, browser, choose};
use crate::word::Numbers;

/// Opens a device's pages.
pub(super) async fn web(home: Home, web: Web) -> Result<(), Failure> {
    let program = if web.print {
        None
    } else {
        Some(choose(web.browser.as_deref(), browser::BROWSERS)?)
    };
    let found = Found::find(home, &web.host, Numbers::Port).await?;
    let protocol = match found.word.port {
        Some(port) => found.protocol_of(port),
        None => Protocol::Http,
    };
    let tunnel = found.open(protocol).await?;
    browse(tunnel, program, web.args).await
}

/// Runs a browser on a session, or prints what one needs.
pub(super) async fn browse(
    tunnel: Tunnel,
    program: Option<PathBuf>,
    args: Vec<std::ffi::OsString>,
) -> Result<(), Failure> {
    let listener = Listener::bind(serve::own_port(&tunnel), Limit::WEB).await?;
    let at = listener.local();
    let url = tunnel
        .streams()
        .targets()
        .first()
        .map(browser::url)
        .unwrap_or_default();
    // Removed with all cookies when the browser has ended.
    let profile = tempfile::Builder::new()
        .prefix("culvert-web-")
        .tempdir()
        .map_err(ViewerError::Scratch)?;
    let child = match program {
        Some(program) => {
            let start = browser::start(program, at, &url, profile.path(), args)?;
            Some(serve::start(&start)?)
        }
        None => {
            result(&format!("socks5://{at}\n{url}\n"));
            note("set a browser's SOCKS 5 proxy to this; Ctrl-C ends the session");
            None
        }
    };
    let (busy, seen) = watch::channel(Busy::default());
    let carrier = tokio::spawn(carry::socks(listener, tunnel.streams().clone(), busy));
    serve::run(tunnel, carrier, seen, child).await
}
