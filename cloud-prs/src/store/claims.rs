//! Claim codes: only the public half of each seed is here.

use culvert_wire::UnixMs;
use culvert_wire::id::{ClaimId, GatewayId, SiteId};
use culvert_wire::key::PublicKey;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::StoreError;
use super::column::Columns as _;
use super::statement::query;

/// One claim code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Which.
    pub id: ClaimId,
    /// The seed's public half.
    pub seed: PublicKey,
    /// The site the box will stand at; none makes it wait for one.
    pub site: Option<SiteId>,
    /// The gateway whose box this one replaces.
    pub replaces: Option<GatewayId>,
    /// When the code was made.
    pub created: UnixMs,
    /// Until when it is good.
    pub expires: UnixMs,
    /// When it was used.
    pub used: Option<UnixMs>,
    /// By the box of which key.
    pub used_by: Option<PublicKey>,
    /// When it was taken back.
    pub voided: Option<UnixMs>,
}

fn read(row: &AnyRow) -> Result<Claim, StoreError> {
    Ok(Claim {
        id: row.parsed("id")?,
        seed: row.parsed("seed")?,
        site: row.maybe_parsed("site")?,
        replaces: row.maybe_parsed("replaces")?,
        created: row.time("created")?,
        expires: row.time("expires")?,
        used: row.maybe_time("used")?,
        used_by: row.maybe_parsed("used_by")?,
        voided: row.maybe_time("voided")?,
    })
}

/// Adds a code.
///
/// # Errors
/// [`StoreError`].
pub async fn add(db: &mut AnyConnection, claim: &Claim) -> Result<(), StoreError> {
    let sql = "INSERT INTO claims (id, seed, site, replaces, created, expires) \
               VALUES ($1, $2, $3, $4, $5, $6)";
    query(sql)
        .id(claim.id)
        .id(claim.seed)
        .maybe_id(claim.site)
        .maybe_id(claim.replaces)
        .time(claim.created)
        .time(claim.expires)
        .run(db)
        .await
}

/// The code of an id.
///
/// # Errors
/// [`StoreError`].
pub async fn by_id(db: &mut AnyConnection, id: ClaimId) -> Result<Option<Claim>, StoreError> {
    query("SELECT * FROM claims WHERE id = $1")
        .id(id)
        .one(db, read)
        .await
}

/// Codes that may still be used.
///
/// # Errors
/// [`StoreError`].
pub async fn open(db: &mut AnyConnection, now: UnixMs) -> Result<Vec<Claim>, StoreError> {
    let sql = "SELECT * FROM claims WHERE used IS NULL AND voided IS NULL AND expires > $1 \
               ORDER BY created";
    query(sql).time(now).all(db, read).await
}

/// The codes that bound the boxes which wait for a site, with the boxes' keys.
///
/// # Errors
/// [`StoreError`].
pub async fn of_waiting_boxes(
    db: &mut AnyConnection,
) -> Result<Vec<(PublicKey, ClaimId)>, StoreError> {
    let sql = "SELECT c.used_by, c.id FROM claims c \
               JOIN gateways g ON g.identity = c.used_by \
               WHERE g.site IS NULL AND g.state <> 'revoked'";
    let read = |row: &AnyRow| Ok((row.parsed("used_by")?, row.parsed("id")?));
    query(sql).all(db, read).await
}

/// Uses a code up; says whether it was still good. Of any number of callers
/// one gets `true`.
///
/// # Errors
/// [`StoreError`].
pub async fn consume(
    db: &mut AnyConnection,
    id: ClaimId,
    by: &PublicKey,
    now: UnixMs,
) -> Result<bool, StoreError> {
    let sql = "UPDATE claims SET used = $3, used_by = $2 \
               WHERE id = $1 AND used IS NULL AND voided IS NULL AND expires > $3";
    query(sql).id(id).id(by).time(now).changed(db).await
}

/// Takes a code back; says whether it could still have been used.
///
/// # Errors
/// [`StoreError`].
pub async fn void(db: &mut AnyConnection, id: ClaimId, now: UnixMs) -> Result<bool, StoreError> {
    let sql = "UPDATE claims SET voided = $2 WHERE id = $1 AND used IS NULL AND voided IS NULL";
    query(sql).id(id).time(now).changed(db).await
}

/// Takes every open code back and says how many.
///
/// # Errors
/// [`StoreError`].
pub async fn void_all(db: &mut AnyConnection, now: UnixMs) -> Result<u64, StoreError> {
    let sql = "UPDATE claims SET voided = $1 \
               WHERE used IS NULL AND voided IS NULL AND expires > $1";
    query(sql).time(now).changes(db).await
}
