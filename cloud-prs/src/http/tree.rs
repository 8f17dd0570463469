//! `customers`, `sites`, `hosts`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use culvert_wire::api::{ApiError, HostEntry, HostList, Named};
use culvert_wire::id::{CustomerId, HostId, SiteId};

use super::caller::Who;
use super::extract::{Ask, Body, Id};
use super::refusal::Refusal;
use crate::app::App;
use crate::app::tree::HostSpec;
use crate::store::sites::Site;

/// Hosts in an answer when the asker names no limit.
const HOSTS: usize = 200;

/// A name to give.
#[derive(Debug, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewName {
    /// The name.
    name: String,
}

/// Customers.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub(super) struct CustomerList {
    /// By name.
    customers: Vec<Named<CustomerId>>,
}

/// A site.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub(super) struct SiteInfo {
    /// The site.
    id: SiteId,
    /// Its name.
    name: String,
    /// Whose it is.
    customer: Named<CustomerId>,
}

impl From<Site> for SiteInfo {
    fn from(site: Site) -> Self {
        Self {
            id: site.id,
            name: site.name,
            customer: Named {
                id: site.customer,
                name: site.customer_name,
            },
        }
    }
}

/// Sites.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub(super) struct SiteList {
    /// By customer and name.
    sites: Vec<SiteInfo>,
}

/// The asker's customers.
#[utoipa::path(get, path = "/api/v1/customers", tag = "tree",
    responses((status = 200, body = CustomerList), (status = "4XX", body = ApiError)))]
pub(super) async fn customers(
    State(app): State<Arc<App>>,
    Who(call): Who,
) -> Result<Json<CustomerList>, Refusal> {
    let named = app.customers(&call).await?.into_iter().map(|c| Named {
        id: c.id,
        name: c.name,
    });
    Ok(Json(CustomerList {
        customers: named.collect(),
    }))
}

/// Adds a customer.
#[utoipa::path(post, path = "/api/v1/customers", tag = "tree", request_body = NewName,
    responses((status = 201, body = Named<CustomerId>), (status = "4XX", body = ApiError)))]
pub(super) async fn add_customer(
    State(app): State<Arc<App>>,
    Who(call): Who,
    Body(ask): Body<NewName>,
) -> Result<(StatusCode, Json<Named<CustomerId>>), Refusal> {
    let customer = app.add_customer(&call, &ask.name).await?;
    let named = Named {
        id: customer.id,
        name: customer.name,
    };
    Ok((StatusCode::CREATED, Json(named)))
}

/// Gives a customer another name.
#[utoipa::path(patch, path = "/api/v1/customers/{customer}", tag = "tree",
    params(("customer" = CustomerId, Path)), request_body = NewName,
    responses((status = 200, body = Named<CustomerId>), (status = "4XX", body = ApiError)))]
pub(super) async fn rename_customer(
    State(app): State<Arc<App>>,
    Who(call): Who,
    Id(id): Id<CustomerId>,
    Body(ask): Body<NewName>,
) -> Result<Json<Named<CustomerId>>, Refusal> {
    let customer = app.rename_customer(&call, id, &ask.name).await?;
    Ok(Json(Named {
        id: customer.id,
        name: customer.name,
    }))
}

/// Removes a customer without sites.
#[utoipa::path(delete, path = "/api/v1/customers/{customer}", tag = "tree",
    params(("customer" = CustomerId, Path)),
    responses((status = 204), (status = "4XX", body = ApiError)))]
pub(super) async fn delete_customer(
    State(app): State<Arc<App>>,
    Who(call): Who,
    Id(id): Id<CustomerId>,
) -> Result<StatusCode, Refusal> {
    app.delete_customer(&call, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The sites of the asker's customers.
#[utoipa::path(get, path = "/api/v1/sites", tag = "tree",
    responses((status = 200, body = SiteList), (status = "4XX", body = ApiError)))]
pub(super) async fn sites(
    State(app): State<Arc<App>>,
    Who(call): Who,
) -> Result<Json<SiteList>, Refusal> {
    let sites = app.sites(&call, None).await?;
    Ok(Json(SiteList {
        sites: sites.into_iter().map(SiteInfo::from).collect(),
    }))
}

/// Adds a site to a customer.
#[utoipa::path(post, path = "/api/v1/customers/{customer}/sites", tag = "tree",
    params(("customer" = CustomerId, Path)), request_body = NewName,
    responses((status = 201, body = SiteInfo), (status = "4XX", body = ApiError)))]
