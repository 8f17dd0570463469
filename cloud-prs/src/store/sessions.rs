//! Sessions: who worked on which host, when, for how long, how it ended.

mod list;

use culvert_wire::UnixMs;
use culvert_wire::api::Named;
use culvert_wire::grant::{Protocol, Target};
use culvert_wire::id::{CustomerId, GatewayId, HostId, SessionId, SiteId, TokenId, UserId};
use culvert_wire::key::PublicKey;
use culvert_wire::reason::Reason;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::StoreError;
use super::column::Columns as _;
use super::statement::query;
use crate::authz::Node;

pub use list::{Filter, Seen, list, live_or_over_since};

/// One session.
#[derive(Debug, Clone)]
pub struct Session {
    /// Which.
    pub id: SessionId,
    /// Who.
    pub user: Named<UserId>,
    /// For which customer.
    pub customer: Named<CustomerId>,
    /// At which place.
    pub site: Named<SiteId>,
    /// On which host.
    pub host: Named<HostId>,
    /// Through which gateway.
    pub gateway: GatewayId,
    /// The gateway's key at that time.
    pub gateway_key: PublicKey,
    /// The technician end's key.
    pub end_key: PublicKey,
    /// The sign-in or API token that asked.
    pub token: Option<TokenId>,
    /// What is spoken.
    pub protocol: Protocol,
    /// The grant's targets.
    pub targets: Vec<Target>,
    /// The last grant's serial.
    pub serial: u32,
    /// When it was granted.
    pub started: UnixMs,
    /// Until when the ends must join.
    pub join_by: UnixMs,
    /// When it ends unless renewed.
    pub ends_at: UnixMs,
    /// When it ended.
    pub ended: Option<UnixMs>,
    /// Why.
    pub reason: Option<Reason>,
    /// Bytes from the LAN host.
    pub from_hosts: u64,
    /// Bytes to the LAN host.
    pub to_hosts: u64,
    /// Hash of the technician's ticket until it joined, base32.
    pub technician_ticket: Option<String>,
    /// Hash of the gateway's ticket until it joined, base32.
    pub gateway_ticket: Option<String>,
    /// Whether it only tries if the host answers.
    pub test: bool,
}

impl Session {
    /// Where it is in the tree.
    pub const fn node(&self) -> Node {
        Node::Host {
            customer: self.customer.id,
            site: self.site.id,
            host: self.host.id,
        }
    }
}

/// One of the two ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The technician's.
    Technician,
    /// The gateway's.
    Gateway,
}

fn read(row: &AnyRow) -> Result<Session, StoreError> {
    let reason = row.maybe_int("reason")?;
    Ok(Session {
        id: row.parsed("id")?,
        user: row.named("user_id", "user_name")?,
        customer: row.named("customer", "customer_name")?,
        site: row.named("site", "site_name")?,
        host: row.named("host", "host_name")?,
        gateway: row.parsed("gateway")?,
        gateway_key: row.parsed("gateway_key")?,
        end_key: row.parsed("end_key")?,
        token: row.maybe_parsed("token")?,
        protocol: row.parsed("protocol")?,
        targets: row.json("targets")?,
        serial: u32::try_from(row.int("serial")?).unwrap_or(u32::MAX),
        started: row.time("started")?,
        join_by: row.time("join_by")?,
        ends_at: row.time("ends_at")?,
        ended: row.maybe_time("ended")?,
        reason: reason.map(|code| Reason::from_code(u16::try_from(code).unwrap_or(u16::MAX))),
        from_hosts: row.count("from_hosts")?,
        to_hosts: row.count("to_hosts")?,
        technician_ticket: row.maybe_text("technician_ticket")?,
        gateway_ticket: row.maybe_text("gateway_ticket")?,
        test: row.flag("test")?,
    })
}

