//! Who gets a link. What links report afterwards is in `heard.rs`.

use std::net::SocketAddr;
use std::time::Duration;

use culvert_wire::frame::{Refused, Welcome};
use culvert_wire::hello::{Binding, GatewayHello, LinkAuth, TechnicianHello};
use culvert_wire::id::{GatewayId, Lease, SessionId};
use culvert_wire::reason::Reason;
use culvert_wire::ticket::TicketHash;
use data_encoding::BASE32_NOPAD;
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;
use tokio::time::Instant;

use super::claims::Claiming;
use super::hellos::{Admitted, Hello, Pace, refused, welcome};
use super::lease::{self, Hello as Judged};
use super::refusals::Kind;
use super::trail::{Doer, Event};
use super::{App, AppError, Caller, obeyed};
use crate::authz::Identity;
use crate::relay::{RouteSpec, Side};
use crate::store::gateways::{self, Gateway, GatewayState};
use crate::store::orders::{self, Order};
use crate::store::sessions::{self, Session};
use crate::store::{StoreError, Write, revocations};

/// How long hellos that could not be written together are written alone.
const ONE_BY_ONE: Duration = Duration::from_secs(1);

impl App {
    /// Judges a gateway's hello. Hellos that come at the same time are
    /// written together: after a restart thousands do, and each would
    /// otherwise wait for a disk write of its own.
    ///
    /// # Errors
    /// [`Refused`], for the link to send.
    pub async fn admit_gateway(
        &self,
        hello: &GatewayHello,
        version: &str,
        from: SocketAddr,
    ) -> Result<Welcome, Refused> {
        loop {
            let (answer, mut answered) = oneshot::channel();
            self.hellos.push(Hello {
                hello: hello.clone(),
                version: version.to_owned(),
                from,
                answer,
            });
            let mut pace = self.hellos.turn.lock().await;
            // Whoever had the turn before may have written this one, too.
            let mut outcome = answered.try_recv();
            while matches!(outcome, Err(TryRecvError::Empty)) {
                self.admit_waiting(&mut pace).await;
                outcome = answered.try_recv();
            }
            // Closed: whoever wrote it was cancelled. Once more.
            if let Ok(outcome) = outcome {
                return outcome;
            }
        }
    }

    /// Judges the oldest hellos that wait, in one transaction, when they may.
    async fn admit_waiting(&self, pace: &mut Pace) {
        if let Some(at) = pace.next() {
            tokio::time::sleep_until(at).await;
        }
        let waiting = self.hellos.take();
        let begun = Instant::now();
        let count = pace.count_is_due(begun);
        match self.admit_together(&waiting, count).await {
            Ok(admitted) => {
                pace.handle_judged(&admitted, begun);
                if count {
                    pace.handle_counted(Instant::now());
                }
                for (one, admitted) in waiting.into_iter().zip(admitted) {
                    one.answer(admitted);
                }
            }
            Err(error) => {
                pace.handle_written(waiting.len(), begun);
                let refused = self.failed(&error.into());
                self.admit_one_by_one(waiting, refused).await;
            }
        }
    }

    /// What fails for one of them is not to fail for all. A database that is slow
    /// to fail is not asked for each.
    async fn admit_one_by_one(&self, waiting: Vec<Hello>, refused: Refused) {
        let several = waiting.len() > 1;
        let until = Instant::now() + ONE_BY_ONE;
        for one in waiting {
            if !several || Instant::now() > until {
                one.refuse(refused.clone());
                continue;
            }
            match self.admit_together(std::slice::from_ref(&one), false).await {
                Ok(mut admitted) => one.answer(admitted.remove(0)),
                Err(error) => one.refuse(self.failed(&error.into())),
            }
        }
    }

    /// All of these or none, in one transaction.
    async fn admit_together(
        &self,
        waiting: &[Hello],
        count: bool,
    ) -> Result<Vec<Admitted>, StoreError> {
        let mut write = self.store.write().await?;
        if count {
            self.hellos.set_fleet(gateways::count(&mut write).await?);
        }
        let mut admitted = Vec::new();
        for one in waiting {
            admitted.push(self.try_admit(&mut write, one).await?);
        }
        self.commit(write).await?;
        for (one, admitted) in waiting.iter().zip(&admitted) {
            if let Err(why) = admitted {
                self.note_refused_hello(one, *why);
            }
        }
        Ok(admitted)
    }

