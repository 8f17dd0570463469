//! Webhooks: who wants to be told what, and what is to be told.
//!
//! A message is written in the transaction of what it tells, so none is lost
//! and none is told that did not happen. `deliver` sends them.

mod deliver;
mod public;

use culvert_wire::UnixMs;
use culvert_wire::api::Secret;
use culvert_wire::id::WebhookId;
use culvert_wire::reason::Reason;
use data_encoding::HEXLOWER;
use serde_json::{Value, json};

pub use self::deliver::{Outside, sign};
pub use self::public::is_public;
use super::trail::Event;
use super::{App, AppError, Call};
use crate::authz::Action;
use crate::store::webhooks::{self, Waiting, Webhook};
use crate::store::{StoreError, Write, gateways, sessions};

/// What can be told.
pub const EVENTS: [&str; 5] = [
    "gateway.online",
    "gateway.offline",
    "session.start",
    "session.end",
    "sign-in.failed",
];
/// Webhooks at most.
const MOST: usize = 32;
/// Longest address, in bytes.
const MAX_URL: usize = 1024;
/// How long a box must be gone before it is told, in milliseconds: a link that
/// breaks is back sooner.
const GONE_MS: u64 = 20_000;

/// A webhook to be.
#[derive(Debug, Clone, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewWebhook {
    /// `https://…`
    pub url: String,
    /// What it shall be told; see `events` of the list.
    pub events: Vec<String>,
}

/// A webhook that was added.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct AddedWebhook {
    /// Which.
    pub id: WebhookId,
    /// What its messages are signed with; shown this once.
    pub secret: Secret,
}

/// A webhook as lists show it.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct WebhookInfo {
    /// Which.
    pub id: WebhookId,
    /// Where it is told.
    pub url: String,
    /// What it is told.
    pub events: Vec<String>,
    /// When it was added.
    pub created: UnixMs,
    /// Attempts that failed since the last one that did not.
    pub failures: u32,
    /// Messages that were dropped: too many waited, or for more than a day.
    pub dropped: u64,
    /// When it was tried last.
    pub last_at: Option<UnixMs>,
    /// What came of that.
    pub last_outcome: String,
}

