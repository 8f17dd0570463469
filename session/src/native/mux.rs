//! The packet multiplexer: one socket for QUIC, any number of paths below.
//!
//! Maps the invented addresses of [`crate::address`] to what carries them. It
//! never answers "later" to a sender: one blocked path would block the packets
//! of all others, so what a path does not take is dropped and counted, and
//! QUIC sends it again. Knows nothing of what the packets hold.

use std::fmt;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};

use culvert_wire::frame::Packets;
use noq::udp::{RecvMeta, Transmit};
use noq::{AsyncUdpSocket, UdpSender};
use tokio::sync::Notify;

use super::route::PacketRoute;
use crate::Ending;
use crate::address::{LOCAL, PathAddress, PathKind};
use crate::transport::{MAX_BATCH, MAX_PACKET};

/// The paths below one session; shared by the socket, its senders and the
/// session.
pub(super) struct Mux {
    relay: Mutex<Relay>,
    lost: Notify,
    /// Why the session ended: what the routes are left with.
    ending: OnceLock<Ending>,
    /// INVARIANT: true exactly while `relay.route` is known to be closed.
    relay_closed: AtomicBool,
    dropped: AtomicU64,
}

/// What carries the relay path now.
struct Relay {
    route: Arc<dyn PacketRoute>,
    /// Who waits for packets; woken when the route is replaced.
    reader: Option<Waker>,
}

impl Mux {
    pub(super) fn new(route: Arc<dyn PacketRoute>) -> Arc<Self> {
        Arc::new(Self {
            relay: Mutex::new(Relay {
                route,
                reader: None,
            }),
            lost: Notify::new(),
            ending: OnceLock::new(),
            relay_closed: AtomicBool::new(false),
            dropped: AtomicU64::new(0),
        })
    }

