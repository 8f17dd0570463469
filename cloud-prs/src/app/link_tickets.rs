//! Tickets for browsers' links: a WebSocket needs one besides cookie and
//! Origin, so that a page elsewhere that gets a browser to open one has
//! nothing to say on it.
//!
//! Kept in memory: they hold for a minute, a restart voids them, and a page
//! asks for another. Only hashes are kept.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use culvert_wire::UnixMs;
use culvert_wire::api::LinkTicketAnswer;
use culvert_wire::frame::Refused;
use culvert_wire::hello::BrowserHello;
use culvert_wire::id::{TokenId, UserId};
use culvert_wire::reason::Reason;
use culvert_wire::ticket::Ticket;

use super::refusals::Kind;
use super::trail::Doer;
use super::{App, AppError, Call, Caller};
use crate::authz::{Action, Identity};

/// How long a ticket is good, in milliseconds.
const LIFE_MS: u64 = 60_000;
/// Tickets that one sign-in may have waiting: a few tabs, a few tries.
const PER_SIGN_IN: usize = 64;
/// Tickets that wait in all.
const MAX_WAITING: usize = 16_384;

/// A browser's sign-in, as its cookie proved it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sitting {
    /// Which sign-in.
    pub token: TokenId,
    /// Whose.
    pub user: UserId,
}

/// What was given out and not used.
#[derive(Default)]
pub(super) struct LinkTickets {
    waiting: Mutex<HashMap<[u8; 32], Given>>,
}

struct Given {
    token: TokenId,
    expires: UnixMs,
}

impl LinkTickets {
    /// Notes one; false when too many wait.
    fn give(&self, ticket: &Ticket, token: TokenId, expires: UnixMs, now: UnixMs) -> bool {
        let mut waiting = self.lock();
        let full = |waiting: &HashMap<_, Given>| {
            let hers = waiting.values().filter(|given| given.token == token);
            waiting.len() >= MAX_WAITING || hers.count() >= PER_SIGN_IN
        };
        if full(&waiting) {
            waiting.retain(|_, given| given.expires > now);
            if full(&waiting) {
                return false;
            }
        }
        waiting.insert(*ticket.hash().as_bytes(), Given { token, expires });
        true
    }

    /// Uses one up; true when it was good and of that sign-in.
    fn take(&self, ticket: &Ticket, token: TokenId, now: UnixMs) -> bool {
        let given = self.lock().remove(ticket.hash().as_bytes());
        given.is_some_and(|given| given.token == token && given.expires > now)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<[u8; 32], Given>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl App {
    /// Gives a ticket for one link of a browser.
    ///
    /// # Errors
    /// [`AppError`] when her role carries no sessions, or too many wait.
    pub fn add_link_ticket(&self, call: &Call) -> Result<LinkTicketAnswer, AppError> {
        call.needs(Action::SessionStart)?;
        let Identity::Person { token, .. } = &call.actor.identity else {
            return Err(AppError::not_allowed());
        };
        let ticket = Ticket::from_random(rand::random());
        let now = self.now();
        let expires = now.plus_ms(LIFE_MS);
        if !self.link_tickets.give(&ticket, *token, expires, now) {
            return Err(AppError::because(Reason::Throttled));
        }
        Ok(LinkTicketAnswer { ticket, expires })
    }

    /// Takes a browser's link: its ticket must be of the very sign-in whose
    /// cookie came with the upgrade, which must still hold. The ticket is used
    /// up either way.
    ///
    /// # Errors
    /// [`Refused`], for the link to send.
    pub async fn admit_browser(
        &self,
        hello: &BrowserHello,
        sitting: Sitting,
        from: SocketAddr,
    ) -> Result<Caller, Refused> {
        let refuse = |reason| {
            if reason == Reason::TicketInvalid {
                let doer = Doer::person(sitting.user, from.ip().to_string());
                self.note_refused(Kind::Link, doer, "", reason);
            }
            Refused {
                reason,
                retry_after_ms: 0,
                text: String::new(),
            }
        };
        if !self
            .link_tickets
            .take(&hello.ticket, sitting.token, self.now())
        {
            return Err(refuse(Reason::TicketInvalid));
        }
        match self.actor_by_id(sitting.token).await {
            Ok(Some(_)) => {}
            Ok(None) => return Err(refuse(Reason::SignedOut)),
            Err(error) => return Err(refuse(AppError::from(error).reason)),
        }
        let signed_in = Some((sitting.token, sitting.user));
        Ok(Caller::new(hello.link, from, signed_in))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticket(number: u8) -> Ticket {
        Ticket::from_random([number; 32])
    }

    fn token(number: u8) -> TokenId {
        TokenId::from_random([number; 16])
    }

    /// Threat 5: a used ticket, another sign-in's, one that is over.
    #[test]
    fn a_ticket_is_good_once_for_a_minute_and_for_its_own_sign_in() {
        let tickets = LinkTickets::default();
        let expires = UnixMs(LIFE_MS);
        for number in 1..=3 {
            assert!(tickets.give(&ticket(number), token(1), expires, UnixMs(0)));
        }

        assert!(tickets.take(&ticket(1), token(1), UnixMs(10)));
        assert!(!tickets.take(&ticket(1), token(1), UnixMs(11)), "used");
        assert!(!tickets.take(&ticket(2), token(2), UnixMs(12)), "hers");
        assert!(!tickets.take(&ticket(2), token(1), UnixMs(13)), "burnt");
        assert!(!tickets.take(&ticket(3), token(1), expires), "over");
    }

    #[test]
    fn tickets_that_wait_are_bounded_and_old_ones_make_room() {
        let tickets = LinkTickets::default();
        let give = |at: u64| {
            let ticket = Ticket::from_random(rand::random());
            tickets.give(&ticket, token(1), UnixMs(at + LIFE_MS), UnixMs(at))
        };
        assert_eq!((0..1000).filter(|_| give(0)).count(), PER_SIGN_IN);
        let other = Ticket::from_random(rand::random());
        assert!(tickets.give(&other, token(2), UnixMs(LIFE_MS), UnixMs(0)));
        assert!(give(LIFE_MS));
    }
}
