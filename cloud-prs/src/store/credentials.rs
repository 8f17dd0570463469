//! Credentials of hosts as ciphertext, and through whose hands they went.

use culvert_wire::UnixMs;
use culvert_wire::api::Named;
use culvert_wire::grant::{HostAddress, Protocol};
use culvert_wire::id::{CustomerId, HostId, UserId};
use culvert_wire::key::PublicKey;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::StoreError;
use super::column::Columns as _;
use super::hosts::Host;
use super::statement::query;

/// One credential; the server cannot open it.
#[derive(Debug, Clone)]
pub struct Credential {
    /// What is spoken with it.
    pub protocol: Protocol,
    /// On which port.
    pub port: u16,
    /// The account on the host.
    pub account: String,
    /// The ciphertext, base64.
    pub sealed: String,
    /// The box it is sealed to.
    pub gateway_key: PublicKey,
    /// The host's address that it is sealed for.
    pub address: HostAddress,
    /// Who entered it.
    pub by: Named<UserId>,
    /// When.
    pub entered: UnixMs,
}

impl Credential {
    /// Whether the host's box of now can open it for the host as it is now.
    pub fn holds(&self, host: &Host) -> bool {
        let same_box = |gateway: &super::hosts::HostGateway| gateway.identity == self.gateway_key;
        host.gateway.as_ref().is_some_and(same_box)
            && host.address == self.address
            && !self.sealed.is_empty()
    }
}

/// A credential that somebody entered or was given.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Hand {
    /// The host.
    pub host: Named<HostId>,
    /// Whose it is.
    pub customer: Named<CustomerId>,
    /// What is spoken with it.
    pub protocol: Protocol,
    /// The account on the host.
    pub account: String,
    /// When she entered it last.
    pub entered: Option<UnixMs>,
    /// When a session of hers used it last.
    pub used: Option<UnixMs>,
}

/// What somebody did with a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Did {
    /// Entered it.
    Entered,
    /// Worked with it.
    Used,
}

fn port(row: &AnyRow) -> Result<u16, StoreError> {
    u16::try_from(row.int("port")?).map_err(|_| StoreError::Value {
        column: "port".into(),
    })
}

/// A host's credentials.
///
/// # Errors
/// [`StoreError`].
pub async fn of_host(db: &mut AnyConnection, host: HostId) -> Result<Vec<Credential>, StoreError> {
    let read = |row: &AnyRow| {
        Ok(Credential {
            protocol: row.parsed("protocol")?,
            port: port(row)?,
            account: row.text("account")?,
            sealed: row.text("sealed")?,
            gateway_key: row.parsed("gateway_key")?,
            address: row.parsed("address")?,
            by: row.named("entered_by", "entered_by_name")?,
            entered: row.time("entered")?,
        })
    };
    query("SELECT * FROM credentials WHERE host = $1 ORDER BY protocol, port")
        .id(host)
        .all(db, read)
        .await
}

/// Writes a credential in the place of the one before.
///
/// # Errors
/// [`StoreError`].
pub async fn set(
    db: &mut AnyConnection,
    host: HostId,
    credential: &Credential,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO credentials (host, protocol, port, account, sealed, gateway_key, \
               address, entered_by, entered_by_name, entered) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
               ON CONFLICT (host, protocol, port) DO UPDATE SET account = excluded.account, \
               sealed = excluded.sealed, gateway_key = excluded.gateway_key, \
               address = excluded.address, entered_by = excluded.entered_by, \
               entered_by_name = excluded.entered_by_name, entered = excluded.entered";
    query(sql)
        .id(host)
        .bind(credential.protocol.name())
        .bind(i64::from(credential.port))
        .bind(&credential.account)
        .bind(&credential.sealed)
        .id(credential.gateway_key)
        .bind(credential.address.as_str())
        .id(credential.by.id)
        .bind(&credential.by.name)
        .time(credential.entered)
        .run(db)
        .await
}

/// Removes a host's credentials for a protocol, and says how many there were.
///
/// # Errors
/// [`StoreError`].
pub async fn delete(
    db: &mut AnyConnection,
    host: HostId,
    protocol: Protocol,
) -> Result<u64, StoreError> {
    query("DELETE FROM credentials WHERE host = $1 AND protocol = $2")
        .id(host)
        .bind(protocol.name())
        .changes(db)
        .await
}

/// Forgets every ciphertext that a box alone could open, which is gone.
///
/// # Errors
/// [`StoreError`].
pub async fn forget_sealed_to(db: &mut AnyConnection, key: &PublicKey) -> Result<(), StoreError> {
    query("UPDATE credentials SET sealed = '' WHERE gateway_key = $1")
        .id(key)
        .run(db)
        .await
}

/// Notes that a credential went through somebody's hands.
///
/// # Errors
/// [`StoreError`].
pub async fn note(
    db: &mut AnyConnection,
    user: UserId,
    host: &Host,
    (protocol, account): (Protocol, &str),
    did: Did,
    now: UnixMs,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO credential_hands (user_id, host, host_name, customer, customer_name, \
               protocol, account, entered, used) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
               ON CONFLICT (user_id, host, protocol, account) DO UPDATE SET \
               host_name = excluded.host_name, \
               entered = COALESCE(excluded.entered, credential_hands.entered), \
               used = COALESCE(excluded.used, credential_hands.used)";
    let at = Some(now);
    let (entered, used) = match did {
        Did::Entered => (at, None),
        Did::Used => (None, at),
    };
    query(sql)
        .id(user)
        .id(host.id)
        .bind(&host.name)
        .id(host.customer.id)
        .bind(&host.customer.name)
        .bind(protocol.name())
        .bind(account)
        .maybe_time(entered)
        .maybe_time(used)
        .run(db)
        .await
}

/// The credentials that went through somebody's hands.
///
/// # Errors
/// [`StoreError`].
pub async fn hands_of(db: &mut AnyConnection, user: UserId) -> Result<Vec<Hand>, StoreError> {
    let sql = "SELECT * FROM credential_hands WHERE user_id = $1 \
               ORDER BY customer_name, host_name, protocol, account";
    let read = |row: &AnyRow| {
        Ok(Hand {
            host: row.named("host", "host_name")?,
            customer: row.named("customer", "customer_name")?,
            protocol: row.parsed("protocol")?,
            account: row.text("account")?,
            entered: row.maybe_time("entered")?,
            used: row.maybe_time("used")?,
        })
    };
    query(sql).id(user).all(db, read).await
}
