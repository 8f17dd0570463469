//! Signing in and out.

use culvert_wire::api::{HeldRole, Me, Named, Role, SignIn, SignInAnswer, SignedIn, TokenKind};
use culvert_wire::id::TokenId;
use culvert_wire::reason::Reason;
use serde_json::json;

use super::throttle::Verdict;
use super::tokens::{new_token, token_hash};
use super::trail::{Doer, Event};
use super::{App, AppError, Call, Via};
use crate::authz::{Action, Actor, Identity, Node, Place};
use crate::store::tokens::Token;
use crate::store::users::User;
use crate::store::{StoreError, customers, tokens, users};

impl App {
    /// Signs a person in: on a link the token is bound to its device key, for
    /// a browser it becomes the cookie. Known and unknown names take the same
    /// work and read the same.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn sign_in(&self, via: Via<'_>, ask: &SignIn) -> Result<SignInAnswer, AppError> {
        let from = via.from();
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
        let label = via.label(&ask.label);
        // The tries count until the second factor is proved too.
        if let Some(needed) = self.second_needed(via, &user, &label).await? {
            return Ok(needed);
        }
        self.throttle.succeeded(&ask.name, from, self.now());
        let signed = self.admit(via, &user, &label, "password").await?;
        Ok(SignInAnswer::Done(Box::new(signed)))
    }

    /// Makes the sign-in of somebody who has proved herself.
    pub(super) async fn admit(
        &self,
        via: Via<'_>,
        user: &User,
        label: &str,
        method: &'static str,
    ) -> Result<SignedIn, AppError> {
        let source = via.from().to_string();
        let token = new_token();
        let (kind, device) = match via {
            Via::Link(caller) => (TokenKind::SignIn, Some(caller.device)),
            Via::Web(_) => (TokenKind::Browser, None),
        };
        let row = Token {
            id: TokenId::from_random(rand::random()),
            user: user.id,
            kind,
            hash: token_hash(token.reveal().as_bytes()),
            device,
            label: label.to_owned(),
            scopes: vec![],
            customers: vec![],
            created: self.now(),
            expires: self.now().plus_ms(self.here.sign_in_ms),
            last_used: None,
            revoked: None,
            source: source.clone(),
            stepped_up: Some(self.now()),
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
        let call = Call {
            actor,
            source,
            at: self.now(),
        };
        let device = device.map(|device| device.fingerprint().to_string());
        let event = Event::done("sign-in", None, row.id)
            .after(json!({ "device": device, "label": row.label, "by": method }));
        self.record(&mut write, &Doer::from(&call), event).await?;
        write.commit().await?;
        if let Via::Link(caller) = via {
            caller.set(Some((row.id, user.id)));
        }
        tracing::info!(user = %user.id, token = %row.id, "Signed in");
        Ok(SignedIn {
            token: Some(token),
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

    pub(super) async fn refused_sign_in(
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
        named.retain(|customer| call.actor.sees(&Node::Customer(customer.id)));
        let customers = named.into_iter().map(|customer| Named {
            id: customer.id,
            name: customer.name,
        });
        let rights = Action::ALL.iter().filter(|action| call.actor.may(**action));
        Ok(Me {
            user: Named {
                id: *user,
                name: name.clone(),
            },
            role: call.actor.role_at_all(),
            customers: customers.collect(),
            two_factor: self.two_factor(&mut db, *user).await?,
            rights: rights.map(|action| action.name().to_owned()).collect(),
            held: Role::ALL
                .into_iter()
                .map(|role| held_role(&call.actor, role))
                .filter(|held| !held.nodes.is_empty())
                .collect(),
            step_up_until: call.actor.fresh_until.filter(|until| self.now() < *until),
        })
    }
}

/// A role with its places, and what it allows at each.
fn held_role(actor: &Actor, role: Role) -> HeldRole {
    let at_a_place = |action: &&Action| match action.place() {
        Place::Customer | Place::Node => action.roles().contains(&role) && actor.may(**action),
        Place::Own | Place::Root => false,
    };
    let rights = Action::ALL.iter().filter(at_a_place);
    HeldRole {
        role,
        nodes: actor.places(role),
        rights: rights.map(|action| action.name().to_owned()).collect(),
    }
}
