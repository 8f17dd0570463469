//! The handshake: from a route and two keys to a session.

use std::sync::Arc;

use culvert_wire::key::{PublicKey, SigningKey};
use culvert_wire::reason::Reason;
use noq::{Connection, Endpoint, Incoming, TokioRuntime};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::error::SessionError;
use super::mux::Mux;
use super::route::PacketRoute;
use super::session::Session;
use crate::address::PathAddress;
use crate::{Ending, Options, Role, tls, transport};

/// Opens a session as the technician's end, with a key made for it alone.
///
/// The gateway may still find this end's key wrong after this returns; the
/// session then ends with [`Reason::PeerKey`].
///
/// # Errors
/// [`SessionError`]; [`Reason::PeerKey`] inside when the gateway is not the
/// one with the key `peer`.
pub async fn connect(
    route: impl PacketRoute,
    end: &SigningKey,
    peer: PublicKey,
    options: Options,
) -> Result<Session, SessionError> {
    let config = transport::client(tls::client(end, peer, options.ciphers)?, &options);
    let mux = Mux::new(Arc::new(route));
    let endpoint = endpoint(&mux, None)?;
    let connecting =
        endpoint.connect_with(config, PathAddress::RELAY.socket(), tls::SERVER_NAME)?;
    let connection = match timeout(options.handshake, connecting).await {
        Ok(connected) => connected.map_err(SessionError::from),
        Err(_) => Err(timed_out(&options)),
    };
    let connection = connection.inspect_err(|error| mux.end(error.ending()))?;
    Ok(Session::start(
        Role::Technician,
        endpoint,
        connection,
        mux,
        &options,
    ))
}

/// Awaits a session as the gateway, from the one technician's end that holds
/// the key `peer`.
///
/// # Errors
/// [`SessionError`] when the time for the handshake is over;
/// [`Reason::PeerKey`] inside when only another key came.
pub async fn accept(
    route: impl PacketRoute,
    identity: &SigningKey,
    peer: PublicKey,
    options: Options,
) -> Result<Session, SessionError> {
    let config = transport::server(tls::server(identity, peer, options.ciphers)?, &options);
    let mux = Mux::new(Arc::new(route));
    let endpoint = endpoint(&mux, Some(config))?;
    let mut noise = None;
    let proved = timeout(options.handshake, first_proved(&endpoint, &mut noise)).await;
    let connection = proved
        .unwrap_or_else(|_| Err(noise.unwrap_or_else(|| timed_out(&options))))
        .inspect_err(|error| mux.end(error.ending()))?;
    // One session, one peer: whoever else knocks is not answered.
    endpoint.set_server_config(None);
    Ok(Session::start(
        Role::Gateway,
        endpoint,
        connection,
        mux,
        &options,
    ))
}

fn timed_out(options: &Options) -> SessionError {
    SessionError::TimedOut {
        limit: options.handshake,
    }
}

fn endpoint(mux: &Arc<Mux>, server: Option<noq::ServerConfig>) -> Result<Endpoint, SessionError> {
    Ok(Endpoint::new_with_abstract_socket(
        transport::endpoint(),
        server,
        mux.socket(),
        Arc::new(TokioRuntime),
    )?)
}

/// Handshakes at the same time: a relay may invent first packets, and one
/// that is never finished must not stand in the real peer's way.
const MAX_HANDSHAKES: usize = 4;

/// The first connection whose peer proved its key. Handshakes that fail, with
/// another key too, are kept as `noise` and not the end: anybody on the way
/// can send one. A wrong key is the noise that tells most.
async fn first_proved(
    endpoint: &Endpoint,
    noise: &mut Option<SessionError>,
) -> Result<Connection, SessionError> {
    let mut handshakes = JoinSet::new();
    loop {
        tokio::select! {
            incoming = endpoint.accept() => match incoming {
                Some(incoming) if handshakes.len() < MAX_HANDSHAKES => {
                    handshakes.spawn(prove(incoming));
                }
                Some(incoming) => incoming.ignore(),
                None => return Err(SessionError::Ended(Ending::new(Reason::Internal, "endpoint closed"))),
            },
            Some(done) = handshakes.join_next() => match done {
                Ok(Ok(connection)) => return Ok(connection),
                Ok(Err(error)) => {
                    let known = noise.as_ref().map(SessionError::reason);
                    if known != Some(Reason::PeerKey) {
                        *noise = Some(error);
                    }
                }
                // It panicked; the next may not.
                Err(_) => {}
            },
        }
    }
}

/// Resolves only after the client's proof was verified.
async fn prove(incoming: Incoming) -> Result<Connection, SessionError> {
    Ok(incoming.await?)
}
