//! Ends sessions: the route, the gateway's side by a signed order, the record.

use std::collections::BTreeMap;

use culvert_wire::UnixMs;
use culvert_wire::id::{SessionId, UserId};
use culvert_wire::key::PublicKey;
use culvert_wire::reason::Reason;
use culvert_wire::revocation::{MAX_SESSIONS, Revocation, Scope, SignedRevocation};
use culvert_wire::terminal::KEPT_FOR;
use serde_json::json;
use sqlx::AnyConnection;

use super::App;
use super::trail::{Doer, Event};
use crate::store::orders::{self, Order};
use crate::store::sessions::{self, Filter, Session};
use crate::store::{StoreError, Write, gateways, invitations, launches, revocations, tokens};

/// A gateway may keep a terminal of a session that ended so long ago: as long again as
/// it does, for what the record's end may be ahead of the terminal's last stream.
const MAYBE_KEPT_MS: u64 = 2 * 1000 * KEPT_FOR.as_secs();

impl App {
    /// What ends with a right: the sessions of a filter that run, and those over so
    /// lately that a gateway may keep a terminal of theirs.
    pub(super) async fn to_end(
        &self,
        db: &mut AnyConnection,
        filter: &Filter,
    ) -> Result<Vec<Session>, StoreError> {
        sessions::live_or_over_since(db, filter, self.maybe_kept_since()).await
    }

    /// Ends sessions in the caller's transaction, and what a gateway may keep of those
    /// that are over.
    pub(super) async fn end_sessions(
        &self,
        write: &mut Write,
        doer: &Doer,
        ending: Vec<Session>,
        reason: Reason,
    ) -> Result<(), StoreError> {
        let mut by_gateway: BTreeMap<PublicKey, Vec<SessionId>> = BTreeMap::new();
        for session in ending {
            if self.close_record(write, doer, &session, reason).await? {
                let order = Order::EndRoute(session.id);
                orders::add(write, order, reason, self.now()).await?;
            } else if session.ended < Some(self.maybe_kept_since()) {
                continue;
            }
            let at_gateway = by_gateway.entry(session.gateway_key).or_default();
            at_gateway.push(session.id);
        }
        for (gateway, ids) in by_gateway {
            for chunk in ids.chunks(MAX_SESSIONS) {
                let scope = Scope::Sessions(chunk.to_vec());
                self.order_end(write, gateway, scope, reason).await?;
            }
        }
        Ok(())
    }

    /// Signs an order to a gateway and keeps it until it is acknowledged.
    pub(super) async fn order_end(
        &self,
        write: &mut Write,
        gateway: PublicKey,
        scope: Scope,
        reason: Reason,
    ) -> Result<(), StoreError> {
        let now = self.now();
        let counter = gateways::next_counter(write, &gateway).await?;
        let revocation = Revocation {
            broker: self.here.broker.public(),
            gateway,
            counter,
            scope,
            reason,
        };
        let signed = SignedRevocation::sign(revocation, &self.here.broker);
        revocations::add(write, &gateway, counter, &signed, now).await?;
        orders::add(write, Order::SendRevocations(gateway), reason, now).await
    }

    /// An order by the broker key of now: one signed before the node's key was
    /// rotated is signed again.
    pub(super) fn signed_now(&self, order: SignedRevocation) -> SignedRevocation {
        let before = self
            .here
            .former
            .iter()
            .find_map(|key| order.verify(key).ok());
        let Some(before) = before else { return order };
        let again = Revocation {
            broker: self.here.broker.public(),
            ..before.clone()
        };
        SignedRevocation::sign(again, &self.here.broker)
    }

    /// Completes a session's record; says whether it still ran.
    pub(super) async fn close_record(
        &self,
        write: &mut Write,
        doer: &Doer,
        session: &Session,
        reason: Reason,
    ) -> Result<bool, StoreError> {
        let now = self.now();
        if !sessions::end(write, session.id, reason, now).await? {
            return Ok(false);
        }
        let event =
            Event::done("session.end", Some(session.customer.id), session.id).after(json!({
                "reason": reason.slug(),
                "user": session.user.name,
                "host": session.host.name,
                "seconds": now.ms_since(session.started) / 1000,
                "from_hosts": session.from_hosts,
                "to_hosts": session.to_hosts,
            }));
        self.record(write, doer, event).await?;
        tracing::info!(
            session = %session.id,
            reason = reason.slug(),
            from_hosts = session.from_hosts,
            to_hosts = session.to_hosts,
            "Session ended"
        );
        Ok(true)
    }

    /// Takes everything from a person that she holds: sessions, sign-ins, API
    /// tokens, tickets, links.
    pub(super) async fn shut_out(
        &self,
        write: &mut Write,
        doer: &Doer,
        user: UserId,
        reason: Reason,
    ) -> Result<(), StoreError> {
        let now = self.now();
        tokens::revoke_all(write, Some(user), now).await?;
        launches::void_all(write, Some(user), now).await?;
        // A link that lets her in again is made after this.
        invitations::void_all(write, Some(user), now).await?;
        let filter = Filter {
            user: Some(user),
            ..Default::default()
        };
        let ending = self.to_end(write, &filter).await?;
        self.end_sessions(write, doer, ending, reason).await?;
        orders::add(write, Order::CloseUser(user), reason, now).await
    }

    fn maybe_kept_since(&self) -> UnixMs {
        UnixMs(self.now().0.saturating_sub(MAYBE_KEPT_MS))
    }

    /// Commits, then wakes the running server's worker.
    pub(super) async fn commit(&self, write: Write) -> Result<(), StoreError> {
        write.commit().await?;
        self.new_orders.notify_one();
        Ok(())
    }
}
