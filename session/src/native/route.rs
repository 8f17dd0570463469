//! What the relay path asks of its carrier.

use std::sync::Arc;
use std::task::{Context, Poll};

use culvert_wire::frame::Packets;

use crate::Ending;

/// A way for packets to the one peer of a session, through somebody's relay.
///
/// It may lose, reorder and double packets; it must never block a sender.
pub trait PacketRoute: Send + Sync + 'static {
    /// Takes a batch of packets, each of `segment` bytes but the last, or
    /// drops it: `false` means dropped.
    fn try_send(&self, segment: u16, payload: &[u8]) -> bool;

    /// The next batch from the peer; `None` once the route is closed for good.
    fn poll_recv(&self, cx: &mut Context<'_>) -> Poll<Option<Packets>>;

    /// Why the route was closed, if it was and if its carrier knows.
    fn ended(&self) -> Option<Ending>;

    /// The session needs the route no more, for this reason.
    fn farewell(&self, ending: &Ending);
}

impl<R: PacketRoute + ?Sized> PacketRoute for Arc<R> {
    fn try_send(&self, segment: u16, payload: &[u8]) -> bool {
        (**self).try_send(segment, payload)
    }

    fn poll_recv(&self, cx: &mut Context<'_>) -> Poll<Option<Packets>> {
        (**self).poll_recv(cx)
    }

    fn ended(&self) -> Option<Ending> {
        (**self).ended()
    }

    fn farewell(&self, ending: &Ending) {
        (**self).farewell(ending);
    }
}

impl PacketRoute for culvert_link::Route {
    fn try_send(&self, segment: u16, payload: &[u8]) -> bool {
        Self::try_send(self, segment, payload)
    }

    fn poll_recv(&self, cx: &mut Context<'_>) -> Poll<Option<Packets>> {
        Self::poll_recv(self, cx)
    }

    fn ended(&self) -> Option<Ending> {
        let closed = self.closed()?;
        Some(Ending::new(closed.reason, &closed.text))
    }

    fn farewell(&self, ending: &Ending) {
        Self::leave(self, ending.reason, &ending.text);
    }
}
