//! Gateways' hellos that wait to be judged, so that those that come together
//! are written together.

use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use culvert_wire::frame::{Refused, Welcome};
use culvert_wire::hello::GatewayHello;
use culvert_wire::id::{GatewayId, Lease};
use culvert_wire::reason::Reason;
use tokio::sync::oneshot;

/// Hellos in one transaction at most: others wait for its disk write.
const TOGETHER: usize = 256;

/// What a hello comes to: place and lease, or why not.
pub(super) type Admitted = Result<(GatewayId, Option<Lease>), Reason>;

/// One that waits.
pub(super) struct Hello {
    /// What the box said.
    pub(super) hello: GatewayHello,
    /// Its program and version.
    pub(super) version: String,
    /// From where.
    pub(super) from: SocketAddr,
    /// Who waits for the answer.
    pub(super) answer: oneshot::Sender<Result<Welcome, Refused>>,
}

/// Those that wait, and whose turn it is to write them.
#[derive(Default)]
pub(super) struct Hellos {
    /// Held while writing.
    pub(super) turn: tokio::sync::Mutex<()>,
    waiting: Mutex<Vec<Hello>>,
}

impl Hellos {
    pub(super) fn push(&self, hello: Hello) {
        self.lock().push(hello);
    }

    /// The oldest ones.
    pub(super) fn take(&self) -> Vec<Hello> {
        let mut waiting = self.lock();
        let count = waiting.len().min(TOGETHER);
        waiting.drain(..count).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Hello>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
