//! The tree for the portal, and what people note about hosts.

use std::sync::Arc;

use axum::Json;
use axum::body::Body as Bytes;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use culvert_wire::api::{ApiError, SessionInfo, SessionList};
use culvert_wire::id::{HostId, SiteId};
use data_encoding::HEXLOWER;
use http_body_util::{BodyExt as _, Limited};
use sha2::{Digest as _, Sha256};

use super::caller::Who;
use super::extract::{Ask, Body, Id};
use super::refusal::Refusal;
use crate::app::import::Imported;
use crate::app::marks::{NotesChange, Presence, Recent};
use crate::app::whole::Tree;
use crate::app::{App, AppError};
use crate::store::marks::Notes;

/// Longest CSV text, in bytes.
pub(super) const MAX_CSV: usize = 1024 * 1024;

/// Everything that the asker may reach, in one answer; with an entity tag, so
/// that an unchanged tree is not sent again.
#[utoipa::path(get, path = "/api/v1/tree", tag = "tree",
    responses((status = 200, body = Tree), (status = 304, description = "Unchanged"),
        (status = "4XX", body = ApiError)))]
pub(super) async fn tree(
    State(app): State<Arc<App>>,
    Who(call): Who,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let tree = app.tree(&call).await?;
    let body = serde_json::to_vec(&tree).expect("the tree is plain data");
    let hash = Sha256::digest(&body);
    let tag = format!("W/\"{}\"", HEXLOWER.encode(&hash[..12]));
    let held = headers
        .get(IF_NONE_MATCH)
        .and_then(|held| held.to_str().ok());
    let mut response = if held == Some(tag.as_str()) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let kind = HeaderValue::from_static("application/json");
        ([(CONTENT_TYPE, kind)], body).into_response()
    };
    let tag = HeaderValue::try_from(tag).expect("hexadecimal digits");
    response.headers_mut().insert(ETAG, tag);
    Ok(response)
}

/// Marks a host for the asker.
#[utoipa::path(put, path = "/api/v1/favourites/{host}", tag = "tree",
    params(("host" = HostId, Path)),
    responses((status = 204), (status = "4XX", body = ApiError)))]
pub(super) async fn mark(
    State(app): State<Arc<App>>,
    Who(call): Who,
    Id(host): Id<HostId>,
) -> Result<StatusCode, Refusal> {
    app.set_favourite(&call, host, true).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes the mark away.
#[utoipa::path(delete, path = "/api/v1/favourites/{host}", tag = "tree",
    params(("host" = HostId, Path)),
    responses((status = 204), (status = "4XX", body = ApiError)))]
pub(super) async fn unmark(
    State(app): State<Arc<App>>,
    Who(call): Who,
    Id(host): Id<HostId>,
) -> Result<StatusCode, Refusal> {
    app.set_favourite(&call, host, false).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Hosts.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub(super) struct RecentList {
    /// Newest first, each host once.
    hosts: Vec<Recent>,
}

/// Where the asker worked last.
#[utoipa::path(get, path = "/api/v1/recent", tag = "tree",
    responses((status = 200, body = RecentList), (status = "4XX", body = ApiError)))]
pub(super) async fn recent(
    State(app): State<Arc<App>>,
    Who(call): Who,
) -> Result<Json<RecentList>, Refusal> {
    let hosts = app.recent(&call).await?;
    Ok(Json(RecentList { hosts }))
}

/// A host's notes and tags.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub(super) struct NotesInfo {
    /// Free text.
    notes: String,
    /// Words to find the host by.
    tags: Vec<String>,
}

impl From<Notes> for NotesInfo {
    fn from(Notes { notes, tags }: Notes) -> Self {
        Self { notes, tags }
    }
}

/// A host's notes and tags.
#[utoipa::path(get, path = "/api/v1/hosts/{host}/notes", tag = "tree",
    params(("host" = HostId, Path)),
    responses((status = 200, body = NotesInfo), (status = "4XX", body = ApiError)))]
pub(super) async fn notes(
    State(app): State<Arc<App>>,
    Who(call): Who,
    Id(host): Id<HostId>,
) -> Result<Json<NotesInfo>, Refusal> {
    Ok(Json(app.notes(&call, host).await?.into()))
}

/// Changes them.
#[utoipa::path(patch, path = "/api/v1/hosts/{host}/notes", tag = "tree",
    params(("host" = HostId, Path)), request_body = NotesChange,
    responses((status = 200, body = NotesInfo), (status = "4XX", body = ApiError)))]
pub(super) async fn change_notes(
    State(app): State<Arc<App>>,
    Who(call): Who,
    Id(host): Id<HostId>,
    Body(change): Body<NotesChange>,
) -> Result<Json<NotesInfo>, Refusal> {
    Ok(Json(app.change_notes(&call, host, change).await?.into()))
}

/// Sessions on a host that the asker may see: running ones first, then the
/// newest.
#[utoipa::path(get, path = "/api/v1/hosts/{host}/history", tag = "tree",
    params(("host" = HostId, Path)),
    responses((status = 200, body = SessionList), (status = "4XX", body = ApiError)))]
pub(super) async fn history(
    State(app): State<Arc<App>>,
    Who(call): Who,
    Id(host): Id<HostId>,
) -> Result<Json<SessionList>, Refusal> {
    let sessions = app.history(&call, host).await?;
    Ok(Json(SessionList {
        sessions: sessions.into_iter().map(SessionInfo::from).collect(),
    }))
}

/// People.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub(super) struct PresenceList {
    /// Each session's person, newest first.
    users: Vec<Presence>,
}

/// Who works on a host now.
#[utoipa::path(get, path = "/api/v1/hosts/{host}/presence", tag = "tree",
    params(("host" = HostId, Path)),
    responses((status = 200, body = PresenceList), (status = "4XX", body = ApiError)))]
pub(super) async fn presence(
    State(app): State<Arc<App>>,
    Who(call): Who,
    Id(host): Id<HostId>,
) -> Result<Json<PresenceList>, Refusal> {
    let users = app.presence(&call, host).await?;
    Ok(Json(PresenceList { users }))
}

/// How to add lines.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ImportQuery {
    #[serde(default)]
    partial: bool,
}

/// Adds a site's hosts from CSV text: columns `name` and `address`, and if
/// wanted `services`, `any_port`, `tags` and `notes`. Adds nothing when a line
/// is wrong, unless `partial` is true; the answer says what became of each.
#[utoipa::path(post, path = "/api/v1/sites/{site}/hosts/import", tag = "tree",
    params(("site" = SiteId, Path), ("partial" = Option<bool>, Query)),
    request_body(content = String, content_type = "text/csv"),
    responses((status = 200, body = Imported), (status = "4XX", body = ApiError)))]
pub(super) async fn import(
    State(app): State<Arc<App>>,
    Who(call): Who,
    Id(site): Id<SiteId>,
    Ask(ask): Ask<ImportQuery>,
    request: Request,
) -> Result<Json<Imported>, Refusal> {
    let text = text(request.into_body()).await?;
    Ok(Json(
        app.import_hosts(&call, site, &text, ask.partial).await?,
    ))
}

async fn text(body: Bytes) -> Result<String, AppError> {
    let whole = Limited::new(body, MAX_CSV).collect().await;
    let whole = whole.map_err(|_| {
        AppError::invalid(format!(
            "the text is longer than {} KiB, or was cut off",
            MAX_CSV / 1024
        ))
    })?;
    String::from_utf8(whole.to_bytes().to_vec())
        .map_err(|_| AppError::invalid("the text is not UTF-8: save it as 'CSV UTF-8'"))
}
