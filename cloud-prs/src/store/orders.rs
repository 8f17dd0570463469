//! What a running server still has to do about a change.
//!
//! Written in the transaction of the change, by whichever process makes it;
//! read and removed by the server. So a change made on the command line takes
//! effect in the server, and one made a moment before a crash does too.

use culvert_wire::UnixMs;
use culvert_wire::id::{SessionId, TokenId, UserId};
use culvert_wire::key::PublicKey;
use culvert_wire::reason::Reason;
use data_encoding::BASE32_NOPAD;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::StoreError;
use super::column::Columns as _;
use super::statement::query;

/// One thing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Close a session's route.
    EndRoute(SessionId),
    /// Send a gateway the revocations it has not acknowledged.
    SendRevocations(PublicKey),
    /// Close the links of a person.
    CloseUser(UserId),
    /// Close the links of a sign-in or API token.
    CloseToken(TokenId),
    /// Close a gateway's link.
    CloseGateway(PublicKey),
    /// Tell the running server that a person's rights are others now.
    RightsChanged(UserId),
}

impl Order {
    fn columns(&self) -> (&'static str, String) {
        match self {
            Self::EndRoute(id) => ("end_route", id.to_string()),
            Self::SendRevocations(key) => ("send_revocations", key.to_string()),
            Self::CloseUser(id) => ("close_user", id.to_string()),
            Self::CloseToken(id) => ("close_token", id.to_string()),
            Self::CloseGateway(key) => ("close_gateway", key.to_string()),
            Self::RightsChanged(id) => ("rights_changed", id.to_string()),
        }
    }

    fn read(row: &AnyRow) -> Result<Self, StoreError> {
        Ok(match row.text("kind")?.as_str() {
            "end_route" => Self::EndRoute(row.parsed("subject")?),
            "send_revocations" => Self::SendRevocations(row.parsed("subject")?),
            "close_user" => Self::CloseUser(row.parsed("subject")?),
            "close_token" => Self::CloseToken(row.parsed("subject")?),
            "close_gateway" => Self::CloseGateway(row.parsed("subject")?),
            "rights_changed" => Self::RightsChanged(row.parsed("subject")?),
            _ => {
                return Err(StoreError::Value {
                    column: "kind".into(),
                });
            }
        })
    }
}

/// An order in the list.
#[derive(Debug, Clone)]
pub struct Listed {
    /// Its place in the list.
    pub id: String,
    /// What to do.
    pub order: Order,
    /// Why.
    pub reason: Reason,
}

/// Adds an order.
///
/// # Errors
/// [`StoreError`].
pub async fn add(
    db: &mut AnyConnection,
    order: Order,
    reason: Reason,
    now: UnixMs,
) -> Result<(), StoreError> {
    let (kind, subject) = order.columns();
    let sql = "INSERT INTO orders (id, at, kind, subject, reason) VALUES ($1, $2, $3, $4, $5)";
    query(sql)
        .bind(BASE32_NOPAD.encode(&rand::random::<[u8; 16]>()))
        .time(now)
        .bind(kind)
        .bind(subject)
        .bind(i64::from(reason.code()))
        .run(db)
        .await
}

/// All orders, oldest first. Of those of one moment a box's signed orders come first:
/// it gets them before its link is closed.
///
/// # Errors
/// [`StoreError`].
pub async fn all(db: &mut AnyConnection) -> Result<Vec<Listed>, StoreError> {
    let read = |row: &AnyRow| {
        let code = u16::try_from(row.int("reason")?).unwrap_or(u16::MAX);
        Ok(Listed {
            id: row.text("id")?,
            order: Order::read(row)?,
            reason: Reason::from_code(code),
        })
    };
    let sql = "SELECT * FROM orders ORDER BY at, \
               CASE kind WHEN 'send_revocations' THEN 0 WHEN 'end_route' THEN 1 ELSE 2 END, id";
    query(sql).all(db, read).await
}

/// Removes an order that was carried out.
///
/// # Errors
/// [`StoreError`].
pub async fn done(db: &mut AnyConnection, id: &str) -> Result<(), StoreError> {
    query("DELETE FROM orders WHERE id = $1")
        .bind(id)
        .run(db)
        .await
}
