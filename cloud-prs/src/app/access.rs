//! Who can reach a host, and by which rule.

use culvert_wire::api::{Named, NodeRef, Role};
use culvert_wire::id::{AssignmentId, HostId, TeamId, UserId};

use super::{App, AppError, Call};
use crate::authz::{Action, Node};
use crate::store::assignments::{self, Filter, Subject};
use crate::store::{hosts, teams, users};

/// One rule by which one person reaches a host.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct Access {
    /// Who.
    pub user: Named<UserId>,
    /// Whether she is shut out, and so reaches nothing now.
    pub disabled: bool,
    /// Whether she may have sessions, or reads reports only.
    pub sessions: bool,
    /// The role.
    pub role: Role,
    /// Where it is held: this host or what it is in.
    pub node: NodeRef,
    /// The names of customer, site and host, as far as there are some.
    pub path: Vec<String>,
    /// The team through which she holds it.
    pub team: Option<Named<TeamId>>,
    /// The assignment.
    pub assignment: AssignmentId,
}

impl App {
    /// Who can reach a host; a person who may by two rules is there twice.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn access(&self, call: &Call, host: HostId) -> Result<Vec<Access>, AppError> {
        call.needs(Action::HostAccess)?;
        let mut db = self.store.read().await?;
        let found = hosts::by_id(&mut db, host).await?;
        let host = found.ok_or_else(AppError::not_found)?;
        call.needs_at(Action::HostAccess, &host.node())?;
        let mut rules = Vec::new();
        for node in above(&host) {
            let filter = Filter {
                node: Some(node.short()),
                ..Default::default()
            };
            for assignment in assignments::list(&mut db, &filter).await? {
                let (people, team) = match assignment.subject {
                    Subject::User(id) => {
                        let name = assignment.subject_name.clone();
                        (vec![Named { id, name }], None)
                    }
                    Subject::Team(id) => {
                        let name = assignment.subject_name.clone();
                        let members = teams::members(&mut db, id).await?;
                        (members, Some(Named { id, name }))
                    }
                };
                for user in people {
                    let known = users::by_id(&mut db, user.id).await?;
                    rules.push(Access {
                        user,
                        disabled: known.is_some_and(|user| user.disabled),
                        sessions: Action::SessionStart.roles().contains(&assignment.role),
                        role: assignment.role,
                        node: node.short(),
                        path: assignment.path.clone(),
                        team: team.clone(),
                        assignment: assignment.id,
                    });
                }
            }
        }
        rules.sort_by(|a, b| a.user.name.cmp(&b.user.name).then(b.role.cmp(&a.role)));
        Ok(rules)
    }
}

/// A host's place and all that it is in.
fn above(host: &hosts::Host) -> [Node; 4] {
    let (customer, site) = (host.customer.id, host.site.id);
    [
        Node::All,
        Node::Customer(customer),
        Node::Site { customer, site },
        host.node(),
    ]
}
