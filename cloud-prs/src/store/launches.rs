//! One-time tickets for `culvert open`: hashes, good for a minute.

use culvert_wire::UnixMs;
use culvert_wire::grant::Protocol;
use culvert_wire::id::{HostId, TokenId, UserId};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::StoreError;
use super::column::Columns as _;
use super::statement::query;

/// One of them.
#[derive(Debug, Clone)]
pub struct Launch {
    /// SHA-256 of the ticket, base32.
    pub hash: String,
    /// Who asked for it.
    pub user: UserId,
    /// With which sign-in or API token.
    pub token: TokenId,
    /// The host.
    pub host: HostId,
    /// What will be spoken.
    pub protocol: Protocol,
    /// The ports, empty for the host's own.
    pub ports: Vec<u16>,
    /// Until when it is good.
    pub expires: UnixMs,
}

/// Adds one, and forgets those that are over.
///
/// # Errors
/// [`StoreError`].
pub async fn add(db: &mut AnyConnection, launch: &Launch, now: UnixMs) -> Result<(), StoreError> {
    query("DELETE FROM launches WHERE expires <= $1")
        .time(now)
        .run(db)
        .await?;
    let sql = "INSERT INTO launches (hash, user_id, token, host, protocol, ports, expires) \
               VALUES ($1, $2, $3, $4, $5, $6, $7)";
    query(sql)
        .bind(&launch.hash)
        .id(launch.user)
        .id(launch.token)
        .id(launch.host)
        .bind(launch.protocol.name())
        .json(&launch.ports)
        .time(launch.expires)
        .run(db)
        .await
}

/// Uses one up. Of any number of callers one gets it.
///
/// # Errors
/// [`StoreError`].
pub async fn consume(
    db: &mut AnyConnection,
    hash: &str,
    now: UnixMs,
) -> Result<Option<Launch>, StoreError> {
    let sql = "UPDATE launches SET used = $2 WHERE hash = $1 AND used IS NULL AND expires > $2";
    if !query(sql).bind(hash).time(now).changed(db).await? {
        return Ok(None);
    }
    let read = |row: &AnyRow| {
        Ok(Launch {
            hash: row.text("hash")?,
            user: row.parsed("user_id")?,
            token: row.parsed("token")?,
            host: row.parsed("host")?,
            protocol: row.parsed("protocol")?,
            ports: row.json("ports")?,
            expires: row.time("expires")?,
        })
    };
    query("SELECT * FROM launches WHERE hash = $1")
        .bind(hash)
        .one(db, read)
        .await
}

/// Voids those of one person, or all, and says how many.
///
/// # Errors
/// [`StoreError`].
pub async fn void_all(
    db: &mut AnyConnection,
    user: Option<UserId>,
    now: UnixMs,
) -> Result<u64, StoreError> {
    let sql = "UPDATE launches SET used = $2 \
               WHERE ($1 = '' OR user_id = $1) AND used IS NULL AND expires > $2";
    query(sql).id_or_all(user).time(now).changes(db).await
}
