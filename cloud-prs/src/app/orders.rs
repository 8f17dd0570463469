//! The running server's worker: carries out orders, ends what is overdue.
//!
//! Woken at once by changes of this process, and every `POLL` for those of
//! the command line, which writes to the same database. A poll (and not a
//! socket between the two) works the same on both databases, survives a crash
//! between a change and its effect, and leaves the server no second door.

use std::time::Duration;

use culvert_wire::UnixMs;
use culvert_wire::reason::Reason;

use super::feed::Live;
use super::links::Links;
use super::trail::Doer;
use super::{App, Ended};
use crate::store::orders::{self, Listed, Order};
use crate::store::{StoreError, clock, gateways, revocations, sessions};

/// How often the list is looked at: a fourth of the 2 s that ending may take.
const POLL: Duration = Duration::from_millis(500);
/// Every how many polls overdue sessions are ended: 5 s.
const OVERDUE_EVERY: u32 = 10;
/// Every how many polls connected gateways are noted as seen, and all there is to
/// do is done: 30 s. A multiple of the one above.
const SEEN_EVERY: u32 = 60;
/// How long after its start a server does not tell webhooks that boxes are
/// gone, in milliseconds.
const SETTLED_MS: u64 = 90_000;

impl App {
    /// Works until the task is dropped.
    pub async fn work(&self) {
        let mut round: u32 = 0;
        // Boxes have this long to come back to a server that starts.
        let settled = self.now().plus_ms(SETTLED_MS);
        loop {
            let mut done = self.work_once(round, settled).await;
            if round.is_multiple_of(OVERDUE_EVERY) {
                // Whatever else fails: rows may be taken all the same.
                let told = async {
                    self.record_late().await?;
                    self.record_counted().await?;
                    self.finish_late().await
                };
                done = done.and(told.await);
            }
            match done {
                Ok(()) if round.is_multiple_of(SEEN_EVERY) => self.note_success(),
                Ok(()) => {}
                Err(error) => {
                    self.note_outage(error.reason());
                    let error: &dyn std::error::Error = &error;
                    tracing::error!(error, "Database does not answer, will try again");
                }
            }
            round = round.wrapping_add(1);
            tokio::select! {
                () = self.new_orders.notified() => {}
                () = tokio::time::sleep(POLL) => {}
            }
        }
    }

    /// One round: orders always, the rest now and then.
    async fn work_once(&self, round: u32, settled: UnixMs) -> Result<(), StoreError> {
        self.carry_out().await?;
        self.follow_trail().await?;
        if round.is_multiple_of(OVERDUE_EVERY) {
            self.tell_gateways(self.now() >= settled).await?;
            self.end_overdue().await?;
            self.roll_out().await?;
        }
        if round.is_multiple_of(SEEN_EVERY) {
            let mut write = self.store.write().await?;
            gateways::touch_online(&mut write, self.now()).await?;
            clock::raise(&mut write, self.now()).await?;
            // No session outlives its last renewal by more than this.
            let old = self.now().0.saturating_sub(2 * self.here.session_ms);
            revocations::forget_before(&mut write, UnixMs(old)).await?;
            write.commit().await?;
        }
        Ok(())
    }

    /// Carries out every order in the list.
    ///
    /// # Errors
    /// [`StoreError`]; what was not removed is carried out again.
    pub async fn carry_out(&self) -> Result<(), StoreError> {
        let Some(links) = self.links() else {
            return Ok(());
        };
        let mut db = self.store.read().await?;
        let listed = orders::all(&mut db).await?;
        if listed.is_empty() {
            return Ok(());
        }
        for item in &listed {
            self.carry_out_one(&mut db, links.as_ref(), item).await?;
        }
        drop(db);
        let mut write = self.store.write().await?;
        for item in &listed {
            orders::done(&mut write, &item.id).await?;
        }
        write.commit().await
    }

    async fn carry_out_one(
        &self,
        db: &mut sqlx::AnyConnection,
        links: &dyn Links,
        item: &Listed,
    ) -> Result<(), StoreError> {
        match item.order {
            Order::EndRoute(session) => links.end_route(session, item.reason),
            Order::SendRevocations(key) => {
                for order in revocations::above(db, &key, 0).await? {
                    links.revoke(&key, self.signed_now(order));
                }
            }
            Order::CloseUser(user) => {
                self.feed.tell(Live::Look);
                links.close_callers(&|caller| caller.user() == Some(user), item.reason);
                self.tell(Ended::User(user));
            }
            Order::CloseToken(token) => {
                self.feed.tell(Live::Look);
                links.close_callers(&|caller| caller.token() == Some(token), item.reason);
                self.tell(Ended::Token(token));
            }
            Order::CloseGateway(key) => links.close_gateway(&key, item.reason),
            Order::RightsChanged(user) => self.tell(Ended::Rights(user)),
        }
        Ok(())
    }

    /// Nobody may be listening.
    fn tell(&self, ended: Ended) {
        let _ = self.ended.send(ended);
    }

    /// Ends sessions whose time is over.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn end_overdue(&self) -> Result<(), StoreError> {
        let mut db = self.store.read().await?;
        let overdue = sessions::overdue(&mut db, self.now()).await?;
        drop(db);
        if overdue.is_empty() {
            return Ok(());
        }
        let mut write = self.store.write().await?;
        let mut still = Vec::new();
        for session in overdue {
            // It may have been renewed since.
            let now = sessions::by_id(&mut write, session.id).await?;
            still.extend(now.filter(|s| s.ended.is_none() && s.ends_at <= self.now()));
        }
        self.end_sessions(&mut write, &Doer::server(), still, Reason::Expired)
            .await?;
        self.commit(write).await
    }
}
