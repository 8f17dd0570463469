//! `sign-in`, `sign-out`, `me`, `tokens`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::SET_COOKIE;
use axum::response::{IntoResponse as _, Response};
use culvert_wire::api::{
    ApiError, Me, NewToken, NewTokenAnswer, Secret, SignIn, SignInAnswer, TokenList,
};
use culvert_wire::id::TokenId;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, SchemaType, Type};

use super::caller::{Entrance, Who};
use super::extract::{Body, Id};
use super::refusal::Refusal;
use crate::app::{App, MIN_PASSWORD};

/// Signs in the person at a link, or in a browser, whose cookie it sets.
#[utoipa::path(post, path = "/api/v1/sign-in", tag = "account", security(()),
    request_body = SignIn,
    responses((status = 200, body = SignInAnswer), (status = "4XX", body = ApiError)))]
pub(super) async fn sign_in(
    State(app): State<Arc<App>>,
    entrance: Entrance,
    Body(ask): Body<SignIn>,
) -> Result<Response, Refusal> {
    let answer = app.sign_in(entrance.via(), &ask).await?;
    Ok(signed_in(&entrance, answer))
}

/// A sign-in's answer; a browser gets the token as a cookie only.
pub(super) fn signed_in(entrance: &Entrance, mut answer: SignInAnswer) -> Response {
    let mut cookie = None;
    if let (Entrance::Web(web), SignInAnswer::Done(signed)) = (entrance, &mut answer) {
        let token = signed.token.take();
        cookie = token.map(|token| web.set_cookie(token.reveal()));
    }
    let mut response = Json(answer).into_response();
    if let Some(cookie) = cookie {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    response
}

/// Ends the sign-in that asks.
#[utoipa::path(post, path = "/api/v1/sign-out", tag = "account",
    responses((status = 204), (status = "4XX", body = ApiError)))]
pub(super) async fn sign_out(
    State(app): State<Arc<App>>,
    Who(call): Who,
    entrance: Entrance,
) -> Result<Response, Refusal> {
    app.sign_out(&call).await?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    if let Entrance::Web(web) = entrance {
        let cookie = web.clear_cookie();
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    Ok(response)
}

/// Who asks.
#[utoipa::path(get, path = "/api/v1/me", tag = "account",
    responses((status = 200, body = Me), (status = "4XX", body = ApiError)))]
pub(super) async fn me(State(app): State<Arc<App>>, Who(call): Who) -> Result<Json<Me>, Refusal> {
    Ok(Json(app.me(&call).await?))
}

/// A change of one's own password.
#[derive(Debug, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PasswordChange {
    /// The password so far.
    old: Secret,
    /// The new one.
    #[schema(schema_with = new_password)]
    new: Secret,
}

/// A password to be, as the API describes it.
pub(super) fn new_password() -> Schema {
    ObjectBuilder::new()
        .schema_type(SchemaType::new(Type::String))
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Password)))
        .min_length(Some(MIN_PASSWORD))
        .into()
}

/// Changes the asker's password and ends all her sign-ins.
#[utoipa::path(put, path = "/api/v1/me/password", tag = "account",
    request_body = PasswordChange,
    responses((status = 204), (status = "4XX", body = ApiError)))]
pub(super) async fn password(
    State(app): State<Arc<App>>,
    Who(call): Who,
    Body(ask): Body<PasswordChange>,
) -> Result<StatusCode, Refusal> {
    app.change_own_password(&call, &ask.old, &ask.new).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The asker's own sign-ins and API tokens.
#[utoipa::path(get, path = "/api/v1/tokens", tag = "account",
    responses((status = 200, body = TokenList), (status = "4XX", body = ApiError)))]
pub(super) async fn tokens(
    State(app): State<Arc<App>>,
    Who(call): Who,
) -> Result<Json<TokenList>, Refusal> {
    let tokens = app.tokens(&call).await?;
    let tokens = tokens.into_iter().map(|(_, info)| info).collect();
    Ok(Json(TokenList { tokens }))
}

/// Makes an API token for the asker.
#[utoipa::path(post, path = "/api/v1/tokens", tag = "account", request_body = NewToken,
    responses((status = 201, body = NewTokenAnswer), (status = "4XX", body = ApiError)))]
pub(super) async fn add_token(
    State(app): State<Arc<App>>,
    Who(call): Who,
    Body(ask): Body<NewToken>,
) -> Result<(StatusCode, Json<NewTokenAnswer>), Refusal> {
    let answer = app.add_token(&call, &ask).await?;
    Ok((StatusCode::CREATED, Json(answer)))
}

/// Takes one of the asker's own back.
#[utoipa::path(delete, path = "/api/v1/tokens/{token}", tag = "account",
    params(("token" = TokenId, Path)),
    responses((status = 204), (status = "4XX", body = ApiError)))]
pub(super) async fn revoke_token(
    State(app): State<Arc<App>>,
    Who(call): Who,
    Id(id): Id<TokenId>,
) -> Result<StatusCode, Refusal> {
    app.revoke_token(&call, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
