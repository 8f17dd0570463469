//! Keeps a session: more time before it is over, a new link when one is lost.
//!
//! Runs beside the session and ends with it. A person sees nothing of it but a
//! line when the link is lost and when it is back.

use std::time::Duration;

use culvert_link::{Event, Events, Link};
use culvert_session::Ending;
use culvert_session::ending::is_final;
use culvert_session::native::Session;
use culvert_wire::UnixMs;
use culvert_wire::id::SessionId;
use culvert_wire::key::SigningKey;
use culvert_wire::reason::Reason;
use tokio::time::{Instant, sleep, sleep_until};

use crate::api::Api;
use crate::failure::Failure;
use crate::reach::Server;
use crate::text::note;

/// First pause after a failed try for a new link; doubles up to [`LONGEST`].
const FIRST: Duration = Duration::from_millis(250);
/// Longest pause: the gateway gives us up 25 s after our last word.
const LONGEST: Duration = Duration::from_secs(4);

/// What keeping a session takes.
pub(super) struct Kept {
    pub(super) server: Server,
    pub(super) link: Link,
    pub(super) events: Events,
    pub(super) end: SigningKey,
    pub(super) id: SessionId,
    pub(super) ends_at: UnixMs,
}

impl Kept {
    /// Runs until the session is over.
    pub(super) async fn keep(mut self, session: Session) {
        let mut renewal = self.renewal();
        loop {
            tokio::select! {
                _ = session.closed() => return,
                () = sleep_until(renewal) => {
                    self.renew().await;
                    renewal = self.renewal();
                }
                event = self.events.next() => {
                    if let Some(Event::Drain { .. }) = event {
                        note("the server is restarting; the session goes on when it is back");
                    }
                    if event.is_none() && !self.lost_link(&session).await {
                        return;
                    }
                }
                ending = session.route_lost() => {
                    let ending = ending.unwrap_or_else(|| Ending::new(Reason::LinkLost, ""));
                    // A route that closes on a link that lives was closed on purpose.
                    if is_final(ending.reason) || !self.link.is_closed() {
                        session.close(ending.reason, &ending.text);
                        return;
                    }
                    if !self.follow(&session).await {
                        return;
                    }
                }
            }
        }
    }

    /// When three quarters of the time are over; a second from now at least.
    fn renewal(&self) -> Instant {
        let left = self.ends_at.ms_since(self.link.link_time());
        Instant::now() + Duration::from_millis((left / 4 * 3).max(1000))
    }

    /// Asks for more time. A refusal is no news yet: the end will say it.
    async fn renew(&mut self) {
        match Api(&self.link).renew(self.id).await {
            Ok(answer) => self.ends_at = answer.ends_at,
            Err(error) => tracing::debug!(error = error.sentence(), "Renewal failed"),
        }
    }

    /// Acts on the end of the link; false when the session is over with it.
    async fn lost_link(&mut self, session: &Session) -> bool {
        let (reason, text) = self.link.closed().await;
        if is_final(reason) {
            session.close(reason, &text);
            return false;
        }
        self.follow(session).await
    }

    /// Opens another link and rejoins; false when the session is over.
    async fn follow(&mut self, session: &Session) -> bool {
        note("the connection to the server was lost; connecting again");
        let mut pause = FIRST;
        loop {
            tokio::select! {
                _ = session.closed() => return false,
                linked = self.server.link() => match linked.and_then(|l| self.rejoin(session, l)) {
                    Ok(()) => {
                        note("connected again");
                        return true;
                    }
                    Err(failure) => {
                        if let Some(reason) = refusal(&failure) {
                            session.close(reason, "");
                            return false;
                        }
                        tracing::debug!(error = failure.sentence(), "Reconnect failed");
                    }
                },
            }
            tokio::select! {
                _ = session.closed() => return false,
                () = sleep(pause) => pause = (pause * 2).min(LONGEST),
            }
        }
    }

    fn rejoin(&mut self, session: &Session, (link, events): (Link, Events)) -> Result<(), Failure> {
        let route = link.join(self.id, None, &self.end)?;
        session.replace_route(route);
        (self.link, self.events) = (link, events);
        Ok(())
    }
}

/// A refusal that no later try would change.
fn refusal(failure: &Failure) -> Option<Reason> {
    let Failure::Link(closed) = failure else {
        return None;
    };
    is_final(closed.reason).then_some(closed.reason)
}
