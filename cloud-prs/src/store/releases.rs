//! Releases of the boxes' system, and what each box says that it runs.

use culvert_wire::UnixMs;
use culvert_wire::frame::{Progress, System};
use culvert_wire::id::GatewayId;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::StoreError;
use super::column::{Columns as _, big};
use super::statement::query;
use crate::app::rollout::{Member, Release, Ring};

/// Adds a release; one with this board and version must not be there.
///
/// # Errors
/// [`StoreError`].
pub async fn add(db: &mut AnyConnection, release: &Release) -> Result<(), StoreError> {
    let sql = "INSERT INTO releases (board, version, name, size, published, ring, forced, halted) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    query(sql)
        .bind(&release.board)
        .count(release.version)
        .bind(&release.name)
        .count(release.size)
        .time(release.published)
        .bind(release.ring.map(|ring| big(ring.number())))
        .flag(release.forced)
        .bind(&release.halted)
        .run(db)
        .await
}

/// Writes ring, force and halt of a release.
///
/// # Errors
/// [`StoreError`].
pub async fn update(db: &mut AnyConnection, release: &Release) -> Result<(), StoreError> {
    let sql = "UPDATE releases SET ring = $3, forced = $4, halted = $5 \
               WHERE board = $1 AND version = $2";
    query(sql)
        .bind(&release.board)
        .count(release.version)
        .bind(release.ring.map(|ring| big(ring.number())))
        .flag(release.forced)
        .bind(&release.halted)
        .run(db)
        .await
}

/// All releases, by board and version.
///
/// # Errors
/// [`StoreError`].
pub async fn all(db: &mut AnyConnection) -> Result<Vec<Release>, StoreError> {
    query("SELECT * FROM releases ORDER BY board, version")
        .all(db, release)
        .await
}

/// A release.
///
/// # Errors
/// [`StoreError`].
pub async fn one(
    db: &mut AnyConnection,
    board: &str,
    version: u64,
) -> Result<Option<Release>, StoreError> {
    query("SELECT * FROM releases WHERE board = $1 AND version = $2")
        .bind(board)
        .count(version)
        .one(db, release)
        .await
}

/// Notes what a box says of its system.
///
/// # Errors
/// [`StoreError`].
pub async fn note_system(
    db: &mut AnyConnection,
    gateway: GatewayId,
    system: &System,
    now: UnixMs,
) -> Result<(), StoreError> {
    let (code, of, why) = columns(&system.progress);
    let sql = "INSERT INTO gateway_systems \
               (gateway, board, version, trial, progress, progress_version, why, at) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (gateway) DO UPDATE SET \
               board = excluded.board, version = excluded.version, trial = excluded.trial, \
               progress = excluded.progress, progress_version = excluded.progress_version, \
               why = excluded.why, at = excluded.at";
    query(sql)
        .id(gateway)
        .bind(&system.board)
        .count(system.version)
        .flag(system.trial)
        .bind(code)
        .count(of)
        .bind(why)
        .time(now)
        .run(db)
        .await
}

/// Notes that a box was offered a release.
///
/// # Errors
/// [`StoreError`].
pub async fn note_offer(
    db: &mut AnyConnection,
    gateway: GatewayId,
    version: u64,
    now: UnixMs,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO gateway_offers (gateway, version, at) VALUES ($1, $2, $3) \
               ON CONFLICT (gateway) DO UPDATE SET version = excluded.version, at = excluded.at";
    query(sql)
        .id(gateway)
        .count(version)
        .time(now)
        .run(db)
        .await
}

/// Forgets what a place's box said and was offered: another comes. Its ring stays.
///
/// # Errors
/// [`StoreError`].
pub async fn forget_box(db: &mut AnyConnection, gateway: GatewayId) -> Result<(), StoreError> {
    for sql in [
        "DELETE FROM gateway_systems WHERE gateway = $1",
        "DELETE FROM gateway_offers WHERE gateway = $1",
    ] {
        query(sql).id(gateway).run(db).await?;
    }
    Ok(())
}

