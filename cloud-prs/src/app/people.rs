//! Whom a caller sees and manages, and what a change of rights ends.
//!
//! She sees people who hold a role where she may list people; she manages
//! those whose every role she could have given herself. So nobody can take a
//! person over who may more than she.

use culvert_wire::id::UserId;
use culvert_wire::reason::Reason;
use sqlx::AnyConnection;

use super::trail::Doer;
use super::{App, AppError, Call};
use crate::authz::{Action, Held, Node};
use crate::store::orders::{self, Order};
use crate::store::sessions::Filter;
use crate::store::users::User;
use crate::store::{StoreError, Write, assignments, users};

/// Whether a person with these roles is there for the caller.
pub(super) fn sees(call: &Call, held: &[Held]) -> bool {
    let list = Action::UserList;
    call.actor.may_at(list, &Node::All)
        || held.iter().any(|held| call.actor.may_at(list, &held.node))
}

/// Whether the caller could have given all these roles.
pub(super) fn manages(call: &Call, action: Action, held: &[Held]) -> bool {
    let could = |held: &Held| {
        call.actor.may_at(action, &held.node) && call.actor.holds(held.role, &held.node)
    };
    // Who holds nothing is everybody's only where everybody is.
    let loose = held.is_empty() && !call.actor.may_at(action, &Node::All);
    !loose && held.iter().all(could)
}

impl App {
    /// A person whom the caller sees.
    pub(super) async fn person(
        &self,
        db: &mut AnyConnection,
        call: &Call,
        id: UserId,
    ) -> Result<(User, Vec<Held>), AppError> {
        let user = users::by_id(db, id).await?;
        let held = assignments::held(db, id).await?;
        user.filter(|_| sees(call, &held))
            .map(|user| (user, held))
            .ok_or_else(AppError::not_found)
    }

    /// A person whom the caller may do this to.
    pub(super) async fn managed(
        &self,
        db: &mut AnyConnection,
        call: &Call,
        action: Action,
        id: UserId,
    ) -> Result<User, AppError> {
        let (user, held) = self.person(db, call, id).await?;
        if manages(call, action, &held) {
            Ok(user)
        } else {
            Err(AppError::new(
                Reason::NotAllowed,
                "this person has rights that you do not have",
            ))
        }
    }

    /// Refuses to leave nobody who owns everything.
    pub(super) async fn not_the_last_owner(
        &self,
        db: &mut AnyConnection,
        user: UserId,
    ) -> Result<(), AppError> {
        let owners = assignments::owners(db).await?;
        if owners.iter().all(|owner| owner.id == user) && !owners.is_empty() {
            return Err(AppError::conflict(
                "this is the last owner: make another one first",
            ));
        }
        Ok(())
    }

    /// Ends the sessions that these people may no longer have, and tells the
    /// running server that their rights are others now.
    pub(super) async fn narrow(
        &self,
        write: &mut Write,
        doer: &Doer,
        people: &[UserId],
    ) -> Result<(), StoreError> {
        for &user in people {
            let held = assignments::held(write, user).await?;
            let filter = Filter {
                user: Some(user),
                ..Default::default()
            };
            let mut ending = self.to_end(write, &filter).await?;
            ending.retain(|session| !may_have(&held, &session.node()));
            self.end_sessions(write, doer, ending, Reason::AccessRevoked)
                .await?;
            let order = Order::RightsChanged(user);
            orders::add(write, order, Reason::AccessRevoked, self.now()).await?;
        }
        Ok(())
    }
}

/// Whether somebody with these roles may have a session there.
fn may_have(held: &[Held], node: &Node) -> bool {
    held.iter()
        .any(|held| Action::SessionStart.roles().contains(&held.role) && held.node.covers(node))
}
