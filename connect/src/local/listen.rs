//! A loopback listener that lets in a bounded number of connections of our own
//! user, and no others.
//!
//! Closed (dropped) when the viewer ends or the session does. A connection that
//! is too many, or another user's, is closed at once and said on the terminal.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::owner::{Owner, owner};

/// How many connections a listener lets in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// At the same time.
    pub at_once: usize,
    /// In all; then the listener is closed.
    pub in_all: usize,
}

impl Limit {
    /// One connection, then closed: a terminal.
    pub const ONE: Self = Self {
        at_once: 1,
        in_all: 1,
    };
    /// One at a time; VNC viewers connect anew after a wrong password.
    pub const VNC: Self = Self {
        at_once: 1,
        in_all: 16,
    };
    /// mstsc and xfreerdp try security levels on connections of their own,
    /// and connect again after a question; old ones linger a moment.
    pub const RDP: Self = Self {
        at_once: 4,
        in_all: 32,
    };
    /// A forwarded port: any program, any protocol.
    pub const FORWARD: Self = Self {
        at_once: 64,
        in_all: usize::MAX,
    };
    /// A browser: six connections per host, and a few hosts.
    pub const WEB: Self = Self {
        at_once: 128,
        in_all: usize::MAX,
    };
}

/// A listener on loopback.
#[derive(Debug)]
pub struct Listener {
    listener: TcpListener,
    local: SocketAddr,
    left: usize,
    slots: Arc<Semaphore>,
}

/// A connection that was let in; its place is free again when it is dropped.
#[derive(Debug)]
pub struct Accepted {
    stream: TcpStream,
    slot: OwnedSemaphorePermit,
}

impl Accepted {
    /// The connection, and its place: free again when that is dropped.
    pub fn into_parts(self) -> (TcpStream, OwnedSemaphorePermit) {
        (self.stream, self.slot)
    }
}

impl Listener {
    /// Listens on a loopback address; port 0 takes a free one.
    ///
    /// # Errors
    /// [`ListenError`].
    pub async fn bind(at: SocketAddr, limit: Limit) -> Result<Self, ListenError> {
        if !at.ip().is_loopback() {
            return Err(ListenError::NotLoopback { at: at.ip() });
        }
        let taken = |source| ListenError::Taken { at, source };
        let listener = TcpListener::bind(at).await.map_err(taken)?;
        Ok(Self {
            local: listener.local_addr().map_err(taken)?,
            listener,
            left: limit.in_all,
            slots: Arc::new(Semaphore::new(limit.at_once)),
        })
    }

    /// Where it listens.
    pub const fn local(&self) -> SocketAddr {
        self.local
    }

    /// The next connection of our user; none when all were let in.
    pub async fn accept(&mut self) -> Option<Accepted> {
        while self.left > 0 {
            let (stream, peer) = match self.listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of descriptors, or the client is gone: neither ends us.
                    tracing::debug!(%error, "Accept failed");
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                    continue;
                }
            };
            if owner(peer, self.local) == Owner::Other {
                crate::text::note("refused a local connection of another user's program");
                continue;
            }
            let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() else {
                crate::text::note(
                    "refused a local connection: there are as many as this viewer may have",
                );
                continue;
            };
            prepare(&stream);
            self.left -= 1;
            return Some(Accepted { stream, slot });
        }
        None
    }
}

/// Keys and pointer moves must not wait for more bytes; urgent bytes (telnet's)
/// stay in their place in the stream. A connection that takes neither setting
/// is about to end anyway.
fn prepare(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    let _ = socket2::SockRef::from(stream).set_out_of_band_inline(true);
}

/// Why nothing listens.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Others could connect to it.
    #[error("{at} is not a loopback address: culvert listens for programs on this computer only")]
    NotLoopback {
        /// The address asked for.
        at: IpAddr,
    },
    /// The port is taken, or not allowed.
    #[error("cannot listen on {at}")]
    Taken {
        /// The address asked for.
        at: SocketAddr,
        /// The system's word.
        source: io::Error,
    },
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;

    async fn listener(limit: Limit) -> Listener {
        Listener::bind("127.0.0.1:0".parse().unwrap(), limit)
            .await
            .unwrap()
    }

    async fn is_closed(mut stream: TcpStream) -> bool {
        matches!(stream.read(&mut [0]).await, Ok(0) | Err(_))
    }

    /// Row 32: a second connection is refused.
    #[tokio::test]
    async fn the_second_connection_is_refused_and_the_first_lives() {
        let limit = Limit {
            at_once: 1,
            in_all: 2,
        };
        let mut listener = listener(limit).await;
        let at = listener.local();
        let _first = TcpStream::connect(at).await.unwrap();
        let held = listener.accept().await.unwrap();

        let second = TcpStream::connect(at).await.unwrap();
        let waiting = tokio::spawn(async move { listener.accept().await.map(|_| listener) });
        assert!(is_closed(second).await);

        drop(held);
        let _third = TcpStream::connect(at).await.unwrap();
        let mut listener = waiting.await.unwrap().expect("the place is free again");
        assert!(listener.accept().await.is_none(), "two in all");
    }

    #[tokio::test]
    async fn a_listener_for_one_closes_behind_it() {
        let mut listener = listener(Limit::ONE).await;
        let at = listener.local();
        let _first = TcpStream::connect(at).await.unwrap();
        let _held = listener.accept().await.unwrap();

        assert!(listener.accept().await.is_none());
        drop(listener);

        assert!(TcpStream::connect(at).await.is_err());
    }

    #[tokio::test]
    async fn only_loopback_is_listened_on() {
        for at in ["0.0.0.0:0", "[::]:0", "192.0.2.1:80"] {
            let refused = Listener::bind(at.parse().unwrap(), Limit::ONE).await;
            assert!(
                matches!(refused, Err(ListenError::NotLoopback { .. })),
                "{at}"
            );
        }
    }
}
