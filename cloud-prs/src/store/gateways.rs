//! Gateways: a place's box, whose key changes when the box is replaced.

use culvert_wire::UnixMs;
use culvert_wire::id::{BootId, CustomerId, GatewayId, Lease, SiteId};
use culvert_wire::key::PublicKey;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::StoreError;
use super::column::Columns as _;
use super::statement::{Statement, query};
use crate::authz::Node;

/// The highest number of an order that a box is believed to have obeyed: what is
/// counted on from there never leaves a column's range.
pub const MOST_ORDERS: u64 = 1 << 53;

/// Whether a gateway serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GatewayState {
    /// It does.
    Active,
    /// Two boxes used its identity, or its card was moved: its link stays, it
    /// gets no grants.
    Quarantined,
    /// Its key serves never again.
    Revoked,
}

impl GatewayState {
    const ALL: [Self; 3] = [Self::Active, Self::Quarantined, Self::Revoked];

    /// The word that lists and JSON use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Quarantined => "quarantined",
            Self::Revoked => "revoked",
        }
    }
}

impl std::str::FromStr for GatewayState {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|s| s.name() == text).ok_or(())
    }
}

/// The lease rule's memory of one gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Leases {
    /// The boot that got the newest lease.
    pub boot: Option<BootId>,
    /// The last lease that the box acknowledged.
    pub acknowledged: Option<Lease>,
    /// A newer one that it did not acknowledge yet.
    pub pending: Option<Lease>,
}

/// One gateway.
#[derive(Debug, Clone)]
pub struct Gateway {
    /// Its place, for as long as that exists.
    pub id: GatewayId,
    /// Where it stands.
    pub site: Option<SiteId>,
    /// The site's name.
    pub site_name: Option<String>,
    /// Whose site.
    pub customer: Option<CustomerId>,
    /// The customer's name.
    pub customer_name: Option<String>,
    /// The box's identity key.
    pub identity: PublicKey,
    /// The box's X25519 sealing key, base32.
    pub sealing: String,
    /// Its signature by the identity key, base32; empty for a box from before.
    pub sealing_signature: String,
    /// Whether it serves.
    pub state: GatewayState,
    /// Its program and version at the last hello.
    pub version: String,
    /// When the box was claimed.
    pub claimed: UnixMs,
    /// Whether it had a link when this was last written.
    pub online: bool,
    /// When it was last heard of.
    pub last_seen: Option<UnixMs>,
    /// The lease rule's memory.
    pub leases: Leases,
    /// The last revocation's number.
    pub counter: u64,
}

const SELECT: &str = "SELECT g.*, s.name AS site_name, s.customer AS customer, \
                      c.name AS customer_name FROM gateways g \
                      LEFT JOIN sites s ON s.id = g.site LEFT JOIN customers c ON c.id = s.customer";

impl Gateway {
    /// Its place in the tree; everything while it has no site.
    pub fn node(&self) -> Node {
        match (self.customer, self.site) {
            (Some(customer), Some(site)) => Node::Site { customer, site },
            (Some(_), None) | (None, _) => Node::All,
        }
    }
}

fn read(row: &AnyRow) -> Result<Gateway, StoreError> {
    Ok(Gateway {
        id: row.parsed("id")?,
        site: row.maybe_parsed("site")?,
        site_name: row.maybe_text("site_name")?,
        customer: row.maybe_parsed("customer")?,
        customer_name: row.maybe_text("customer_name")?,
        identity: row.parsed("identity")?,
        sealing: row.text("sealing")?,
        sealing_signature: row.text("sealing_signature")?,
        state: row.parsed("state")?,
        version: row.text("version")?,
        claimed: row.time("claimed")?,
        online: row.flag("online")?,
        last_seen: row.maybe_time("last_seen")?,
        leases: Leases {
            boot: row.maybe_parsed("boot")?,
            acknowledged: row.maybe_parsed("lease")?,
            pending: row.maybe_parsed("pending")?,
        },
        counter: row.count("counter")?,
    })
}

/// Adds a gateway.
///
/// # Errors
/// [`StoreError::Taken`] when the key or the site has one already.
pub async fn add(db: &mut AnyConnection, gateway: &Gateway) -> Result<(), StoreError> {
    let sql = "INSERT INTO gateways (id, site, identity, sealing, state, version, claimed, \
               online, last_seen, boot, lease, pending, sealing_signature, counter) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)";
    filled(sql, gateway).count(gateway.counter).run(db).await
}

/// A statement whose `$1` to `$13` are all of a gateway but its counter.
fn filled(sql: &'static str, gateway: &Gateway) -> Statement {
    query(sql)
        .id(gateway.id)
        .maybe_id(gateway.site)
        .id(gateway.identity)
        .bind(&gateway.sealing)
        .bind(gateway.state.name())
        .bind(&gateway.version)
        .time(gateway.claimed)
        .flag(gateway.online)
        .maybe_time(gateway.last_seen)
        .maybe_id(gateway.leases.boot)
        .maybe_id(gateway.leases.acknowledged)
        .maybe_id(gateway.leases.pending)
        .bind(&gateway.sealing_signature)
}

/// How many serve, linked or not.
///
/// # Errors
/// [`StoreError`].
pub async fn count(db: &mut AnyConnection) -> Result<usize, StoreError> {
    let serving = query("SELECT COUNT(*) AS n FROM gateways WHERE state = $1")
        .bind(GatewayState::Active.name())
        .only(db, |row| row.count("n"))
        .await?;
    Ok(usize::try_from(serving).unwrap_or(usize::MAX))
}

