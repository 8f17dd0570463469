//! `webhooks`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use culvert_wire::api::ApiError;
use culvert_wire::id::WebhookId;

use super::caller::Who;
use super::extract::{Body, Id};
use super::refusal::Refusal;
use crate::app::App;
use crate::app::webhooks::{AddedWebhook, EVENTS, NewWebhook, WebhookInfo};

/// Webhooks.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub(super) struct WebhookList {
    /// In the order in which they were added.
    webhooks: Vec<WebhookInfo>,
    /// What can be told.
    events: Vec<String>,
}

/// Every webhook.
#[utoipa::path(get, path = "/api/v1/webhooks", tag = "webhooks",
    responses((status = 200, body = WebhookList), (status = "4XX", body = ApiError)))]
pub(super) async fn webhooks(
    State(app): State<Arc<App>>,
    Who(call): Who,
) -> Result<Json<WebhookList>, Refusal> {
    let webhooks = app.webhooks(&call).await?;
    let events = EVENTS.map(str::to_owned).to_vec();
    Ok(Json(WebhookList { webhooks, events }))
}

/// Adds a webhook. Each message is a `POST` of JSON with the header
/// `Culvert-Signature: t=SECONDS,v1=HEX`: HMAC-SHA256 with the secret over
/// `SECONDS.BODY`. An answer other than 2xx means again later, for a day.
#[utoipa::path(post, path = "/api/v1/webhooks", tag = "webhooks", request_body = NewWebhook,
    responses((status = 201, body = AddedWebhook), (status = "4XX", body = ApiError)))]
pub(super) async fn add_webhook(
    State(app): State<Arc<App>>,
    Who(call): Who,
    Body(new): Body<NewWebhook>,
) -> Result<(StatusCode, Json<AddedWebhook>), Refusal> {
    let added = app.add_webhook(&call, &new).await?;
    Ok((StatusCode::CREATED, Json(added)))
}

/// Removes a webhook with all that waits for it.
#[utoipa::path(delete, path = "/api/v1/webhooks/{webhook}", tag = "webhooks",
    params(("webhook" = WebhookId, Path)),
    responses((status = 204), (status = "4XX", body = ApiError)))]
pub(super) async fn delete_webhook(
    State(app): State<Arc<App>>,
    Who(call): Who,
    Id(id): Id<WebhookId>,
) -> Result<StatusCode, Refusal> {
    app.delete_webhook(&call, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
