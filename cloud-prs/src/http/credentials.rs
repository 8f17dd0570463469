//! `hosts/{host}/credentials` and the key they are sealed to.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use culvert_wire::api::ApiError;
use culvert_wire::grant::Protocol;
use culvert_wire::id::HostId;

use super::caller::Who;
use super::extract::{Body, Id, Ids};
use super::refusal::Refusal;
use crate::app::App;
use crate::app::credentials::{CredentialInfo, NewCredential, SealingKey};

/// Credentials, without what is sealed.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub(super) struct CredentialList {
    /// By protocol and port.
    credentials: Vec<CredentialInfo>,
}

/// A host's kept credentials; nobody gets them back.
#[utoipa::path(get, path = "/api/v1/hosts/{host}/credentials", tag = "credentials",
    params(("host" = HostId, Path)),
    responses((status = 200, body = CredentialList), (status = "4XX", body = ApiError)))]
pub(super) async fn credentials(
    State(app): State<Arc<App>>,
    Who(call): Who,
    Id(host): Id<HostId>,
) -> Result<Json<CredentialList>, Refusal> {
    let credentials = app.credentials(&call, host).await?;
    Ok(Json(CredentialList { credentials }))
}

/// The key that a host's credentials are sealed to, signed by its box.
#[utoipa::path(get, path = "/api/v1/hosts/{host}/sealing-key", tag = "credentials",
    params(("host" = HostId, Path)),
    responses((status = 200, body = SealingKey), (status = "4XX", body = ApiError)))]
pub(super) async fn sealing_key(
    State(app): State<Arc<App>>,
    Who(call): Who,
    Id(host): Id<HostId>,
) -> Result<Json<SealingKey>, Refusal> {
    Ok(Json(app.sealing_key(&call, host).await?))
}

/// Keeps a credential, in the place of the one before.
#[utoipa::path(put, path = "/api/v1/hosts/{host}/credentials/{protocol}", tag = "credentials",
    params(("host" = HostId, Path), ("protocol" = Protocol, Path)),
    request_body = NewCredential,
    responses((status = 204), (status = "4XX", body = ApiError)))]
pub(super) async fn set_credential(
    State(app): State<Arc<App>>,
    Who(call): Who,
    Ids(host, protocol): Ids<HostId, Protocol>,
    Body(new): Body<NewCredential>,
) -> Result<StatusCode, Refusal> {
    app.set_credential(&call, host, protocol, &new).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Forgets a host's credentials for a protocol.
#[utoipa::path(delete, path = "/api/v1/hosts/{host}/credentials/{protocol}", tag = "credentials",
    params(("host" = HostId, Path), ("protocol" = Protocol, Path)),
    responses((status = 204), (status = "4XX", body = ApiError)))]
pub(super) async fn delete_credential(
    State(app): State<Arc<App>>,
    Who(call): Who,
    Ids(host, protocol): Ids<HostId, Protocol>,
) -> Result<StatusCode, Refusal> {
    app.delete_credential(&call, host, protocol).await?;
    Ok(StatusCode::NO_CONTENT)
}
