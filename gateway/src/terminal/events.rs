//! What the server is told about host keys: for display and the audit, never
//! for a decision.

use culvert_wire::frame::{HostKey, HostKeyEvent};
use tracing::debug;

use super::{Context, Terminals};

/// A host key as it is shown and told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) algorithm: String,
    pub(super) fingerprint: String,
}

impl Terminals {
    /// Tells the server, if there is room.
    pub(super) fn tell(
        &self,
        context: &Context,
        shown: &Shown,
        old: Option<String>,
        event: HostKeyEvent,
    ) {
        let told = self.0.tell.try_send(HostKey {
            session: context.grant.session,
            target: context.target().clone(),
            algorithm: shown.algorithm.clone(),
            fingerprint: shown.fingerprint.clone(),
            old,
            event,
        });
        if told.is_err() {
            debug!("The server is not told about a host key: too many at once");
        }
    }
}
