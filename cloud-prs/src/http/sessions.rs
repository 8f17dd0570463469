//! `sessions`, `launches` and the report.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use culvert_wire::UnixMs;
use culvert_wire::api::{
    ApiError, LaunchAnswer, NewLaunch, NewSession, RedeemAnswer, RedeemLaunch, RenewAnswer,
    SessionAnswer, SessionInfo, SessionList,
};
use culvert_wire::id::{CustomerId, HostId, SessionId, UserId};

use super::caller::Who;
use super::extract::{Ask, Body, Id};
use super::refusal::Refusal;
use crate::app::{App, report};
use crate::store::sessions::Filter;

/// Sessions in a list when the asker names no limit.
const SESSIONS: u32 = 100;
/// Sessions in a list at most.
const MAX_SESSIONS: u32 = 1000;
/// Sessions in a report at most.
const MAX_REPORT: u32 = 100_000;

/// Starts a session.
#[utoipa::path(post, path = "/api/v1/sessions", tag = "sessions", request_body = NewSession,
    responses((status = 201, body = SessionAnswer), (status = "4XX", body = ApiError)))]
pub(super) async fn start(
    State(app): State<Arc<App>>,
    Who(call): Who,
    Body(ask): Body<NewSession>,
) -> Result<(StatusCode, Json<SessionAnswer>), Refusal> {
    let answer = app.start_session(&call, &ask).await?;
    Ok((StatusCode::CREATED, Json(answer)))
}

/// Running or ended.
#[derive(Debug, Clone, Copy, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum SessionState {
    /// Running.
    Live,
    /// Over.
    Ended,
}

/// Which sessions.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SessionQuery {
    state: Option<SessionState>,
    limit: Option<u32>,
}

/// Sessions within the asker's reach, newest first.
#[utoipa::path(get, path = "/api/v1/sessions", tag = "sessions",
    params(("state" = inline(Option<SessionState>), Query), ("limit" = Option<u32>, Query)),
    responses((status = 200, body = SessionList), (status = "4XX", body = ApiError)))]
pub(super) async fn sessions(
    State(app): State<Arc<App>>,
    Who(call): Who,
    Ask(ask): Ask<SessionQuery>,
) -> Result<Json<SessionList>, Refusal> {
    let filter = Filter {
        live: ask.state.map(|state| matches!(state, SessionState::Live)),
        limit: Some(ask.limit.unwrap_or(SESSIONS).min(MAX_SESSIONS)),
        ..Default::default()
    };
    let sessions = app.sessions(&call, filter).await?;
    Ok(Json(SessionList {
        sessions: sessions.into_iter().map(SessionInfo::from).collect(),
    }))
}

/// Renews a session of the asker's own.
#[utoipa::path(post, path = "/api/v1/sessions/{session}/renew", tag = "sessions",
    params(("session" = SessionId, Path)),
    responses((status = 200, body = RenewAnswer), (status = "4XX", body = ApiError)))]
pub(super) async fn renew(
    State(app): State<Arc<App>>,
    Who(call): Who,
    Id(id): Id<SessionId>,
) -> Result<Json<RenewAnswer>, Refusal> {
    Ok(Json(app.renew_session(&call, id).await?))
}

/// Ends a session.
#[utoipa::path(delete, path = "/api/v1/sessions/{session}", tag = "sessions",
    params(("session" = SessionId, Path)),
    responses((status = 204), (status = "4XX", body = ApiError)))]
pub(super) async fn end(
    State(app): State<Arc<App>>,
    Who(call): Who,
    Id(id): Id<SessionId>,
) -> Result<StatusCode, Refusal> {
    app.end_session(&call, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes a one-time ticket for `culvert open`.
#[utoipa::path(post, path = "/api/v1/launches", tag = "sessions", request_body = NewLaunch,
    responses((status = 201, body = LaunchAnswer), (status = "4XX", body = ApiError)))]
pub(super) async fn launch(
    State(app): State<Arc<App>>,
    Who(call): Who,
    Body(ask): Body<NewLaunch>,
) -> Result<(StatusCode, Json<LaunchAnswer>), Refusal> {
    let answer = app.add_launch(&call, &ask).await?;
    Ok((StatusCode::CREATED, Json(answer)))
}

/// Uses such a ticket; only for whoever asked for it.
#[utoipa::path(post, path = "/api/v1/launches/redeem", tag = "sessions",
    request_body = RedeemLaunch,
    responses((status = 201, body = RedeemAnswer), (status = "4XX", body = ApiError)))]
pub(super) async fn redeem(
    State(app): State<Arc<App>>,
    Who(call): Who,
    Body(ask): Body<RedeemLaunch>,
) -> Result<(StatusCode, Json<RedeemAnswer>), Refusal> {
    let answer = app.redeem_launch(&call, &ask).await?;
    Ok((StatusCode::CREATED, Json(answer)))
}

/// The form of a report.
#[derive(Debug, Clone, Copy, Default, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Form {
    /// JSON.
    #[default]
    Json,
    /// CSV with a head line.
    Csv,
}

/// Which part of the report.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReportQuery {
    from: Option<UnixMs>,
    to: Option<UnixMs>,
    customer: Option<CustomerId>,
    host: Option<HostId>,
    user: Option<UserId>,
    #[serde(default)]
    format: Form,
}

/// Sessions of a time.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub(super) struct SessionReport {
    /// Newest first.
    sessions: Vec<SessionInfo>,
    /// Whether older ones were left out: at most 100,000 are told.
    more: bool,
}

/// Who worked on which host, when, for how long, how it ended. Where older ones
/// had to be left out, the CSV form's last line says so.
#[utoipa::path(get, path = "/api/v1/reports/sessions", tag = "sessions",
    params(("from" = Option<u64>, Query), ("to" = Option<u64>, Query),
        ("customer" = Option<CustomerId>, Query), ("host" = Option<HostId>, Query),
        ("user" = Option<UserId>, Query), ("format" = inline(Option<Form>), Query)),
    responses(
        (status = 200, content((SessionReport = "application/json"), (String = "text/csv"))),
        (status = "4XX", body = ApiError)
    ))]
pub(super) async fn report(
    State(app): State<Arc<App>>,
    Who(call): Who,
    Ask(ask): Ask<ReportQuery>,
) -> Result<Response, Refusal> {
    let filter = Filter {
        from: ask.from,
        to: ask.to,
        customer: ask.customer,
        host: ask.host,
        user: ask.user,
        // One more tells whether there are more.
        limit: Some(MAX_REPORT + 1),
        ..Default::default()
    };
    let mut sessions = app.report(&call, filter).await?;
    let more = sessions.len() > MAX_REPORT as usize;
    sessions.truncate(MAX_REPORT as usize);
    Ok(match ask.format {
        Form::Json => Json(SessionReport {
            sessions: sessions.into_iter().map(SessionInfo::from).collect(),
            more,
        })
        .into_response(),
        Form::Csv => {
            let text = report::csv(&sessions, more, app.now())?;
            let kind = [(header::CONTENT_TYPE, "text/csv; charset=utf-8")];
            (kind, text).into_response()
        }
    })
}
