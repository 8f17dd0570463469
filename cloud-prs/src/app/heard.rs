//! What the links of gateways and the relay's routes report: that a box is up,
//! how it fares, what it obeyed, and how a session ended.
//!
//! Each report is a row and, where somebody watches, news; what cannot be
//! written is logged: nobody waits for the answer. Ends of sessions are written
//! later then.

use std::time::Duration;

use culvert_wire::frame::{self, InviteResult, SessionEnded};
use culvert_wire::id::{Lease, SessionId};
use culvert_wire::key::PublicKey;
use culvert_wire::reason::Reason;
use serde_json::json;

use super::late_ends::Told;
use super::trail::{Doer, Event};
use super::{App, lease};
use crate::store::health::{self, Health};
use crate::store::orders::{self, Order};
use crate::store::sessions::{self, End, Session};
use crate::store::{StoreError, gateways, revocations};

/// How long the gateway's own record of a closed route is waited for.
const RECORD_WITHIN: Duration = Duration::from_secs(3);

/// Within this time the same word about a box is no news, in milliseconds.
const JUST_NOW_MS: u64 = 10_000;

impl App {
    /// A gateway's link is up: it gets the orders it has not acknowledged.
    pub async fn gateway_up(&self, key: &PublicKey) {
        let Some(links) = self.links() else { return };
        let outcome: Result<(), StoreError> = async {
            let mut db = self.store.read().await?;
            if let Some(gateway) = gateways::by_key(&mut db, key).await? {
                tracing::info!(gateway = %gateway.id, version = gateway.version, "Gateway up");
            }
            for order in revocations::above(&mut db, key, 0).await? {
                links.revoke(key, self.signed_now(order));
            }
            drop(db);
            self.tell_gateway(key).await
        }
        .await;
        log(outcome, "Orders could not be sent to a gateway");
    }

    /// A gateway's link is gone.
    pub async fn gateway_down(&self, key: &PublicKey) {
        // It may be back before this was heard.
        if self.links().is_some_and(|links| links.gateway_online(key)) {
            return;
        }
        let outcome: Result<(), StoreError> = async {
            let mut write = self.store.write().await?;
            gateways::set_online(&mut write, key, false, self.now()).await?;
            let gateway = gateways::by_key(&mut write, key).await?;
            write.commit().await?;
            if let Some(gateway) = gateway {
                tracing::info!(gateway = %gateway.id, "Gateway down");
            }
            self.tell_gateway(key).await
        }
        .await;
        log(outcome, "Gateway could not be noted as offline");
    }

    /// A gateway has obeyed orders up to a number.
    pub async fn revoked(&self, key: &PublicKey, counter: u64) {
        let outcome: Result<(), StoreError> = async {
            let mut write = self.store.write().await?;
            revocations::acknowledged(&mut write, key, counter).await?;
            write.commit().await
        }
        .await;
        log(outcome, "Acknowledgement could not be noted");
    }

    /// A gateway has a lease on its disk.
    pub async fn lease_stored(&self, key: &PublicKey, lease: Lease) {
        let outcome: Result<(), StoreError> = async {
            // A link of the same boot acknowledges what is known: no disk
            // write for each gateway that returns.
            let known = gateways::by_key(&mut *self.store.read().await?, key).await?;
            if known.is_none_or(|known| lease::stored(known.leases, lease) == known.leases) {
                return Ok(());
            }
            let mut write = self.store.write().await?;
            if let Some(mut gateway) = gateways::by_key(&mut write, key).await? {
                gateway.leases = lease::stored(gateway.leases, lease);
                gateways::update(&mut write, &gateway).await?;
            }
            write.commit().await
        }
        .await;
        log(outcome, "Lease could not be noted");
    }

    /// A gateway tells how it fares.
    pub async fn health_told(&self, key: &PublicKey, told: frame::Health) {
        let now = Health {
            code: told.code,
            text: told.text,
            uptime_s: told.uptime_s,
            at: self.now(),
        };
        let outcome: Result<(), StoreError> = async {
            if self.is_old_news(key, &now).await? {
                return Ok(());
            }
            let mut write = self.store.write().await?;
            let Some(mut gateway) = gateways::by_key(&mut write, key).await? else {
                return Ok(());
            };
            let before = health::of(&mut write, gateway.id).await?;
            health::set(&mut write, gateway.id, &now).await?;
            let said = |before: &Health| before.code == frame::CARD_MOVED;
            if now.code == frame::CARD_MOVED && !before.as_ref().is_some_and(said) {
                self.card_moved(&mut write, &mut gateway).await?;
            }
            self.commit(write).await?;
            let same = |before: Health| before.code == now.code && before.text == now.text;
            if before.is_some_and(same) {
                return Ok(());
            }
            tracing::info!(gateway = %gateway.id, verdict = now.code, "Gateway says how it fares");
            self.tell_gateway(key).await
        }
        .await;
        log(outcome, "Health could not be noted");
    }