    fn note_refused_hello(&self, one: &Hello, why: Reason) {
        let doer = Doer::gateway(&one.hello.identity, one.from.ip().to_string());
        let is_known = why != Reason::Unclaimed;
        let kind = if is_known {
            Kind::Hello
        } else {
            Kind::UnknownHello
        };
        self.note_refused(kind, doer, "", why);
    }

    /// An end may not join a session: its ticket was used, is another's, is over.
    pub(crate) fn join_refused(&self, by: Doer, session: SessionId, why: Reason) {
        let kind = match by.is_somebody() {
            true => Kind::Join,
            false => Kind::UnknownJoin,
        };
        self.note_refused(kind, by, &session.to_string(), why);
    }

    async fn try_admit(&self, write: &mut Write, one: &Hello) -> Result<Admitted, StoreError> {
        let hello = &one.hello;
        let Some(mut gateway) = gateways::by_key(write, &hello.identity).await? else {
            let retired = gateways::is_retired(write, &hello.identity).await?;
            return Ok(Err(if retired {
                Reason::GatewayRevoked
            } else {
                Reason::Unclaimed
            }));
        };
        gateway.version.clone_from(&one.version);
        gateway.online = true;
        gateway.last_seen = Some(self.now());
        // After a restore the box may have obeyed more than is remembered.
        let obeyed = obeyed::believed(gateway.counter, hello.revocations);
        if let Some(counter) = obeyed {
            if counter != gateway.counter {
                gateways::set_counter(write, gateway.id, counter).await?;
            }
            revocations::acknowledged(write, &hello.identity, hello.revocations).await?;
        }
        let lease = match gateway.state {
            GatewayState::Revoked => return Ok(Err(Reason::GatewayRevoked)),
            GatewayState::Quarantined => None,
            GatewayState::Active if obeyed.is_none() => {
                self.put_deaf_aside(write, &mut gateway, one).await?;
                None
            }
            GatewayState::Active => self.judge(write, &mut gateway, hello, one.from).await?,
        };
        gateways::update(write, &gateway).await?;
        Ok(Ok((gateway.id, lease)))
    }

    async fn judge(
        &self,
        write: &mut Write,
        gateway: &mut Gateway,
        hello: &GatewayHello,
        from: SocketAddr,
    ) -> Result<Option<Lease>, StoreError> {
        let fresh = Lease::from_random(rand::random());
        match lease::judge(gateway.leases, hello.boot, hello.lease, fresh) {
            Judged::Known { lease, leases } => {
                let rebooted = gateway.leases.boot.is_some_and(|boot| boot != hello.boot);
                gateway.leases = leases;
                if rebooted {
                    // Its old process is gone, and its sessions with it.
                    let why = Reason::PeerLost;
                    self.end_live_at(write, gateway.id, &Doer::server(), why)
                        .await?;
                }
                Ok(Some(lease))
            }
            Judged::Clone => {
                let doer = Doer::gateway(&hello.identity, from.ip().to_string());
                self.put_aside(write, gateway, &doer).await?;
                tracing::error!(gateway = %gateway.id, "Two boxes use one identity, both quarantined");
                Ok(None)
            }
        }
    }

    /// A box says that it obeyed more orders than it can have been given: it would
    /// obey no other, so it gets no sessions that could not be ended.
    async fn put_deaf_aside(
        &self,
        write: &mut Write,
        gateway: &mut Gateway,
        one: &Hello,
    ) -> Result<(), StoreError> {
        let doer = Doer::gateway(&one.hello.identity, one.from.ip().to_string());
        self.put_aside(write, gateway, &doer).await?;
        tracing::error!(gateway = %gateway.id, number = one.hello.revocations,
            "A box says it obeyed orders that nobody gave, quarantined");
        Ok(())
    }

    /// A box says for the first time that its card was in another board. What
    /// an administrator has decided is not asked again.
    pub(super) async fn card_moved(
        &self,
        write: &mut Write,
        gateway: &mut Gateway,
    ) -> Result<(), StoreError> {
        if gateway.state != GatewayState::Active {
            return Ok(());
        }
        let doer = Doer::gateway(&gateway.identity, String::new());
        self.put_aside(write, gateway, &doer).await?;
        gateways::update(write, gateway).await?;
        // It comes back and hears where it stands.
        let order = Order::CloseGateway(gateway.identity);
        orders::add(write, order, Reason::Quarantined, self.now()).await?;
        tracing::error!(gateway = %gateway.id, "A box's card was moved to another board, quarantined");
        Ok(())
    }

