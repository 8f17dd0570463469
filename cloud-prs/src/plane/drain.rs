//! Going away politely: links are told when to come back, sessions have a
//! stated time, then everything is closed.

use std::time::Duration;

use culvert_wire::frame::Frame;
use culvert_wire::reason::Reason;
use tokio::time::{Instant, timeout_at};
use tracing::info;

use super::Plane;

/// Time for the last words to all links.
const FAREWELL: Duration = Duration::from_secs(5);

impl Plane {
    /// Stops listening, lets running sessions go on for `sessions_end` at
    /// most, and asks links to come back after `come_back`. Afterwards
    /// [`Plane::serve`] returns.
    pub async fn drain(&self, come_back: Duration, sessions_end: Duration) {
        let millis = |time: Duration| u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
        self.inner.draining.send_replace(Some(come_back));
        let told = Frame::Drain {
            come_back_ms: millis(come_back),
            sessions_end_ms: millis(sessions_end),
        };
        let links = self.inner.core.with(|state| {
            let links: Vec<_> = state.parties.keys().copied().collect();
            for link in &links {
                state.relay.send(*link, &told);
            }
            links.len()
        });
        info!(links, "Draining");
        self.end_links(false);
        self.wait_empty(Instant::now() + sessions_end).await;
        self.end_links(true);
        self.wait_empty(Instant::now() + FAREWELL).await;
    }

    /// Ends links: those without a session, or all.
    fn end_links(&self, all: bool) {
        self.inner.core.with(|state| {
            let links: Vec<_> = state.parties.keys().copied().collect();
            for link in links {
                if all || !state.relay.is_busy(link) {
                    state.relay.end_link(link, Reason::ServerDraining, "");
                }
            }
        });
    }

    async fn wait_empty(&self, until: Instant) {
        loop {
            let departed = self.inner.core.departed.notified();
            tokio::pin!(departed);
            // Registered before looking, so that no departure is missed.
            departed.as_mut().enable();
            if self.inner.core.lock().relay.links() == 0 {
                return;
            }
            if timeout_at(until, departed).await.is_err() {
                return;
            }
            self.end_links(false);
        }
    }
}