/// Adds a session.
///
/// # Errors
/// [`StoreError`].
pub async fn add(db: &mut AnyConnection, session: &Session) -> Result<(), StoreError> {
    let sql = "INSERT INTO sessions (id, user_id, user_name, customer, customer_name, site, \
               site_name, host, host_name, gateway, gateway_key, end_key, token, protocol, \
               targets, serial, started, join_by, ends_at, from_hosts, to_hosts, \
               technician_ticket, gateway_ticket, test) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, \
               $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, 0, 0, $20, $21, $22)";
    query(sql)
        .id(session.id)
        .id(session.user.id)
        .bind(&session.user.name)
        .id(session.customer.id)
        .bind(&session.customer.name)
        .id(session.site.id)
        .bind(&session.site.name)
        .id(session.host.id)
        .bind(&session.host.name)
        .id(session.gateway)
        .id(session.gateway_key)
        .id(session.end_key)
        .maybe_id(session.token)
        .bind(session.protocol.name())
        .json(&session.targets)
        .bind(i64::from(session.serial))
        .time(session.started)
        .time(session.join_by)
        .time(session.ends_at)
        .bind(&session.technician_ticket)
        .bind(&session.gateway_ticket)
        .flag(session.test)
        .run(db)
        .await
}

/// The session of an id.
///
/// # Errors
/// [`StoreError`].
pub async fn by_id(db: &mut AnyConnection, id: SessionId) -> Result<Option<Session>, StoreError> {
    query("SELECT * FROM sessions WHERE id = $1")
        .id(id)
        .one(db, read)
        .await
}

/// Running sessions whose time is over.
///
/// # Errors
/// [`StoreError`].
pub async fn overdue(db: &mut AnyConnection, now: UnixMs) -> Result<Vec<Session>, StoreError> {
    query("SELECT * FROM sessions WHERE ended IS NULL AND ends_at <= $1")
        .time(now)
        .all(db, read)
        .await
}

/// Writes a renewal; says whether the session still ran.
///
/// # Errors
/// [`StoreError`].
pub async fn renew(
    db: &mut AnyConnection,
    id: SessionId,
    serial: u32,
    ends_at: UnixMs,
) -> Result<bool, StoreError> {
    let sql = "UPDATE sessions SET serial = $2, ends_at = $3 WHERE id = $1 AND ended IS NULL";
    query(sql)
        .id(id)
        .bind(i64::from(serial))
        .time(ends_at)
        .changed(db)
        .await
}

/// Takes the last renewal back: the session ends when it would have without.
///
/// # Errors
/// [`StoreError`].
pub async fn take_back(
    db: &mut AnyConnection,
    id: SessionId,
    serial: u32,
    ends_at: UnixMs,
) -> Result<(), StoreError> {
    let sql = "UPDATE sessions SET ends_at = $3 WHERE id = $1 AND serial = $2 AND ended IS NULL";
    query(sql)
        .id(id)
        .bind(i64::from(serial))
        .time(ends_at)
        .run(db)
        .await
}

/// Writes the end; the first reason stands. Says whether it was the first.
///
/// # Errors
/// [`StoreError`].
pub async fn end(
    db: &mut AnyConnection,
    id: SessionId,
    reason: Reason,
    now: UnixMs,
) -> Result<bool, StoreError> {
    let sql = "UPDATE sessions SET ended = $3, reason = $2, technician_ticket = NULL, \
               gateway_ticket = NULL WHERE id = $1 AND ended IS NULL";
    query(sql)
        .id(id)
        .bind(i64::from(reason.code()))
        .time(now)
        .changed(db)
        .await
}

/// Writes the bytes that the gateway counted, if the session was its own.
///
/// # Errors
/// [`StoreError`].
pub async fn count(
    db: &mut AnyConnection,
    id: SessionId,
    gateway: &PublicKey,
    from_hosts: u64,
    to_hosts: u64,
) -> Result<bool, StoreError> {
    let sql = "UPDATE sessions SET from_hosts = $3, to_hosts = $4 \
               WHERE id = $1 AND gateway_key = $2";
    query(sql)
        .id(id)
        .id(gateway)
        .count(from_hosts)
        .count(to_hosts)
        .changed(db)
        .await
}

/// Forgets an end's ticket: it has joined.
///
/// # Errors
/// [`StoreError`].
pub async fn joined(db: &mut AnyConnection, id: SessionId, end: End) -> Result<(), StoreError> {
    let sql = match end {
        End::Technician => "UPDATE sessions SET technician_ticket = NULL WHERE id = $1",
        End::Gateway => "UPDATE sessions SET gateway_ticket = NULL WHERE id = $1",
    };
    query(sql).id(id).run(db).await
}
