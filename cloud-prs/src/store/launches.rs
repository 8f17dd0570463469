//! One-time tickets for `culvert open`: hashes, good for a minute.

use culvert_wire::UnixMs;
use culvert_wire::grant::Protocol;
use culvert_wire::id::{HostId, TokenId, UserId};
use sqlx::AnyConnection;

use super::StoreError;
use super::column::{Columns as _, big};

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
    sqlx::query("DELETE FROM launches WHERE expires <= $1")
        .bind(big(now.0))
        .execute(&mut *db)
        .await?;
    let sql = "INSERT INTO launches (hash, user_id, token, host, protocol, ports, expires) \
               VALUES ($1, $2, $3, $4, $5, $6, $7)";
    sqlx::query(sql)
        .bind(&launch.hash)
        .bind(launch.user.to_string())
        .bind(launch.token.to_string())
        .bind(launch.host.to_string())
        .bind(launch.protocol.name())
        .bind(serde_json::to_string(&launch.ports).expect("ports are plain data"))
        .bind(big(launch.expires.0))
        .execute(db)
        .await?;
    Ok(())
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
    let done = sqlx::query(sql)
        .bind(hash)
        .bind(big(now.0))
        .execute(&mut *db)
        .await?;
    if done.rows_affected() != 1 {
        return Ok(None);
    }
    let row = sqlx::query("SELECT * FROM launches WHERE hash = $1")
        .bind(hash)
        .fetch_one(db)
        .await?;
    Ok(Some(Launch {
        hash: row.text("hash")?,
        user: row.parsed("user_id")?,
        token: row.parsed("token")?,
        host: row.parsed("host")?,
        protocol: row.parsed("protocol")?,
        ports: row.json("ports")?,
        expires: row.time("expires")?,
    }))
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
    let done = sqlx::query(sql)
        .bind(user.map(|id| id.to_string()).unwrap_or_default())
        .bind(big(now.0))
        .execute(db)
        .await?;
    Ok(done.rows_affected())
}
