//! Giving and taking roles at places of the tree.
//!
//! Nobody gives a role that she does not hold at that place, and only the
//! server's console makes an owner or takes that role.

use culvert_wire::UnixMs;
use culvert_wire::api::{NodeRef, Role};
use culvert_wire::id::{AssignmentId, TeamId, UserId};
use culvert_wire::reason::Reason;
use serde_json::{Value, json};
use sqlx::AnyConnection;

use super::people::sees;
use super::trail::{Doer, Event};
use super::{App, AppError, Call};
use crate::authz::{Action, Identity, Node};
use crate::store::assignments::{self, Assignment, Filter, Subject};
use crate::store::{customers, hosts, sites, teams, users};

/// Who holds or shall hold a role: exactly one of the two.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema,
)]
#[serde(tag = "kind", content = "id", rename_all = "lowercase")]
pub enum Holder {
    /// A person.
    User(UserId),
    /// A team.
    Team(TeamId),
}

/// A role to give.
#[derive(Debug, Clone, Copy, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAssignment {
    /// To whom.
    pub subject: Holder,
    /// Which role; owner only at the server's console.
    pub role: Role,
    /// Where, and below.
    pub node: NodeRef,
}

/// A role that somebody holds.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct AssignmentInfo {
    /// Which.
    pub id: AssignmentId,
    /// Whose.
    pub subject: Holder,
    /// The person's or team's name.
    pub subject_name: String,
    /// The role.
    pub role: Role,
    /// Where, and below.
    pub node: NodeRef,
    /// The names of customer, site and host, as far as there are some.
    pub path: Vec<String>,
    /// When it was given.
    pub granted: UnixMs,
    /// By whom: her name at that time.
    pub granted_by: String,
}

impl From<Assignment> for AssignmentInfo {
    fn from(assignment: Assignment) -> Self {
        Self {
            id: assignment.id,
            subject: match assignment.subject {
                Subject::User(id) => Holder::User(id),
                Subject::Team(id) => Holder::Team(id),
            },
            subject_name: assignment.subject_name,
            role: assignment.role,
            node: assignment.node.short(),
            path: assignment.path,
            granted: assignment.granted,
            granted_by: assignment.granted_by,
        }
    }
}

