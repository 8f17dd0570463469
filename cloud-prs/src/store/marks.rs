//! What people note about hosts: favourites, notes, tags; and where they
//! worked last.

use std::collections::HashSet;

use culvert_wire::UnixMs;
use culvert_wire::grant::Protocol;
use culvert_wire::id::{HostId, UserId};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::StoreError;
use super::column::{Columns as _, big};
use super::statement::query;

/// Notes and tags of a host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notes {
    /// Free text.
    pub notes: String,
    /// Words to find it by.
    pub tags: Vec<String>,
}

/// A host on which somebody worked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Visit {
    /// Which.
    pub host: HostId,
    /// When last.
    pub at: UnixMs,
    /// What was spoken then.
    pub protocol: Protocol,
}

/// Marks a host for a person, or takes the mark away; whether that changed
/// anything.
///
/// # Errors
/// [`StoreError`].
pub async fn set_favourite(
    db: &mut AnyConnection,
    user: UserId,
    host: HostId,
    marked: bool,
    now: UnixMs,
) -> Result<bool, StoreError> {
    let sql = if marked {
        "INSERT INTO favourites (user_id, host, added) VALUES ($1, $2, $3) \
         ON CONFLICT (user_id, host) DO NOTHING"
    } else {
        "DELETE FROM favourites WHERE user_id = $1 AND host = $2 AND added <= $3"
    };
    let at = if marked { big(now.0) } else { i64::MAX };
    query(sql).id(user).id(host).bind(at).changed(db).await
}

/// A person's marked hosts.
///
/// # Errors
/// [`StoreError`].
pub async fn favourites(db: &mut AnyConnection, user: UserId) -> Result<Vec<HostId>, StoreError> {
    query("SELECT host FROM favourites WHERE user_id = $1")
        .id(user)
        .all(db, |row| row.parsed("host"))
        .await
}

/// A host's notes.
///
/// # Errors
/// [`StoreError`].
pub async fn notes(db: &mut AnyConnection, host: HostId) -> Result<Notes, StoreError> {
    let read = |row: &AnyRow| {
        Ok(Notes {
            notes: row.text("notes")?,
            tags: row.json("tags")?,
        })
    };
    let notes = query("SELECT notes, tags FROM host_notes WHERE host = $1")
        .id(host)
        .one(db, read)
        .await?;
    Ok(notes.unwrap_or_default())
}

/// Writes a host's notes.
///
/// # Errors
/// [`StoreError`].
pub async fn set_notes(
    db: &mut AnyConnection,
    host: HostId,
    notes: &Notes,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO host_notes (host, notes, tags) VALUES ($1, $2, $3) \
               ON CONFLICT (host) DO UPDATE SET notes = excluded.notes, tags = excluded.tags";
    query(sql)
        .id(host)
        .bind(&notes.notes)
        .json(&notes.tags)
        .run(db)
        .await
}

/// Where a person worked last, newest first, each host once.
///
/// # Errors
/// [`StoreError`].
pub async fn visits(
    db: &mut AnyConnection,
    user: UserId,
    limit: u32,
) -> Result<Vec<Visit>, StoreError> {
    let sql = "SELECT s.host AS host, s.protocol AS protocol, s.started AS started \
               FROM sessions s JOIN (SELECT host, MAX(started) AS last FROM sessions \
               WHERE user_id = $1 AND test = 0 GROUP BY host ORDER BY MAX(started) DESC LIMIT $2) newest \
               ON newest.host = s.host AND newest.last = s.started \
               WHERE s.user_id = $1 AND s.test = 0 ORDER BY s.started DESC";
    let read = |row: &AnyRow| {
        Ok(Visit {
            host: row.parsed("host")?,
            at: row.time("started")?,
            protocol: row.parsed("protocol")?,
        })
    };
    let mut visits: Vec<Visit> = query(sql)
        .id(user)
        .bind(i64::from(limit))
        .all(db, read)
        .await?;
    let mut seen = HashSet::new();
    visits.retain(|visit| seen.insert(visit.host));
    Ok(visits)
}
