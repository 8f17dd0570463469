//! Decides about sessions: what the gateway accepts, keeps and ends.
//!
//! A pure machine: no socket, no clock (a [`Moment`] is an argument), no
//! randomness. Every grant is verified here before any packet goes to a LAN
//! host; a relay's word alone opens nothing. Each refusal has a reason code
//! and a sentence without any address, which go back to the technician.
//!
//! After any `handle_*`: drain [`Sessions::poll_command`], then come back at
//! [`Sessions::poll_timeout`]. Driven by [`crate::run`].

mod broker;
mod command;
mod judge;
mod state;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use culvert_wire::UnixMs;
use culvert_wire::frame::{Invite, InviteResult, SessionEnded};
use culvert_wire::grant::{Grant, JOIN_WITHIN_MS, SignedGrant};
use culvert_wire::id::SessionId;
use culvert_wire::key::PublicKey;
use culvert_wire::reason::Reason;
use culvert_wire::revocation::{Scope, SignedRevocation};
use culvert_wire::ticket::Ticket;

use crate::guard::Guard;
use broker::Brokers;
pub use broker::Voice;
pub use command::{Command, Moment, Permits, Record, Refusal, Start};
use state::Session;

/// Session ids remembered until their join-by. A broker that asks for more in
/// one minute is refused, so memory stays bounded.
const MAX_REMEMBERED: usize = 4096;
/// Time from join-by until the technician's end must have proved its key: a
/// handshake over a slow line with losses.
const HANDSHAKE_MS: u64 = 15_000;

/// Every session of this process.
#[derive(Debug)]
pub struct Sessions {
    me: PublicKey,
    max_sessions: usize,
    /// Link time of the first hello: older grants are refused, so that none
    /// has to be remembered on disk.
    started: Option<UnixMs>,
    brokers: Brokers,
    sessions: BTreeMap<SessionId, Session>,
    /// Ids of opening grants and their join-by, until that has passed.
    remembered: BTreeMap<SessionId, Remembered>,
    /// The latest join-by of an id that was forgotten: should a server turn
    /// its clock back, grants up to here could be replays.
    forgotten: UnixMs,
    /// The highest revocation counter obeyed.
    revocations: u64,
    commands: VecDeque<Command>,
}

/// A grant that was used.
#[derive(Debug, Clone, Copy)]
struct Remembered {
    join_by: UnixMs,
    /// By the steady clock.
    until: u64,
}

impl Sessions {
    /// No sessions yet; `revocations` is the highest counter obeyed before.
    pub fn new(me: PublicKey, max_sessions: usize, revocations: u64) -> Self {
        Self {
            me,
            max_sessions,
            started: None,
            brokers: Brokers::default(),
            sessions: BTreeMap::new(),
            remembered: BTreeMap::new(),
            forgotten: UnixMs(0),
            revocations,
            commands: VecDeque::new(),
        }
    }

    /// A link is up; the first one fixes the oldest grant to accept.
    pub fn handle_hello(&mut self, now: UnixMs) {
        self.started.get_or_insert(now);
    }

    /// A session is wanted, or a running one renewed.
    pub fn handle_invite(
        &mut self,
        invite: &Invite,
        voice: &Voice<'_>,
        guard: &Guard,
        now: Moment,
    ) {
        self.forget(now.steady);
        let outcome = self
            .verify(invite, voice, now.link)
            .and_then(|grant| self.admit(grant, invite, guard, now));
        let (refused, next) = match outcome {
            Ok(command) => (None, Some(command)),
            Err(refusal) => (Some((refusal.reason, refusal.text)), None),
        };
        self.commands.push_back(Command::Answer(InviteResult {
            session: invite.grant.claimed_session(),
            serial: invite.grant.claimed_serial(),
            refused,
        }));
        self.commands.extend(next);
    }

    /// An invitation that cannot be judged at all.
    pub fn handle_unable(&mut self, invite: &Invite, refusal: Refusal) {
        self.commands.push_back(Command::Answer(InviteResult {
            session: invite.grant.claimed_session(),
            serial: invite.grant.claimed_serial(),
            refused: Some((refusal.reason, refusal.text)),
        }));
    }

    /// The broker takes access away.
    ///
    /// # Errors
    /// [`Refusal`] when it is not signed by a broker or for another gateway.
    pub fn handle_revocation(
        &mut self,
        order: &SignedRevocation,
        voice: &Voice<'_>,
        now: UnixMs,
    ) -> Result<(), Refusal> {
        let unsigned = || Refusal::new(Reason::GrantSignature, "no broker signed the revocation");
        let revocation = self
            .brokers
            .all(voice, now)
            .find_map(|broker| order.verify(&broker).ok())
            .ok_or_else(unsigned)?;
        if revocation.gateway != self.me {
            let text = "the revocation is for another gateway";
            return Err(Refusal::new(Reason::GrantForAnother, text));
        }
        if revocation.counter > self.revocations {
            let ids: Vec<SessionId> = self
                .sessions
                .iter()
                .filter(|(id, session)| match &revocation.scope {
                    Scope::Sessions(named) => named.contains(id),
                    Scope::Technician(user) => session.technician() == *user,
                    Scope::All => true,
                })
                .map(|(id, _)| *id)
                .collect();
            for id in ids {
                self.stop(id, revocation.reason);
            }
            self.commands.push_back(Command::Cut {
                scope: revocation.scope.clone(),
                reason: revocation.reason,
            });
            self.revocations = revocation.counter;
        }
        self.commands.push_back(Command::Obeyed(self.revocations));
        Ok(())
    }

