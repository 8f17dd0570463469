//! Rows of the audit trail and the signed heads of their chains.

use culvert_wire::UnixMs;
use culvert_wire::key::{PublicKey, Signature};
use data_encoding::BASE32_NOPAD;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::StoreError;
use super::column::Columns as _;
use super::statement::query;
use crate::audit::{Chain, Entry, Hash, Head};

/// A row with the hash beside it.
#[derive(Debug, Clone)]
pub struct Row {
    /// The row.
    pub entry: Entry,
    /// Its hash as stored.
    pub hash: Hash,
}

fn read(row: &AnyRow) -> Result<Row, StoreError> {
    Ok(Row {
        entry: Entry {
            chain: row.parsed("chain")?,
            seq: row.count("seq")?,
            at: row.time("at")?,
            actor: row.text("actor")?,
            actor_name: row.text("actor_name")?,
            source: row.text("source")?,
            action: row.text("action")?,
            object: row.text("object")?,
            outcome: row.text("outcome")?,
            before: row.text("before_state")?,
            after: row.text("after_state")?,
        },
        hash: row.parsed("hash")?,
    })
}

fn read_head(row: &AnyRow) -> Result<Head, StoreError> {
    let wrong = || StoreError::Value {
        column: "signature".into(),
    };
    let signature = BASE32_NOPAD
        .decode(row.text("signature")?.as_bytes())
        .map_err(|_| wrong())?;
    Ok(Head {
        chain: row.parsed("chain")?,
        seq: row.count("seq")?,
        at: row.time("at")?,
        hash: row.parsed("hash")?,
        signer: row.parsed::<PublicKey>("signer")?,
        signature: Signature(signature.try_into().map_err(|_| wrong())?),
    })
}

/// Adds a row.
///
/// # Errors
/// [`StoreError`].
pub async fn add(db: &mut AnyConnection, row: &Row) -> Result<(), StoreError> {
    let sql = "INSERT INTO audit (chain, seq, at, actor, actor_name, source, action, object, \
               outcome, before_state, after_state, hash) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
    let entry = &row.entry;
    query(sql)
        .id(entry.chain)
        .count(entry.seq)
        .time(entry.at)
        .bind(&entry.actor)
        .bind(&entry.actor_name)
        .bind(&entry.source)
        .bind(&entry.action)
        .bind(&entry.object)
        .bind(&entry.outcome)
        .bind(&entry.before)
        .bind(&entry.after)
        .id(row.hash)
        .run(db)
        .await
}

/// Writes the head of a chain.
///
/// # Errors
/// [`StoreError`].
pub async fn set_head(db: &mut AnyConnection, head: &Head) -> Result<(), StoreError> {
    let sql = "INSERT INTO audit_heads (chain, seq, at, hash, signer, signature) \
               VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (chain) DO UPDATE SET \
               seq = excluded.seq, at = excluded.at, hash = excluded.hash, \
               signer = excluded.signer, signature = excluded.signature";
    query(sql)
        .id(head.chain)
        .count(head.seq)
        .time(head.at)
        .id(head.hash)
        .id(head.signer)
        .bind(BASE32_NOPAD.encode(&head.signature.0))
        .run(db)
        .await
}

/// The head of a chain.
///
/// # Errors
/// [`StoreError`].
pub async fn head(db: &mut AnyConnection, chain: Chain) -> Result<Option<Head>, StoreError> {
    query("SELECT * FROM audit_heads WHERE chain = $1")
        .id(chain)
        .one(db, read_head)
        .await
}

/// The heads of all chains.
///
/// # Errors
/// [`StoreError`].
pub async fn heads(db: &mut AnyConnection) -> Result<Vec<Head>, StoreError> {
    query("SELECT * FROM audit_heads ORDER BY chain")
        .all(db, read_head)
        .await
}

/// The chains that have rows.
///
/// # Errors
/// [`StoreError`].
pub async fn chains(db: &mut AnyConnection) -> Result<Vec<Chain>, StoreError> {
    query("SELECT DISTINCT chain AS chain FROM audit ORDER BY chain")
        .all(db, |row| row.parsed("chain"))
        .await
}

/// Rows of a chain in the order of their numbers, from after `after` on.
///
/// # Errors
/// [`StoreError`].
pub async fn rows_after(
    db: &mut AnyConnection,
    chain: Chain,
    after: u64,
    limit: u32,
) -> Result<Vec<Row>, StoreError> {
    let sql = "SELECT * FROM audit WHERE chain = $1 AND seq > $2 ORDER BY seq LIMIT $3";
    query(sql)
        .id(chain)
        .count(after)
        .bind(i64::from(limit))
        .all(db, read)
        .await
}

/// Rows of every chain from a time on, oldest first.
///
/// # Errors
/// [`StoreError`].
pub async fn since(db: &mut AnyConnection, at: UnixMs) -> Result<Vec<Entry>, StoreError> {
    query("SELECT * FROM audit WHERE at >= $1 ORDER BY at, chain, seq")
        .time(at)
        .all(db, |row| read(row).map(|row| row.entry))
        .await
}

/// The newest rows of a chain or of all, newest first, older than `before`.
///
/// # Errors
/// [`StoreError`].
pub async fn newest(
    db: &mut AnyConnection,
    chain: Option<Chain>,
    before: UnixMs,
    limit: u32,
) -> Result<Vec<Row>, StoreError> {
    let sql = "SELECT * FROM audit WHERE ($1 = '' OR chain = $1) AND at < $2 \
               ORDER BY at DESC, chain, seq DESC LIMIT $3";
    query(sql)
        .id_or_all(chain)
        .time(before)
        .bind(i64::from(limit))
        .all(db, read)
        .await
}
