//! Signing in and out, and finding out who a token stands for.

use culvert_wire::api::{Me, Named, Role, Secret, SignIn, SignInAnswer, TokenKind};
use culvert_wire::id::TokenId;
use culvert_wire::key::PublicKey;
use culvert_wire::reason::Reason;
use data_encoding::BASE32_NOPAD;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use sqlx::AnyConnection;

use super::throttle::Verdict;
use super::trail::{Doer, Event};
use super::{App, AppError, Call, Caller};
use crate::authz::{Action, Actor, Identity, Reach};
use crate::store::orders::{self, Order};
use crate::store::tokens::Token;
use crate::store::{StoreError, customers, permissions, tokens, users};

/// What every token begins with, so that a leaked one is recognised.
const TOKEN_PREFIX: &str = "culvert_";
/// How old the note of a token's last use may become, in milliseconds.
const TOUCH_MS: u64 = 60_000;
/// Longest label of a sign-in or token, in bytes.
pub(super) const MAX_LABEL: usize = 100;

impl App {
    /// Signs a person in on a link: the token is bound to its device key.
    /// Known and unknown names take the same work and read the same.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn sign_in(&self, caller: &Caller, ask: &SignIn) -> Result<SignInAnswer, AppError> {
        let from = caller.from.ip();
        let source = from.to_string();
        match self.throttle.begin(&ask.name, from, self.now()) {
            Verdict::Try => {}
            Verdict::Wait { first } => {
                if first {
                    self.refused_sign_in(None, &source, Reason::Throttled)
                        .await?;
                }
                return Err(AppError::because(Reason::Throttled));
            }
        }
        let mut db = self.store.read().await?;
        let user = users::by_name(&mut db, &ask.name).await?;
        drop(db);
        let open = user.as_ref().filter(|user| !user.disabled);
        let stored = open.map(|user| user.password.clone());
        let fits = self.passwords.fits(&ask.password, stored).await;
        let Some(user) = user.filter(|_| fits) else {
            let known = self.known_name(&ask.name).await?;
            self.refused_sign_in(known, &source, Reason::SignInRefused)
                .await?;
            return Err(AppError::because(Reason::SignInRefused));
        };
        self.throttle.succeeded(&ask.name, from, self.now());
        let token = new_token();
        let row = Token {
            id: TokenId::from_random(rand::random()),
            user: user.id,
            kind: TokenKind::SignIn,
            hash: token_hash(token.reveal().as_bytes()),
            device: Some(caller.device),
            label: label(&ask.label),
            scopes: vec![],
            customers: vec![],
            created: self.now(),
            expires: self.now().plus_ms(self.here.sign_in_ms),
            last_used: None,
            revoked: None,
        };
        let mut write = self.store.write().await?;
        // The account may have changed while the password was compared.
        let actor = match users::by_id(&mut write, user.id).await? {
            Some(now) if !now.disabled && now.password == user.password => {
                tokens::add(&mut write, &row).await?;
                self.actor_of(&mut write, &row).await?
            }
            Some(_) | None => None,
        };
        let actor = actor.ok_or_else(|| AppError::because(Reason::SignInRefused))?;
        let call = Call { actor, source };
        let event = Event::done("sign-in", None, row.id).after(
            json!({ "device": caller.device.fingerprint().to_string(), "label": row.label }),
        );
        self.record(&mut write, &Doer::from(&call), event).await?;
        write.commit().await?;
        caller.set(Some((row.id, user.id)));
        tracing::info!(user = %user.id, token = %row.id, "Signed in");
        Ok(SignInAnswer {
            token,
            id: row.id,
            expires: row.expires,
            me: self.me(&call).await?,
        })
    }

    /// The name as the account has it. What was typed in the wrong field may
    /// be a password: unknown names are not kept.
    async fn known_name(&self, typed: &str) -> Result<Option<String>, StoreError> {
        let mut db = self.store.read().await?;
        Ok(users::by_name(&mut db, typed).await?.map(|user| user.name))
    }

    async fn refused_sign_in(
        &self,
        known: Option<String>,
        source: &str,
        why: Reason,
    ) -> Result<(), StoreError> {
        tracing::info!(reason = why.slug(), "Sign-in refused");
        let name = known.unwrap_or_default();
        let doer = Doer::stranger(&name, source.to_owned());
        let event = Event::refused("sign-in", None, "", why);
        self.record_alone(&doer, event).await
    }

    /// Ends the caller's own sign-in.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn sign_out(&self, call: &Call) -> Result<(), AppError> {
        call.needs(Action::SignOut)?;
        let Identity::Person { token, .. } = &call.actor.identity else {
            return Err(AppError::not_allowed());
        };
        let mut write = self.store.write().await?;
        self.drop_token(&mut write, call, *token, "sign-out")
            .await?;
        Ok(self.commit(write).await?)
    }

    /// The caller herself.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn me(&self, call: &Call) -> Result<Me, AppError> {
        call.needs(Action::MeSee)?;
        let Identity::Person { user, name, .. } = &call.actor.identity else {
            return Err(AppError::not_allowed());
        };
        let mut db = self.store.read().await?;
        let mut named = customers::all(&mut db).await?;
        named.retain(|customer| call.actor.reaches(customer.id));
        let customers = named.into_iter().map(|customer| Named {
            id: customer.id,
            name: customer.name,
        });
        Ok(Me {
            user: Named {
                id: *user,
                name: name.clone(),
            },
            role: call.actor.role,
            customers: customers.collect(),
        })
    }

    /// Who a token stands for, with her rights as they are now. A sign-in
    /// counts only with its device key.
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
        if token.kind == TokenKind::SignIn && (device.is_none() || token.device.as_ref() != device)
        {
            return Ok(None);
        }
        self.actor_of(&mut db, &token).await
    }

    /// Who the sign-in or API token of a link stands for now.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn actor_by_id(&self, id: TokenId) -> Result<Option<Actor>, StoreError> {
        let mut db = self.store.read().await?;
        let Some(token) = tokens::by_id(&mut db, id).await? else {
            return Ok(None);
        };
        let actor = self.actor_of(&mut db, &token).await?;
        drop(db);
        let used = token.last_used.unwrap_or(token.created);
        if actor.is_some() && self.now().ms_since(used) > TOUCH_MS {
            let mut write = self.store.write().await?;
            tokens::touch(&mut write, id, self.now()).await?;
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
        let reach = match user.role {
            Role::Owner => Reach::All,
            Role::Technician => Reach::Only(permissions::ids_of_user(db, user.id).await?),
        };
        let limit = &token.customers;
        let reach = match reach {
            reach if limit.is_empty() => reach,
            Reach::All => Reach::Only(limit.iter().copied().collect()),
            Reach::Only(hers) => Reach::Only(
                limit
                    .iter()
                    .copied()
                    .filter(|id| hers.contains(id))
                    .collect(),
            ),
        };
        Ok(Some(Actor {
            identity: Identity::Person {
                user: user.id,
                name: user.name,
                token: token.id,
            },
            role: user.role,
            reach,
            scopes: match token.kind {
                TokenKind::SignIn => None,
                TokenKind::Api => Some(token.scopes.clone()),
            },
        }))
    }

    /// Takes a token back in the caller's transaction; its links and the
    /// sessions it asked for end.
    pub(super) async fn drop_token(
        &self,
        write: &mut crate::store::Write,
        call: &Call,
        id: TokenId,
        action: &'static str,
    ) -> Result<(), AppError> {
        let now = self.now();
        if !tokens::revoke(write, id, now).await? {
            return Err(AppError::not_found());
        }
        let doer = Doer::from(call);
        let event = Event::done(action, None, id);
        self.record(write, &doer, event).await?;
        let filter = crate::store::sessions::Filter {
            token: Some(id),
            live: Some(true),
            ..Default::default()
        };
        let live = crate::store::sessions::list(write, &filter).await?;
        self.end_sessions(write, &doer, live, Reason::SignedOut)
            .await?;
        Ok(orders::add(write, Order::CloseToken(id), Reason::SignedOut, now).await?)
    }

    /// The answer to a sign-in over anything but a link: there is no device
    /// key to bind it to.
    pub fn sign_in_without_link() -> AppError {
        AppError::new(
            Reason::NotAllowed,
            "sign in with `culvert login`: a sign-in is bound to a device key",
        )
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
