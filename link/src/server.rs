//! The server's half of one upgraded connection: proves itself at once, reads
//! who the endpoint is, and hands over a [`Pipe`].
//!
//! Nothing an endpoint sends before its proof is longer than `MAX_HELLO` or
//! waited for longer than [`HELLO_TIMEOUT`]. Whether the endpoint may come in
//! is the caller's decision. Driven by the cloud server's plane.

use std::time::Duration;

use bytes::Bytes;
use culvert_wire::hello::{Binding, LinkAuth, MAX_HELLO, NONCE_LEN, ServerProof};
use culvert_wire::key::{BadSignature, SigningKey};
use culvert_wire::statement::{ProviderRotation, SignedStatement};
use culvert_wire::{Decode as _, DecodeError, Encode as _, UnixMs};
use data_encoding::BASE32_NOPAD_NOCASE;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout};

use crate::keepalive::Keepalive;
use crate::pipe::Pipe;
use crate::ws::{Incoming, Role, Ws, WsError};

/// How long an endpoint may take to say who it is.
pub const HELLO_TIMEOUT: Duration = Duration::from_secs(10);

/// What this node proves itself with.
#[derive(Debug, Clone)]
pub struct Prover {
    /// The node's key.
    pub node: SigningKey,
    /// The provider's word on it.
    pub statement: SignedStatement,
    /// Newer provider keys, oldest rotation first.
    pub rotations: Vec<ProviderRotation>,
}

/// An endpoint that has proved its key; not yet admitted.
#[derive(Debug)]
pub struct Arrival<S> {
    /// Its connection.
    pub pipe: Pipe<S>,
    /// Who it says it is; the signature holds.
    pub auth: LinkAuth,
    /// What this link's signatures cover.
    pub binding: Binding,
}

/// Why an endpoint never arrived.
#[derive(Debug, thiserror::Error)]
pub enum ArriveError {
    /// The connection ended or broke the WebSocket rules.
    #[error(transparent)]
    WebSocket(#[from] WsError),
    /// It said nothing in time.
    #[error("the endpoint did not say who it is within {HELLO_TIMEOUT:?}")]
    TimedOut,
    /// It sent something else.
    #[error("the endpoint's first message cannot be read")]
    Decode(#[from] DecodeError),
    /// It closed, or sent text.
    #[error("the endpoint left without saying who it is")]
    Left,
    /// It does not hold the key it names.
    #[error("the endpoint could not prove its key")]
    Signature(#[from] BadSignature),
}

/// Reads the endpoint's nonce from its request header.
pub fn client_nonce(header: &[u8]) -> Option<[u8; NONCE_LEN]> {
    let bytes = BASE32_NOPAD_NOCASE.decode(header).ok()?;
    bytes.try_into().ok()
}

/// Proves this node to an endpoint and learns who that is.
///
/// `leftover` was read behind the upgrade request, `now` is signed as link
/// time.
///
/// # Errors
/// [`ArriveError`]; the connection is dropped.
pub async fn arrive<S: AsyncRead + AsyncWrite + Unpin>(
    io: S,
    leftover: &[u8],
    exporter: [u8; NONCE_LEN],
    client_nonce: [u8; NONCE_LEN],
    prover: &Prover,
    now: UnixMs,
) -> Result<Arrival<S>, ArriveError> {
    let binding = Binding {
        exporter,
        client_nonce,
        server_nonce: rand::random(),
    };
    let proof = ServerProof::sign(
        prover.statement.clone(),
        prover.rotations.clone(),
        now,
        &binding,
        &prover.node,
    );
    let mut ws = Ws::new(io, Role::Server, MAX_HELLO, leftover);
    ws.send(&[], proof.to_bytes());
    let hello = timeout(HELLO_TIMEOUT, first_message(&mut ws))
        .await
        .map_err(|_| ArriveError::TimedOut)??;
    let auth = LinkAuth::from_bytes(&hello)?;
    auth.verify(&binding)?;
    Ok(Arrival {
        pipe: Pipe::new(ws, Keepalive::server(Instant::now())),
        auth,
        binding,
    })
}

async fn first_message<S: AsyncRead + AsyncWrite + Unpin>(
    ws: &mut Ws<S>,
) -> Result<Bytes, ArriveError> {
    loop {
        let message = std::future::poll_fn(|cx| {
            if let std::task::Poll::Ready(Err(error)) = ws.poll_flush(cx) {
                return std::task::Poll::Ready(Err(error));
            }
            ws.poll_next(cx)
        })
        .await?;
        match message {
            Incoming::Binary(data) => return Ok(data),
            Incoming::Ping(_) | Incoming::Pong => {}
            Incoming::Text(_) | Incoming::Close { .. } => return Err(ArriveError::Left),
        }
    }
}
