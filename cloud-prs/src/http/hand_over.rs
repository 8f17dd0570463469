//! `hand-overs`: `culvert login` through the browser.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use culvert_wire::api::{ApiError, HandOverAnswer, HandOverCollected, NewHandOver};
use culvert_wire::id::HandOverId;

use super::caller::Who;
use super::extract::{Body, Id};
use super::refusal::Refusal;
use crate::app::hand_over::Asking;
use crate::app::{App, AppError, Caller};

type Link = Option<Extension<Arc<Caller>>>;

fn link(link: Link) -> Result<Arc<Caller>, AppError> {
    let only = || AppError::invalid("hand-overs are asked for over a link, by `culvert login`");
    link.map(|Extension(link)| link).ok_or_else(only)
}

/// Asks for a hand-over; needs a link, no sign-in.
#[utoipa::path(post, path = "/api/v1/hand-overs", tag = "account", security(()),
    request_body = NewHandOver,
    responses((status = 201, body = HandOverAnswer), (status = "4XX", body = ApiError)))]
pub(super) async fn begin(
    State(app): State<Arc<App>>,
    over: Link,
    Body(ask): Body<NewHandOver>,
) -> Result<(StatusCode, Json<HandOverAnswer>), Refusal> {
    let answer = app.begin_hand_over(&*link(over)?, &ask)?;
    Ok((StatusCode::CREATED, Json(answer)))
}

/// Asks whether it was approved; needs the same device key on its link.
#[utoipa::path(post, path = "/api/v1/hand-overs/{hand_over}/collect", tag = "account",
    security(()), params(("hand_over" = HandOverId, Path)),
    responses((status = 200, body = HandOverCollected), (status = "4XX", body = ApiError)))]
pub(super) async fn collect(
    State(app): State<Arc<App>>,
    over: Link,
    Id(id): Id<HandOverId>,
) -> Result<Json<HandOverCollected>, Refusal> {
    Ok(Json(app.collect_hand_over(&link(over)?, id).await?))
}

/// A code as the program shows it.
#[derive(Debug, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct HandOverCode {
    /// Such as `ABCD-EFGH`; case and dashes do not matter.
    code: String,
}

/// Which computer waits with a code.
#[utoipa::path(post, path = "/api/v1/hand-overs/look", tag = "account",
    request_body = HandOverCode,
    responses((status = 200, body = Asking), (status = "4XX", body = ApiError)))]
pub(super) async fn look(
    State(app): State<Arc<App>>,
    Who(call): Who,
    Body(ask): Body<HandOverCode>,
) -> Result<Json<Asking>, Refusal> {
    Ok(Json(app.hand_over_of(&call, &ask.code)?))
}

/// Lets the program that waits with a code sign in as the asker.
#[utoipa::path(post, path = "/api/v1/hand-overs/approve", tag = "account",
    request_body = HandOverCode,
    responses((status = 200, body = Asking), (status = "4XX", body = ApiError)))]
pub(super) async fn approve(
    State(app): State<Arc<App>>,
    Who(call): Who,
    Body(ask): Body<HandOverCode>,
) -> Result<Json<Asking>, Refusal> {
    Ok(Json(app.approve_hand_over(&call, &ask.code).await?))
}
