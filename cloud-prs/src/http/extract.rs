//! Bodies, queries and ids of requests; what is wrong with them is said
//! without repeating it.

use std::str::FromStr;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use super::refusal::Refusal;
use crate::app::{App, AppError};

/// A JSON body.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Arc<App>> for Body<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Refusal> {
        let bytes = Bytes::from_request(request, app)
            .await
            .map_err(|_| AppError::invalid("the body is too long, or was cut off"))?;
        let value = serde_json::from_slice(&bytes).map_err(|error| {
            let what = match error.classify() {
                Category::Syntax | Category::Eof | Category::Io => "is no JSON",
                Category::Data => "is not what this route takes",
            };
            let (line, column) = (error.line(), error.column());
            AppError::invalid(format!("the body {what} (line {line}, column {column})"))
        })?;
        Ok(Self(value))
    }
}

/// The query.
pub(super) struct Ask<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequestParts<Arc<App>> for Ask<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Refusal> {
        let query = Query::<T>::from_request_parts(parts, app).await;
        let Query(value) =
            query.map_err(|_| AppError::invalid("the query is not what this route takes"))?;
        Ok(Self(value))
    }
}

/// An id in the path. What is no id is not there.
pub(super) struct Id<T>(pub(super) T);

impl<T: FromStr> FromRequestParts<Arc<App>> for Id<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Refusal> {
        let path = Path::<String>::from_request_parts(parts, app).await;
        let Path(text) = path.map_err(|_| AppError::not_found())?;
        Ok(Self(text.parse().map_err(|_| AppError::not_found())?))
    }
}

/// Two ids in the path.
pub(super) struct Ids<A, B>(pub(super) A, pub(super) B);

impl<A: FromStr, B: FromStr> FromRequestParts<Arc<App>> for Ids<A, B> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Refusal> {
        let path = Path::<(String, String)>::from_request_parts(parts, app).await;
        let Path((a, b)) = path.map_err(|_| AppError::not_found())?;
        let missing = |_| AppError::not_found();
        Ok(Self(
            a.parse().map_err(|_| missing(()))?,
            b.parse().map_err(|_| missing(()))?,
        ))
    }
}
