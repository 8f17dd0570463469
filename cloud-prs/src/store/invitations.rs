//! One-time links by which somebody sets her password: hashes only.

use culvert_wire::UnixMs;
use culvert_wire::id::{InvitationId, UserId};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::StoreError;
use super::column::{Columns as _, big};

/// One of them. `R` is what is promised.
#[derive(Debug, Clone)]
pub struct Invitation<R> {
    /// Which.
    pub id: InvitationId,
    /// SHA-256 of the secret, base32.
    pub hash: String,
    /// The name that the account gets or has.
    pub name: String,
    /// The account that was reset; none for a new one.
    pub user: Option<UserId>,
    /// The roles that the account gets.
    pub roles: R,
    /// Who made it; none: the console.
    pub made_by: Option<UserId>,
    /// Her name at that time.
    pub made_by_name: String,
    /// When it was made.
    pub created: UnixMs,
    /// Until when it is good.
    pub expires: UnixMs,
}

fn read<R: serde::de::DeserializeOwned>(row: &AnyRow) -> Result<Invitation<R>, StoreError> {
    Ok(Invitation {
        id: row.parsed("id")?,
        hash: row.text("hash")?,
        name: row.text("name")?,
        user: row.maybe_parsed("user_id")?,
        roles: row.json("roles")?,
        made_by: row.maybe_parsed("made_by")?,
        made_by_name: row.text("made_by_name")?,
        created: row.time("created")?,
        expires: row.time("expires")?,
    })
}

/// Adds one.
///
/// # Errors
/// [`StoreError`].
pub async fn add<R: serde::Serialize>(
    db: &mut AnyConnection,
    invitation: &Invitation<R>,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO invitations (id, hash, name, user_id, roles, made_by, made_by_name, \
               created, expires) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    let roles = serde_json::to_string(&invitation.roles).expect("roles are plain data");
    sqlx::query(sql)
        .bind(invitation.id.to_string())
        .bind(&invitation.hash)
        .bind(&invitation.name)
        .bind(invitation.user.map(|id| id.to_string()))
        .bind(roles)
        .bind(invitation.made_by.map(|id| id.to_string()))
        .bind(&invitation.made_by_name)
        .bind(big(invitation.created.0))
        .bind(big(invitation.expires.0))
        .execute(db)
        .await?;
    Ok(())
}

/// Those that may still be used, newest first.
///
/// # Errors
/// [`StoreError`].
pub async fn open<R: serde::de::DeserializeOwned>(
    db: &mut AnyConnection,
    now: UnixMs,
) -> Result<Vec<Invitation<R>>, StoreError> {
    let sql = "SELECT * FROM invitations WHERE used IS NULL AND voided IS NULL AND expires > $1 \
               ORDER BY created DESC, id";
    let rows = sqlx::query(sql).bind(big(now.0)).fetch_all(db).await?;
    rows.iter().map(read).collect()
}

/// The one of a secret's hash, if it may still be used.
///
/// # Errors
/// [`StoreError`].
pub async fn by_hash<R: serde::de::DeserializeOwned>(
    db: &mut AnyConnection,
    hash: &str,
    now: UnixMs,
) -> Result<Option<Invitation<R>>, StoreError> {
    let sql = "SELECT * FROM invitations WHERE hash = $1 AND used IS NULL AND voided IS NULL \
               AND expires > $2";
    let row = sqlx::query(sql)
        .bind(hash)
        .bind(big(now.0))
        .fetch_optional(db)
        .await?;
    row.as_ref().map(read).transpose()
}

/// Uses one up. Of any number of callers one gets a yes.
///
/// # Errors
/// [`StoreError`].
pub async fn consume(
    db: &mut AnyConnection,
    id: InvitationId,
    now: UnixMs,
) -> Result<bool, StoreError> {
    let sql = "UPDATE invitations SET used = $2 \
               WHERE id = $1 AND used IS NULL AND voided IS NULL AND expires > $2";
    let done = sqlx::query(sql)
        .bind(id.to_string())
        .bind(big(now.0))
        .execute(db)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Takes one back; says whether it was still good.
///
/// # Errors
/// [`StoreError`].
pub async fn void(
    db: &mut AnyConnection,
    id: InvitationId,
    now: UnixMs,
) -> Result<bool, StoreError> {
    let sql = "UPDATE invitations SET voided = $2 \
               WHERE id = $1 AND used IS NULL AND voided IS NULL AND expires > $2";
    let done = sqlx::query(sql)
        .bind(id.to_string())
        .bind(big(now.0))
        .execute(db)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Takes back what a person made and what was made for her account, or all.
///
/// # Errors
/// [`StoreError`].
pub async fn void_all(
    db: &mut AnyConnection,
    user: Option<UserId>,
    now: UnixMs,
) -> Result<u64, StoreError> {
    let sql = "UPDATE invitations SET voided = $2 \
               WHERE ($1 = '' OR made_by = $1 OR user_id = $1) AND used IS NULL \
               AND voided IS NULL AND expires > $2";
    let done = sqlx::query(sql)
        .bind(user.map(|id| id.to_string()).unwrap_or_default())
        .bind(big(now.0))
        .execute(db)
        .await?;
    Ok(done.rows_affected())
}