/// Writes everything but `id` and `counter`.
///
/// # Errors
/// [`StoreError::Taken`] when the key or the site has another one already.
pub async fn update(db: &mut AnyConnection, gateway: &Gateway) -> Result<(), StoreError> {
    let sql = "UPDATE gateways SET site = $2, identity = $3, sealing = $4, state = $5, \
               version = $6, claimed = $7, online = $8, last_seen = $9, boot = $10, lease = $11, \
               pending = $12, sealing_signature = $13 WHERE id = $1";
    filled(sql, gateway).run(db).await
}

/// Raises a gateway's revocation number, or sets it back for a new box.
///
/// # Errors
/// [`StoreError`].
pub async fn set_counter(
    db: &mut AnyConnection,
    id: GatewayId,
    counter: u64,
) -> Result<(), StoreError> {
    query("UPDATE gateways SET counter = $2 WHERE id = $1")
        .id(id)
        .count(counter)
        .run(db)
        .await
}

/// The gateway of an id.
///
/// # Errors
/// [`StoreError`].
pub async fn by_id(db: &mut AnyConnection, id: GatewayId) -> Result<Option<Gateway>, StoreError> {
    one(db, "g.id", id.to_string()).await
}

/// The gateway whose key this is now.
///
/// # Errors
/// [`StoreError`].
pub async fn by_key(
    db: &mut AnyConnection,
    key: &PublicKey,
) -> Result<Option<Gateway>, StoreError> {
    one(db, "g.identity", key.to_string()).await
}

/// The gateway of a site.
///
/// # Errors
/// [`StoreError`].
pub async fn by_site(db: &mut AnyConnection, site: SiteId) -> Result<Option<Gateway>, StoreError> {
    one(db, "g.site", site.to_string()).await
}

async fn one(
    db: &mut AnyConnection,
    column: &'static str,
    value: String,
) -> Result<Option<Gateway>, StoreError> {
    query(sqlx::AssertSqlSafe(format!("{SELECT} WHERE {column} = $1")))
        .bind(value)
        .one(db, read)
        .await
}

/// All gateways, by customer and site; unassigned ones first.
///
/// # Errors
/// [`StoreError`].
pub async fn all(db: &mut AnyConnection) -> Result<Vec<Gateway>, StoreError> {
    let sql =
        format!("{SELECT} ORDER BY COALESCE(c.name_key, ''), COALESCE(s.name_key, ''), g.claimed");
    query(sqlx::AssertSqlSafe(sql)).all(db, read).await
}

/// Notes that a gateway's link came or went.
///
/// # Errors
/// [`StoreError`].
pub async fn set_online(
    db: &mut AnyConnection,
    key: &PublicKey,
    online: bool,
    now: UnixMs,
) -> Result<(), StoreError> {
    query("UPDATE gateways SET online = $2, last_seen = $3 WHERE identity = $1")
        .id(key)
        .flag(online)
        .time(now)
        .run(db)
        .await
}

/// Forgets the lease of every gateway that has one; how many had.
///
/// # Errors
/// [`StoreError`].
pub async fn forget_leases(db: &mut AnyConnection) -> Result<u64, StoreError> {
    let sql = "UPDATE gateways SET boot = NULL, lease = NULL, pending = NULL \
               WHERE boot IS NOT NULL OR lease IS NOT NULL OR pending IS NOT NULL";
    query(sql).changes(db).await
}

/// Notes that every gateway with a link is still heard of.
///
/// # Errors
/// [`StoreError`].
pub async fn touch_online(db: &mut AnyConnection, now: UnixMs) -> Result<(), StoreError> {
    query("UPDATE gateways SET last_seen = $1 WHERE online = 1")
        .time(now)
        .run(db)
        .await
}

/// Notes that no gateway has a link: a server starts.
///
/// # Errors
/// [`StoreError`].
pub async fn all_offline(db: &mut AnyConnection) -> Result<(), StoreError> {
    query("UPDATE gateways SET online = 0 WHERE online = 1")
        .run(db)
        .await
}

/// Counts up a gateway's revocations and gives the new number. A number that is
/// beyond belief (earlier versions took any that a box said) is left for
/// [`MOST_ORDERS`].
///
/// # Errors
/// [`StoreError`].
pub async fn next_counter(db: &mut AnyConnection, key: &PublicKey) -> Result<u64, StoreError> {
    let sql = "UPDATE gateways \
               SET counter = CASE WHEN counter < $2 THEN counter ELSE $3 END + 1 \
               WHERE identity = $1 RETURNING counter AS counter";
    let counter = query(sql)
        .id(key)
        .count(MOST_ORDERS * 2)
        .count(MOST_ORDERS)
        .one(db, |row| row.count("counter"))
        .await?;
    Ok(counter.unwrap_or(0))
}

/// Remembers a key that shall never serve again.
///
/// # Errors
/// [`StoreError`].
pub async fn retire_key(
    db: &mut AnyConnection,
    key: &PublicKey,
    gateway: GatewayId,
    now: UnixMs,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO retired_keys (identity, gateway, retired) VALUES ($1, $2, $3) \
               ON CONFLICT (identity) DO NOTHING";
    query(sql).id(key).id(gateway).time(now).run(db).await
}

/// Whether a key was retired.
///
/// # Errors
/// [`StoreError`].
pub async fn is_retired(db: &mut AnyConnection, key: &PublicKey) -> Result<bool, StoreError> {
    let found = query("SELECT gateway FROM retired_keys WHERE identity = $1")
        .id(key)
        .one(db, |_| Ok(()))
        .await?;
    Ok(found.is_some())
}