    /// Whether a box has just said the same: no disk write for that.
    async fn is_old_news(&self, key: &PublicKey, now: &Health) -> Result<bool, StoreError> {
        let mut db = self.store.read().await?;
        let Some(gateway) = gateways::by_key(&mut db, key).await? else {
            return Ok(true);
        };
        let before = health::of(&mut db, gateway.id).await?;
        Ok(before.is_some_and(|before| {
            let same = before.code == now.code && before.text == now.text;
            same && now.at.ms_since(before.at) < JUST_NOW_MS
        }))
    }

    /// A gateway's answer to an invitation. Refused the first time, the
    /// session is over; a refused renewal leaves it its old end.
    pub async fn invite_answered(&self, key: &PublicKey, result: InviteResult) {
        let session = result.session;
        let reason = match &result.refused {
            Some((reason, text)) if result.serial == 0 => {
                self.refused_at_gateway(key, session, *reason, text).await;
                *reason
            }
            Some(_) | None => return self.answers.give(result),
        };
        self.end_told(Told {
            session,
            gateway: Some(*key),
            reason,
            bytes: None,
        })
        .await;
    }

    /// Tells the technician at once, in the gateway's words, if the session
    /// was the gateway's own.
    async fn refused_at_gateway(
        &self,
        key: &PublicKey,
        session: SessionId,
        reason: Reason,
        text: &str,
    ) {
        let Some(links) = self.links() else { return };
        let own = async {
            let mut db = self.store.read().await?;
            let found = sessions::by_id(&mut db, session).await?;
            Ok::<bool, StoreError>(found.is_some_and(|s| s.gateway_key == *key))
        };
        if matches!(own.await, Ok(true)) {
            links.refuse_route(session, reason, text);
        }
    }

    /// A gateway's record of a session that ended.
    pub async fn session_ended(&self, key: &PublicKey, ended: &SessionEnded) {
        self.end_told(Told {
            session: ended.session,
            gateway: Some(*key),
            reason: ended.reason,
            bytes: Some((ended.from_hosts, ended.to_hosts)),
        })
        .await;
    }

    /// An end has joined: its ticket works no more, here or after a restart.
    pub async fn route_joined(&self, session: SessionId, end: End) {
        let outcome: Result<(), StoreError> = async {
            let mut write = self.store.write().await?;
            sessions::joined(&mut write, session, end).await?;
            write.commit().await?;
            tracing::info!(%session, ?end, "Session joined");
            Ok(())
        }
        .await;
        log(outcome, "Join could not be noted");
    }

    /// A route is gone. The gateway's own record, which has the bytes, is
    /// waited for a moment.
    pub async fn route_closed(&self, session: SessionId, reason: Reason) {
        tokio::time::sleep(RECORD_WITHIN).await;
        self.end_told(Told {
            session,
            gateway: None,
            reason,
            bytes: None,
        })
        .await;
    }

    /// Completes a session's record, any number of times; a gateway that reports
    /// must be the session's own.
    pub(super) async fn finish(&self, told: &Told) -> Result<(), StoreError> {
        let (id, gateway) = (told.session, told.gateway.as_ref());
        let mut write = self.store.write().await?;
        let found = sessions::by_id(&mut write, id).await?;
        let own = |s: &Session| gateway.is_none_or(|key| *key == s.gateway_key);
        let Some(mut session) = found.filter(own) else {
            return Ok(());
        };
        let doer = match gateway {
            Some(key) => Doer::gateway(key, String::new()),
            None => Doer::server(),
        };
        let known = (session.from_hosts, session.to_hosts);
        let news = told.bytes.filter(|bytes| *bytes != known);
        if session.ended.is_some() && (known != (0, 0) || news.is_none()) {
            // A record is told once, however often and however it is told again.
            return Ok(());
        }
        if let (Some((from_hosts, to_hosts)), Some(key)) = (news, gateway) {
            sessions::count(&mut write, id, key, from_hosts, to_hosts).await?;
            (session.from_hosts, session.to_hosts) = (from_hosts, to_hosts);
            if session.ended.is_some() {
                // It was ended from here; only now are its bytes known.
                let event =
                    Event::done("session.bytes", Some(session.customer.id), id).after(json!({
                        "host": session.host.name, "from_hosts": from_hosts, "to_hosts": to_hosts,
                    }));
                self.record(&mut write, &doer, event).await?;
            }
        }
        if self
            .close_record(&mut write, &doer, &session, told.reason)
            .await?
        {
            let order = Order::EndRoute(id);
            orders::add(&mut write, order, told.reason, self.now()).await?;
        }
        self.commit(write).await
    }
}

fn log(outcome: Result<(), StoreError>, what: &'static str) {
    if let Err(error) = outcome {
        let error: &dyn std::error::Error = &error;
        tracing::error!(error, "{what}");
    }
}
