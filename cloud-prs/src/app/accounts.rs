//! People: adding, shutting out, passwords.

use culvert_wire::UnixMs;
use culvert_wire::api::{Role, Secret};
use culvert_wire::id::UserId;
use culvert_wire::reason::Reason;
use serde_json::{Value, json};

use super::names::name;
use super::people::{manages, sees};
use super::second::source;
use super::trail::{Doer, Event};
use super::{App, AppError, Call};
use crate::authz::{Action, Held, Node};
use crate::store::users::User;
use crate::store::{assignments, users};

/// A person, without her password.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Account {
    /// The account.
    pub id: UserId,
    /// Its name.
    pub name: String,
    /// Its role at everything; none when it has roles at parts only, or none.
    pub role: Option<Role>,
    /// Whether she is shut out.
    pub disabled: bool,
    /// When the account was made.
    pub created: UnixMs,
    /// What the asker may do to her: names of actions.
    pub rights: Vec<String>,
}

impl Account {
    fn of(call: &Call, user: &User, held: &[Held]) -> Self {
        let all = held.iter().filter(|held| held.node == Node::All);
        let may = TO_A_PERSON
            .iter()
            .filter(|&&action| manages(call, action, held));
        Self {
            id: user.id,
            name: user.name.clone(),
            role: all.map(|held| held.role).max(),
            disabled: user.disabled,
            created: user.created,
            rights: may.map(|action| action.name().to_owned()).collect(),
        }
    }
}

/// What is done to one person, and asks for more than her place.
const TO_A_PERSON: [Action; 4] = [
    Action::UserChange,
    Action::UserReset,
    Action::UserLeaving,
    Action::UserOffBoard,
];

/// What to change about a person; what is not named stays.
#[derive(Debug, Clone, Default)]
pub struct AccountChange {
    /// Another name to sign in with.
    pub name: Option<String>,
    /// Whether she is shut out.
    pub disabled: Option<bool>,
    /// A new password, which ends her sign-ins; at the console only.
    pub password: Option<Secret>,
}

impl App {
    /// Everybody whom the caller sees.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn accounts(&self, call: &Call) -> Result<Vec<Account>, AppError> {
        call.needs(Action::UserList)?;
        let mut db = self.store.read().await?;
        let mut seen = Vec::new();
        for user in users::all(&mut db).await? {
            let held = assignments::held(&mut db, user.id).await?;
            if sees(call, &held) {
                seen.push(Account::of(call, &user, &held));
            }
        }
        Ok(seen)
    }

    /// Adds a person without any role.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn add_account(
        &self,
        call: &Call,
        called: &str,
        password: &Secret,
    ) -> Result<Account, AppError> {
        call.needs(Action::UserAdd)?;
        let user = User {
            id: UserId::from_random(rand::random()),
            name: name(called)?,
            password: self.passwords.hash(password).await?,
            disabled: false,
            created: self.now(),
        };
        let mut write = self.store.write().await?;
        users::add(&mut write, &user)
            .await
            .map_err(|e| AppError::from(e).naming("there is an account of that name already"))?;
        let event = Event::done("user.add", None, user.id).after(state(&user));
        self.record(&mut write, &call.into(), event).await?;
        self.commit(write).await?;
        Ok(Account::of(call, &user, &[]))
    }

    /// Changes a person; what she loses ends at once.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn change_account(
        &self,
        call: &Call,
        id: UserId,
        change: &AccountChange,
    ) -> Result<Account, AppError> {
        call.needs(Action::UserChange)?;
        let hash = match &change.password {
            Some(password) => Some(self.passwords.hash(password).await?),
            None => None,
        };
        let mut write = self.store.write().await?;
        let before = self
            .managed(&mut write, call, Action::UserChange, id)
            .await?;
        let mut user = before.clone();
        if let Some(called) = &change.name {
            user.name = name(called)?;
        }
        user.disabled = change.disabled.unwrap_or(user.disabled);
        let renewed = hash.is_some();
        user.password = hash.unwrap_or(user.password);
        let shut = user.disabled && !before.disabled;
        if shut {
            self.may_leave(&mut write, call, id).await?;
        }
        users::update(&mut write, &user)
            .await
            .map_err(|e| AppError::from(e).naming("there is an account of that name already"))?;
        let doer = Doer::from(call);
        let mut after = state(&user);
        after["password_changed"] = json!(renewed);
        let event = Event::done("user.change", None, id)
            .before(state(&before))
            .after(after);
        self.record(&mut write, &doer, event).await?;
        if shut {
            self.shut_out(&mut write, &doer, id, Reason::UserDisabled)
                .await?;
        } else if renewed {
            self.shut_out(&mut write, &doer, id, Reason::SignedOut)
                .await?;
        }
        let held = assignments::held(&mut write, id).await?;
        self.commit(write).await?;
        Ok(Account::of(call, &user, &held))
    }

    /// Refuses to shut oneself out, or the last owner.
    pub(super) async fn may_leave(
        &self,
        db: &mut sqlx::AnyConnection,
        call: &Call,
        id: UserId,
    ) -> Result<(), AppError> {
        if call.actor.user() == Some(id) {
            return Err(AppError::conflict(
                "this is your own account: let a colleague do it",
            ));
        }
        self.not_the_last_owner(db, id).await
    }

    /// Changes the caller's own password; her other sign-ins end.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn change_own_password(
        &self,
        call: &Call,
        old: &Secret,
        new: &Secret,
    ) -> Result<(), AppError> {
        call.needs(Action::MePassword)?;
        let id = call.actor.user().ok_or_else(AppError::not_allowed)?;
        let mut db = self.store.read().await?;
        let user = users::by_id(&mut db, id)
            .await?
            .ok_or_else(AppError::not_found)?;
        drop(db);
        // Before the work: whoever has her cookie could guess here.
        let from = source(call);
        self.may_try(&user, from).await?;
        if !self.passwords.fits(old, Some(user.password.clone())).await {
            return Err(AppError::because(Reason::SignInRefused));
        }
        self.throttle.succeeded_second(&user.name, from);
        let hash = self.passwords.hash(new).await?;
        let mut write = self.store.write().await?;
        let user = User {
            password: hash,
            ..user
        };
        users::update(&mut write, &user).await?;
        let doer = Doer::from(call);
        let event = Event::done("me.password", None, id);
        self.record(&mut write, &doer, event).await?;
        self.shut_out(&mut write, &doer, id, Reason::SignedOut)
            .await?;
        Ok(self.commit(write).await?)
    }
}

fn state(user: &User) -> Value {
    json!({ "name": user.name, "disabled": user.disabled })
}
