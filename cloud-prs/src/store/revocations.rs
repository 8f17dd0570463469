//! Signed orders to gateways, kept until they are acknowledged.

use culvert_wire::key::PublicKey;
use culvert_wire::revocation::SignedRevocation;
use culvert_wire::{Decode as _, Encode as _, UnixMs};
use data_encoding::BASE32_NOPAD;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::StoreError;
use super::column::Columns as _;
use super::statement::query;

/// Keeps an order.
///
/// # Errors
/// [`StoreError`].
pub async fn add(
    db: &mut AnyConnection,
    gateway: &PublicKey,
    counter: u64,
    signed: &SignedRevocation,
    now: UnixMs,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO revocations (gateway_key, counter, signed, created) \
               VALUES ($1, $2, $3, $4)";
    query(sql)
        .id(gateway)
        .count(counter)
        .bind(BASE32_NOPAD.encode(&signed.to_bytes()))
        .time(now)
        .run(db)
        .await
}

/// Orders of a gateway above a number, in order.
///
/// # Errors
/// [`StoreError`].
pub async fn above(
    db: &mut AnyConnection,
    gateway: &PublicKey,
    counter: u64,
) -> Result<Vec<SignedRevocation>, StoreError> {
    let sql = "SELECT signed FROM revocations WHERE gateway_key = $1 AND counter > $2 \
               ORDER BY counter";
    let read = |row: &AnyRow| {
        let unknown = || StoreError::Value {
            column: "signed".into(),
        };
        let bytes = BASE32_NOPAD
            .decode(row.text("signed")?.as_bytes())
            .map_err(|_| unknown())?;
        SignedRevocation::from_bytes(&bytes).map_err(|_| unknown())
    };
    query(sql).id(gateway).count(counter).all(db, read).await
}

/// Forgets what a gateway has acknowledged.
///
/// # Errors
/// [`StoreError`].
pub async fn acknowledged(
    db: &mut AnyConnection,
    gateway: &PublicKey,
    counter: u64,
) -> Result<(), StoreError> {
    query("DELETE FROM revocations WHERE gateway_key = $1 AND counter <= $2")
        .id(gateway)
        .count(counter)
        .run(db)
        .await
}

/// Forgets orders made before a time: the sessions they name are over by
/// their own end.
///
/// # Errors
/// [`StoreError`].
pub async fn forget_before(db: &mut AnyConnection, time: UnixMs) -> Result<(), StoreError> {
    query("DELETE FROM revocations WHERE created < $1")
        .time(time)
        .run(db)
        .await
}
