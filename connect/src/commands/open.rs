//! `culvert open`: what the portal's links start.
//!
//! The ticket says who may what where; this program says with which viewer,
//! and asks before one is started.

use culvert_wire::grant::Protocol;

use super::{forward, prompt, serve, ssh as ssh_command, telnet, view, web};
use crate::cli::OpenAddress;
use crate::failure::{Exit, Failure};
use crate::home::Home;
use crate::launch;
use crate::local::listen::{Limit, Listener};
use crate::reach::Server;
use crate::scheme;
use crate::text::{note, plain};
use crate::tunnel::{Launched, Tunnel};
use crate::viewer::{browser, choose, desktop, putty, ssh};

/// Opens what a ticket stands for.
pub(super) async fn open(home: Home, address: OpenAddress) -> Result<(), Failure> {
    let Some(link) = address.address.filter(|_| !address.register) else {
        return registered(&home);
    };
    let ticket = launch::parse(&link)?;
    let mut server = Server::known(home)?;
    if !address.yes && !prompt::is_there() {
        let text = "nobody to ask whether this may be opened: use a terminal, or --yes";
        return Err(Failure::Person(text.into(), Exit::Usage));
    }
    let question = format!("Open a session that {} offers?", server.name());
    if !address.yes && !prompt::yes(&question)? {
        return Ok(());
    }
    let link = server.signed_in().await?;
    let (tunnel, what) = Tunnel::redeem(&server, link, ticket).await?;
    note(&format!("{} on {}", what.protocol, plain(&what.host)));
    start(tunnel, what, address.print).await
}

/// Makes this program the one for links of the portal.
fn registered(home: &Home) -> Result<(), Failure> {
    let program = std::env::current_exe().map_err(scheme::RegisterError::Program)?;
    for said in scheme::register(&program, home.named())? {
        note(&said);
    }
    Ok(())
}

async fn start(tunnel: Tunnel, what: Launched, print: bool) -> Result<(), Failure> {
    let (protocol, host) = (what.protocol, &what.host);
    let installed = |names| {
        if print {
            return Ok(None);
        }
        choose(None, names).map(Some)
    };
    match protocol {
        Protocol::Vnc => view::show(tunnel, protocol, installed(desktop::VNC)?, vec![]).await,
        Protocol::Rdp => view::show(tunnel, protocol, installed(desktop::RDP)?, vec![]).await,
        Protocol::Http | Protocol::Https => {
            web::browse(tunnel, installed(browser::BROWSERS)?, vec![]).await
        }
        Protocol::Ssh => {
            let program = installed(ssh::SSH)?;
            let listener = Listener::bind(serve::own_port(&tunnel), Limit::ONE).await?;
            let at = listener.local();
            let start = program.map(|program| {
                if putty::is_putty(&program) {
                    putty::ssh(program, at, what.id, None, vec![])
                } else {
                    ssh::openssh_port(program, at, what.id)
                }
            });
            ssh_command::on_port(tunnel, listener, start).await
        }
        Protocol::Telnet if !print => telnet::here(tunnel, host).await,
        Protocol::Telnet | Protocol::Tcp => forward::listen(tunnel, protocol, host, None).await,
    }
}