impl App {
    /// The roles that are held where the caller may see that.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn assignments(
        &self,
        call: &Call,
        filter: Filter,
    ) -> Result<Vec<AssignmentInfo>, AppError> {
        call.needs(Action::AssignmentList)?;
        let mut db = self.store.read().await?;
        let reach = call.actor.reach(Action::AssignmentList);
        let mut found = assignments::list(&mut db, &filter).await?;
        found.retain(|assignment| reach.covers(&assignment.node));
        Ok(found.into_iter().map(AssignmentInfo::from).collect())
    }

    /// Gives a role.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn assign(
        &self,
        call: &Call,
        ask: &NewAssignment,
    ) -> Result<AssignmentInfo, AppError> {
        call.needs(Action::AssignmentAdd)?;
        let mut write = self.store.write().await?;
        let (node, path) = place(&mut write, ask.node).await?;
        may_give(call, Action::AssignmentAdd, ask.role, &node)?;
        let (subject, subject_name) = self.subject(&mut write, call, ask.subject).await?;
        if ask.role == Role::Owner && (node != Node::All || matches!(subject, Subject::Team(_))) {
            return Err(AppError::invalid(
                "a person owns everything: an owner is no team, and of no part",
            ));
        }
        let assignment = Assignment {
            id: AssignmentId::from_random(rand::random()),
            subject,
            subject_name,
            role: ask.role,
            node,
            path,
            granted: self.now(),
            granted_by: Doer::from(call).name,
        };
        assignments::add(&mut write, &assignment)
            .await
            .map_err(|e| AppError::from(e).naming("this role is given there already"))?;
        let doer = Doer::from(call);
        let event =
            Event::done("assignment.add", node.customer(), assignment.id).after(state(&assignment));
        self.record(&mut write, &doer, event).await?;
        let people = self.people_of(&mut write, subject).await?;
        self.narrow(&mut write, &doer, &people).await?;
        self.commit(write).await?;
        Ok(assignment.into())
    }

    /// Takes a role; what it alone allowed ends.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn unassign(&self, call: &Call, id: AssignmentId) -> Result<(), AppError> {
        call.needs(Action::AssignmentRemove)?;
        let mut write = self.store.write().await?;
        let found = assignments::by_id(&mut write, id).await?;
        let seen = |a: &Assignment| call.actor.may_at(Action::AssignmentList, &a.node);
        let assignment = found.filter(seen).ok_or_else(AppError::not_found)?;
        may_give(
            call,
            Action::AssignmentRemove,
            assignment.role,
            &assignment.node,
        )?;
        if let (Role::Owner, Subject::User(user)) = (assignment.role, assignment.subject) {
            self.not_the_last_owner(&mut write, user).await?;
        }
        assignments::remove(&mut write, id).await?;
        let doer = Doer::from(call);
        let event = Event::done("assignment.remove", assignment.node.customer(), id)
            .before(state(&assignment));
        self.record(&mut write, &doer, event).await?;
        let people = self.people_of(&mut write, assignment.subject).await?;
        self.narrow(&mut write, &doer, &people).await?;
        Ok(self.commit(write).await?)
    }

    /// Whom a role is given to, if the caller sees them.
    async fn subject(
        &self,
        db: &mut AnyConnection,
        call: &Call,
        holder: Holder,
    ) -> Result<(Subject, String), AppError> {
        match holder {
            Holder::User(id) => {
                let user = users::by_id(db, id).await?;
                let held = assignments::held(db, id).await?;
                let user = user.filter(|_| sees(call, &held));
                let user = user.ok_or_else(AppError::not_found)?;
                Ok((Subject::User(id), user.name))
            }
            Holder::Team(id) => {
                let team = teams::by_id(db, id).await?;
                let team = team.ok_or_else(AppError::not_found)?;
                Ok((Subject::Team(id), team.name))
            }
        }
    }

    /// The people whom an assignment is for.
    pub(super) async fn people_of(
        &self,
        db: &mut AnyConnection,
        subject: Subject,
    ) -> Result<Vec<UserId>, AppError> {
        match subject {
            Subject::User(id) => Ok(vec![id]),
            Subject::Team(id) => {
                let members = teams::members(db, id).await?;
                Ok(members.into_iter().map(|member| member.id).collect())
            }
        }
    }
}

/// Refuses to give or take a role that the caller does not hold at a place.
pub(super) fn may_give(
    call: &Call,
    action: Action,
    role: Role,
    node: &Node,
) -> Result<(), AppError> {
    call.needs_at(action, node)?;
    let console = matches!(call.actor.identity, Identity::Console { .. });
    if role == Role::Owner && !console {
        return Err(AppError::new(
            Reason::NotAllowed,
            "owners are made, and unmade, on the server's console only",
        ));
    }
    if call.actor.holds(role, node) {
        Ok(())
    } else {
        Err(AppError::new(
            Reason::NotAllowed,
            "you do not hold this role there yourself",
        ))
    }
}

/// A place of the tree with the names on the way to it.
pub(super) async fn place(
    db: &mut AnyConnection,
    node: NodeRef,
) -> Result<(Node, Vec<String>), AppError> {
    let missing = AppError::not_found;
    match node {
        NodeRef::All => Ok((Node::All, vec![])),
        NodeRef::Customer(id) => {
            let found = customers::by_id(db, id).await?.ok_or_else(missing)?;
            Ok((Node::Customer(id), vec![found.name]))
        }
        NodeRef::Site(id) => {
            let found = sites::by_id(db, id).await?.ok_or_else(missing)?;
            Ok((found.node(), vec![found.customer_name, found.name]))
        }
        NodeRef::Host(id) => {
            let found = hosts::by_id(db, id).await?.ok_or_else(missing)?;
            let path = vec![found.customer.name.clone(), found.site.name.clone()];
            Ok((found.node(), [path, vec![found.name]].concat()))
        }
    }
}

fn state(assignment: &Assignment) -> Value {
    json!({
        "subject": assignment.subject_name,
        "role": assignment.role,
        "at": if assignment.path.is_empty() {
            "everything".to_owned()
        } else {
            assignment.path.join(" / ")
        },
    })
}