    /// Puts another carrier under the relay path; the old one is dropped.
    pub(super) fn replace_relay(&self, route: Arc<dyn PacketRoute>) {
        let (old, reader) = {
            let mut relay = self.relay();
            self.relay_closed.store(false, Ordering::Relaxed);
            (
                std::mem::replace(&mut relay.route, route),
                relay.reader.take(),
            )
        };
        drop(old);
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    /// Waits until the relay path's carrier is closed; says why if it knows.
    pub(super) async fn relay_lost(&self) -> Option<Ending> {
        loop {
            let lost = self.lost.notified();
            if self.relay_closed.load(Ordering::Relaxed) {
                return self.relay().route.ended();
            }
            lost.await;
        }
    }

    /// Says why the session is over; the first word stands. The paths are left
    /// when the last packet has gone.
    pub(super) fn end(&self, ending: Ending) {
        self.ending.get_or_init(|| ending);
    }

    /// Batches that no path took.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// The other half of a session: what QUIC reads from and sends to.
    pub(super) fn socket(self: &Arc<Self>) -> Box<dyn AsyncUdpSocket> {
        Box::new(Socket {
            mux: self.clone(),
            rest: None,
        })
    }

    fn send(&self, to: SocketAddr, segment: usize, payload: &[u8]) {
        let taken = match (PathAddress::of(to), u16::try_from(segment)) {
            (Some(path), Ok(segment)) => self.send_on(path, segment, payload),
            (None, _) | (_, Err(_)) => false,
        };
        if !taken {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Further path kinds get their carriers here.
    fn send_on(&self, path: PathAddress, segment: u16, payload: &[u8]) -> bool {
        match path.kind {
            PathKind::Relay => {
                let route = self.relay().route.clone();
                route.try_send(segment, payload)
            }
            PathKind::RelayUdp
            | PathKind::DirectUdp
            | PathKind::DirectTcp
            | PathKind::TurnUdp
            | PathKind::TurnTcp
            | PathKind::DataChannel => false,
        }
    }

    fn poll_relay(&self, cx: &mut Context<'_>) -> Poll<Packets> {
        let mut relay = self.relay();
        if !self.relay_closed.load(Ordering::Relaxed) {
            match relay.route.poll_recv(cx) {
                Poll::Ready(Some(packets)) => return Poll::Ready(packets),
                Poll::Ready(None) => {
                    self.relay_closed.store(true, Ordering::Relaxed);
                    self.lost.notify_waiters();
                }
                Poll::Pending => {}
            }
        }
        relay.reader = Some(cx.waker().clone());
        Poll::Pending
    }

    fn relay(&self) -> MutexGuard<'_, Relay> {
        // A panic in a carrier must not end the other sessions' sockets.
        self.relay.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Mux {
    fn drop(&mut self) {
        if let Some(ending) = self.ending.get() {
            self.relay().route.farewell(ending);
        }
    }
}

impl fmt::Debug for Mux {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mux").finish_non_exhaustive()
    }
}

/// Packets of a batch that one call hands to QUIC or takes from it.
const MAX_SEGMENTS: NonZeroUsize =
    NonZeroUsize::new(MAX_BATCH / MAX_PACKET as usize).expect("a batch holds packets");
/// Batches handed to QUIC in one call. Few: each touches a buffer of its own
/// that stays in memory.
const MAX_MESSAGES: usize = 4;

#[derive(Debug)]
struct Socket {
    mux: Arc<Mux>,
    /// What did not fit the last buffer.
    rest: Option<Packets>,
}

impl Socket {
    /// Copies whole packets of `packets` into `buffer`, keeps what is left.
    fn fill(&mut self, mut packets: Packets, buffer: &mut [u8]) -> Option<RecvMeta> {
        let segment = usize::from(packets.segment);
        if segment == 0 || packets.payload.is_empty() {
            return None;
        }
        let whole = buffer.len() / segment * segment;
        if whole == 0 {
            // Larger than this end announced: nobody honest sends it.
            return None;
        }
        let taken = packets.payload.split_to(whole.min(packets.payload.len()));
        if !packets.payload.is_empty() {
            self.rest = Some(packets);
        }
        buffer[..taken.len()].copy_from_slice(&taken);
        let mut meta = RecvMeta::default();
        meta.addr = PathAddress::RELAY.socket();
        meta.len = taken.len();
        meta.stride = segment.min(taken.len());
        culvert_link::ws::recycle(taken);
        Some(meta)
    }
}

impl AsyncUdpSocket for Socket {
    fn create_sender(&self) -> Pin<Box<dyn UdpSender>> {
        Box::pin(Sender {
            mux: self.mux.clone(),
        })
    }

    fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let room = buffers.len().min(metas.len()).min(MAX_MESSAGES);
        let mut filled = 0;
        while filled < room {
            let packets = match self.rest.take() {
                Some(rest) => rest,
                None => match self.mux.poll_relay(cx) {
                    Poll::Ready(packets) => packets,
                    Poll::Pending if filled == 0 => return Poll::Pending,
                    Poll::Pending => break,
                },
            };
            if let Some(meta) = self.fill(packets, &mut buffers[filled]) {
                metas[filled] = meta;
                filled += 1;
            }
        }
        Poll::Ready(Ok(filled))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(LOCAL)
    }

    fn max_receive_segments(&self) -> NonZeroUsize {
        MAX_SEGMENTS
    }

    fn may_fragment(&self) -> bool {
        false
    }
}

#[derive(Debug)]
struct Sender {
    mux: Arc<Mux>,
}

impl UdpSender for Sender {
    fn poll_send(
        self: Pin<&mut Self>,
        transmit: &Transmit<'_>,
        _: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let segment = transmit.segment_size.unwrap_or(transmit.contents.len());
        self.mux
            .send(transmit.destination, segment, transmit.contents);
        Poll::Ready(Ok(()))
    }

    fn max_transmit_segments(&self) -> NonZeroUsize {
        MAX_SEGMENTS
    }
}
