//! Writes, lists and verifies the audit trail.

use culvert_wire::UnixMs;
use culvert_wire::id::{CustomerId, UserId};
use culvert_wire::key::PublicKey;
use culvert_wire::reason::Reason;
use serde_json::Value;

use super::refusals::Kind;
use super::{App, AppError, Call};
use crate::audit::{Chain, Entry, Fault, Hash, Head, Verifier};
use crate::authz::{Action, Identity, Node};
use crate::store::audit as rows;
use crate::store::{StoreError, Write};

/// Longest text of one field: names come from people and from boxes.
const MAX_FIELD: usize = 2048;
/// Rows read at one time while verifying.
const BATCH: u32 = 1000;

/// Who is not known.
const NOBODY: &str = "nobody";

/// Who did it.
#[derive(Debug, Clone)]
pub(crate) struct Doer {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) source: String,
}

impl Doer {
    /// The server itself.
    pub(crate) fn server() -> Self {
        Self {
            id: "server".into(),
            name: String::new(),
            source: String::new(),
        }
    }

    /// Somebody whose name cannot be looked up now.
    pub(crate) fn person(user: UserId, source: String) -> Self {
        Self {
            id: user.to_string(),
            name: String::new(),
            source,
        }
    }

    /// A box that proved its key.
    pub(crate) fn gateway(key: &PublicKey, source: String) -> Self {
        Self {
            id: format!("box {}", key.fingerprint()),
            name: String::new(),
            source,
        }
    }

    /// Somebody who is not known: the name is what she said.
    pub(crate) fn stranger(name: &str, source: String) -> Self {
        Self {
            id: NOBODY.into(),
            name: name.to_owned(),
            source,
        }
    }

    /// Whether it is known who it was.
    pub(crate) fn is_somebody(&self) -> bool {
        self.id != NOBODY
    }
}

impl From<&Call> for Doer {
    fn from(call: &Call) -> Self {
        let (id, name) = match &call.actor.identity {
            Identity::Person { user, name, .. } => (user.to_string(), name.clone()),
            Identity::Console { account } => ("console".into(), account.clone()),
        };
        Self {
            id,
            name,
            source: call.source.clone(),
        }
    }
}

/// One thing that happened.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) action: &'static str,
    pub(crate) customer: Option<CustomerId>,
    pub(crate) object: String,
    pub(crate) refused: Option<Reason>,
    pub(crate) before: Value,
    pub(crate) after: Value,
}

impl Event {
    /// Something that was done at a customer, or at none.
    pub(crate) fn done(
        action: &'static str,
        customer: Option<CustomerId>,
        object: impl ToString,
    ) -> Self {
        Self {
            action,
            customer,
            object: object.to_string(),
            refused: None,
            before: Value::Null,
            after: Value::Null,
        }
    }

    /// Something that was refused.
    pub(crate) fn refused(
        action: &'static str,
        customer: Option<CustomerId>,
        object: impl ToString,
        why: Reason,
    ) -> Self {
        Self {
            refused: Some(why),
            ..Self::done(action, customer, object)
        }
    }

    /// With what was before.
    #[must_use]
    pub(crate) fn before(mut self, before: Value) -> Self {
        self.before = before;
        self
    }

    /// With what is after.
    #[must_use]
    pub(crate) fn after(mut self, after: Value) -> Self {
        self.after = after;
        self
    }
}

impl App {
    /// Adds a row and signs the new head, in the caller's transaction.
    pub(crate) async fn record(
        &self,
        write: &mut Write,
        doer: &Doer,
        event: Event,
    ) -> Result<(), StoreError> {
        let chain = event.customer.map_or(Chain::Provider, Chain::Customer);
        let head = rows::head(write, chain).await?;
        let (seq, previous) = head.map_or((0, Hash::START), |head| (head.seq, head.hash));
        self.tell_webhooks(write, &event, &doer.name, &doer.source)
            .await?;
        let now = self.now();
        let entry = Entry {
            chain,
            seq: seq + 1,
            at: now,
            actor: clip(&doer.id),
            actor_name: clip(&doer.name),
            source: clip(&doer.source),
            action: event.action.to_owned(),
            object: clip(&event.object),
            outcome: event.refused.map_or("done", Reason::slug).to_owned(),
            before: json(&event.before),
            after: json(&event.after),
        };
        let hash = entry.hash(previous);
        let head = Head::sign(chain, entry.seq, now, hash, &self.here.broker);
        rows::add(write, &rows::Row { entry, hash }).await?;
        rows::set_head(write, &head).await
    }

