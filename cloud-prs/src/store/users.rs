//! People who sign in.

use culvert_wire::UnixMs;
use culvert_wire::id::UserId;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::column::Columns as _;
use super::statement::query;
use super::{StoreError, name_key};

/// One person.
#[derive(Debug, Clone)]
pub struct User {
    /// The account.
    pub id: UserId,
    /// What she types to sign in.
    pub name: String,
    /// Argon2id, PHC text form.
    pub password: String,
    /// Whether she is shut out.
    pub disabled: bool,
    /// When the account was made.
    pub created: UnixMs,
}

fn read(row: &AnyRow) -> Result<User, StoreError> {
    Ok(User {
        id: row.parsed("id")?,
        name: row.text("name")?,
        password: row.text("password")?,
        disabled: row.flag("disabled")?,
        created: row.time("created")?,
    })
}

/// Adds a person.
///
/// # Errors
/// [`StoreError::Taken`] when the name is in use.
pub async fn add(db: &mut AnyConnection, user: &User) -> Result<(), StoreError> {
    let sql = "INSERT INTO users (id, name, name_key, password, disabled, created) \
               VALUES ($1, $2, $3, $4, $5, $6)";
    query(sql)
        .id(user.id)
        .bind(&user.name)
        .bind(name_key(&user.name))
        .bind(&user.password)
        .flag(user.disabled)
        .time(user.created)
        .run(db)
        .await
}

/// Writes name, password and whether she is shut out.
///
/// # Errors
/// [`StoreError::Taken`] when the name is in use.
pub async fn update(db: &mut AnyConnection, user: &User) -> Result<(), StoreError> {
    let sql = "UPDATE users SET name = $2, name_key = $3, password = $4, disabled = $5 \
               WHERE id = $1";
    query(sql)
        .id(user.id)
        .bind(&user.name)
        .bind(name_key(&user.name))
        .bind(&user.password)
        .flag(user.disabled)
        .run(db)
        .await
}

/// The person of an id.
///
/// # Errors
/// [`StoreError`].
pub async fn by_id(db: &mut AnyConnection, id: UserId) -> Result<Option<User>, StoreError> {
    query("SELECT * FROM users WHERE id = $1")
        .id(id)
        .one(db, read)
        .await
}

/// The person of a name, case ignored.
///
/// # Errors
/// [`StoreError`].
pub async fn by_name(db: &mut AnyConnection, name: &str) -> Result<Option<User>, StoreError> {
    query("SELECT * FROM users WHERE name_key = $1")
        .bind(name_key(name))
        .one(db, read)
        .await
}

/// Everybody, by name.
///
/// # Errors
/// [`StoreError`].
pub async fn all(db: &mut AnyConnection) -> Result<Vec<User>, StoreError> {
    query("SELECT * FROM users ORDER BY name_key")
        .all(db, read)
        .await
}
