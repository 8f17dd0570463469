//! Onboarding a colleague, and letting one in again who lost her factors: a
//! one-time link that holds seven days, of which the server keeps a hash.
//!
//! What it promises is judged when it is made and again when it is used: whoever
//! made it must still be allowed to give it.

use culvert_wire::UnixMs;
use culvert_wire::api::{NodeRef, Role, Secret, SignInAnswer};
use culvert_wire::id::{AssignmentId, InvitationId, UserId};
use culvert_wire::reason::Reason;
use serde_json::json;

use super::assignments::{may_give, place};
use super::names::name;
use super::tokens::token_hash;
use super::trail::{Doer, Event};
use super::{App, AppError, Call, Via};
use crate::authz::{Action, Actor, Identity, Node};
use crate::store::assignments::{self, Assignment, Subject};
use crate::store::invitations::{self, Invitation};
use crate::store::users::User;
use crate::store::{Write, users};

/// How long a link is good, in milliseconds.
const GOOD_MS: u64 = 7 * 24 * 3600 * 1000;
/// Roles that one invitation promises at most.
const MAX_ROLES: usize = 50;

/// A role that an invitation promises.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema,
)]
#[serde(deny_unknown_fields)]
pub struct Promise {
    /// The role.
    pub role: Role,
    /// Where, and below.
    pub node: NodeRef,
}

/// A link to give to somebody; the only time that it is shown.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct Link {
    /// Which invitation.
    pub id: InvitationId,
    /// The page, with the secret behind `#`, which no browser sends anywhere.
    pub link: Secret,
    /// Until when it is good.
    pub expires: UnixMs,
}

/// One that may still be used.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct InvitationInfo {
    /// Which.
    pub id: InvitationId,
    /// The account's name.
    pub name: String,
    /// Whether it lets somebody in again whose sign-in was reset.
    pub reset: bool,
    /// When it was made.
    pub created: UnixMs,
    /// Until when it is good.
    pub expires: UnixMs,
    /// Who made it.
    pub by: Maker,
}

/// Who made an invitation.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct Maker {
    /// Her name at that time.
    pub name: String,
}

type Promised = Invitation<Vec<Promise>>;

