//! Passkeys: the public halves of WebAuthn credentials.

use culvert_wire::UnixMs;
use culvert_wire::id::{PasskeyId, UserId};
use data_encoding::BASE64URL_NOPAD;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::StoreError;
use super::column::Columns as _;
use super::statement::query;

/// One passkey.
#[derive(Debug, Clone)]
pub struct Passkey {
    /// Which, for lists.
    pub id: PasskeyId,
    /// Whose.
    pub user: UserId,
    /// The credential's own id.
    pub credential: Vec<u8>,
    /// The public key, a `COSE_Key`.
    pub key: Vec<u8>,
    /// How often it has signed, as it says; 0 for one that does not count.
    pub counter: u32,
    /// What its person called it.
    pub label: String,
    /// When it was added.
    pub created: UnixMs,
    /// When it was last used.
    pub last_used: Option<UnixMs>,
}

fn read(row: &AnyRow) -> Result<Passkey, StoreError> {
    let bytes = |column: &str| {
        BASE64URL_NOPAD
            .decode(row.text(column)?.as_bytes())
            .map_err(|_| StoreError::Value {
                column: column.into(),
            })
    };
    Ok(Passkey {
        id: row.parsed("id")?,
        user: row.parsed("user_id")?,
        credential: bytes("credential")?,
        key: bytes("key")?,
        counter: u32::try_from(row.int("counter")?).unwrap_or(u32::MAX),
        label: row.text("label")?,
        created: row.time("created")?,
        last_used: row.maybe_time("last_used")?,
    })
}

/// Adds one.
///
/// # Errors
/// [`StoreError::Taken`] when the credential is somebody's already.
pub async fn add(db: &mut AnyConnection, passkey: &Passkey) -> Result<(), StoreError> {
    let sql = "INSERT INTO passkeys (id, user_id, credential, key, counter, label, created) \
               VALUES ($1, $2, $3, $4, $5, $6, $7)";
    query(sql)
        .id(passkey.id)
        .id(passkey.user)
        .bind(BASE64URL_NOPAD.encode(&passkey.credential))
        .bind(BASE64URL_NOPAD.encode(&passkey.key))
        .bind(i64::from(passkey.counter))
        .bind(&passkey.label)
        .time(passkey.created)
        .run(db)
        .await
}

/// The passkey of a credential's id.
///
/// # Errors
/// [`StoreError`].
pub async fn by_credential(
    db: &mut AnyConnection,
    credential: &[u8],
) -> Result<Option<Passkey>, StoreError> {
    query("SELECT * FROM passkeys WHERE credential = $1")
        .bind(BASE64URL_NOPAD.encode(credential))
        .one(db, read)
        .await
}

/// A person's passkeys, the oldest first.
///
/// # Errors
/// [`StoreError`].
pub async fn of_user(db: &mut AnyConnection, user: UserId) -> Result<Vec<Passkey>, StoreError> {
    query("SELECT * FROM passkeys WHERE user_id = $1 ORDER BY created, id")
        .id(user)
        .all(db, read)
        .await
}

/// Notes a use, if the counter is what it was: of two uses at the same time
/// one counts.
///
/// # Errors
/// [`StoreError`].
pub async fn used(
    db: &mut AnyConnection,
    passkey: &Passkey,
    counter: u32,
    now: UnixMs,
) -> Result<bool, StoreError> {
    let sql = "UPDATE passkeys SET counter = $3, last_used = $4 WHERE id = $1 AND counter = $2";
    query(sql)
        .id(passkey.id)
        .bind(i64::from(passkey.counter))
        .bind(i64::from(counter))
        .time(now)
        .changed(db)
        .await
}

/// Removes one of a person's; says whether it was there.
///
/// # Errors
/// [`StoreError`].
pub async fn remove(
    db: &mut AnyConnection,
    user: UserId,
    id: PasskeyId,
) -> Result<bool, StoreError> {
    query("DELETE FROM passkeys WHERE user_id = $1 AND id = $2")
        .id(user)
        .id(id)
        .changed(db)
        .await
}

/// Removes all of a person's second factors.
///
/// # Errors
/// [`StoreError`].
pub async fn forget_factors(db: &mut AnyConnection, user: UserId) -> Result<(), StoreError> {
    for sql in [
        "DELETE FROM passkeys WHERE user_id = $1",
        "DELETE FROM totp WHERE user_id = $1",
        "DELETE FROM recovery_codes WHERE user_id = $1",
    ] {
        query(sql).id(user).run(db).await?;
    }
    Ok(())
}
