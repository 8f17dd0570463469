//! Webhooks and what waits to be sent to them: at most [`MOST_WAITING`] each.

use culvert_wire::UnixMs;
use culvert_wire::id::{GatewayId, WebhookId};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::StoreError;
use super::column::{Columns as _, big};
use super::statement::query;

/// Deliveries that may wait for one webhook; later ones are dropped and counted.
pub const MOST_WAITING: i64 = 1000;

/// One webhook.
#[derive(Debug, Clone)]
pub struct Webhook {
    /// Which.
    pub id: WebhookId,
    /// Where it is told.
    pub url: String,
    /// What its messages are signed with, encrypted.
    pub sealed: String,
    /// What it wants to be told.
    pub events: Vec<String>,
    /// When it was added.
    pub created: UnixMs,
    /// Attempts that failed since the last one that did not.
    pub failures: u32,
    /// Messages that did not fit or were too old.
    pub dropped: u64,
    /// When it was tried last.
    pub last_at: Option<UnixMs>,
    /// What came of that.
    pub last_outcome: String,
}

/// A message that waits.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// Which.
    pub id: String,
    /// What happened.
    pub event: String,
    /// JSON.
    pub body: String,
    /// When.
    pub created: UnixMs,
}

fn read(row: &AnyRow) -> Result<Webhook, StoreError> {
    Ok(Webhook {
        id: row.parsed("id")?,
        url: row.text("url")?,
        sealed: row.text("secret")?,
        events: row.json("events")?,
        created: row.time("created")?,
        failures: u32::try_from(row.int("failures")?).unwrap_or(u32::MAX),
        dropped: row.count("dropped")?,
        last_at: row.maybe_time("last_at")?,
        last_outcome: row.text("last_outcome")?,
    })
}

/// Every webhook.
///
/// # Errors
/// [`StoreError`].
pub async fn all(db: &mut AnyConnection) -> Result<Vec<Webhook>, StoreError> {
    query("SELECT * FROM webhooks ORDER BY created, id")
        .all(db, read)
        .await
}

/// Those with something to send whose time has come.
///
/// # Errors
/// [`StoreError`].
pub async fn due(db: &mut AnyConnection, now: UnixMs) -> Result<Vec<Webhook>, StoreError> {
    let sql = "SELECT * FROM webhooks w WHERE next_at <= $1 AND EXISTS \
               (SELECT 1 FROM webhook_queue q WHERE q.webhook = w.id) ORDER BY next_at, id";
    query(sql).time(now).all(db, read).await
}

/// Adds a webhook.
///
/// # Errors
/// [`StoreError`].
pub async fn add(db: &mut AnyConnection, webhook: &Webhook) -> Result<(), StoreError> {
    let sql = "INSERT INTO webhooks (id, url, secret, events, created, failures, next_at, \
               dropped, last_outcome) VALUES ($1, $2, $3, $4, $5, 0, 0, 0, '')";
    query(sql)
        .id(webhook.id)
        .bind(&webhook.url)
        .bind(&webhook.sealed)
        .json(&webhook.events)
        .time(webhook.created)
        .run(db)
        .await
}

/// Puts an encrypted secret in the place of the one before.
///
/// # Errors
/// [`StoreError`].
pub async fn seal(db: &mut AnyConnection, id: WebhookId, sealed: &str) -> Result<(), StoreError> {
    query("UPDATE webhooks SET secret = $2 WHERE id = $1")
        .id(id)
        .bind(sealed)
        .run(db)
        .await
}

/// Removes a webhook with all that waits for it; says whether it was there.
///
/// # Errors
/// [`StoreError`].
pub async fn delete(db: &mut AnyConnection, id: WebhookId) -> Result<bool, StoreError> {
    query("DELETE FROM webhooks WHERE id = $1")
        .id(id)
        .changed(db)
        .await
}

