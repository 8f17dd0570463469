//! `users`, `teams`, `assignments`, and who can reach a host.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use culvert_wire::api::{ApiError, NodeRef, Secret};
use culvert_wire::id::{AssignmentId, HostId, TeamId, UserId};

use super::account::new_password;
use super::caller::Who;
use super::extract::{Ask, Body, Id, Ids};
use super::refusal::Refusal;
use crate::app::access::Access;
use crate::app::accounts::{Account, AccountChange};
use crate::app::assignments::{AssignmentInfo, NewAssignment};
use crate::app::teams::TeamInfo;
use crate::app::{App, AppError};
use crate::store::assignments::Filter;

/// People.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub(super) struct AccountList {
    /// By name.
    users: Vec<Account>,
}

/// A person to add; she has no role yet.
#[derive(Debug, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewAccount {
    /// The name she signs in with.
    name: String,
    /// Her first password.
    #[schema(schema_with = new_password)]
    password: Secret,
}

/// What to change about a person; what is not named stays.
#[derive(Debug, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangedAccount {
    /// Another name to sign in with.
    name: Option<String>,
    /// Whether she is shut out.
    disabled: Option<bool>,
}

/// Everybody whom the asker sees.
#[utoipa::path(get, path = "/api/v1/users", tag = "people",
    responses((status = 200, body = AccountList), (status = "4XX", body = ApiError)))]
pub(super) async fn users(
    State(app): State<Arc<App>>,
    Who(call): Who,
) -> Result<Json<AccountList>, Refusal> {
    Ok(Json(AccountList {
        users: app.accounts(&call).await?,
    }))
}

/// Adds a person.
#[utoipa::path(post, path = "/api/v1/users", tag = "people", request_body = NewAccount,
    responses((status = 201, body = Account), (status = "4XX", body = ApiError)))]
pub(super) async fn add_user(
    State(app): State<Arc<App>>,
    Who(call): Who,
    Body(ask): Body<NewAccount>,
) -> Result<(StatusCode, Json<Account>), Refusal> {
    let account = app.add_account(&call, &ask.name, &ask.password).await?;
    Ok((StatusCode::CREATED, Json(account)))
}

/// Changes a person; what she loses ends at once.
#[utoipa::path(patch, path = "/api/v1/users/{user}", tag = "people",
    params(("user" = UserId, Path)), request_body = ChangedAccount,
    responses((status = 200, body = Account), (status = "4XX", body = ApiError)))]
pub(super) async fn change_user(
    State(app): State<Arc<App>>,
    Who(call): Who,
    Id(id): Id<UserId>,
    Body(ask): Body<ChangedAccount>,
) -> Result<Json<Account>, Refusal> {
    let change = AccountChange {
        name: ask.name,
        disabled: ask.disabled,
        password: None,
    };
    Ok(Json(app.change_account(&call, id, &change).await?))
}

/// Teams.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub(super) struct TeamList {
    /// By name.
    teams: Vec<TeamInfo>,
}

/// A team's name.
#[derive(Debug, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TeamName {
    /// The name.
    name: String,
}

/// The teams that hold a role within the asker's reach.
#[utoipa::path(get, path = "/api/v1/teams", tag = "people",
    responses((status = 200, body = TeamList), (status = "4XX", body = ApiError)))]
pub(super) async fn teams(
    State(app): State<Arc<App>>,
    Who(call): Who,
) -> Result<Json<TeamList>, Refusal> {
    Ok(Json(TeamList {
        teams: app.teams(&call).await?,
    }))
}

/// Makes a team.
#[utoipa::path(post, path = "/api/v1/teams", tag = "people", request_body = TeamName,
    responses((status = 201, body = TeamInfo), (status = "4XX", body = ApiError)))]
pub(super) async fn add_team(
    State(app): State<Arc<App>>,
    Who(call): Who,
    Body(ask): Body<TeamName>,
) -> Result<(StatusCode, Json<TeamInfo>), Refusal> {
    let team = app.add_team(&call, &ask.name).await?;
    Ok((StatusCode::CREATED, Json(team)))
}

/// Gives a team another name.
#[utoipa::path(patch, path = "/api/v1/teams/{team}", tag = "people",
    params(("team" = TeamId, Path)), request_body = TeamName,
    responses((status = 200, body = TeamInfo), (status = "4XX", body = ApiError)))]
pub(super) async fn rename_team(
    State(app): State<Arc<App>>,
    Who(call): Who,
    Id(id): Id<TeamId>,
    Body(ask): Body<TeamName>,
) -> Result<Json<TeamInfo>, Refusal> {
    Ok(Json(app.rename_team(&call, id, &ask.name).await?))
}

