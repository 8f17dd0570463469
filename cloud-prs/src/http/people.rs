//! `users` and their permissions.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use culvert_wire::api::{ApiError, Named, Role, Secret};
use culvert_wire::id::{CustomerId, UserId};

use super::caller::Who;
use super::extract::{Body, Id, Ids};
use super::refusal::Refusal;
use crate::app::App;
use crate::app::accounts::{Account, AccountChange};

/// People.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub(super) struct AccountList {
    /// By name.
    users: Vec<Account>,
}

/// A person to add; owners are made on the server's console only.
#[derive(Debug, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewAccount {
    /// The name she signs in with.
    name: String,
    /// Her first password.
    password: Secret,
}

/// The customers a person is permitted.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub(super) struct PermissionList {
    /// By name.
    customers: Vec<Named<CustomerId>>,
}

/// Everybody.
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

/// Adds a technician.
#[utoipa::path(post, path = "/api/v1/users", tag = "people", request_body = NewAccount,
    responses((status = 201, body = Account), (status = "4XX", body = ApiError)))]
pub(super) async fn add_user(
    State(app): State<Arc<App>>,
    Who(call): Who,
    Body(ask): Body<NewAccount>,
) -> Result<(StatusCode, Json<Account>), Refusal> {
    let role = Role::Technician;
    let account = app
        .add_account(&call, &ask.name, role, &ask.password)
        .await?;
    Ok((StatusCode::CREATED, Json(account)))
}

/// Changes a technician; what she loses ends at once.
#[utoipa::path(patch, path = "/api/v1/users/{user}", tag = "people",
    params(("user" = UserId, Path)), request_body = AccountChange,
    responses((status = 200, body = Account), (status = "4XX", body = ApiError)))]
pub(super) async fn change_user(
    State(app): State<Arc<App>>,
    Who(call): Who,
    Id(id): Id<UserId>,
    Body(ask): Body<AccountChange>,
) -> Result<Json<Account>, Refusal> {
    Ok(Json(app.change_account(&call, id, &ask).await?))
}

/// The customers a person is permitted.
#[utoipa::path(get, path = "/api/v1/users/{user}/permissions", tag = "people",
    params(("user" = UserId, Path)),
    responses((status = 200, body = PermissionList), (status = "4XX", body = ApiError)))]
pub(super) async fn permissions(
    State(app): State<Arc<App>>,
    Who(call): Who,
    Id(id): Id<UserId>,
) -> Result<Json<PermissionList>, Refusal> {
    Ok(Json(PermissionList {
        customers: app.permissions(&call, id).await?,
    }))
}

/// Permits a person to work for a customer.
#[utoipa::path(put, path = "/api/v1/users/{user}/permissions/{customer}", tag = "people",
    params(("user" = UserId, Path), ("customer" = CustomerId, Path)),
    responses((status = 204), (status = "4XX", body = ApiError)))]
pub(super) async fn grant(
    State(app): State<Arc<App>>,
    Who(call): Who,
    Ids(user, customer): Ids<UserId, CustomerId>,
) -> Result<StatusCode, Refusal> {
    app.grant(&call, user, customer).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Permits it no longer; her sessions with that customer end.
#[utoipa::path(delete, path = "/api/v1/users/{user}/permissions/{customer}", tag = "people",
    params(("user" = UserId, Path), ("customer" = CustomerId, Path)),
    responses((status = 204), (status = "4XX", body = ApiError)))]
pub(super) async fn revoke(
    State(app): State<Arc<App>>,
    Who(call): Who,
    Ids(user, customer): Ids<UserId, CustomerId>,
) -> Result<StatusCode, Refusal> {
    app.revoke_permission(&call, user, customer).await?;
    Ok(StatusCode::NO_CONTENT)
}
