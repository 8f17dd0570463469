//! `releases`: what is out in which ring, letting a ring have one, stopping one.
//! Publishing is the console's: it brings the signed bundle.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use culvert_wire::api::ApiError;
use culvert_wire::id::GatewayId;

use super::caller::Who;
use super::extract::{Body, Id, Ids};
use super::refusal::Refusal;
use crate::app::App;
use crate::app::fleet::Fleet;
use crate::app::rollout::Ring;

/// How far a release may go.
#[derive(Debug, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Promotion {
    /// The last ring that may have it; those before it may, too.
    ring: Ring,
    /// Boxes take it even while a session runs, which it ends.
    #[serde(default)]
    forced: bool,
}

/// A box's ring.
#[derive(Debug, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RingChoice {
    /// Which.
    ring: Ring,
}

/// All releases, and how the fleet stands to them.
#[utoipa::path(get, path = "/api/v1/releases", tag = "releases",
    responses((status = 200, body = Fleet), (status = "4XX", body = ApiError)))]
pub(super) async fn releases(
    State(app): State<Arc<App>>,
    Who(call): Who,
) -> Result<Json<Fleet>, Refusal> {
    Ok(Json(app.release_fleet(&call).await?))
}

/// Lets a ring, and those before it, have a release; refused when it was
/// stopped or lost too many boxes.
#[utoipa::path(post, path = "/api/v1/releases/{board}/{version}/promote", tag = "releases",
    params(("board" = String, Path), ("version" = u64, Path)), request_body = Promotion,
    responses((status = 204), (status = "4XX", body = ApiError)))]
pub(super) async fn promote(
    State(app): State<Arc<App>>,
    Who(call): Who,
    Ids(board, version): Ids<String, u64>,
    Body(ask): Body<Promotion>,
) -> Result<StatusCode, Refusal> {
    app.promote_release(&call, (&board, version), ask.ring, ask.forced)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Stops a release: no further box gets it.
#[utoipa::path(post, path = "/api/v1/releases/{board}/{version}/halt", tag = "releases",
    params(("board" = String, Path), ("version" = u64, Path)),
    responses((status = 204), (status = "4XX", body = ApiError)))]
pub(super) async fn halt(
    State(app): State<Arc<App>>,
    Who(call): Who,
    Ids(board, version): Ids<String, u64>,
) -> Result<StatusCode, Refusal> {
    app.halt_release(&call, (&board, version)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Puts a box into a ring.
#[utoipa::path(put, path = "/api/v1/gateways/{gateway}/ring", tag = "releases",
    params(("gateway" = GatewayId, Path)), request_body = RingChoice,
    responses((status = 204), (status = "4XX", body = ApiError)))]
pub(super) async fn set_ring(
    State(app): State<Arc<App>>,
    Who(call): Who,
    Id(gateway): Id<GatewayId>,
    Body(ask): Body<RingChoice>,
) -> Result<StatusCode, Refusal> {
    app.set_ring(&call, gateway, ask.ring).await?;
    Ok(StatusCode::NO_CONTENT)
}
