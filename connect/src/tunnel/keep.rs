//! Keeps a session: more time before it is over, a new link when one is lost.
//!
//! Runs beside the session and ends with it. A person sees nothing of it but a
//! line when the link is lost and when it is back.

use std::time::Duration;

use culvert_link::backoff::Backoff;
use culvert_link::{Event, Events, Link};
use culvert_session::Ending;
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

/// A server's wish to be left alone is kept this long: the gateway gives us up 25 s
/// after our last word.
const LONGEST_WISH: Duration = Duration::from_secs(15);

/// What keeping a session takes.
pub(super) struct Kept {
    pub(super) server: Server,
    pub(super) link: Link,
    pub(super) events: Events,
    pub(super) end: SigningKey,
    pub(super) id: SessionId,
    pub(super) ends_at: UnixMs,
    pub(super) waits: Waits,
}

/// When to come back, and since when the link is there.
pub(super) struct Waits {
    backoff: Backoff,
    since: Instant,
}

impl Waits {
    /// A link is up now.
    pub(super) fn new() -> Self {
        Self {
            backoff: Backoff::default(),
            since: Instant::now(),
        }
    }

    /// The server named a time before it ended the link.
    fn handle_event(&mut self, event: &Event) {
        let wish = match event {
            Event::Drain { come_back_ms, .. } => *come_back_ms,
            Event::Refused(refused) => refused.retry_after_ms,
            Event::Welcome(_) | Event::Invite(_) | Event::Revoke(_) | Event::Offer(_) => return,
        };
        let wish = Duration::from_millis(wish.into());
        self.backoff.handle_wish(wish.min(LONGEST_WISH));
    }

    fn handle_down(&mut self) {
        self.backoff.handle_down(self.since.elapsed());
    }

    /// How long to wait before the next try; `random` is in 0..1. All technicians of a
    /// server lose it at the same moment, and do not return at the same moment.
    fn next(&mut self, random: f64) -> Duration {
        self.backoff.next_hurried(random)
    }
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
                event = self.events.next() => match event {
                    Some(event) => {
                        self.waits.handle_event(&event);
                        if let Event::Drain { .. } = event {
                            note("the server is restarting; the session goes on when it is back");
                        }
                    }
                    None if self.lost_link(&session).await => {}
                    None => return,
                },
                ending = session.route_lost() => {
                    let ending = ending.unwrap_or_else(|| Ending::new(Reason::LinkLost, ""));
                    if is_over(ending.reason, !self.link.is_closed()) {
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
        if reason.is_final() {
            session.close(reason, &text);
            return false;
        }
        self.follow(session).await
    }

    /// Opens another link and rejoins; false when the session is over.
    async fn follow(&mut self, session: &Session) -> bool {
        note("the connection to the server was lost; connecting again");
        self.waits.handle_down();
        loop {
            let wait = self.waits.next(rand::random());
            tokio::select! {
                _ = session.closed() => return false,
                () = sleep(wait) => {}
            }
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
        }
    }

    fn rejoin(&mut self, session: &Session, (link, events): (Link, Events)) -> Result<(), Failure> {
        let route = link.join(self.id, None, &self.end)?;
        session.replace_route(route);
        (self.link, self.events) = (link, events);
        self.waits.since = Instant::now();
        Ok(())
    }
}

/// Whether a session is over whose route was closed. One that closes on a link that
/// lives was closed on purpose, unless the server could not take it just then.
fn is_over(reason: Reason, link_lives: bool) -> bool {
    reason.is_final() || (link_lives && !reason.is_of_the_moment())
}

/// A refusal that no later try would change.
fn refusal(failure: &Failure) -> Option<Reason> {
    let Failure::Link(closed) = failure else {
        return None;
    };
    closed.reason.is_final().then_some(closed.reason)
}

#[cfg(test)]
mod tests {
    use culvert_wire::frame::Refused;

    use super::*;

    /// P3: a rejoin while the server's database was away ended sessions that were whole.
    #[test]
    fn a_server_that_cannot_take_a_route_just_now_is_asked_again() {
        for reason in [
            Reason::DatabaseDown,
            Reason::StorageFull,
            Reason::ServerFull,
            Reason::Throttled,
        ] {
            assert!(!is_over(reason, true) && !is_over(reason, false));
        }
        for reason in [Reason::PeerLost, Reason::GatewayOffline] {
            assert!(is_over(reason, true) && !is_over(reason, false));
        }
        for reason in [Reason::AccessRevoked, Reason::TicketInvalid] {
            assert!(is_over(reason, true) && is_over(reason, false));
        }
    }

    fn refused(retry_after_ms: u32) -> Event {
        Event::Refused(Refused {
            reason: Reason::ServerFull,
            retry_after_ms,
            text: String::new(),
        })
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_takes_the_link_and_refuses_is_asked_less_and_less() {
        let mut waits = Waits::new();
        let mut heard = Vec::new();
        for _ in 0..4 {
            waits.since = Instant::now();
            waits.handle_event(&refused(0));
            waits.handle_down();
            heard.push(waits.next(1.0).as_secs());
        }
        assert_eq!(heard, [2, 4, 5, 5]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_time_that_the_server_names_is_kept_as_long_as_the_session_lives() {
        let mut waits = Waits::new();
        waits.handle_event(&refused(3000));
        assert_eq!(waits.next(0.0), Duration::from_secs(3));
        // Once only.
        assert_eq!(waits.next(0.0), Duration::ZERO);

        waits.handle_event(&Event::Drain {
            come_back_ms: 60_000,
            sessions_end_ms: 0,
        });
        assert_eq!(waits.next(0.0), LONGEST_WISH);
    }
}
