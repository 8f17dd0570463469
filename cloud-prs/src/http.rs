//! The HTTP API: routes, bodies, statuses; every decision is `app`'s.
//!
//! The same router answers HTTPS requests (API tokens, browsers' cookies) and
//! requests that came over a technician's link (sign-ins bound to the link's
//! device key).
//! A refused call of somebody known is an audit row. `openapi.json` is this
//! module's description, held by a test.

mod account;
mod bundle;
mod caller;
mod credentials;
mod downloads;
mod events;
mod extract;
mod factors;
mod gateways;
mod hand_over;
mod joining;
mod link_tickets;
mod marks;
mod origin;
mod people;
mod portal;
mod refusal;
mod refused;
mod releases;
mod sessions;
mod trail;
mod tree;
mod webhooks;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderValue, header};
use axum::middleware;
use axum::response::Response;
use culvert_wire::frame::MAX_BODY;
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate as _, SizeAbove};
use utoipa::openapi::OpenApi;
use utoipa::openapi::{InfoBuilder, OpenApiBuilder};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::{App, AppError};

/// Answers from this length on are compressed, in bytes.
const WORTH_PACKING: u64 = 1024;
pub use link_tickets::greet;

/// The router and its description.
pub fn router(app: Arc<App>) -> (Router, OpenApi) {
    let info = InfoBuilder::new()
        .title("Culvert")
        .version("1")
        .description(Some(
            "Calls come over a link (sign-in), from the portal's page (cookie), or with an API \
             token as `Authorization: Bearer`.",
        ))
        .build();
    let base = OpenApiBuilder::new().info(info).build();
    let (router, api) = OpenApiRouter::with_openapi(base)
        .merge(all())
        .split_for_parts();
    let router = router
        .route("/boxes/release", axum::routing::get(bundle::bundle))
        .fallback(portal::serve)
        .method_not_allowed_fallback(nothing_here)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn_with_state(
            Arc::clone(&app),
            refused::record,
        ))
        .layer(middleware::map_response(plain_headers))
        .layer(
            CompressionLayer::new()
                .quality(CompressionLevel::Precise(4))
                .compress_when(
                    SizeAbove::new(WORTH_PACKING)
                        .and(NotForContentType::SSE)
                        // Programs and bundles: nobody packs them again for each who fetches.
                        .and(NotForContentType::const_new("application/octet-stream")),
                ),
        )
        .with_state(app);
    (router, api)
}

fn all() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(account::sign_in))
        .routes(routes!(factors::second))
        .routes(routes!(factors::ask_passkey))
        .routes(routes!(factors::passkey))
        .routes(routes!(factors::step_up))
        .routes(routes!(factors::begin_totp))
        .routes(routes!(factors::confirm_totp))
        .routes(routes!(factors::remove_totp))
        .routes(routes!(factors::recovery_codes))
        .routes(routes!(factors::passkeys))
        .routes(routes!(factors::begin_passkey))
        .routes(routes!(factors::add_passkey))
        .routes(routes!(factors::remove_passkey))
        .routes(routes!(account::sign_out))
        .routes(routes!(account::me))
        .routes(routes!(account::password))
        .routes(routes!(account::tokens, account::add_token))
        .routes(routes!(account::revoke_token))
        .routes(routes!(tree::customers, tree::add_customer))
        .routes(routes!(tree::rename_customer, tree::delete_customer))
        .routes(routes!(tree::sites))
        .routes(routes!(tree::add_site))
        .routes(routes!(tree::rename_site, tree::delete_site))
        .routes(routes!(tree::hosts))
        .routes(routes!(tree::add_host))
        .routes(routes!(tree::host, tree::change_host, tree::delete_host))
        .routes(routes!(marks::tree))
        .routes(routes!(marks::mark, marks::unmark))
        .routes(routes!(marks::recent))
        .routes(routes!(marks::notes, marks::change_notes))
        .routes(routes!(marks::history))
        .routes(routes!(marks::presence))
        .routes(routes!(marks::import))
        .routes(routes!(events::events))
        .routes(routes!(webhooks::webhooks, webhooks::add_webhook))
        .routes(routes!(webhooks::delete_webhook))
        .routes(routes!(credentials::credentials))
        .routes(routes!(credentials::sealing_key))
        .routes(routes!(
            credentials::set_credential,
            credentials::delete_credential
        ))
        .routes(routes!(hand_over::begin))
        .routes(routes!(hand_over::collect))
        .routes(routes!(hand_over::look))
        .routes(routes!(hand_over::approve))
        .routes(routes!(gateways::gateways))
        .routes(routes!(gateways::gateway))
        .routes(routes!(gateways::place))
        .routes(routes!(gateways::revoke))
        .routes(routes!(gateways::release))
        .routes(routes!(gateways::replace))
        .routes(routes!(releases::releases))
        .routes(routes!(releases::promote))
        .routes(routes!(releases::halt))
        .routes(routes!(releases::set_ring))
        .routes(routes!(gateways::claims, gateways::add_claim))
        .routes(routes!(gateways::void_claim))
        .routes(routes!(sessions::sessions, sessions::start))
        .routes(routes!(sessions::renew))
        .routes(routes!(sessions::end))
        .routes(routes!(sessions::launch))
        .routes(routes!(downloads::downloads))
        .routes(routes!(downloads::download))
        .routes(routes!(link_tickets::add_link_ticket))
        .routes(routes!(sessions::redeem))
        .routes(routes!(sessions::report))
        .routes(routes!(people::users, people::add_user))
        .routes(routes!(people::change_user))
        .routes(routes!(joining::invitations, joining::invite))
        .routes(routes!(joining::void_invitation))
        .routes(routes!(joining::accept))
        .routes(routes!(joining::reset))
        .routes(routes!(joining::leaving))
        .routes(routes!(joining::off_board))
        .routes(routes!(people::teams, people::add_team))
        .routes(routes!(people::rename_team, people::delete_team))
        .routes(routes!(people::add_member, people::remove_member))
        .routes(routes!(people::assignments, people::assign))
        .routes(routes!(people::unassign))
        .routes(routes!(people::access))
        .routes(routes!(trail::audit))
}

async fn nothing_here() -> Result<(), refusal::Refusal> {
    Err(AppError::not_found().into())
}

/// Answers, but the portal's files, are for nobody's cache and no browser's guess.
async fn plain_headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static(
            "default-src 'none'; frame-ancestors 'none'",
        ));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}