    /// Its link stays; its sessions end and no others begin.
    async fn put_aside(
        &self,
        write: &mut Write,
        gateway: &mut Gateway,
        doer: &Doer,
    ) -> Result<(), StoreError> {
        gateway.state = GatewayState::Quarantined;
        let why = Reason::Quarantined;
        let event = Event::refused("gateway.quarantine", gateway.customer, gateway.id, why);
        self.record(write, doer, event).await?;
        self.end_live_at(write, gateway.id, doer, why).await
    }

    async fn end_live_at(
        &self,
        write: &mut Write,
        gateway: GatewayId,
        doer: &Doer,
        why: Reason,
    ) -> Result<(), StoreError> {
        let filter = sessions::Filter {
            gateway: Some(gateway),
            ..Default::default()
        };
        let ending = self.to_end(write, &filter).await?;
        self.end_sessions(write, doer, ending, why).await
    }

    /// How many gateways may come, as counted lately.
    pub fn fleet(&self) -> usize {
        self.hellos.fleet()
    }

    /// Judges a claim; the box's own key is proved by the link.
    ///
    /// # Errors
    /// [`Refused`], for the link to send.
    pub async fn admit_claim(
        &self,
        auth: &LinkAuth,
        binding: &Binding,
        from: SocketAddr,
    ) -> Result<Welcome, Refused> {
        let claiming = Claiming {
            auth,
            binding,
            from: from.ip(),
        };
        let claimed = self.claim(&claiming).await.map_err(|e| self.failed(&e))?;
        Ok(welcome(Some(claimed.gateway), Some(claimed.lease)))
    }

    /// Takes a technician's link: signed in if its token holds, else
    /// anonymous, which can sign in or join by ticket.
    ///
    /// # Errors
    /// [`Refused`] when the database does not answer.
    pub async fn admit_technician(
        &self,
        hello: &TechnicianHello,
        from: SocketAddr,
    ) -> Result<Caller, Refused> {
        let mut signed_in = None;
        if let Some(token) = &hello.token {
            let actor = self.actor_by_secret(token, Some(&hello.device)).await;
            let actor = actor.map_err(|error| self.failed(&error.into()))?;
            if let Some(Identity::Person { user, token, .. }) = actor.map(|a| a.identity) {
                signed_in = Some((token, user));
            }
        }
        Ok(Caller::new(hello.device, from, signed_in))
    }

    /// A route that the database knows and the relay, after a restart, does
    /// not. Tickets used before do not work again.
    ///
    /// # Errors
    /// [`StoreError`]: whether there is one is not known.
    pub async fn recover_route(&self, session: SessionId) -> Result<Option<RouteSpec>, StoreError> {
        let mut db = self.store.read().await?;
        let found = sessions::by_id(&mut db, session).await?;
        let runs = |s: &Session| s.ended.is_none() && self.now() < s.ends_at;
        let route = |session: Session| RouteSpec {
            session: session.id,
            technician: Side {
                ticket: stored_hash(session.technician_ticket.as_deref()),
                end: session.end_key,
            },
            gateway: Side {
                ticket: stored_hash(session.gateway_ticket.as_deref()),
                end: session.gateway_key,
            },
            join_by: session.join_by,
            ends_at: session.ends_at,
        };
        Ok(found.filter(runs).map(route))
    }

    /// The refusal of a hello that could not be judged.
    fn failed(&self, error: &AppError) -> Refused {
        let Some(source) = &error.source else {
            return refused(error.reason, &error.message);
        };
        self.note_outage(error.reason);
        let shown: &dyn std::error::Error = source;
        tracing::error!(error = shown, "Hello could not be judged");
        Refused {
            reason: if source.is_outage() {
                source.reason()
            } else {
                Reason::DatabaseDown
            },
            // It may be back soon.
            retry_after_ms: 5_000,
            text: String::new(),
        }
    }
}

/// A ticket that was not used yet; none was used before.
fn stored_hash(text: Option<&str>) -> Option<TicketHash> {
    let bytes = BASE32_NOPAD.decode(text?.to_ascii_uppercase().as_bytes());
    Some(TicketHash::from_bytes(bytes.ok()?.try_into().ok()?))
}
