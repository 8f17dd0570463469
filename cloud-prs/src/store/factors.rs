//! TOTP secrets (encrypted) and recovery codes (hashed).

use culvert_wire::UnixMs;
use culvert_wire::id::UserId;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::StoreError;
use super::column::Columns as _;
use super::statement::query;

/// An authenticator program.
#[derive(Debug, Clone)]
pub struct Totp {
    /// Its secret, encrypted.
    pub secret: String,
    /// The last step whose code was used.
    pub last_step: u64,
    /// Whether its first code was seen; until then it counts for nothing.
    pub confirmed: bool,
}

/// A person's authenticator program.
///
/// # Errors
/// [`StoreError`].
pub async fn totp(db: &mut AnyConnection, user: UserId) -> Result<Option<Totp>, StoreError> {
    let read = |row: &AnyRow| {
        Ok(Totp {
            secret: row.text("secret")?,
            last_step: row.count("last_step")?,
            confirmed: row.maybe_int("confirmed")?.is_some(),
        })
    };
    query("SELECT * FROM totp WHERE user_id = $1")
        .id(user)
        .one(db, read)
        .await
}

/// Notes a new secret that is still to be confirmed, in place of another one
/// that was not.
///
/// # Errors
/// [`StoreError`].
pub async fn begin_totp(
    db: &mut AnyConnection,
    user: UserId,
    secret: &str,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO totp (user_id, secret, last_step) VALUES ($1, $2, 0) \
               ON CONFLICT (user_id) DO UPDATE SET secret = excluded.secret, last_step = 0, \
               confirmed = NULL";
    query(sql).id(user).bind(secret).run(db).await
}

/// Notes that the code of a step was used; says whether it was newer than the
/// last one. Of any number of callers with one code one gets a yes.
///
/// # Errors
/// [`StoreError`].
pub async fn use_step(
    db: &mut AnyConnection,
    user: UserId,
    step: u64,
    now: UnixMs,
) -> Result<bool, StoreError> {
    let sql = "UPDATE totp SET last_step = $2, confirmed = COALESCE(confirmed, $3) \
               WHERE user_id = $1 AND last_step < $2";
    query(sql).id(user).count(step).time(now).changed(db).await
}

/// Removes a person's authenticator program; says whether there was one.
///
/// # Errors
/// [`StoreError`].
pub async fn remove_totp(db: &mut AnyConnection, user: UserId) -> Result<bool, StoreError> {
    query("DELETE FROM totp WHERE user_id = $1")
        .id(user)
        .changed(db)
        .await
}

/// Puts new recovery codes in the place of the old ones.
///
/// # Errors
/// [`StoreError`].
pub async fn replace_codes(
    db: &mut AnyConnection,
    user: UserId,
    hashes: &[String],
    now: UnixMs,
) -> Result<(), StoreError> {
    query("DELETE FROM recovery_codes WHERE user_id = $1")
        .id(user)
        .run(db)
        .await?;
    for hash in hashes {
        query("INSERT INTO recovery_codes (hash, user_id, made) VALUES ($1, $2, $3)")
            .bind(hash)
            .id(user)
            .time(now)
            .run(db)
            .await?;
    }
    Ok(())
}

/// Uses a recovery code up. Of any number of callers one gets a yes.
///
/// # Errors
/// [`StoreError`].
pub async fn use_code(
    db: &mut AnyConnection,
    user: UserId,
    hash: &str,
    now: UnixMs,
) -> Result<bool, StoreError> {
    let sql =
        "UPDATE recovery_codes SET used = $3 WHERE user_id = $1 AND hash = $2 AND used IS NULL";
    query(sql).id(user).bind(hash).time(now).changed(db).await
}

/// How many recovery codes a person has left.
///
/// # Errors
/// [`StoreError`].
pub async fn codes_left(db: &mut AnyConnection, user: UserId) -> Result<u32, StoreError> {
    let sql = "SELECT COUNT(*) AS n FROM recovery_codes WHERE user_id = $1 AND used IS NULL";
    let left = query(sql).id(user).only(db, |row| row.int("n")).await?;
    Ok(u32::try_from(left).unwrap_or(u32::MAX))
}
