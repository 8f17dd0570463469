//! `culvert telnet`.

use std::ffi::OsString;
use std::io::{self, IsTerminal as _};
use std::net::SocketAddr;
use std::path::PathBuf;

use culvert_session::native::{StreamError, StreamReader, StreamWriter};
use culvert_wire::grant::Protocol;

use super::resolve::Found;
use super::{serve, ssh};
use crate::cli::View;
use crate::failure::Failure;
use crate::home::Home;
use crate::local::listen::{Limit, Listener};
use crate::signals::asked_to_end;
use crate::terminal;
use crate::text::note;
use crate::tunnel::Tunnel;
use crate::viewer::{Start, choose, putty};
use crate::word::Numbers;

/// Talks to a host in this terminal, or with a program that was named.
pub(super) async fn telnet(home: Home, view: View) -> Result<(), Failure> {
    let named = view.viewer.as_deref();
    let program = named
        .map(|program| choose(Some(program), &[]))
        .transpose()?;
    let found = Found::find(home, &view.host, Numbers::Port).await?;
    let name = found.host.name.clone();
    let tunnel = found.open(Protocol::Telnet).await?;
    if view.print || program.is_some() {
        let listener = Listener::bind(serve::own_port(&tunnel), Limit::ONE).await?;
        let at = listener.local();
        let start = program.map(|program| start(program, at, view.args));
        return ssh::on_port(tunnel, listener, start).await;
    }
    here(tunnel, &name).await
}

/// The program's arguments; but for PuTTY's kin all take an address and a port.
fn start(program: PathBuf, at: SocketAddr, mut args: Vec<OsString>) -> Start {
    if putty::is_putty(&program) {
        return putty::telnet(program, at, args);
    }
    args.extend([at.ip().to_string().into(), at.port().to_string().into()]);
    Start { program, args }
}

/// Talks in this terminal.
pub(super) async fn here(tunnel: Tunnel, host: &str) -> Result<(), Failure> {
    let stream = tunnel.streams().open(0).await.map_err(Failure::Session)?;
    let (reader, writer): (StreamReader, StreamWriter) = stream.into_split();
    if io::stdin().is_terminal() {
        note("Ctrl-] ends the conversation");
    }
    let talked = tokio::select! {
        talked = terminal::converse(reader, writer) => talked.map_err(|source| {
            let Some(error) = StreamError::of(&source) else {
                return Failure::Local { what: "the conversation broke".into(), source };
            };
            Failure::Target {
                host: host.to_owned(),
                reason: error.reason(),
                text: String::new(),
            }
        }),
        _ = tunnel.streams().ended() => tunnel.verdict(),
        () = asked_to_end() => Ok(()),
    };
    let verdict = tunnel.verdict();
    tunnel.streams().finish().await;
    verdict.and(talked)
}
