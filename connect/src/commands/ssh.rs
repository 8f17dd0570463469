//! `culvert ssh` and `culvert ssh-config`.

use std::path::PathBuf;

use culvert_wire::api::HostEntry;
use culvert_wire::grant::Protocol;
use tokio::sync::watch;

use super::resolve::Found;
use super::serve;
use crate::api::Api;
use crate::carry::{self, Busy};
use crate::cli::View;
use crate::failure::Failure;
use crate::home::Home;
use crate::local::listen::{Limit, Listener};
use crate::pick::slug;
use crate::reach::Server;
use crate::text::{note, result};
use crate::tunnel::Tunnel;
use crate::viewer::{Start, choose, putty, ssh};
use crate::word::Numbers;

/// Opens a shell.
pub(super) async fn ssh(home: Home, view: View) -> Result<(), Failure> {
    let program = if view.print {
        None
    } else {
        Some(choose(view.viewer.as_deref(), ssh::SSH)?)
    };
    let found = Found::find(home, &view.host, Numbers::Port).await?;
    let (id, user) = (found.host.id, found.word.user.clone());
    match program {
        Some(program) if !putty::is_putty(&program) => {
            let name = slug(&found.host.name);
            let host = ssh::Host {
                id,
                name: &name,
                port: ssh_port(&found),
                user: user.as_deref(),
            };
            let start = ssh::openssh(program, &own_program()?, host, view.args);
            // ssh's ProxyCommand opens the session, over a link of its own.
            drop(found.link);
            become_program(start).await
        }
        program => {
            let tunnel = found.open(Protocol::Ssh).await?;
            let listener = Listener::bind(serve::own_port(&tunnel), Limit::ONE).await?;
            let at = listener.local();
            let start = program.map(|p| putty::ssh(p, at, id, user.as_deref(), view.args));
            on_port(tunnel, listener, start).await
        }
    }
}

/// Prints lines for ssh's own settings: with the hosts there are now, so that
/// their keys are remembered as `culvert ssh` does.
pub(super) async fn config(home: Home) -> Result<(), Failure> {
    let hosts = match hosts(home).await {
        Ok(hosts) => hosts,
        Err(failure) => {
            note(&format!(
                "only the general lines, for want of the list of hosts: {}",
                failure.sentence()
            ));
            Vec::new()
        }
    };
    result(&ssh::config(&own_program()?, &hosts));
    Ok(())
}

async fn hosts(home: Home) -> Result<Vec<HostEntry>, Failure> {
    let mut server = Server::known(home)?;
    let (link, _events) = server.signed_in().await?;
    Ok(Api(&link).hosts("").await?.hosts)
}

/// Runs a program that connects to a loopback port, or prints the port.
pub(super) async fn on_port(
    tunnel: Tunnel,
    listener: Listener,
    start: Option<Start>,
) -> Result<(), Failure> {
    let child = match start {
        Some(start) => Some(serve::start(&start)?),
        None => {
            result(&format!("{}\n", listener.local()));
            note("connect a program to this address; Ctrl-C ends the session");
            None
        }
    };
    let (busy, seen) = watch::channel(Busy::default());
    let carrier = tokio::spawn(carry::forward(listener, tunnel.streams().clone(), 0, busy));
    serve::run(tunnel, carrier, seen, child).await
}

/// The port that was typed, else the host's own for SSH, else the usual one.
fn ssh_port(found: &Found) -> u16 {
    let services = found.host.services.iter();
    let own = services
        .filter(|service| service.protocol == Protocol::Ssh)
        .map(|service| service.port)
        .next();
    found.word.port.or(own).unwrap_or(22)
}

/// Our own file, for ssh to start.
fn own_program() -> Result<PathBuf, Failure> {
    std::env::current_exe().map_err(|source| Failure::Local {
        what: "this program's own file is not known".into(),
        source,
    })
}

/// ssh takes over: its terminal, its signals, its exit code.
#[cfg(unix)]
async fn become_program(start: Start) -> Result<(), Failure> {
    use std::os::unix::process::CommandExt as _;
    // The link's farewell leaves before the process is another one.
    tokio::task::yield_now().await;
    let source = std::process::Command::new(&start.program)
        .args(&start.args)
        .exec();
    Err(Failure::Viewer(crate::viewer::ViewerError::Start {
        program: start.program,
        source,
    }))
}

/// ssh runs on our terminal; its exit code is ours. Ctrl-C is its own.
#[cfg(not(unix))]
async fn become_program(start: Start) -> Result<(), Failure> {
    let mut child = serve::start(&start)?;
    loop {
        tokio::select! {
            status = child.wait() => {
                let status = status.map_err(|source| Failure::Local {
                    what: "the program was lost".into(),
                    source,
                })?;
                return serve::verdict(status);
            }
            _ = tokio::signal::ctrl_c() => {}
        }
    }
}