/// Removes a team with its roles; what it alone allowed ends.
#[utoipa::path(delete, path = "/api/v1/teams/{team}", tag = "people",
    params(("team" = TeamId, Path)),
    responses((status = 204), (status = "4XX", body = ApiError)))]
pub(super) async fn delete_team(
    State(app): State<Arc<App>>,
    Who(call): Who,
    Id(id): Id<TeamId>,
) -> Result<StatusCode, Refusal> {
    app.delete_team(&call, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes a person into a team.
#[utoipa::path(put, path = "/api/v1/teams/{team}/members/{user}", tag = "people",
    params(("team" = TeamId, Path), ("user" = UserId, Path)),
    responses((status = 204), (status = "4XX", body = ApiError)))]
pub(super) async fn add_member(
    State(app): State<Arc<App>>,
    Who(call): Who,
    Ids(team, user): Ids<TeamId, UserId>,
) -> Result<StatusCode, Refusal> {
    app.set_member(&call, team, user, true).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes a person out of a team; what it alone allowed her ends.
#[utoipa::path(delete, path = "/api/v1/teams/{team}/members/{user}", tag = "people",
    params(("team" = TeamId, Path), ("user" = UserId, Path)),
    responses((status = 204), (status = "4XX", body = ApiError)))]
pub(super) async fn remove_member(
    State(app): State<Arc<App>>,
    Who(call): Who,
    Ids(team, user): Ids<TeamId, UserId>,
) -> Result<StatusCode, Refusal> {
    app.set_member(&call, team, user, false).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Assignments.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub(super) struct AssignmentList {
    /// By place.
    assignments: Vec<AssignmentInfo>,
}

/// Which assignments.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AssignmentQuery {
    user: Option<UserId>,
    team: Option<TeamId>,
    node: Option<String>,
}

/// Who holds which role where, within the asker's reach; of one person, one
/// team, or at one place (`all`, `customer:ID`, `site:ID`, `host:ID`).
#[utoipa::path(get, path = "/api/v1/assignments", tag = "people",
    params(("user" = Option<UserId>, Query), ("team" = Option<TeamId>, Query),
        ("node" = Option<String>, Query)),
    responses((status = 200, body = AssignmentList), (status = "4XX", body = ApiError)))]
pub(super) async fn assignments(
    State(app): State<Arc<App>>,
    Who(call): Who,
    Ask(ask): Ask<AssignmentQuery>,
) -> Result<Json<AssignmentList>, Refusal> {
    let node = ask.node.map(|text| text.parse::<NodeRef>());
    let filter = Filter {
        user: ask.user,
        team: ask.team,
        node: node
            .transpose()
            .map_err(|error| AppError::invalid(error.to_string()))?,
    };
    Ok(Json(AssignmentList {
        assignments: app.assignments(&call, filter).await?,
    }))
}

/// Gives a person or a team a role at a place.
#[utoipa::path(post, path = "/api/v1/assignments", tag = "people",
    request_body = NewAssignment,
    responses((status = 201, body = AssignmentInfo), (status = "4XX", body = ApiError)))]
pub(super) async fn assign(
    State(app): State<Arc<App>>,
    Who(call): Who,
    Body(ask): Body<NewAssignment>,
) -> Result<(StatusCode, Json<AssignmentInfo>), Refusal> {
    let assignment = app.assign(&call, &ask).await?;
    Ok((StatusCode::CREATED, Json(assignment)))
}

/// Takes a role; the sessions that it alone allowed end.
#[utoipa::path(delete, path = "/api/v1/assignments/{assignment}", tag = "people",
    params(("assignment" = AssignmentId, Path)),
    responses((status = 204), (status = "4XX", body = ApiError)))]
pub(super) async fn unassign(
    State(app): State<Arc<App>>,
    Who(call): Who,
    Id(id): Id<AssignmentId>,
) -> Result<StatusCode, Refusal> {
    app.unassign(&call, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Who can reach a host.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub(super) struct AccessList {
    /// By person; once for each rule.
    access: Vec<Access>,
}

/// Who can reach a host, by which rule.
#[utoipa::path(get, path = "/api/v1/hosts/{host}/access", tag = "people",
    params(("host" = HostId, Path)),
    responses((status = 200, body = AccessList), (status = "4XX", body = ApiError)))]
pub(super) async fn access(
    State(app): State<Arc<App>>,
    Who(call): Who,
    Id(id): Id<HostId>,
) -> Result<Json<AccessList>, Refusal> {
    Ok(Json(AccessList {
        access: app.access(&call, id).await?,
    }))
}
