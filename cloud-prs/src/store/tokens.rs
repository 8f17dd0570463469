//! Sign-ins and API tokens: hashes, never the tokens.

use culvert_wire::UnixMs;
use culvert_wire::api::{TokenKind, TokenScope};
use culvert_wire::id::{CustomerId, TokenId, UserId};
use culvert_wire::key::PublicKey;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::StoreError;
use super::column::Columns as _;
use super::statement::query;

/// One of them.
#[derive(Debug, Clone)]
pub struct Token {
    /// Which.
    pub id: TokenId,
    /// Whose.
    pub user: UserId,
    /// How it was made.
    pub kind: TokenKind,
    /// SHA-256 of the token, base32.
    pub hash: String,
    /// The device key it is bound to, for a sign-in.
    pub device: Option<PublicKey>,
    /// What its maker called it.
    pub label: String,
    /// What it may be used for; empty for a sign-in.
    pub scopes: Vec<TokenScope>,
    /// The customers it is limited to; empty means no such limit.
    pub customers: Vec<CustomerId>,
    /// When it was made.
    pub created: UnixMs,
    /// Until when it holds.
    pub expires: UnixMs,
    /// When it was last used, to about a minute.
    pub last_used: Option<UnixMs>,
    /// When it was taken back.
    pub revoked: Option<UnixMs>,
    /// From where it was made.
    pub source: String,
    /// When its person last proved herself once more.
    pub stepped_up: Option<UnixMs>,
}

impl Token {
    /// Whether it still holds. A browser that was left alone is signed out.
    pub fn holds(&self, now: UnixMs) -> bool {
        let used = self.last_used.unwrap_or(self.created);
        let idle = self.kind == TokenKind::Browser && now.ms_since(used) >= IDLE_MS;
        self.revoked.is_none() && now < self.expires && !idle
    }
}

/// How long a browser's sign-in may go unused, in milliseconds.
const IDLE_MS: u64 = 60 * 60 * 1000;
const SIGN_IN: &str = "sign_in";
const BROWSER: &str = "browser";
const API: &str = "api";

fn read(row: &AnyRow) -> Result<Token, StoreError> {
    let kind = match row.text("kind")?.as_str() {
        SIGN_IN => TokenKind::SignIn,
        BROWSER => TokenKind::Browser,
        API => TokenKind::Api,
        _ => {
            return Err(StoreError::Value {
                column: "kind".into(),
            });
        }
    };
    Ok(Token {
        id: row.parsed("id")?,
        user: row.parsed("user_id")?,
        kind,
        hash: row.text("hash")?,
        device: row.maybe_parsed("device")?,
        label: row.text("label")?,
        scopes: row.json("scopes")?,
        customers: row.json("customers")?,
        created: row.time("created")?,
        expires: row.time("expires")?,
        last_used: row.maybe_time("last_used")?,
        revoked: row.maybe_time("revoked")?,
        source: row.text("source")?,
        stepped_up: row.maybe_time("stepped_up")?,
    })
}

/// Adds a token.
///
/// # Errors
/// [`StoreError`].
pub async fn add(db: &mut AnyConnection, token: &Token) -> Result<(), StoreError> {
    let sql = "INSERT INTO tokens (id, user_id, kind, hash, device, label, scopes, customers, \
               created, expires, source, stepped_up) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
    let kind = match token.kind {
        TokenKind::SignIn => SIGN_IN,
        TokenKind::Browser => BROWSER,
        TokenKind::Api => API,
    };
    query(sql)
        .id(token.id)
        .id(token.user)
        .bind(kind)
        .bind(&token.hash)
        .maybe_id(token.device)
        .bind(&token.label)
        .json(&token.scopes)
        .json(&token.customers)
        .time(token.created)
        .time(token.expires)
        .bind(&token.source)
        .maybe_time(token.stepped_up)
        .run(db)
        .await
}

/// The token of a hash.
///
/// # Errors
/// [`StoreError`].
pub async fn by_hash(db: &mut AnyConnection, hash: &str) -> Result<Option<Token>, StoreError> {
    query("SELECT * FROM tokens WHERE hash = $1")
        .bind(hash)
        .one(db, read)
        .await
}

/// The token of an id.
///
/// # Errors
/// [`StoreError`].
pub async fn by_id(db: &mut AnyConnection, id: TokenId) -> Result<Option<Token>, StoreError> {
    query("SELECT * FROM tokens WHERE id = $1")
        .id(id)
        .one(db, read)
        .await
}

/// Tokens that hold, newest first; of one person or of all.
///
/// # Errors
/// [`StoreError`].
pub async fn holding(
    db: &mut AnyConnection,
    user: Option<UserId>,
    now: UnixMs,
) -> Result<Vec<Token>, StoreError> {
    let sql = "SELECT * FROM tokens WHERE ($1 = '' OR user_id = $1) AND revoked IS NULL \
               AND expires > $2 ORDER BY created DESC, id";
    let mut tokens = query(sql).id_or_all(user).time(now).all(db, read).await?;
    tokens.retain(|token| token.holds(now));
    Ok(tokens)
}

/// Takes a token back; says whether it was not so before.
///
/// # Errors
/// [`StoreError`].
pub async fn revoke(db: &mut AnyConnection, id: TokenId, now: UnixMs) -> Result<bool, StoreError> {
    query("UPDATE tokens SET revoked = $2 WHERE id = $1 AND revoked IS NULL")
        .id(id)
        .time(now)
        .changed(db)
        .await
}

/// Takes back every token of a person, or of all, and says how many.
///
/// # Errors
/// [`StoreError`].
pub async fn revoke_all(
    db: &mut AnyConnection,
    user: Option<UserId>,
    now: UnixMs,
) -> Result<u64, StoreError> {
    let sql = "UPDATE tokens SET revoked = $2 \
               WHERE ($1 = '' OR user_id = $1) AND revoked IS NULL AND expires > $2";
    query(sql).id_or_all(user).time(now).changes(db).await
}

/// Notes that its person proved herself once more.
///
/// # Errors
/// [`StoreError`].
pub async fn step_up(db: &mut AnyConnection, id: TokenId, now: UnixMs) -> Result<(), StoreError> {
    query("UPDATE tokens SET stepped_up = $2 WHERE id = $1")
        .id(id)
        .time(now)
        .run(db)
        .await
}

/// Notes that a token was used.
///
/// # Errors
/// [`StoreError`].
pub async fn touch(db: &mut AnyConnection, id: TokenId, now: UnixMs) -> Result<(), StoreError> {
    query("UPDATE tokens SET last_used = $2 WHERE id = $1")
        .id(id)
        .time(now)
        .run(db)
        .await
}