/// Puts a box into a ring.
///
/// # Errors
/// [`StoreError`].
pub async fn set_ring(
    db: &mut AnyConnection,
    gateway: GatewayId,
    ring: Ring,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO gateway_rings (gateway, ring) VALUES ($1, $2) \
               ON CONFLICT (gateway) DO UPDATE SET ring = excluded.ring";
    query(sql).id(gateway).count(ring.number()).run(db).await
}

/// The ring a box was put into.
///
/// # Errors
/// [`StoreError`].
pub async fn ring_of(
    db: &mut AnyConnection,
    gateway: GatewayId,
) -> Result<Option<Ring>, StoreError> {
    let found = query("SELECT ring FROM gateway_rings WHERE gateway = $1")
        .id(gateway)
        .one(db, |row| ring(row, "ring"))
        .await?;
    Ok(found.flatten())
}

const MEMBERS: &str = "SELECT s.*, g.identity AS identity, g.online AS online, \
                       g.last_seen AS seen, r.ring AS ring, o.version AS offered, o.at AS offered_at FROM gateway_systems s \
                       JOIN gateways g ON g.id = s.gateway \
                       LEFT JOIN gateway_rings r ON r.gateway = s.gateway \
                       LEFT JOIN gateway_offers o ON o.gateway = s.gateway";

/// Every active box that told its system.
///
/// # Errors
/// [`StoreError`].
pub async fn members(db: &mut AnyConnection) -> Result<Vec<Member>, StoreError> {
    let sql = format!("{MEMBERS} WHERE g.state = 'active' ORDER BY s.gateway");
    query(sqlx::AssertSqlSafe(sql)).all(db, member).await
}

/// One of them, whatever its state.
///
/// # Errors
/// [`StoreError`].
pub async fn member_of(
    db: &mut AnyConnection,
    gateway: GatewayId,
) -> Result<Option<Member>, StoreError> {
    let sql = format!("{MEMBERS} WHERE s.gateway = $1");
    query(sqlx::AssertSqlSafe(sql))
        .id(gateway)
        .one(db, member)
        .await
}

fn release(row: &AnyRow) -> Result<Release, StoreError> {
    Ok(Release {
        board: row.text("board")?,
        version: row.count("version")?,
        name: row.text("name")?,
        size: row.count("size")?,
        published: row.time("published")?,
        ring: ring(row, "ring")?,
        forced: row.flag("forced")?,
        halted: row.text("halted")?,
    })
}

fn member(row: &AnyRow) -> Result<Member, StoreError> {
    let offered = row.maybe_int("offered")?;
    let offered = offered.and_then(|version| u64::try_from(version).ok());
    Ok(Member {
        gateway: row.parsed("gateway")?,
        key: row.parsed("identity")?,
        ring: ring(row, "ring")?.unwrap_or(Ring::All),
        online: row.flag("online")?,
        seen: row.maybe_time("seen")?.unwrap_or(UnixMs(0)),
        system: System {
            board: row.text("board")?,
            version: row.count("version")?,
            trial: row.flag("trial")?,
            progress: progress(row)?,
        },
        at: row.time("at")?,
        offered: offered.zip(row.maybe_time("offered_at")?),
    })
}

fn ring(row: &AnyRow, column: &str) -> Result<Option<Ring>, StoreError> {
    let number = row.maybe_int(column)?;
    Ok(number.and_then(|number| Ring::numbered(u64::try_from(number).ok()?)))
}

fn columns(progress: &Progress) -> (i64, u64, &str) {
    match progress {
        Progress::None => (0, 0, ""),
        Progress::Taking { version } => (1, *version, ""),
        Progress::Installed { version } => (2, *version, ""),
        Progress::Refused { version, why } => (3, *version, why),
        Progress::Failed { version } => (4, *version, ""),
    }
}

fn progress(row: &AnyRow) -> Result<Progress, StoreError> {
    let version = row.count("progress_version")?;
    Ok(match row.int("progress")? {
        1 => Progress::Taking { version },
        2 => Progress::Installed { version },
        3 => Progress::Refused {
            version,
            why: row.text("why")?,
        },
        4 => Progress::Failed { version },
        _ => Progress::None,
    })
}
