//! API tokens and sign-ins: making, listing, taking back.

use culvert_wire::api::{NewToken, NewTokenAnswer, Secret, TokenInfo, TokenKind};
use culvert_wire::id::{TokenId, UserId};
use culvert_wire::reason::Reason;
use data_encoding::BASE32_NOPAD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::trail::{Doer, Event};
use super::{App, AppError, Call};
use crate::authz::{Action, Identity, Node};
use crate::store::orders::{self, Order};
use crate::store::tokens::{self, Token};
use crate::store::{Write, customers, sessions};

/// What every token begins with, so that a leaked one is recognised.
const TOKEN_PREFIX: &str = "culvert_";
/// Longest label of a sign-in or token, in bytes.
const MAX_LABEL: usize = 100;

/// Longest life of an API token, in days.
const MAX_DAYS: u32 = 366;
/// A day in milliseconds.
const DAY_MS: u64 = 24 * 3600 * 1000;

impl App {
    /// Makes an API token; it never may more than its maker.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn add_token(&self, call: &Call, ask: &NewToken) -> Result<NewTokenAnswer, AppError> {
        call.needs(Action::TokenAdd)?;
        let user = call.actor.user().ok_or_else(AppError::not_allowed)?;
        if ask.days == 0 || ask.days > MAX_DAYS {
            return Err(AppError::invalid(format!(
                "a token holds for 1 to {MAX_DAYS} days"
            )));
        }
        if ask.scopes.is_empty() {
            return Err(AppError::invalid("a token needs a scope"));
        }
        let token = new_token();
        let mut scopes = ask.scopes.clone();
        scopes.sort_unstable();
        scopes.dedup();
        let row = Token {
            id: TokenId::from_random(rand::random()),
            user,
            kind: TokenKind::Api,
            hash: token_hash(token.reveal().as_bytes()),
            device: None,
            label: label(&ask.label),
            scopes,
            customers: ask.customers.clone(),
            created: self.now(),
            expires: self.now().plus_ms(u64::from(ask.days) * DAY_MS),
            last_used: None,
            revoked: None,
            source: call.source.clone(),
            stepped_up: None,
        };
        let mut write = self.store.write().await?;
        for id in &row.customers {
            let found = customers::by_id(&mut write, *id).await?;
            found
                .filter(|customer| {
                    let node = Node::Customer(customer.id);
                    call.actor.sees(&node) || call.actor.may_at(Action::Report, &node)
                })
                .ok_or_else(AppError::not_found)?;
        }
        tokens::add(&mut write, &row).await?;
        let event = Event::done("token.add", None, row.id)
            .after(json!({ "label": row.label, "scopes": row.scopes, "days": ask.days }));
        self.record(&mut write, &call.into(), event).await?;
        self.commit(write).await?;
        Ok(NewTokenAnswer {
            token,
            id: row.id,
            expires: row.expires,
        })
    }

    /// The caller's own; at the console everybody's, with the person.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn tokens(&self, call: &Call) -> Result<Vec<(UserId, TokenInfo)>, AppError> {
        call.needs(Action::TokenList)?;
        let current = match &call.actor.identity {
            Identity::Person { token, .. } => Some(*token),
            Identity::Console { .. } => None,
        };
        let mut db = self.store.read().await?;
        let rows = tokens::holding(&mut db, call.actor.user(), self.now()).await?;
        let info = |row: Token| {
            let info = TokenInfo {
                id: row.id,
                kind: row.kind,
                label: row.label,
                from: row.source,
                scopes: row.scopes,
                created: row.created,
                expires: row.expires,
                last_used: row.last_used,
                current: current == Some(row.id),
            };
            (row.user, info)
        };
        Ok(rows.into_iter().map(info).collect())
    }

    /// Takes one back: an own one, at the console anybody's.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn revoke_token(&self, call: &Call, id: TokenId) -> Result<(), AppError> {
        call.needs(Action::TokenRevoke)?;
        let mut write = self.store.write().await?;
        let found = tokens::by_id(&mut write, id).await?;
        let row = found.ok_or_else(AppError::not_found)?;
        if call.actor.user().is_some_and(|user| user != row.user) {
            return Err(AppError::not_found());
        }
        self.drop_token(&mut write, call, id, "token.revoke")
            .await?;
        Ok(self.commit(write).await?)
    }

    /// Takes a token back in the caller's transaction; its links and the
    /// sessions it asked for end.
    pub(super) async fn drop_token(
        &self,
        write: &mut Write,
        call: &Call,
        id: TokenId,
        action: &'static str,
    ) -> Result<(), AppError> {
        let now = self.now();
        let known = tokens::by_id(write, id).await?;
        if !tokens::revoke(write, id, now).await? {
            return Err(AppError::not_found());
        }
        let doer = Doer::from(call);
        let event = Event::done(action, None, id).before(known.map_or(
            Value::Null,
            |token| json!({ "user": token.user, "label": token.label, "scopes": token.scopes }),
        ));
        self.record(write, &doer, event).await?;
        let filter = sessions::Filter {
            token: Some(id),
            ..Default::default()
        };
        let ending = self.to_end(write, &filter).await?;
        self.end_sessions(write, &doer, ending, Reason::SignedOut)
            .await?;
        Ok(orders::add(write, Order::CloseToken(id), Reason::SignedOut, now).await?)
    }
}

/// A fresh token.
pub(super) fn new_token() -> Secret {
    let random = BASE32_NOPAD.encode(&rand::random::<[u8; 32]>());
    Secret::new(format!("{TOKEN_PREFIX}{}", random.to_ascii_lowercase()))
}

/// What the store keeps instead of a token.
pub(super) fn token_hash(token: &[u8]) -> String {
    BASE32_NOPAD
        .encode(&Sha256::digest(token))
        .to_ascii_lowercase()
}

/// A label without control characters, cut to its longest length.
pub(super) fn label(text: &str) -> String {
    let mut out = String::new();
    for c in text.trim().chars().filter(|c| !c.is_control()) {
        if out.len() + c.len_utf8() > MAX_LABEL {
            break;
        }
        out.push(c);
    }
    out
}
