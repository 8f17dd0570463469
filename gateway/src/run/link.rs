//! What the loop does when the link comes, goes or speaks.

use std::time::Duration;

use culvert_link::{ConnectError, Event, Events, Link};
use culvert_wire::frame::{Frame, Refused, Welcome};
use culvert_wire::id::SessionId;
use culvert_wire::reason::Reason;
use tokio::time::Instant;
use tracing::{debug, error, info, warn};

use super::{LinkState, Loop, Reported};
use crate::renewal::Renewal;
use crate::session::{Refusal, Voice};
use crate::status::{LastError, LinkStatus};

impl Loop {
    pub(super) fn link_changed(&mut self, state: Reported) {
        match state {
            Some(LinkState::Up(link, events)) => self.up(link, events),
            Some(LinkState::Down(reason, text)) => self.down(reason, &text),
            Some(LinkState::Failed { error, wait }) => self.failed(&error, wait),
            // Its task lives as long as it does.
            None => {}
        }
    }

    fn up(&mut self, link: Link, events: Events) {
        self.clock.hear(link.link_time());
        self.terminals.hear(self.clock);
        // The hello's own time: a grant may follow in the same millisecond.
        self.sessions.handle_hello(link.proven().link_time);
        self.link = Some((link, events));
        let all: Vec<SessionId> = self.handles.keys().copied().collect();
        all.into_iter().for_each(|id| self.rejoin(id));
        self.update.forget_told();
        self.renewal = Some(Renewal::new(Instant::now(), rand::random()));
        self.standing.hurry(!self.sessions.is_empty());
    }

    /// Gives a session a new route, if there is a link.
    pub(super) fn rejoin(&self, id: SessionId) {
        let (Some((link, _)), Some(handle)) = (&self.link, self.handles.get(&id)) else {
            return;
        };
        match link.join(id, None, &self.identity.signing) {
            // Full: the task already has a newer link's route to take.
            Ok(route) => drop(handle.routes.try_send(route)),
            Err(error) => debug!(session = %id, %error, "Not rejoined"),
        }
    }

    /// Leaves a healthy link, to come back at once with a true link time.
    pub(super) fn renew_link(&mut self) {
        let busy = !self.sessions.is_empty();
        let renew = |renewal: &mut Renewal| renewal.handle_timeout(busy, Instant::now());
        if !self.renewal.as_mut().is_some_and(renew) {
            return;
        }
        info!("The link is made anew, as about every day");
        self.renewal = None;
        self.standing.hurry(true);
        if let Some((link, _)) = self.link.take() {
            link.close(Reason::Finished);
        }
    }

    fn down(&mut self, reason: Reason, text: &str) {
        self.link = None;
        self.renewal = None;
        self.status.link = LinkStatus::Down;
        if reason != Reason::Finished {
            self.fault(reason.slug(), &said(reason, text));
        }
        self.tell_status();
    }

    fn failed(&mut self, error: &ConnectError, wait: Duration) {
        let cause = error.cause();
        let known = self
            .status
            .last_error
            .as_ref()
            .is_some_and(|last| last.cause == cause);
        if known && self.status.link == LinkStatus::Down {
            debug!(cause, %error, ?wait, "Still no link");
            return;
        }
        warn!(cause, wait_s = wait.as_secs(), "No link");
        debug!(%error, "No link");
        self.status.link = LinkStatus::Down;
        self.fault(cause, &error.to_string());
        self.tell_status();
    }

