//! One session of a native program.

use std::sync::Arc;
use std::time::Duration;

use culvert_wire::Encode as _;
use culvert_wire::reason::Reason;
use culvert_wire::stream::Open;
use noq::{Connection, Endpoint, PathId};

use super::error::SessionError;
use super::incoming::Incoming;
use super::life::Life;
use super::mux::Mux;
use super::route::PacketRoute;
use super::stats::{Heard, PathStats, Stats};
use super::stream::Stream;
use crate::address::PathAddress;
use crate::{Ending, Options, Role};

/// An end-to-end encrypted session; clones are handles of the same one.
///
/// Dropping the last handle closes it: [`Reason::ClosedByTechnician`] at the
/// technician's end, [`Reason::Internal`] at the gateway, which should always
/// say why.
#[derive(Debug, Clone)]
pub struct Session(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    role: Role,
    endpoint: Endpoint,
    life: Arc<Life>,
    mux: Arc<Mux>,
    incoming: Incoming,
}

impl Session {
    pub(super) fn start(
        role: Role,
        endpoint: Endpoint,
        connection: Connection,
        mux: Arc<Mux>,
        options: &Options,
    ) -> Self {
        let life = Arc::new(Life::new(connection));
        let incoming = Incoming::start(&life, options);
        Self(Arc::new(Inner {
            role,
            endpoint,
            life,
            mux,
            incoming,
        }))
    }

    /// Which end this is.
    pub fn role(&self) -> Role {
        self.0.role
    }

    /// Opens a stream (technician). Bytes may be written at once; the answer
    /// comes with the first read or [`Stream::answer`]. Waits while too many
    /// streams are open.
    ///
    /// # Errors
    /// [`SessionError::Ended`] when the session is over.
    pub async fn open(&self, open: Open) -> Result<Stream, SessionError> {
        let life = &self.0.life;
        let opened = life.connection.open_bi().await;
        let (mut send, recv) = opened.map_err(|error| life.over(&error))?;
        if send.write_all(&open.to_bytes()).await.is_err() {
            return Err(SessionError::Ended(self.closed().await));
        }
        Ok(Stream::new(self.0.role, open.lane, life, (send, recv)))
    }

    /// The next stream that the peer opened (gateway), with what it wants.
    /// It has to be answered with [`Stream::reply`] before bytes are written.
    /// Malformed openings were refused already.
    ///
    /// # Errors
    /// [`SessionError::Ended`] when the session is over.
    pub async fn accept(&self) -> Result<(Open, Stream), SessionError> {
        match self.0.incoming.next().await {
            Some(opened) => Ok(opened),
            None => Err(SessionError::Ended(self.closed().await)),
        }
    }

    /// Puts a new route under the relay path after the link came back. What
    /// was on the way is sent again; nothing is lost.
    pub fn replace_route(&self, route: impl PacketRoute) {
        self.0.mux.replace_relay(Arc::new(route));
        // Asks for an acknowledgement at once, which shows what was lost,
        // rather than at the end of a backed-off timer.
        if let Some(path) = self.0.life.connection.path(PathId::ZERO) {
            // Fails only when the path is gone, and the session with it.
            let _ = path.ping();
        }
    }

    /// Waits until the relay path's route is closed; says why if it is known.
    /// Give a new one with [`Session::replace_route`], or close the session.
    pub async fn route_lost(&self) -> Option<Ending> {
        self.0.mux.relay_lost().await
    }

    /// What the peer has sent so far.
    pub fn heard(&self) -> Heard {
        Heard(self.0.life.connection.stats().frame_rx)
    }

    /// Figures of the paths.
    pub fn stats(&self) -> Stats {
        let row = |stats: noq::PathStats, path: PathAddress| PathStats {
            kind: path.kind,
            rtt: stats.rtt,
            sent_bytes: stats.udp_tx.bytes,
            received_bytes: stats.udp_rx.bytes,
            sent_packets: stats.udp_tx.datagrams,
            lost_packets: stats.lost_packets,
            window: stats.cwnd,
            packet_size: stats.current_mtu,
        };
        // The relay path is QUIC's first and outlives all others.
        let relay = self.0.life.connection.path_stats(PathId::ZERO);
        Stats {
            paths: relay
                .map(|stats| row(stats, PathAddress::RELAY))
                .into_iter()
                .collect(),
            dropped_batches: self.0.mux.dropped(),
        }
    }

    /// Ends the session; the first reason given stands. Streams end with it.
    pub fn close(&self, reason: Reason, text: &str) {
        self.0.life.close(Ending::new(reason, text));
    }

    /// Waits for the end, whoever brings it.
    pub async fn closed(&self) -> Ending {
        self.0.life.closed().await
    }

    /// Why the session is over, if it is.
    pub fn ending(&self) -> Option<Ending> {
        self.0.life.ending()
    }

    /// After [`Session::close`]: waits, at most a second, until the peer was
    /// told. A program that exits earlier makes the peer wait for its timer.
    pub async fn told(&self) {
        /// A close is one packet; more waiting helps nobody.
        const LIMIT: Duration = Duration::from_secs(1);
        // The limit only bounds the courtesy.
        let _ = tokio::time::timeout(LIMIT, self.0.endpoint.wait_all_draining()).await;
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let reason = match self.role {
            Role::Technician => Reason::ClosedByTechnician,
            Role::Gateway => Reason::Internal,
        };
        self.life.close(Ending::new(reason, ""));
        if let Some(ending) = self.life.ending() {
            self.mux.end(ending);
        }
    }
}