/// Puts a message at the end of a webhook's line, or counts it as dropped.
///
/// # Errors
/// [`StoreError`].
pub async fn push(
    db: &mut AnyConnection,
    webhook: WebhookId,
    message: &Waiting,
) -> Result<(), StoreError> {
    let sql = "SELECT COUNT(*) AS waiting, COALESCE(MAX(created), 0) AS newest \
               FROM webhook_queue WHERE webhook = $1";
    let counts = |row: &AnyRow| Ok((row.int("waiting")?, row.int("newest")?));
    let (waiting, newest) = query(sql).id(webhook).only(db, counts).await?;
    if waiting >= MOST_WAITING {
        return dropped(db, webhook, 1).await;
    }
    // Messages of one millisecond keep their order: each is later than the one before.
    let created = big(message.created.0).max(newest + 1);
    let sql = "INSERT INTO webhook_queue (id, webhook, event, body, created) \
               VALUES ($1, $2, $3, $4, $5)";
    query(sql)
        .bind(&message.id)
        .id(webhook)
        .bind(&message.event)
        .bind(&message.body)
        .bind(created)
        .run(db)
        .await
}

async fn dropped(db: &mut AnyConnection, id: WebhookId, n: u64) -> Result<(), StoreError> {
    query("UPDATE webhooks SET dropped = dropped + $2 WHERE id = $1")
        .id(id)
        .count(n)
        .run(db)
        .await
}

/// The first of a webhook's line.
///
/// # Errors
/// [`StoreError`].
pub async fn first(
    db: &mut AnyConnection,
    webhook: WebhookId,
) -> Result<Option<Waiting>, StoreError> {
    let sql = "SELECT * FROM webhook_queue WHERE webhook = $1 ORDER BY created, id LIMIT 1";
    let read = |row: &AnyRow| {
        Ok(Waiting {
            id: row.text("id")?,
            event: row.text("event")?,
            body: row.text("body")?,
            created: row.time("created")?,
        })
    };
    query(sql).id(webhook).one(db, read).await
}

/// Notes an attempt: a message that arrived leaves the line, another waits.
///
/// # Errors
/// [`StoreError`].
pub async fn tried(
    db: &mut AnyConnection,
    webhook: WebhookId,
    arrived: Option<&str>,
    outcome: &str,
    (now, next_at): (UnixMs, UnixMs),
) -> Result<(), StoreError> {
    let failed = if let Some(id) = arrived {
        query("DELETE FROM webhook_queue WHERE id = $1")
            .bind(id)
            .run(db)
            .await?;
        "0"
    } else {
        "failures + 1"
    };
    let sql = format!(
        "UPDATE webhooks SET failures = {failed}, next_at = $2, last_at = $3, \
         last_outcome = $4 WHERE id = $1"
    );
    query(sqlx::AssertSqlSafe(sql))
        .id(webhook)
        .time(next_at)
        .time(now)
        .bind(outcome)
        .run(db)
        .await
}

/// Drops what is older than `before`.
///
/// # Errors
/// [`StoreError`].
pub async fn forget_before(db: &mut AnyConnection, before: UnixMs) -> Result<(), StoreError> {
    for webhook in all(db).await? {
        let forgotten = query("DELETE FROM webhook_queue WHERE webhook = $1 AND created < $2")
            .id(webhook.id)
            .time(before)
            .changes(db)
            .await?;
        if forgotten > 0 {
            dropped(db, webhook.id, forgotten).await?;
        }
    }
    Ok(())
}

/// Gateways of which the opposite was said last: online ones, and those that
/// have been gone since before `since`.
///
/// # Errors
/// [`StoreError`].
pub async fn gateways_changed(
    db: &mut AnyConnection,
    since: UnixMs,
) -> Result<Vec<(GatewayId, bool)>, StoreError> {
    let sql = "SELECT id, online FROM gateways WHERE state <> 'revoked' AND \
               ((online = 1 AND told <> 'online') OR \
               (online = 0 AND told = 'online' AND last_seen <= $1))";
    let changed = |row: &AnyRow| Ok((row.parsed("id")?, row.flag("online")?));
    query(sql).time(since).all(db, changed).await
}

/// Notes what was said of a gateway.
///
/// # Errors
/// [`StoreError`].
pub async fn told(
    db: &mut AnyConnection,
    gateway: GatewayId,
    online: bool,
) -> Result<(), StoreError> {
    query("UPDATE gateways SET told = $2 WHERE id = $1")
        .id(gateway)
        .bind(if online { "online" } else { "offline" })
        .run(db)
        .await
}
