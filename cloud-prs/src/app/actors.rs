//! Who a token stands for, with her rights as they are now.
//!
//! Each kind of token counts only the way it was made for: a sign-in of
//! `culvert` with its device key, a browser's as a cookie, an API token as a
//! header or in a hello.

use culvert_wire::api::TokenKind;
use culvert_wire::id::TokenId;
use culvert_wire::key::PublicKey;
use sqlx::AnyConnection;

use super::App;
use super::tokens::token_hash;
use crate::authz::{Actor, Identity};
use crate::store::tokens::Token;
use crate::store::{StoreError, assignments, tokens, users};

/// How old the note of a token's last use may become, in milliseconds.
const TOUCH_MS: u64 = 60_000;
/// How long a proof counts as fresh, in milliseconds.
const FRESH_MS: u64 = 10 * 60 * 1000;

impl App {
    /// Who a token in a hello or a header stands for. A sign-in counts only
    /// with its device key, a browser's never.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn actor_by_secret(
        &self,
        secret: &[u8],
        device: Option<&PublicKey>,
    ) -> Result<Option<Actor>, StoreError> {
        let mut db = self.store.read().await?;
        let Some(token) = tokens::by_hash(&mut db, &token_hash(secret)).await? else {
            return Ok(None);
        };
        let fits = match token.kind {
            TokenKind::SignIn => device.is_some() && token.device.as_ref() == device,
            TokenKind::Browser => false,
            TokenKind::Api => true,
        };
        drop(db);
        if !fits {
            return Ok(None);
        }
        self.actor_using(token).await
    }

    /// Who a browser's cookie stands for.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn actor_by_cookie(&self, secret: &[u8]) -> Result<Option<Actor>, StoreError> {
        let mut db = self.store.read().await?;
        let token = tokens::by_hash(&mut db, &token_hash(secret)).await?;
        drop(db);
        match token.filter(|token| token.kind == TokenKind::Browser) {
            Some(token) => self.actor_using(token).await,
            None => Ok(None),
        }
    }

    /// Who the sign-in or API token of a link stands for now.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn actor_by_id(&self, id: TokenId) -> Result<Option<Actor>, StoreError> {
        let mut db = self.store.read().await?;
        let token = tokens::by_id(&mut db, id).await?;
        drop(db);
        match token {
            Some(token) => self.actor_using(token).await,
            None => Ok(None),
        }
    }

    /// The same without noting a use: for what stays open by itself, such as
    /// a stream of events, which must not keep a sign-in from becoming idle.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn actor_still(&self, id: TokenId) -> Result<Option<Actor>, StoreError> {
        let mut db = self.store.read().await?;
        match tokens::by_id(&mut db, id).await? {
            Some(token) => self.actor_of(&mut db, &token).await,
            None => Ok(None),
        }
    }

    async fn actor_using(&self, token: Token) -> Result<Option<Actor>, StoreError> {
        let mut db = self.store.read().await?;
        let actor = self.actor_of(&mut db, &token).await?;
        drop(db);
        let now = self.now();
        let noted = |used| now.ms_since(used) <= TOUCH_MS;
        if actor.is_some() && !token.last_used.is_some_and(noted) {
            let mut write = self.store.write().await?;
            tokens::touch(&mut write, token.id, now).await?;
            write.commit().await?;
        }
        Ok(actor)
    }

    /// The rights of a token as they are now; none when it does not hold.
    pub(super) async fn actor_of(
        &self,
        db: &mut AnyConnection,
        token: &Token,
    ) -> Result<Option<Actor>, StoreError> {
        if !token.holds(self.now()) {
            return Ok(None);
        }
        let Some(user) = users::by_id(db, token.user).await? else {
            return Ok(None);
        };
        if user.disabled {
            return Ok(None);
        }
        let only = (!token.customers.is_empty()).then(|| token.customers.iter().copied().collect());
        Ok(Some(Actor {
            identity: Identity::Person {
                user: user.id,
                name: user.name,
                token: token.id,
            },
            held: assignments::held(db, user.id).await?,
            scopes: match token.kind {
                TokenKind::SignIn | TokenKind::Browser => None,
                TokenKind::Api => Some(token.scopes.clone()),
            },
            only,
            fresh_until: token.stepped_up.map(|at| at.plus_ms(FRESH_MS)),
        }))
    }
}
