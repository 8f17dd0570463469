//! `gateways` and `claims`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use culvert_wire::UnixMs;
use culvert_wire::api::{ApiError, Secret};
use culvert_wire::claim::{ClaimCode, label};
use culvert_wire::id::{ClaimId, GatewayId, SiteId};

use super::caller::Who;
use super::extract::{Body, Id};
use super::refusal::Refusal;
use crate::app::App;
use crate::app::claims::ClaimFor;
use crate::app::gateways::GatewayInfo;
use crate::store::claims::Claim;

/// Gateways.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub(super) struct GatewayList {
    /// By customer and site.
    gateways: Vec<GatewayInfo>,
}

/// Where a box shall stand.
#[derive(Debug, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GatewayPlace {
    /// The site; none takes it away.
    site: Option<SiteId>,
}

/// A claim code without its secret.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub(super) struct ClaimInfo {
    /// Which code.
    id: ClaimId,
    /// What the label of a box shows that gets it.
    label: String,
    /// For a box at this site.
    site: Option<SiteId>,
    /// For a box in the place of this gateway's.
    replaces: Option<GatewayId>,
    /// When it was made.
    created: UnixMs,
    /// Until when it is good.
    expires: UnixMs,
}

impl From<&Claim> for ClaimInfo {
    fn from(claim: &Claim) -> Self {
        Self {
            id: claim.id,
            label: label(claim.id),
            site: claim.site,
            replaces: claim.replaces,
            created: claim.created,
            expires: claim.expires,
        }
    }
}

/// Claim codes.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub(super) struct ClaimList {
    /// Those that may still be used.
    claims: Vec<ClaimInfo>,
}

/// What a code shall be for; neither makes a box that waits for a site.
#[derive(Debug, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewClaim {
    /// A box for this site.
    site: Option<SiteId>,
}

/// A new code; the only time that the secret is shown.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub(super) struct NewClaimAnswer {
    /// The code as text.
    code: Secret,
    /// About it.
    claim: ClaimInfo,
}

fn answer((claim, code): (Claim, ClaimCode)) -> (StatusCode, Json<NewClaimAnswer>) {
    let answer = NewClaimAnswer {
        code: Secret::new(code.reveal().to_string()),
        claim: (&claim).into(),
    };
    (StatusCode::CREATED, Json(answer))
}

/// The gateways of the asker's customers.
#[utoipa::path(get, path = "/api/v1/gateways", tag = "gateways",
    responses((status = 200, body = GatewayList), (status = "4XX", body = ApiError)))]
pub(super) async fn gateways(
    State(app): State<Arc<App>>,
    Who(call): Who,
) -> Result<Json<GatewayList>, Refusal> {
    Ok(Json(GatewayList {
        gateways: app.gateways(&call).await?,
    }))
}

/// One gateway.
#[utoipa::path(get, path = "/api/v1/gateways/{gateway}", tag = "gateways",
    params(("gateway" = GatewayId, Path)),
    responses((status = 200, body = GatewayInfo), (status = "4XX", body = ApiError)))]
pub(super) async fn gateway(
    State(app): State<Arc<App>>,
    Who(call): Who,
    Id(id): Id<GatewayId>,
) -> Result<Json<GatewayInfo>, Refusal> {
    Ok(Json(app.gateway(&call, id).await?))
}

/// Gives a box a site, or takes it away; its sessions end.
#[utoipa::path(put, path = "/api/v1/gateways/{gateway}/site", tag = "gateways",
    params(("gateway" = GatewayId, Path)), request_body = GatewayPlace,
    responses((status = 200, body = GatewayInfo), (status = "4XX", body = ApiError)))]
pub(super) async fn place(
    State(app): State<Arc<App>>,
    Who(call): Who,
    Id(id): Id<GatewayId>,
    Body(ask): Body<GatewayPlace>,
) -> Result<Json<GatewayInfo>, Refusal> {
    Ok(Json(app.assign_gateway(&call, id, ask.site).await?))
}

/// Shuts a box out for good.
#[utoipa::path(post, path = "/api/v1/gateways/{gateway}/revoke", tag = "gateways",
    params(("gateway" = GatewayId, Path)),
    responses((status = 204), (status = "4XX", body = ApiError)))]
pub(super) async fn revoke(
    State(app): State<Arc<App>>,
    Who(call): Who,
    Id(id): Id<GatewayId>,
) -> Result<StatusCode, Refusal> {
    app.revoke_gateway(&call, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends a quarantine: the box that comes next has the place.
#[utoipa::path(post, path = "/api/v1/gateways/{gateway}/release", tag = "gateways",
    params(("gateway" = GatewayId, Path)),
    responses((status = 204), (status = "4XX", body = ApiError)))]
pub(super) async fn release(
    State(app): State<Arc<App>>,
    Who(call): Who,
    Id(id): Id<GatewayId>,
) -> Result<StatusCode, Refusal> {
    app.release_gateway(&call, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes a code for a new box in this gateway's place.
#[utoipa::path(post, path = "/api/v1/gateways/{gateway}/replace", tag = "gateways",
    params(("gateway" = GatewayId, Path)),
    responses((status = 201, body = NewClaimAnswer), (status = "4XX", body = ApiError)))]
pub(super) async fn replace(
    State(app): State<Arc<App>>,
    Who(call): Who,
    Id(id): Id<GatewayId>,
) -> Result<(StatusCode, Json<NewClaimAnswer>), Refusal> {
    Ok(answer(app.add_claim(&call, ClaimFor::Replace(id)).await?))
}

/// Codes that may still be used.
#[utoipa::path(get, path = "/api/v1/claims", tag = "gateways",
    responses((status = 200, body = ClaimList), (status = "4XX", body = ApiError)))]
pub(super) async fn claims(
    State(app): State<Arc<App>>,
    Who(call): Who,
) -> Result<Json<ClaimList>, Refusal> {
    let claims = app.claims(&call).await?;
    Ok(Json(ClaimList {
        claims: claims.iter().map(ClaimInfo::from).collect(),
    }))
}

/// Makes a claim code.
#[utoipa::path(post, path = "/api/v1/claims", tag = "gateways", request_body = NewClaim,
    responses((status = 201, body = NewClaimAnswer), (status = "4XX", body = ApiError)))]
pub(super) async fn add_claim(
    State(app): State<Arc<App>>,
    Who(call): Who,
    Body(ask): Body<NewClaim>,
) -> Result<(StatusCode, Json<NewClaimAnswer>), Refusal> {
    let what = ask.site.map_or(ClaimFor::Nothing, ClaimFor::Site);
    Ok(answer(app.add_claim(&call, what).await?))
}

/// Takes a code back.
#[utoipa::path(delete, path = "/api/v1/claims/{claim}", tag = "gateways",
    params(("claim" = ClaimId, Path)),
    responses((status = 204), (status = "4XX", body = ApiError)))]
pub(super) async fn void_claim(
    State(app): State<Arc<App>>,
    Who(call): Who,
    Id(id): Id<ClaimId>,
) -> Result<StatusCode, Refusal> {
    app.void_claim(&call, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
