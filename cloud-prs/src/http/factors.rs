//! Second factors: signing in with them, proving them again, setting them up.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use culvert_wire::api::{ApiError, Secret, SignInAnswer};
use culvert_wire::id::PasskeyId;

use super::account::signed_in;
use super::caller::{Entrance, Page, Who};
use super::extract::{Body, Id};
use super::refusal::Refusal;
use crate::app::App;
use crate::app::factors::NewTotp;
use crate::app::passkeys::{PasskeyAsk, PasskeyInfo};
use crate::app::second::{SecondAnswer, StepUp};
use crate::webauthn::{Assertion, Registration};

/// Answers a sign-in that waits for a code.
#[utoipa::path(post, path = "/api/v1/sign-in/second", tag = "account", security(()),
    request_body = SecondAnswer,
    responses((status = 200, body = SignInAnswer), (status = "4XX", body = ApiError)))]
pub(super) async fn second(
    State(app): State<Arc<App>>,
    entrance: Entrance,
    Body(ask): Body<SecondAnswer>,
) -> Result<Response, Refusal> {
    let answer = app.second_step(entrance.via(), &ask).await?;
    Ok(signed_in(&entrance, answer))
}

/// Which sign-in waits; none for a passkey alone.
#[derive(Debug, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PasskeyBegin {
    /// The challenge of the sign-in that waits.
    challenge: Option<Secret>,
}

/// What a browser needs to prove a passkey.
#[utoipa::path(post, path = "/api/v1/sign-in/passkey/begin", tag = "account", security(()),
    request_body = PasskeyBegin,
    responses((status = 200, body = PasskeyAsk), (status = "4XX", body = ApiError)))]
pub(super) async fn ask_passkey(
    State(app): State<Arc<App>>,
    entrance: Entrance,
    Page(page): Page,
    Body(ask): Body<PasskeyBegin>,
) -> Result<Json<PasskeyAsk>, Refusal> {
    let waiting = ask.challenge.as_ref();
    let asked = app
        .ask_passkey(entrance.via(), waiting, page.as_deref())
        .await?;
    Ok(Json(asked))
}

/// A browser's answer.
#[derive(Debug, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PasskeyFinish {
    /// The challenge that went with the question.
    challenge: Secret,
    /// `AuthenticationResponseJSON`.
    #[schema(value_type = Object)]
    passkey: Assertion,
}

/// Signs in with a passkey, alone or as the second step.
#[utoipa::path(post, path = "/api/v1/sign-in/passkey/finish", tag = "account", security(()),
    request_body = PasskeyFinish,
    responses((status = 200, body = SignInAnswer), (status = "4XX", body = ApiError)))]
pub(super) async fn passkey(
    State(app): State<Arc<App>>,
    entrance: Entrance,
    Page(page): Page,
    Body(ask): Body<PasskeyFinish>,
) -> Result<Response, Refusal> {
    let answer = app
        .sign_in_by_passkey(
            entrance.via(),
            &ask.challenge,
            &ask.passkey,
            page.as_deref(),
        )
        .await?;
    Ok(signed_in(&entrance, answer))
}

/// Proves the asker once more; good for ten minutes.
#[utoipa::path(post, path = "/api/v1/step-up", tag = "account", request_body = StepUp,
    responses((status = 204), (status = "4XX", body = ApiError)))]
pub(super) async fn step_up(
    State(app): State<Arc<App>>,
    Who(call): Who,
    Page(page): Page,
    Body(ask): Body<StepUp>,
) -> Result<StatusCode, Refusal> {
    app.step_up(&call, &ask, page.as_deref()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Begins to set an authenticator program up.
#[utoipa::path(post, path = "/api/v1/me/totp/begin", tag = "account",
    responses((status = 200, body = NewTotp), (status = "4XX", body = ApiError)))]
pub(super) async fn begin_totp(
    State(app): State<Arc<App>>,
    Who(call): Who,
) -> Result<Json<NewTotp>, Refusal> {
    Ok(Json(app.begin_totp(&call).await?))
}

/// A code of the authenticator program.
#[derive(Debug, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TotpCode {
    /// Six digits.
    totp: Secret,
}