    /// Adds a row in a transaction of its own: for a refusal, which changes
    /// nothing else.
    pub(crate) async fn record_alone(&self, doer: &Doer, event: Event) -> Result<(), StoreError> {
        let mut write = self.store.write().await?;
        self.record(&mut write, doer, event).await?;
        write.commit().await
    }

    /// Adds a row for a call that was refused; later, when it is the database that
    /// fails. Of more than are worth a row only the number is told.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn record_refusal(
        &self,
        doer: &Doer,
        what: &str,
        why: Reason,
    ) -> Result<(), StoreError> {
        if !self.tells_refusal(Kind::Call, doer, why) {
            return Ok(());
        }
        let event = Event::refused(Kind::Call.action(), None, what, why);
        let recorded = self.record_alone(doer, event).await;
        if recorded.as_ref().is_err_and(StoreError::is_outage) {
            self.record_later(doer.clone(), Kind::Call.action(), what, why);
        }
        recorded
    }

    /// The newest rows, of one customer or of all.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn audit_rows(
        &self,
        call: &Call,
        chain: Option<Chain>,
        before: Option<UnixMs>,
        limit: u32,
    ) -> Result<Vec<Entry>, AppError> {
        call.needs(Action::AuditSee)?;
        let node = match chain {
            Some(Chain::Customer(id)) => Node::Customer(id),
            Some(Chain::Provider) | None => Node::All,
        };
        if !call.actor.may_at(Action::AuditSee, &node) {
            return Err(AppError::not_found());
        }
        let mut db = self.store.read().await?;
        let before = before.unwrap_or(UnixMs(u64::MAX));
        let rows = rows::newest(&mut db, chain, before, limit.clamp(1, 1000)).await?;
        Ok(rows.into_iter().map(|row| row.entry).collect())
    }

    /// The signed heads of all chains, to be kept elsewhere.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn audit_heads(&self) -> Result<Vec<Head>, AppError> {
        let mut db = self.store.read().await?;
        Ok(rows::heads(&mut db).await?)
    }

    /// Checks every chain against the database's heads and any `kept` ones.
    /// Gives the number of good rows, or the first fault.
    ///
    /// # Errors
    /// [`AppError`] when the database does not answer.
    pub async fn audit_verify(&self, kept: &[Head]) -> Result<Result<u64, Fault>, AppError> {
        // A row that comes between heads and rows would look like one that nobody signed.
        let mut db = self.store.still().await?;
        let own = rows::heads(&mut db).await?;
        let mut chains = rows::chains(&mut db).await?;
        chains.extend(own.iter().chain(kept).map(|head| head.chain));
        chains.sort_unstable();
        chains.dedup();
        let mut signers = self.here.former.clone();
        signers.push(self.here.broker.public());
        let mut total = 0;
        for chain in chains {
            let of_chain = |head: &&Head| head.chain == chain;
            // Rows may only be trusted as far as the database's own head.
            if !own.iter().any(|head| head.chain == chain) {
                return Ok(Err(Fault::NoHead { chain }));
            }
            let heads = own.iter().chain(kept).filter(of_chain).cloned().collect();
            let mut verifier = Verifier::new(chain, heads);
            let mut after = 0;
            loop {
                let batch = rows::rows_after(&mut db, chain, after, BATCH).await?;
                let Some(last) = batch.last() else { break };
                after = last.entry.seq;
                for row in &batch {
                    if let Err(fault) = verifier.row(&row.entry, row.hash) {
                        return Ok(Err(fault));
                    }
                }
            }
            match verifier.finish(&signers) {
                Ok(rows) => total += rows,
                Err(fault) => return Ok(Err(fault)),
            }
        }
        Ok(Ok(total))
    }
}

fn json(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_) => clip(&value.to_string()),
    }
}

/// At most as long as a field may be.
pub(super) fn clip(text: &str) -> String {
    if text.len() <= MAX_FIELD {
        return text.to_owned();
    }
    let mut end = MAX_FIELD;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}
