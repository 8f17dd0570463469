//! What boxes say of themselves: the newest verdict of each.

use culvert_wire::UnixMs;
use culvert_wire::id::GatewayId;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::StoreError;
use super::column::Columns as _;
use super::statement::query;

/// A box's verdict on its way to the server.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Health {
    /// The cause's name, `ok` when all is well.
    pub code: String,
    /// One sentence.
    pub text: String,
    /// For how long its program had run then, in seconds.
    pub uptime_s: u64,
    /// When it said so.
    pub at: UnixMs,
}

/// Writes a box's verdict.
///
/// # Errors
/// [`StoreError`].
pub async fn set(
    db: &mut AnyConnection,
    gateway: GatewayId,
    health: &Health,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO gateway_health (gateway, code, said, uptime, at) \
               VALUES ($1, $2, $3, $4, $5) ON CONFLICT (gateway) DO UPDATE SET \
               code = excluded.code, said = excluded.said, uptime = excluded.uptime, \
               at = excluded.at";
    query(sql)
        .id(gateway)
        .bind(&health.code)
        .bind(&health.text)
        .count(health.uptime_s)
        .time(health.at)
        .run(db)
        .await
}

/// A box's newest verdict.
///
/// # Errors
/// [`StoreError`].
pub async fn of(db: &mut AnyConnection, gateway: GatewayId) -> Result<Option<Health>, StoreError> {
    let read = |row: &AnyRow| {
        Ok(Health {
            code: row.text("code")?,
            text: row.text("said")?,
            uptime_s: row.count("uptime")?,
            at: row.time("at")?,
        })
    };
    query("SELECT * FROM gateway_health WHERE gateway = $1")
        .id(gateway)
        .one(db, read)
        .await
}
