//! Teams: people who hold roles together.
//!
//! Only administrators of everything change them, so that nobody takes a
//! person into a team that may more than she. No team owns anything.

use culvert_wire::api::Named;
use culvert_wire::id::{TeamId, UserId};
use serde_json::json;

use super::names::name;
use super::trail::{Doer, Event};
use super::{App, AppError, Call};
use crate::authz::{Action, Node};
use crate::store::assignments::{self, Filter};
use crate::store::teams::{self, Team};
use crate::store::{Write, users};

/// A team with its people.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct TeamInfo {
    /// Which.
    pub id: TeamId,
    /// Its name.
    pub name: String,
    /// Who is in it, by name.
    pub members: Vec<Named<UserId>>,
}

impl App {
    /// The teams that hold a role where the caller may see that.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn teams(&self, call: &Call) -> Result<Vec<TeamInfo>, AppError> {
        call.needs(Action::TeamList)?;
        let mut db = self.store.read().await?;
        let reach = call.actor.reach(Action::TeamList);
        let mut seen = Vec::new();
        for team in teams::all(&mut db).await? {
            let filter = Filter {
                team: Some(team.id),
                ..Default::default()
            };
            let held = assignments::list(&mut db, &filter).await?;
            if !reach.is_all() && !held.iter().any(|held| reach.covers(&held.node)) {
                continue;
            }
            let members = teams::members(&mut db, team.id).await?;
            seen.push(TeamInfo {
                id: team.id,
                name: team.name,
                members,
            });
        }
        Ok(seen)
    }

    /// Makes a team.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn add_team(&self, call: &Call, called: &str) -> Result<TeamInfo, AppError> {
        call.needs(Action::TeamAdd)?;
        call.needs_at(Action::TeamAdd, &Node::All)?;
        let team = Team {
            id: TeamId::from_random(rand::random()),
            name: name(called)?,
            created: self.now(),
        };
        let mut write = self.store.write().await?;
        teams::add(&mut write, &team)
            .await
            .map_err(|e| AppError::from(e).naming("there is a team of that name already"))?;
        let event = Event::done("team.add", None, team.id).after(json!({ "name": team.name }));
        self.record(&mut write, &call.into(), event).await?;
        self.commit(write).await?;
        Ok(TeamInfo {
            id: team.id,
            name: team.name,
            members: vec![],
        })
    }

    /// Gives a team another name.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn rename_team(
        &self,
        call: &Call,
        id: TeamId,
        called: &str,
    ) -> Result<TeamInfo, AppError> {
        call.needs(Action::TeamChange)?;
        let mut write = self.store.write().await?;
        let mut team = known(&mut write, id).await?;
        let before = json!({ "name": team.name });
        team.name = name(called)?;
        teams::rename(&mut write, id, &team.name)
            .await
            .map_err(|e| AppError::from(e).naming("there is a team of that name already"))?;
        let event = Event::done("team.change", None, id)
            .before(before)
            .after(json!({ "name": team.name }));
        self.record(&mut write, &call.into(), event).await?;
        let members = teams::members(&mut write, id).await?;
        self.commit(write).await?;
        Ok(TeamInfo {
            id,
            name: team.name,
            members,
        })
    }

    /// Removes a team; what it alone allowed its people ends.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn delete_team(&self, call: &Call, id: TeamId) -> Result<(), AppError> {
        call.needs(Action::TeamDelete)?;
        let mut write = self.store.write().await?;
        let team = known(&mut write, id).await?;
        let members = teams::members(&mut write, id).await?;
        teams::delete(&mut write, id).await?;
        let doer = Doer::from(call);
        let names: Vec<&String> = members.iter().map(|member| &member.name).collect();
        let event = Event::done("team.delete", None, id)
            .before(json!({ "name": team.name, "members": names }));
        self.record(&mut write, &doer, event).await?;
        let people: Vec<UserId> = members.iter().map(|member| member.id).collect();
        self.narrow(&mut write, &doer, &people).await?;
        Ok(self.commit(write).await?)
    }

    /// Takes a person in, or out: what the team alone allowed her ends then.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn set_member(
        &self,
        call: &Call,
        id: TeamId,
        user: UserId,
        member: bool,
    ) -> Result<(), AppError> {
        call.needs(Action::TeamMember)?;
        let mut write = self.store.write().await?;
        let team = known(&mut write, id).await?;
        let person = users::by_id(&mut write, user).await?;
        let person = person.ok_or_else(AppError::not_found)?;
        let changed = if member {
            teams::add_member(&mut write, id, user, self.now()).await?
        } else {
            teams::remove_member(&mut write, id, user).await?
        };
        if !changed && !member {
            return Err(AppError::not_found());
        }
        if changed {
            let doer = Doer::from(call);
            let what = json!({ "team": team.name, "user": person.name });
            let event = if member {
                Event::done("team.member-add", None, id).after(what)
            } else {
                Event::done("team.member-remove", None, id).before(what)
            };
            self.record(&mut write, &doer, event).await?;
            self.narrow(&mut write, &doer, &[user]).await?;
        }
        Ok(self.commit(write).await?)
    }
}

async fn known(write: &mut Write, id: TeamId) -> Result<Team, AppError> {
    let found = teams::by_id(write, id).await?;
    found.ok_or_else(AppError::not_found)
}
