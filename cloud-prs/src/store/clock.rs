//! The highest time that this server has vouched for: a clock that is behind
//! it is wrong.

use culvert_wire::UnixMs;
use sqlx::AnyConnection;

use super::StoreError;
use super::column::Columns as _;
use super::statement::query;

/// The highest time noted; none in a new database.
///
/// # Errors
/// [`StoreError`].
pub async fn highest(db: &mut AnyConnection) -> Result<Option<UnixMs>, StoreError> {
    query("SELECT value FROM meta WHERE name = 'clock'")
        .one(db, |row| row.parsed("value").map(UnixMs))
        .await
}

/// Notes a time, unless a higher one is noted.
///
/// # Errors
/// [`StoreError`].
pub async fn raise(db: &mut AnyConnection, now: UnixMs) -> Result<(), StoreError> {
    if highest(db).await?.is_some_and(|highest| highest >= now) {
        return Ok(());
    }
    let sql = "INSERT INTO meta (name, value) VALUES ('clock', $1) \
               ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    query(sql).id(now.0).run(db).await
}