impl App {
    /// Every webhook.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn webhooks(&self, call: &Call) -> Result<Vec<WebhookInfo>, AppError> {
        call.needs(Action::WebhookList)?;
        let mut db = self.store.read().await?;
        let all = webhooks::all(&mut db).await?;
        let info = |one: Webhook| WebhookInfo {
            id: one.id,
            url: one.url,
            events: one.events,
            created: one.created,
            failures: one.failures,
            dropped: one.dropped,
            last_at: one.last_at,
            last_outcome: one.last_outcome,
        };
        Ok(all.into_iter().map(info).collect())
    }

    /// Adds a webhook.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn add_webhook(
        &self,
        call: &Call,
        new: &NewWebhook,
    ) -> Result<AddedWebhook, AppError> {
        call.needs(Action::WebhookChange)?;
        deliver::Address::parse(&new.url)
            .filter(|_| new.url.len() <= MAX_URL)
            .ok_or_else(|| {
                AppError::invalid(
                    "a webhook's address is https://HOST/PATH, without name and password",
                )
            })?;
        let known = |event: &String| EVENTS.contains(&event.as_str());
        if new.events.is_empty() || new.events.len() > EVENTS.len() || !new.events.iter().all(known)
        {
            return Err(AppError::invalid(format!(
                "events are among {}",
                EVENTS.join(", ")
            )));
        }
        let secret = HEXLOWER.encode(&rand::random::<[u8; 32]>());
        let id = WebhookId::from_random(rand::random());
        let webhook = Webhook {
            id,
            url: new.url.clone(),
            sealed: self.vault.seal(&about(id), secret.as_bytes()),
            events: new.events.clone(),
            created: self.now(),
            failures: 0,
            dropped: 0,
            last_at: None,
            last_outcome: String::new(),
        };
        let mut write = self.store.write().await?;
        if webhooks::all(&mut write).await?.len() >= MOST {
            return Err(AppError::conflict(format!("{MOST} webhooks are the most")));
        }
        webhooks::add(&mut write, &webhook).await?;
        let event = Event::done("webhook.add", None, webhook.id)
            .after(json!({ "url": webhook.url, "events": webhook.events }));
        self.record(&mut write, &call.into(), event).await?;
        self.commit(write).await?;
        Ok(AddedWebhook {
            id: webhook.id,
            secret: Secret::new(secret),
        })
    }

    /// Encrypts the secrets that an older version has stored as they are.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn seal_webhooks(&self) -> Result<(), StoreError> {
        let mut db = self.store.read().await?;
        let mut plain = webhooks::all(&mut db).await?;
        drop(db);
        // What is sealed is base64 of more bytes than these digits.
        let digits = |text: &str| {
            HEXLOWER
                .decode(text.as_bytes())
                .is_ok_and(|b| b.len() == 32)
        };
        plain.retain(|one| digits(&one.sealed));
        if plain.is_empty() {
            return Ok(());
        }
        let mut write = self.store.write().await?;
        for one in plain {
            let sealed = self.vault.seal(&about(one.id), one.sealed.as_bytes());
            webhooks::seal(&mut write, one.id, &sealed).await?;
        }
        write.commit().await
    }

    /// What a webhook's messages are signed with; none when the key of stored
    /// secrets is another one.
    fn webhook_secret(&self, webhook: &Webhook) -> Option<Secret> {
        let plain = self.vault.open(&about(webhook.id), &webhook.sealed)?;
        String::from_utf8(plain).ok().map(Secret::new)
    }

    /// Removes a webhook with all that waits for it.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn delete_webhook(&self, call: &Call, id: WebhookId) -> Result<(), AppError> {
        call.needs(Action::WebhookChange)?;
        let mut write = self.store.write().await?;
        let all = webhooks::all(&mut write).await?;
        let gone = all.into_iter().find(|webhook| webhook.id == id);
        let gone = gone.ok_or_else(AppError::not_found)?;
        webhooks::delete(&mut write, id).await?;
        let event = Event::done("webhook.delete", None, id)
            .before(json!({ "url": gone.url, "events": gone.events }));
        self.record(&mut write, &call.into(), event).await?;
        Ok(self.commit(write).await?)
    }

    /// Writes down what a row of the trail means for webhooks, in the
    /// transaction of the row.
    pub(super) async fn tell_webhooks(
        &self,
        write: &mut Write,
        event: &Event,
        who: &str,
        from: &str,
    ) -> Result<(), StoreError> {
        let name = match (event.action, event.refused) {
            ("session.start", None) => "session.start",
            ("session.end", None) => "session.end",
            ("sign-in", Some(_)) => "sign-in.failed",
            _ => return Ok(()),
        };
        if !self.wanted(write, name).await? {
            return Ok(());
        }
        let data = match name {
            "sign-in.failed" => json!({
                "user": who,
                "from": from,
                "reason": event.refused.map(Reason::slug),
            }),
            _ => {
                let session = match event.object.parse() {
                    Ok(id) => sessions::by_id(write, id).await?,
                    Err(_) => None,
                };
                match session.filter(|session| !session.test) {
                    Some(session) => session_data(session),
                    None => return Ok(()),
                }
            }
        };
        self.push(write, name, data).await
    }

    /// Tells which boxes came and went since the last look; those that are
    /// gone only when this server has been `settled` for long enough.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn tell_gateways(&self, settled: bool) -> Result<(), StoreError> {
        let gone = self.now().0.saturating_sub(GONE_MS);
        let since = UnixMs(if settled { gone } else { 0 });
        let mut db = self.store.read().await?;
        let changed = webhooks::gateways_changed(&mut db, since).await?;
        drop(db);
        if changed.is_empty() {
            return Ok(());
        }
        let mut write = self.store.write().await?;
        for (id, online) in changed {
            let name = if online { EVENTS[0] } else { EVENTS[1] };
            webhooks::told(&mut write, id, online).await?;
            if let Some(gateway) = gateways::by_id(&mut write, id).await? {
                let data = json!({
                    "gateway": gateway.id,
                    "customer": gateway.customer_name,
                    "site": gateway.site_name,
                    "version": gateway.version,
                    "last_seen": gateway.last_seen,
                });
                self.push(&mut write, name, data).await?;
            }
        }
        self.commit(write).await
    }

    async fn wanted(&self, write: &mut Write, name: &str) -> Result<bool, StoreError> {
        let all = webhooks::all(write).await?;
        Ok(all.iter().any(|one| one.events.iter().any(|e| e == name)))
    }

    async fn push(&self, write: &mut Write, name: &str, data: Value) -> Result<(), StoreError> {
        for webhook in webhooks::all(write).await? {
            if !webhook.events.iter().any(|event| event == name) {
                continue;
            }
            let id = HEXLOWER.encode(&rand::random::<[u8; 16]>());
            let body = json!({ "id": id, "event": name, "at": self.now(), "data": data });
            let message = Waiting {
                id,
                event: name.to_owned(),
                body: body.to_string(),
                created: self.now(),
            };
            webhooks::push(write, webhook.id, &message).await?;
        }
        Ok(())
    }
}

/// What a sealed secret is about: no row's can be put into another.
fn about(id: WebhookId) -> String {
    format!("webhook {id}")
}

fn session_data(session: sessions::Session) -> Value {
    let info = culvert_wire::api::SessionInfo::from(session);
    serde_json::to_value(info).expect("a session is plain data")
}
