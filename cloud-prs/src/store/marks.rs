//! What people note about hosts: favourites, notes, tags; and where they
//! worked last.

use culvert_wire::UnixMs;
use culvert_wire::grant::Protocol;
use culvert_wire::id::{HostId, UserId};
use sqlx::AnyConnection;

use super::StoreError;
use super::column::{Columns as _, big};

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

/// Marks a host for a person, or takes the mark away.
///
/// # Errors
/// [`StoreError`].
pub async fn set_favourite(
    db: &mut AnyConnection,
    user: UserId,
    host: HostId,
    marked: bool,
    now: UnixMs,
) -> Result<(), StoreError> {
    let sql = if marked {
        "INSERT INTO favourites (user_id, host, added) VALUES ($1, $2, $3) \
         ON CONFLICT (user_id, host) DO NOTHING"
    } else {
        "DELETE FROM favourites WHERE user_id = $1 AND host = $2 AND added <= $3"
    };
    let at = if marked { big(now.0) } else { i64::MAX };
    sqlx::query(sql)
        .bind(user.to_string())
        .bind(host.to_string())
        .bind(at)
        .execute(db)
        .await?;
    Ok(())
}

/// A person's marked hosts.
///
/// # Errors
/// [`StoreError`].
pub async fn favourites(db: &mut AnyConnection, user: UserId) -> Result<Vec<HostId>, StoreError> {
    let rows = sqlx::query("SELECT host FROM favourites WHERE user_id = $1")
        .bind(user.to_string())
        .fetch_all(db)
        .await?;
    rows.iter().map(|row| row.parsed("host")).collect()
}

/// A host's notes.
///
/// # Errors
/// [`StoreError`].
pub async fn notes(db: &mut AnyConnection, host: HostId) -> Result<Notes, StoreError> {
    let row = sqlx::query("SELECT notes, tags FROM host_notes WHERE host = $1")
        .bind(host.to_string())
        .fetch_optional(db)
        .await?;
    row.map_or_else(
        || Ok(Notes::default()),
        |row| {
            Ok(Notes {
                notes: row.text("notes")?,
                tags: row.json("tags")?,
            })
        },
    )
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
    sqlx::query(sql)
        .bind(host.to_string())
        .bind(&notes.notes)
        .bind(serde_json::to_string(&notes.tags).expect("tags are plain data"))
        .execute(db)
        .await?;
    Ok(())
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
               WHERE user_id = $1 GROUP BY host ORDER BY MAX(started) DESC LIMIT $2) newest \
               ON newest.host = s.host AND newest.last = s.started \
               WHERE s.user_id = $1 ORDER BY s.started DESC";
    let rows = sqlx::query(sql)
        .bind(user.to_string())
        .bind(i64::from(limit))
        .fetch_all(db)
        .await?;
    let mut visits: Vec<Visit> = Vec::new();
    for row in &rows {
        let host = row.parsed("host")?;
        if visits.iter().all(|visit| visit.host != host) {
            visits.push(Visit {
                host,
                at: row.time("started")?,
                protocol: row.parsed("protocol")?,
            });
        }
    }
    Ok(visits)
}