impl App {
    /// Invites a colleague.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn invite(
        &self,
        call: &Call,
        called: &str,
        roles: &[Promise],
        page: Option<&str>,
    ) -> Result<Link, AppError> {
        call.needs(Action::InvitationAdd)?;
        let called = name(called)?;
        if roles.len() > MAX_ROLES {
            return Err(AppError::invalid(format!(
                "an invitation promises at most {MAX_ROLES} roles"
            )));
        }
        let mut write = self.store.write().await?;
        for promise in roles {
            let (node, _) = place(&mut write, promise.node).await?;
            may_give(call, Action::InvitationAdd, promise.role, &node)?;
        }
        // Whoever manages a part only must not make people without a place.
        if roles.is_empty() {
            call.needs_at(Action::InvitationAdd, &Node::All)?;
        }
        if users::by_name(&mut write, &called).await?.is_some() {
            return Err(AppError::conflict(
                "there is an account of that name already",
            ));
        }
        let link = self
            .promise(&mut write, call, called, None, roles, page)
            .await?;
        self.commit(write).await?;
        Ok(link)
    }

    /// Keeps an invitation's hash and makes its link.
    async fn promise(
        &self,
        write: &mut Write,
        call: &Call,
        called: String,
        user: Option<UserId>,
        roles: &[Promise],
        page: Option<&str>,
    ) -> Result<Link, AppError> {
        let secret = data_encoding::BASE32_NOPAD.encode(&rand::random::<[u8; 32]>());
        let secret = secret.to_ascii_lowercase();
        let doer = Doer::from(call);
        let invitation: Promised = Invitation {
            id: InvitationId::from_random(rand::random()),
            hash: token_hash(secret.as_bytes()),
            name: called,
            user,
            roles: roles.to_vec(),
            made_by: call.actor.user(),
            made_by_name: doer.name.clone(),
            created: self.now(),
            expires: self.now().plus_ms(GOOD_MS),
        };
        invitations::add(write, &invitation).await?;
        let event = Event::done("invitation.add", None, invitation.id).after(json!({
            "name": invitation.name,
            "reset": user.is_some(),
            "roles": invitation.roles,
        }));
        self.record(write, &doer, event).await?;
        // Never what a Host header says: a page of ours, or the configured one.
        let first = self.origins().first().map_or("", String::as_str);
        let origin = page.unwrap_or(first);
        Ok(Link {
            id: invitation.id,
            link: Secret::new(format!("{origin}/invitation#{secret}")),
            expires: invitation.expires,
        })
    }

    /// Those that may still be used: one's own, an administrator of everything
    /// sees all.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn invitations(&self, call: &Call) -> Result<Vec<InvitationInfo>, AppError> {
        call.needs(Action::InvitationList)?;
        let mut db = self.store.read().await?;
        let mut open: Vec<Promised> = invitations::open(&mut db, self.now()).await?;
        open.retain(|one| sees(call, Action::InvitationList, one));
        let info = |one: Promised| InvitationInfo {
            id: one.id,
            name: one.name,
            reset: one.user.is_some(),
            created: one.created,
            expires: one.expires,
            by: Maker {
                name: one.made_by_name,
            },
        };
        Ok(open.into_iter().map(info).collect())
    }

    /// Takes one back.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn void_invitation(&self, call: &Call, id: InvitationId) -> Result<(), AppError> {
        call.needs(Action::InvitationVoid)?;
        let mut write = self.store.write().await?;
        let open: Vec<Promised> = invitations::open(&mut write, self.now()).await?;
        let seen = |one: &&Promised| one.id == id && sees(call, Action::InvitationVoid, one);
        let one = open.iter().find(seen).ok_or_else(AppError::not_found)?;
        invitations::void(&mut write, id, self.now()).await?;
        let event = Event::done("invitation.void", None, id).before(json!({ "name": one.name }));
        self.record(&mut write, &call.into(), event).await?;
        Ok(self.commit(write).await?)
    }

    /// Uses one up: the account has this password from now on, and its person
    /// is signed in. She has no second factor yet: a new account has none, a
    /// reset one lost them.
    ///
    /// # Errors
    /// [`AppError`]; every bad link reads the same.
    pub async fn accept_invitation(
        &self,
        via: Via<'_>,
        secret: &Secret,
        password: &Secret,
    ) -> Result<SignInAnswer, AppError> {
        let hash = token_hash(secret.reveal().as_bytes());
        let mut db = self.store.read().await?;
        let found: Option<Promised> = invitations::by_hash(&mut db, &hash, self.now()).await?;
        drop(db);
        // Before the work of a hash: strangers cause none.
        found.ok_or_else(void)?;
        let password = self.passwords.hash(password).await?;
        let mut write = self.store.write().await?;
        let found: Option<Promised> = invitations::by_hash(&mut write, &hash, self.now()).await?;
        let invitation = found.ok_or_else(void)?;
        if !invitations::consume(&mut write, invitation.id, self.now()).await? {
            return Err(void());
        }
        let maker = self.maker(&mut write, &invitation).await?;
        let user = match invitation.user {
            Some(id) => {
                let known = users::by_id(&mut write, id).await?;
                let known = known.filter(|user| !user.disabled).ok_or_else(void)?;
                let user = User { password, ..known };
                users::update(&mut write, &user).await?;
                user
            }
            None => {
                self.newcomer(&mut write, &maker, &invitation, password)
                    .await?
            }
        };
        let doer = Doer {
            id: user.id.to_string(),
            name: user.name.clone(),
            source: via.from().to_string(),
        };
        let event = Event::done("invitation.accept", None, invitation.id)
            .after(json!({ "user": user.id, "by": invitation.made_by_name }));
        self.record(&mut write, &doer, event).await?;
        self.commit(write).await?;
        let signed = self.admit(via, &user, &via.label(""), "invitation").await?;
        Ok(SignInAnswer::Done(Box::new(signed)))
    }

    /// Makes the account that was promised.
    async fn newcomer(
        &self,
        write: &mut Write,
        maker: &Call,
        invitation: &Promised,
        password: String,
    ) -> Result<User, AppError> {
        let user = User {
            id: UserId::from_random(rand::random()),
            name: invitation.name.clone(),
            password,
            disabled: false,
            created: self.now(),
        };
        users::add(write, &user)
            .await
            .map_err(|e| AppError::from(e).naming("there is an account of that name already"))?;
        for promise in &invitation.roles {
            // A place that is gone, or a right that the maker has lost.
            let (node, path) = place(write, promise.node).await.map_err(|_| void())?;
            may_give(maker, Action::InvitationAdd, promise.role, &node).map_err(|_| void())?;
            let assignment = Assignment {
                id: AssignmentId::from_random(rand::random()),
                subject: Subject::User(user.id),
                subject_name: user.name.clone(),
                role: promise.role,
                node,
                path,
                granted: self.now(),
                granted_by: invitation.made_by_name.clone(),
            };
            assignments::add(write, &assignment).await?;
        }
        Ok(user)
    }

    /// Whoever made an invitation, with her rights as they are now.
    async fn maker(&self, write: &mut Write, invitation: &Promised) -> Result<Call, AppError> {
        let name = invitation.made_by_name.clone();
        let Some(id) = invitation.made_by else {
            return Ok(Call::console(name));
        };
        let user = users::by_id(write, id).await?;
        if user.is_none_or(|user| user.disabled) {
            return Err(void());
        }
        let held = assignments::held(write, id).await?;
        Ok(Call {
            actor: Actor {
                identity: Identity::Person {
                    user: id,
                    name,
                    token: culvert_wire::id::TokenId::from_random([0; 16]),
                },
                held,
                scopes: None,
                only: None,
                fresh_until: Some(UnixMs(u64::MAX)),
            },
            source: String::new(),
            at: self.now(),
        })
    }

    /// Lets somebody in again who lost her phone or her password: what she had
    /// ends, her factors and her password are void, and she gets a link.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn reset_account(
        &self,
        call: &Call,
        id: UserId,
        page: Option<&str>,
    ) -> Result<Link, AppError> {
        call.needs(Action::UserReset)?;
        let mut write = self.store.write().await?;
        let user = self
            .managed(&mut write, call, Action::UserReset, id)
            .await?;
        if call.actor.user() == Some(id) {
            return Err(AppError::conflict(
                "this is your own account: let a second administrator do it",
            ));
        }
        if user.disabled {
            return Err(AppError::conflict(
                "this person is shut out: let her in first",
            ));
        }
        let doer = Doer::from(call);
        let had = !user.password.is_empty();
        // No password has this hash.
        let voided = User {
            password: String::new(),
            ..user
        };
        users::update(&mut write, &voided).await?;
        self.forget_factors(&mut write, id).await?;
        invitations::void_all(&mut write, Some(id), self.now()).await?;
        let event = Event::done("user.reset", None, id)
            .before(json!({ "name": voided.name, "password": had }))
            .after(json!({ "name": voided.name, "password": false, "factors": 0 }));
        self.record(&mut write, &doer, event).await?;
        self.shut_out(&mut write, &doer, id, Reason::SignedOut)
            .await?;
        let link = self
            .promise(&mut write, call, voided.name, Some(id), &[], page)
            .await?;
        self.commit(write).await?;
        Ok(link)
    }
}

fn sees(call: &Call, action: Action, invitation: &Promised) -> bool {
    call.actor.may_at(action, &Node::All)
        || (invitation.made_by.is_some() && invitation.made_by == call.actor.user())
}

fn void() -> AppError {
    AppError::new(
        Reason::TicketInvalid,
        "this link is not good any more: ask for a new one",
    )
}