    pub(super) fn heard(&mut self, event: Option<Event>) {
        match event {
            Some(Event::Welcome(welcome)) => self.welcomed(&welcome),
            Some(Event::Refused(refused)) => self.refused(&refused),
            Some(Event::Invite(invite)) => self.with_voice(|this, voice| {
                let now = this.clock.now();
                if this.supervised.paused() {
                    let reason = Reason::CustomerPause;
                    let refusal = Refusal::new(reason, reason.sentence());
                    return this.sessions.handle_unable(&invite, refusal);
                }
                match this.dialer.guard() {
                    Ok(guard) => this.sessions.handle_invite(&invite, &voice, &guard, now),
                    Err(refusal) => this.sessions.handle_unable(&invite, refusal),
                }
            }),
            Some(Event::Revoke(order)) => self.with_voice(|this, voice| {
                let now = this.clock.now().link;
                if let Err(refusal) = this.sessions.handle_revocation(&order, &voice, now) {
                    warn!(reason = refusal.reason.slug(), "Revocation refused");
                }
            }),
            Some(Event::Drain { come_back_ms, .. }) => {
                info!(come_back_ms, "The server restarts");
                let wish = Duration::from_millis(come_back_ms.into());
                self.standing.come_back_in(wish);
            }
            Some(Event::Offer(offer)) => self.update.handle_offer(offer, &self.supervised),
            // The standing link tells why.
            None => self.link = None,
        }
    }

    fn with_voice(&mut self, act: impl FnOnce(&mut Self, Voice<'_>)) {
        let Some((link, _)) = &self.link else {
            return;
        };
        let proven = link.proven().clone();
        let epoch_floor = proven.statement.epoch;
        act(
            self,
            Voice {
                node: &proven.statement,
                provider: &proven.provider,
                epoch_floor,
            },
        );
    }

    fn welcomed(&mut self, welcome: &Welcome) {
        let Some((link, _)) = &self.link else {
            return;
        };
        let proven = link.proven();
        let now = self.clock.now().link;
        let stored = self.memory.change(|state| {
            state.clock_floor = state.clock_floor.max(proven.link_time);
            state.keep_lease(welcome.lease);
            if let Some(claim) = &mut state.claim {
                claim.provider = proven.provider;
                claim.epoch_floor = claim.epoch_floor.max(proven.statement.epoch);
                claim.gateway = welcome.gateway.or(claim.gateway);
                claim.confirmed = true;
            }
        });
        match (stored, welcome.lease) {
            // Acknowledged only when it is on the disk: else a power cut would
            // make this box look like its own clone.
            (Ok(()), Some(lease)) => drop(link.send(Frame::LeaseStored(lease))),
            (Ok(()), None) => {}
            (Err(error), _) => error!(%error, "The box's state cannot be written"),
        }
        info!(server = %welcome.version, assigned = welcome.gateway.is_some(), "Linked");
        self.status.link = match welcome.lease {
            Some(_) => LinkStatus::Up {
                server: welcome.version.clone(),
            },
            None => LinkStatus::Quarantined,
        };
        if self.status.link == LinkStatus::Quarantined {
            warn!("The server gave no lease: this box is in quarantine");
            let reason = Reason::Quarantined;
            self.fault(reason.slug(), reason.sentence());
        }
        self.status.link_time_ms = Some(now.0);
        self.reports.again(Instant::now());
        self.send_reports();
        self.tell_health();
        self.tell_status();
    }

    fn refused(&mut self, refused: &Refused) {
        warn!(
            reason = refused.reason.slug(),
            retry_ms = refused.retry_after_ms,
            "Refused"
        );
        self.standing
            .come_back_in(Duration::from_millis(refused.retry_after_ms.into()));
        if let Some((link, _)) = self.link.take() {
            link.close(Reason::Finished);
        }
        self.status.link = LinkStatus::Down;
        self.fault(refused.reason.slug(), &said(refused.reason, &refused.text));
        self.tell_status();
    }

    fn fault(&mut self, cause: &str, text: &str) {
        self.status.last_error = Some(LastError {
            cause: cause.to_owned(),
            text: text.to_owned(),
        });
    }

    pub(super) fn tell_status(&mut self) {
        self.status.sessions = self.sessions.len();
        self.supervised.tell(&self.status);
        if let Err(error) = self.status.store(&self.settings.data_dir) {
            debug!(%error, "The status cannot be written");
        }
    }
}

fn said(reason: Reason, text: &str) -> String {
    match text {
        "" => reason.sentence().to_owned(),
        text => format!("{}: {text}", reason.sentence()),
    }
}