    /// The technician's end has proved its key.
    pub fn handle_open(&mut self, session: SessionId) {
        if let Some(session) = self.sessions.get_mut(&session) {
            session.open();
        }
    }

    /// A session's task is gone; the machine reports its end.
    pub fn handle_closed(&mut self, session: SessionId, record: Record) {
        let Some(gone) = self.sessions.remove(&session) else {
            return;
        };
        self.commands.push_back(Command::Report(SessionEnded {
            session,
            reason: gone.stopped().unwrap_or(record.reason),
            from_hosts: record.from_hosts,
            to_hosts: record.to_hosts,
            streams: record.streams,
        }));
    }

    /// Ends what is over at this time of the steady clock.
    pub fn handle_timeout(&mut self, steady: u64) {
        self.forget(steady);
        let over: Vec<(SessionId, Reason)> = self
            .sessions
            .iter()
            .filter_map(|(id, session)| {
                let (at, reason) = session.deadline()?;
                (at <= steady).then_some((*id, reason))
            })
            .collect();
        for (id, reason) in over {
            self.stop(id, reason);
        }
    }

    /// Ends every session: the process goes away.
    pub fn handle_shutdown(&mut self, reason: Reason) {
        let ids: Vec<SessionId> = self.sessions.keys().copied().collect();
        for id in ids {
            self.stop(id, reason);
        }
    }

    /// The next thing to do.
    pub fn poll_command(&mut self) -> Option<Command> {
        self.commands.pop_front()
    }

    /// When [`Sessions::handle_timeout`] must be called at the latest, by the
    /// steady clock.
    pub fn poll_timeout(&self) -> Option<u64> {
        self.sessions
            .values()
            .filter_map(|session| session.deadline().map(|(at, _)| at))
            .min()
    }

    /// How many sessions there are, ending ones included.
    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// The highest revocation counter obeyed.
    pub const fn revocations(&self) -> u64 {
        self.revocations
    }

    fn verify<'a>(
        &mut self,
        invite: &'a Invite,
        voice: &Voice<'_>,
        now: UnixMs,
    ) -> Result<&'a Grant, Refusal> {
        let broker = self.brokers.of_invite(invite.broker.as_ref(), voice, now)?;
        let grant: &SignedGrant = &invite.grant;
        let grant = grant.verify(&broker).map_err(|_| {
            Refusal::new(
                Reason::GrantSignature,
                "the server's broker did not sign it",
            )
        })?;
        judge::identity_and_times(grant, &self.me, self.started, now)?;
        Ok(grant)
    }

    fn admit(
        &mut self,
        grant: &Grant,
        invite: &Invite,
        guard: &Guard,
        now: Moment,
    ) -> Result<Command, Refusal> {
        if grant.serial == 0 {
            self.begin(grant, invite.ticket.as_ref(), guard, now)
        } else {
            self.renew(grant, guard, now)
        }
    }

    fn begin(
        &mut self,
        grant: &Grant,
        ticket: Option<&Ticket>,
        guard: &Guard,
        now: Moment,
    ) -> Result<Command, Refusal> {
        let id = grant.session;
        let known = self.remembered.contains_key(&id) || self.sessions.contains_key(&id);
        if known || grant.join_by <= self.forgotten {
            return Err(Refusal::new(Reason::GrantReplayed, ""));
        }
        let ticket = ticket
            .ok_or_else(|| Refusal::new(Reason::TicketInvalid, "the invitation holds no ticket"))?;
        judge::targets(grant, guard)?;
        if self.sessions.len() >= self.max_sessions || self.remembered.len() >= MAX_REMEMBERED {
            return Err(Refusal::new(
                Reason::TooManySessions,
                format!("{} are running", self.sessions.len()),
            ));
        }
        let remembered = Remembered {
            join_by: grant.join_by,
            until: now.steady_at(grant.join_by),
        };
        self.remembered.insert(id, remembered);
        let grant = Arc::new(grant.clone());
        let until = now.steady_at(grant.join_by.plus_ms(HANDSHAKE_MS));
        let ends = now.steady_at(grant.ends_at);
        let dial_ahead = grant.targets.len() == 1;
        self.sessions
            .insert(id, Session::new(grant.clone(), until, ends, dial_ahead));
        Ok(Command::Start(Start {
            grant,
            ticket: ticket.clone(),
            dial_ahead,
        }))
    }

    fn renew(&mut self, grant: &Grant, guard: &Guard, now: Moment) -> Result<Command, Refusal> {
        let session = self
            .sessions
            .get_mut(&grant.session)
            .filter(|session| session.stopped().is_none())
            .ok_or_else(|| Refusal::new(Reason::Expired, "the session is not running here"))?;
        let permits = session.renewal(grant)?;
        judge::targets(grant, guard)?;
        session.renewed(grant, permits.clone(), now.steady_at(grant.ends_at));
        Ok(Command::Renew {
            session: grant.session,
            permits,
        })
    }

    fn stop(&mut self, id: SessionId, reason: Reason) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        if session.stop(reason) {
            self.commands.push_back(Command::Stop {
                session: id,
                reason,
            });
        }
    }

    /// A grant cannot be replayed after its join-by: it is refused as expired.
    fn forget(&mut self, steady: u64) {
        let forgotten = &mut self.forgotten;
        self.remembered.retain(|_, used| {
            let keep = used.until >= steady;
            if !keep {
                *forgotten = used.join_by.max(*forgotten);
            }
            keep
        });
    }
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