pub(super) async fn add_site(
    State(app): State<Arc<App>>,
    Who(call): Who,
    Id(id): Id<CustomerId>,
    Body(ask): Body<NewName>,
) -> Result<(StatusCode, Json<SiteInfo>), Refusal> {
    let site = app.add_site(&call, id, &ask.name).await?;
    Ok((StatusCode::CREATED, Json(site.into())))
}

/// Gives a site another name.
#[utoipa::path(patch, path = "/api/v1/sites/{site}", tag = "tree",
    params(("site" = SiteId, Path)), request_body = NewName,
    responses((status = 200, body = SiteInfo), (status = "4XX", body = ApiError)))]
pub(super) async fn rename_site(
    State(app): State<Arc<App>>,
    Who(call): Who,
    Id(id): Id<SiteId>,
    Body(ask): Body<NewName>,
) -> Result<Json<SiteInfo>, Refusal> {
    Ok(Json(app.rename_site(&call, id, &ask.name).await?.into()))
}

/// Removes a site without hosts.
#[utoipa::path(delete, path = "/api/v1/sites/{site}", tag = "tree",
    params(("site" = SiteId, Path)),
    responses((status = 204), (status = "4XX", body = ApiError)))]
pub(super) async fn delete_site(
    State(app): State<Arc<App>>,
    Who(call): Who,
    Id(id): Id<SiteId>,
) -> Result<StatusCode, Refusal> {
    app.delete_site(&call, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What to look for.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HostQuery {
    #[serde(default)]
    q: String,
    name: Option<String>,
    limit: Option<usize>,
}

/// Looks for hosts by words of customer, site, name and address; with `name`, only
/// those whose whole name or address it is.
#[utoipa::path(get, path = "/api/v1/hosts", tag = "tree",
    params(("q" = Option<String>, Query), ("name" = Option<String>, Query),
        ("limit" = Option<u32>, Query)),
    responses((status = 200, body = HostList), (status = "4XX", body = ApiError)))]
pub(super) async fn hosts(
    State(app): State<Arc<App>>,
    Who(call): Who,
    Ask(ask): Ask<HostQuery>,
) -> Result<Json<HostList>, Refusal> {
    let limit = ask.limit.unwrap_or(HOSTS);
    let name = ask.name.as_deref();
    Ok(Json(app.hosts(&call, &ask.q, name, limit).await?))
}

/// Adds a host to a site.
#[utoipa::path(post, path = "/api/v1/sites/{site}/hosts", tag = "tree",
    params(("site" = SiteId, Path)), request_body = HostSpec,
    responses((status = 201, body = HostEntry), (status = "4XX", body = ApiError)))]
pub(super) async fn add_host(
    State(app): State<Arc<App>>,
    Who(call): Who,
    Id(id): Id<SiteId>,
    Body(ask): Body<HostSpec>,
) -> Result<(StatusCode, Json<HostEntry>), Refusal> {
    let host = app.add_host(&call, id, &ask).await?;
    Ok((StatusCode::CREATED, Json(host)))
}

/// One host.
#[utoipa::path(get, path = "/api/v1/hosts/{host}", tag = "tree",
    params(("host" = HostId, Path)),
    responses((status = 200, body = HostEntry), (status = "4XX", body = ApiError)))]
pub(super) async fn host(
    State(app): State<Arc<App>>,
    Who(call): Who,
    Id(id): Id<HostId>,
) -> Result<Json<HostEntry>, Refusal> {
    Ok(Json(app.host(&call, id).await?))
}

/// Makes a host as stated; sessions to what it no longer has end.
#[utoipa::path(put, path = "/api/v1/hosts/{host}", tag = "tree",
    params(("host" = HostId, Path)), request_body = HostSpec,
    responses((status = 200, body = HostEntry), (status = "4XX", body = ApiError)))]
pub(super) async fn change_host(
    State(app): State<Arc<App>>,
    Who(call): Who,
    Id(id): Id<HostId>,
    Body(ask): Body<HostSpec>,
) -> Result<Json<HostEntry>, Refusal> {
    Ok(Json(app.change_host(&call, id, &ask).await?))
}

/// Removes a host; its sessions end.
#[utoipa::path(delete, path = "/api/v1/hosts/{host}", tag = "tree",
    params(("host" = HostId, Path)),
    responses((status = 204), (status = "4XX", body = ApiError)))]
pub(super) async fn delete_host(
    State(app): State<Arc<App>>,
    Who(call): Who,
    Id(id): Id<HostId>,
) -> Result<StatusCode, Refusal> {
    app.delete_host(&call, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
