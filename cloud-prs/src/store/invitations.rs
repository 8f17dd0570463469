//! One-time links by which somebody sets her password: hashes only.

use culvert_wire::UnixMs;
use culvert_wire::id::{InvitationId, UserId};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::StoreError;
use super::column::Columns as _;
use super::statement::query;

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
    query(sql)
        .id(invitation.id)
        .bind(&invitation.hash)
        .bind(&invitation.name)
        .maybe_id(invitation.user)
        .json(&invitation.roles)
        .maybe_id(invitation.made_by)
        .bind(&invitation.made_by_name)
        .time(invitation.created)
        .time(invitation.expires)
        .run(db)
        .await
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
    query(sql).time(now).all(db, read).await
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
    query(sql).bind(hash).time(now).one(db, read).await
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
    query(sql).id(id).time(now).changed(db).await
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
    query(sql).id(id).time(now).changed(db).await
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
    query(sql).id_or_all(user).time(now).changes(db).await
}