/// Confirms the authenticator program with its first code.
#[utoipa::path(post, path = "/api/v1/me/totp/confirm", tag = "account",
    request_body = TotpCode,
    responses((status = 204), (status = "4XX", body = ApiError)))]
pub(super) async fn confirm_totp(
    State(app): State<Arc<App>>,
    Who(call): Who,
    Body(ask): Body<TotpCode>,
) -> Result<StatusCode, Refusal> {
    app.confirm_totp(&call, &ask.totp).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes the authenticator program away.
#[utoipa::path(delete, path = "/api/v1/me/totp", tag = "account",
    responses((status = 204), (status = "4XX", body = ApiError)))]
pub(super) async fn remove_totp(
    State(app): State<Arc<App>>,
    Who(call): Who,
) -> Result<StatusCode, Refusal> {
    app.remove_totp(&call).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Recovery codes; the only time that they are shown.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub(super) struct RecoveryCodes {
    /// Each works once.
    codes: Vec<Secret>,
}

/// Makes new recovery codes; the old ones are void.
#[utoipa::path(post, path = "/api/v1/me/recovery-codes", tag = "account",
    responses((status = 200, body = RecoveryCodes), (status = "4XX", body = ApiError)))]
pub(super) async fn recovery_codes(
    State(app): State<Arc<App>>,
    Who(call): Who,
) -> Result<Json<RecoveryCodes>, Refusal> {
    Ok(Json(RecoveryCodes {
        codes: app.recovery_codes(&call).await?,
    }))
}

/// The asker's passkeys.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub(super) struct PasskeyList {
    /// The oldest first.
    passkeys: Vec<PasskeyInfo>,
}

/// The asker's passkeys.
#[utoipa::path(get, path = "/api/v1/me/passkeys", tag = "account",
    responses((status = 200, body = PasskeyList), (status = "4XX", body = ApiError)))]
pub(super) async fn passkeys(
    State(app): State<Arc<App>>,
    Who(call): Who,
) -> Result<Json<PasskeyList>, Refusal> {
    Ok(Json(PasskeyList {
        passkeys: app.passkeys(&call).await?,
    }))
}

/// What a browser needs to make a passkey.
#[utoipa::path(post, path = "/api/v1/me/passkeys/begin", tag = "account",
    responses((status = 200, body = PasskeyAsk), (status = "4XX", body = ApiError)))]
pub(super) async fn begin_passkey(
    State(app): State<Arc<App>>,
    Who(call): Who,
    Page(page): Page,
) -> Result<Json<PasskeyAsk>, Refusal> {
    Ok(Json(app.begin_passkey(&call, page.as_deref()).await?))
}

/// A new passkey.
#[derive(Debug, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPasskeyFinish {
    /// The challenge that went with the question.
    challenge: Secret,
    /// What lists call it.
    #[serde(default)]
    label: String,
    /// `RegistrationResponseJSON`.
    #[schema(value_type = Object)]
    passkey: Registration,
}

/// Adds a passkey.
#[utoipa::path(post, path = "/api/v1/me/passkeys/finish", tag = "account",
    request_body = NewPasskeyFinish,
    responses((status = 201, body = PasskeyInfo), (status = "4XX", body = ApiError)))]
pub(super) async fn add_passkey(
    State(app): State<Arc<App>>,
    Who(call): Who,
    Page(page): Page,
    Body(ask): Body<NewPasskeyFinish>,
) -> Result<(StatusCode, Json<PasskeyInfo>), Refusal> {
    let added = app
        .add_passkey(
            &call,
            &ask.challenge,
            &ask.label,
            &ask.passkey,
            page.as_deref(),
        )
        .await?;
    Ok((StatusCode::CREATED, Json(added)))
}

/// Takes a passkey away.
#[utoipa::path(delete, path = "/api/v1/me/passkeys/{passkey}", tag = "account",
    params(("passkey" = PasskeyId, Path)),
    responses((status = 204), (status = "4XX", body = ApiError)))]
pub(super) async fn remove_passkey(
    State(app): State<Arc<App>>,
    Who(call): Who,
    Id(id): Id<PasskeyId>,
) -> Result<StatusCode, Refusal> {
    app.remove_passkey(&call, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
