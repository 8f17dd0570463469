//! Invitations, resets and off-boarding.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use culvert_wire::api::{ApiError, Secret, SignInAnswer};
use culvert_wire::id::{InvitationId, UserId};

use super::account::{new_password, signed_in};
use super::caller::{Entrance, Page, Who};
use super::extract::{Body, Id};
use super::refusal::Refusal;
use crate::app::App;
use crate::app::invitations::{InvitationInfo, Link, Promise};
use crate::app::leaving::Leaving;

/// Invitations.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub(super) struct InvitationList {
    /// Those that may still be used, the newest first.
    invitations: Vec<InvitationInfo>,
}

/// Whom to invite.
#[derive(Debug, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewInvitation {
    /// The name that she will sign in with.
    name: String,
    /// The roles that she gets.
    #[serde(default)]
    assignments: Vec<Promise>,
}

/// Invitations that may still be used.
#[utoipa::path(get, path = "/api/v1/invitations", tag = "people",
    responses((status = 200, body = InvitationList), (status = "4XX", body = ApiError)))]
pub(super) async fn invitations(
    State(app): State<Arc<App>>,
    Who(call): Who,
) -> Result<Json<InvitationList>, Refusal> {
    Ok(Json(InvitationList {
        invitations: app.invitations(&call).await?,
    }))
}

/// Invites a colleague: a link that works once, for seven days.
#[utoipa::path(post, path = "/api/v1/invitations", tag = "people",
    request_body = NewInvitation,
    responses((status = 201, body = Link), (status = "4XX", body = ApiError)))]
pub(super) async fn invite(
    State(app): State<Arc<App>>,
    Who(call): Who,
    Page(page): Page,
    Body(ask): Body<NewInvitation>,
) -> Result<(StatusCode, Json<Link>), Refusal> {
    let link = app
        .invite(&call, &ask.name, &ask.assignments, page.as_deref())
        .await?;
    Ok((StatusCode::CREATED, Json(link)))
}

/// Takes an invitation back.
#[utoipa::path(delete, path = "/api/v1/invitations/{invitation}", tag = "people",
    params(("invitation" = InvitationId, Path)),
    responses((status = 204), (status = "4XX", body = ApiError)))]
pub(super) async fn void_invitation(
    State(app): State<Arc<App>>,
    Who(call): Who,
    Id(id): Id<InvitationId>,
) -> Result<StatusCode, Refusal> {
    app.void_invitation(&call, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The secret of a link, and the password that the account shall have.
#[derive(Debug, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Acceptance {
    /// What stands behind `#` in the link.
    secret: Secret,
    /// The password.
    #[schema(schema_with = new_password)]
    password: Secret,
}

/// Uses a link up, and signs its person in: over a link, or in a browser, whose
/// cookie it sets. Needs no sign-in.
#[utoipa::path(post, path = "/api/v1/invitations/accept", tag = "people", security(()),
    request_body = Acceptance,
    responses((status = 200, body = SignInAnswer), (status = "4XX", body = ApiError)))]
pub(super) async fn accept(
    State(app): State<Arc<App>>,
    entrance: Entrance,
    Body(ask): Body<Acceptance>,
) -> Result<Response, Refusal> {
    let answer = app
        .accept_invitation(entrance.via(), &ask.secret, &ask.password)
        .await?;
    Ok(signed_in(&entrance, answer))
}

/// Resets a sign-in after a lost phone or password: everything of hers ends,
/// and she gets a link to begin anew.
#[utoipa::path(post, path = "/api/v1/users/{user}/reset", tag = "people",
    params(("user" = UserId, Path)),
    responses((status = 200, body = Link), (status = "4XX", body = ApiError)))]
pub(super) async fn reset(
    State(app): State<Arc<App>>,
    Who(call): Who,
    Page(page): Page,
    Id(id): Id<UserId>,
) -> Result<Json<Link>, Refusal> {
    Ok(Json(app.reset_account(&call, id, page.as_deref()).await?))
}

/// What there is of somebody's: hosts whose secrets she may know, sessions,
/// tokens.
#[utoipa::path(get, path = "/api/v1/users/{user}/off-boarding", tag = "people",
    params(("user" = UserId, Path)),
    responses((status = 200, body = Leaving), (status = "4XX", body = ApiError)))]
pub(super) async fn leaving(
    State(app): State<Arc<App>>,
    Who(call): Who,
    Id(id): Id<UserId>,
) -> Result<Json<Leaving>, Refusal> {
    Ok(Json(app.leaving(&call, id).await?))
}

/// Ends everything of somebody's.
#[utoipa::path(post, path = "/api/v1/users/{user}/off-board", tag = "people",
    params(("user" = UserId, Path)),
    responses((status = 204), (status = "4XX", body = ApiError)))]
pub(super) async fn off_board(
    State(app): State<Arc<App>>,
    Who(call): Who,
    Id(id): Id<UserId>,
) -> Result<StatusCode, Refusal> {
    app.off_board(&call, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
