//! People: adding, shutting out, roles, passwords, permissions.
//!
//! No call but one from the server's console makes an owner.

use culvert_wire::UnixMs;
use culvert_wire::api::{Named, Role, Secret};
use culvert_wire::id::{CustomerId, UserId};
use culvert_wire::reason::Reason;
use serde_json::{Value, json};

use super::names::name;
use super::trail::{Doer, Event};
use super::{App, AppError, Call};
use crate::authz::{Action, Identity};
use crate::store::sessions::Filter;
use crate::store::users::User;
use crate::store::{Write, customers, permissions, sessions, users};

/// A person, without her password.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Account {
    /// The account.
    pub id: UserId,
    /// Its name.
    pub name: String,
    /// Its role.
    pub role: Role,
    /// Whether she is shut out.
    pub disabled: bool,
    /// When the account was made.
    pub created: UnixMs,
}

impl From<&User> for Account {
    fn from(user: &User) -> Self {
        Self {
            id: user.id,
            name: user.name.clone(),
            role: user.role,
            disabled: user.disabled,
            created: user.created,
        }
    }
}

/// What to change about a person; what is not named stays.
#[derive(Debug, Clone, Default, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountChange {
    /// The role; owner only at the server's console.
    pub role: Option<Role>,
    /// Whether she is shut out.
    pub disabled: Option<bool>,
    /// A new password, which ends her sign-ins.
    pub password: Option<Secret>,
}

impl App {
    /// Everybody.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn accounts(&self, call: &Call) -> Result<Vec<Account>, AppError> {
        call.needs(Action::UserList)?;
        let mut db = self.store.read().await?;
        Ok(users::all(&mut db)
            .await?
            .iter()
            .map(Account::from)
            .collect())
    }

    /// Adds a person.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn add_account(
        &self,
        call: &Call,
        called: &str,
        role: Role,
        password: &Secret,
    ) -> Result<Account, AppError> {
        call.needs(Action::UserAdd)?;
        only_console_makes_owners(call, role)?;
        let user = User {
            id: UserId::from_random(rand::random()),
            name: name(called)?,
            role,
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
        Ok((&user).into())
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
        let found = users::by_id(&mut write, id).await?;
        let mut user = found.ok_or_else(AppError::not_found)?;
        self.fits_the_caller(call, &user, change)?;
        let before = user.clone();
        user.role = change.role.unwrap_or(user.role);
        user.disabled = change.disabled.unwrap_or(user.disabled);
        let renewed = hash.is_some();
        user.password = hash.unwrap_or(user.password);
        users::update(&mut write, &user).await?;
        let doer = Doer::from(call);
        let mut after = state(&user);
        after["password_changed"] = json!(renewed);
        let event = Event::done("user.change", None, id)
            .before(state(&before))
            .after(after);
        self.record(&mut write, &doer, event).await?;
        self.take_away(&mut write, &doer, &before, &user, renewed)
            .await?;
        self.commit(write).await?;
        Ok((&user).into())
    }

    fn fits_the_caller(
        &self,
        call: &Call,
        user: &User,
        change: &AccountChange,
    ) -> Result<(), AppError> {
        if let Some(role) = change.role {
            only_console_makes_owners(call, role)?;
        }
        let console = matches!(call.actor.identity, Identity::Console { .. });
        if console {
            return Ok(());
        }
        // Owners are equals: only the console takes one's role or password.
        if user.role == Role::Owner {
            return Err(AppError::new(
                Reason::NotAllowed,
                "an owner's account is changed on the server's console only",
            ));
        }
        Ok(())
    }

    /// Ends what the person had before and has no longer.
    async fn take_away(
        &self,
        write: &mut Write,
        doer: &Doer,
        before: &User,
        after: &User,
        new_password: bool,
    ) -> Result<(), AppError> {
        if after.disabled && !before.disabled {
            self.shut_out(write, doer, after.id, Reason::UserDisabled)
                .await?;
        } else if new_password {
            self.shut_out(write, doer, after.id, Reason::SignedOut)
                .await?;
        } else if before.role == Role::Owner && after.role == Role::Technician {
            self.end_out_of_reach(write, doer, after.id).await?;
        }
        Ok(())
    }

    /// Ends the sessions of a technician with customers she is not permitted.
    async fn end_out_of_reach(
        &self,
        write: &mut Write,
        doer: &Doer,
        user: UserId,
    ) -> Result<(), AppError> {
        let allowed = permissions::ids_of_user(write, user).await?;
        let filter = Filter {
            user: Some(user),
            live: Some(true),
            ..Default::default()
        };
        let mut live = sessions::list(write, &filter).await?;
        live.retain(|session| !allowed.contains(&session.customer.id));
        self.end_sessions(write, doer, live, Reason::AccessRevoked)
            .await?;
        Ok(())
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
        if !self.passwords.fits(old, Some(user.password.clone())).await {
            return Err(AppError::because(Reason::SignInRefused));
        }
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

    /// The customers a technician is permitted.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn permissions(
        &self,
        call: &Call,
        user: UserId,
    ) -> Result<Vec<Named<CustomerId>>, AppError> {
        call.needs(Action::PermissionSee)?;
        let mut db = self.store.read().await?;
        users::by_id(&mut db, user)
            .await?
            .ok_or_else(AppError::not_found)?;
        Ok(permissions::of_user(&mut db, user).await?)
    }

    /// Permits a technician to work for a customer.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn grant(
        &self,
        call: &Call,
        user: UserId,
        customer: CustomerId,
    ) -> Result<(), AppError> {
        call.needs(Action::PermissionGrant)?;
        let mut write = self.store.write().await?;
        let found = users::by_id(&mut write, user).await?;
        let person = found.ok_or_else(AppError::not_found)?;
        let found = customers::by_id(&mut write, customer).await?;
        found.ok_or_else(AppError::not_found)?;
        if permissions::grant(&mut write, user, customer, self.now()).await? {
            let event = Event::done("permission.grant", Some(customer), user)
                .after(json!({ "user": person.name }));
            self.record(&mut write, &call.into(), event).await?;
        }
        Ok(self.commit(write).await?)
    }

    /// Permits it no longer; her sessions with that customer end.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn revoke_permission(
        &self,
        call: &Call,
        user: UserId,
        customer: CustomerId,
    ) -> Result<(), AppError> {
        call.needs(Action::PermissionRevoke)?;
        let mut write = self.store.write().await?;
        let found = users::by_id(&mut write, user).await?;
        let person = found.ok_or_else(AppError::not_found)?;
        if !permissions::revoke(&mut write, user, customer).await? {
            return Err(AppError::not_found());
        }
        let doer = Doer::from(call);
        let event = Event::done("permission.revoke", Some(customer), user)
            .before(json!({ "user": person.name }));
        self.record(&mut write, &doer, event).await?;
        if person.role == Role::Technician {
            self.end_out_of_reach(&mut write, &doer, user).await?;
        }
        Ok(self.commit(write).await?)
    }
}

fn only_console_makes_owners(call: &Call, role: Role) -> Result<(), AppError> {
    let console = matches!(call.actor.identity, Identity::Console { .. });
    if role == Role::Owner && !console {
        return Err(AppError::new(
            Reason::NotAllowed,
            "owners are made on the server's console only",
        ));
    }
    Ok(())
}

fn state(user: &User) -> Value {
    json!({ "name": user.name, "role": user.role, "disabled": user.disabled })
}
