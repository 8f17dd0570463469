//! `culvert forward`.

use std::net::{Ipv4Addr, SocketAddr};

use culvert_wire::grant::Protocol;
use tokio::sync::watch;

use super::resolve::Found;
use super::serve;
use crate::carry::{self, Busy};
use crate::cli::Forward;
use crate::failure::{Exit, Failure};
use crate::home::Home;
use crate::local::address::localhost_name;
use crate::local::listen::{Limit, Listener};
use crate::text::{note, result};
use crate::tunnel::Tunnel;
use crate::word::{HostWord, Numbers};

/// Makes a host's port reachable here until Ctrl-C.
pub(super) async fn forward(home: Home, forward: Forward) -> Result<(), Failure> {
    let Some(port) = HostWord::parse(&forward.target, Numbers::Port)?.port else {
        let text = "say which port: culvert forward HOST:PORT".to_owned();
        return Err(Failure::Person(text, Exit::Usage));
    };
    if let Some(at) = forward.listen.filter(|at| !at.ip().is_loopback()) {
        // Said before a session is made for nothing.
        return Err(crate::local::listen::ListenError::NotLoopback { at: at.ip() }.into());
    }
    let found = Found::find(home, &forward.target, Numbers::Port).await?;
    let (protocol, name) = (found.protocol_of(port), found.host.name.clone());
    let tunnel = found.open(protocol).await?;
    listen(tunnel, protocol, &name, forward.listen).await
}

/// Listens and carries, for any protocol.
pub(super) async fn listen(
    tunnel: Tunnel,
    protocol: Protocol,
    host: &str,
    at: Option<SocketAddr>,
) -> Result<(), Failure> {
    // Browsers take NAME.localhost for 127.0.0.1, whatever the host's own is.
    let own = match protocol {
        Protocol::Http | Protocol::Https => SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0),
        Protocol::Tcp | Protocol::Ssh | Protocol::Vnc | Protocol::Rdp | Protocol::Telnet => {
            serve::own_port(&tunnel)
        }
    };
    let listener = Listener::bind(at.unwrap_or(own), Limit::FORWARD).await?;
    let local = listener.local();
    result(&format!("{local}\n"));
    if matches!(protocol, Protocol::Http | Protocol::Https) {
        let name = localhost_name(host);
        note(&format!(
            "in a browser: {protocol}://{name}:{}/",
            local.port()
        ));
    }
    note("Ctrl-C ends the session");
    let (busy, seen) = watch::channel(Busy::default());
    let carrier = tokio::spawn(carry::forward(listener, tunnel.streams().clone(), 0, busy));
    serve::run(tunnel, carrier, seen, None).await
}
