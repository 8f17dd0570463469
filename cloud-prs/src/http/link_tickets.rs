//! `link-tickets`, and who may ask for a browser's link at all.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use culvert_wire::api::{ApiError, LinkTicketAnswer};
use culvert_wire::reason::Reason;

use super::caller::Who;
use super::origin::Web;
use super::refusal::Refusal;
use crate::app::{App, Sitting};
use crate::authz::Identity;

/// Gives a one-time ticket for one link of the portal's page.
#[utoipa::path(post, path = "/api/v1/link-tickets", tag = "sessions",
    responses((status = 201, body = LinkTicketAnswer), (status = "4XX", body = ApiError)))]
pub(super) async fn add_link_ticket(
    State(app): State<Arc<App>>,
    Who(call): Who,
) -> Result<(StatusCode, Json<LinkTicketAnswer>), Refusal> {
    Ok((StatusCode::CREATED, Json(app.add_link_ticket(&call)?)))
}

/// Judges the upgrade request of `/link/browser`: the portal's own page, with
/// a live sign-in. A WebSocket is a GET that opens something, so it is judged
/// like a change: without an Origin it is refused.
///
/// # Errors
/// The reason to answer with.
pub async fn greet(app: &App, parts: &Parts) -> Result<Sitting, Reason> {
    let web = Web::of(parts).ok_or(Reason::NotAllowed)?;
    web.own_page(&Method::POST, &parts.headers, app.origins())
        .map_err(|error| error.reason)?;
    let cookie = web.cookie(&parts.headers).ok_or(Reason::SignInNeeded)?;
    let actor = app.actor_by_cookie(cookie.as_bytes()).await;
    let actor = actor.map_err(|error| {
        app.note_outage(error.reason());
        error.reason()
    })?;
    match actor.map(|actor| actor.identity) {
        Some(Identity::Person { user, token, .. }) => Ok(Sitting { token, user }),
        Some(Identity::Console { .. }) | None => Err(Reason::SignInNeeded),
    }
}
