//! A refused call as an HTTP answer: [`ApiError`] and the status of its reason.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use culvert_wire::api::ApiError;
use culvert_wire::reason::Reason;

use crate::app::AppError;

/// A call that was not done.
#[derive(Debug)]
pub(super) struct Refusal(pub(super) AppError);

impl From<AppError> for Refusal {
    fn from(error: AppError) -> Self {
        Self(error)
    }
}

/// The reason of an answer, for the audit row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Why(pub(super) Reason);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let reason = self.0.reason;
        if let Some(error) = &self.0.source
            && matches!(
                reason,
                Reason::Internal | Reason::DatabaseDown | Reason::StorageFull
            )
        {
            let cause = std::error::Error::source(error).map(ToString::to_string);
            tracing::error!(%error, cause, "Call failed");
        }
        let body = Json(ApiError {
            reason,
            message: self.0.message,
        });
        let mut response = (status(reason), body).into_response();
        response.extensions_mut().insert(Why(reason));
        response
    }
}

fn status(reason: Reason) -> StatusCode {
    if reason == Reason::NotFound {
        StatusCode::NOT_FOUND
    } else if matches!(reason, Reason::SignInNeeded | Reason::SignInRefused) {
        StatusCode::UNAUTHORIZED
    } else if matches!(
        reason,
        Reason::NotAllowed | Reason::TicketInvalid | Reason::StepUpNeeded
    ) {
        StatusCode::FORBIDDEN
    } else if reason == Reason::Invalid {
        StatusCode::BAD_REQUEST
    } else if reason == Reason::Throttled {
        StatusCode::TOO_MANY_REQUESTS
    } else if matches!(
        reason,
        Reason::DatabaseDown | Reason::StorageFull | Reason::ServerFull
    ) {
        StatusCode::SERVICE_UNAVAILABLE
    } else if reason == Reason::Internal {
        StatusCode::INTERNAL_SERVER_ERROR
    } else {
        StatusCode::CONFLICT
    }
}
