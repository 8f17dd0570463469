//! Who calls: the sign-in of a link, or an API token in a header.

use std::sync::{Arc, OnceLock};

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use culvert_wire::reason::Reason;

use super::refusal::Refusal;
use crate::app::{App, AppError, Call, Caller};
use crate::plane::ConnInfo;

/// Where the extractor leaves the caller for the audit row of a refusal.
pub(super) type Known = Arc<OnceLock<Call>>;

/// A caller who is somebody; rights are read anew for each request.
pub(super) struct Who(pub(super) Call);

impl FromRequestParts<Arc<App>> for Who {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Refusal> {
        let actor = match parts.extensions.get::<Arc<Caller>>() {
            Some(link) => match link.token() {
                Some(token) => app.actor_by_id(token).await,
                None => Ok(None),
            },
            None => match bearer(parts) {
                // No device key here: a sign-in's token is worth nothing.
                Some(token) => app.actor_by_secret(token.as_bytes(), None).await,
                None => Ok(None),
            },
        };
        let actor = actor
            .map_err(AppError::from)?
            .ok_or_else(|| AppError::because(Reason::SignInNeeded))?;
        let call = Call {
            actor,
            source: source(parts),
        };
        if let Some(known) = parts.extensions.get::<Known>() {
            let _ = known.set(call.clone());
        }
        Ok(Self(call))
    }
}

/// From where a request came.
pub(super) struct Source(pub(super) String);

impl FromRequestParts<Arc<App>> for Source {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Self, Refusal> {
        Ok(Self(source(parts)))
    }
}

/// The link that a request came over.
pub(super) struct Over(pub(super) Option<Arc<Caller>>);

impl FromRequestParts<Arc<App>> for Over {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Self, Refusal> {
        Ok(Self(parts.extensions.get::<Arc<Caller>>().cloned()))
    }
}

fn bearer(parts: &Parts) -> Option<&str> {
    let value = parts.headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn source(parts: &Parts) -> String {
    let link = parts.extensions.get::<Arc<Caller>>();
    let web = parts.extensions.get::<ConnInfo>();
    link.map(|link| link.from.ip())
        .or_else(|| web.map(|info| info.peer.ip()))
        .map(|ip| ip.to_canonical().to_string())
        .unwrap_or_default()
}
