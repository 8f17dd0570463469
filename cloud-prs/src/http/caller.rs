//! Who calls: the sign-in of a link, an API token in a header, or a browser's
//! cookie.

use std::sync::{Arc, OnceLock};

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use culvert_wire::reason::Reason;

use super::origin::Web;
use super::refusal::Refusal;
use crate::app::trail::Doer;
use crate::app::{App, AppError, Call, Caller, Via};

/// Where the extractor leaves who calls for the audit row of a refusal.
pub(super) type Known = Arc<OnceLock<Doer>>;

/// A caller who is somebody; rights are read anew for each request.
pub(super) struct Who(pub(super) Call);

impl FromRequestParts<Arc<App>> for Who {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Refusal> {
        let mut by_cookie = None;
        let actor = match parts.extensions.get::<Arc<Caller>>() {
            Some(link) => match link.token() {
                Some(token) => app.actor_by_id(token).await,
                None => Ok(None),
            },
            None => match bearer(parts) {
                // No device key here: a sign-in's token is worth nothing.
                Some(token) => app.actor_by_secret(token.as_bytes(), None).await,
                None => {
                    by_cookie = Web::of(parts);
                    match by_cookie
                        .as_ref()
                        .and_then(|web| web.cookie(&parts.headers))
                    {
                        Some(token) => app.actor_by_cookie(token.as_bytes()).await,
                        None => Ok(None),
                    }
                }
            },
        };
        if actor.is_err()
            && let Some(user) = parts.extensions.get::<Arc<Caller>>().and_then(|l| l.user())
        {
            // Whose link it is stands in memory, whatever the database says.
            know(parts, || Doer::person(user, source(parts)));
        }
        let actor = actor
            .map_err(AppError::from)?
            .ok_or_else(|| AppError::because(Reason::SignInNeeded))?;
        let call = Call {
            actor,
            source: source(parts),
            at: app.now(),
        };
        know(parts, || Doer::from(&call));
        if let Some(web) = by_cookie {
            web.own_page(&parts.method, &parts.headers, app.origins())?;
        }
        Ok(Self(call))
    }
}

fn know(parts: &Parts, who: impl FnOnce() -> Doer) {
    if let Some(known) = parts.extensions.get::<Known>() {
        let _ = known.set(who());
    }
}

/// The origin of the portal's page that asks; none over a link or for a program.
pub(super) struct Page(pub(super) Option<String>);

impl FromRequestParts<Arc<App>> for Page {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Refusal> {
        let web = Web::of(parts).filter(|_| parts.extensions.get::<Arc<Caller>>().is_none());
        let origin = web.and_then(|web| web.origin(&parts.headers, app.origins()));
        Ok(Self(origin))
    }
}

/// By which way somebody signs in: a link, or the portal's own page.
pub(super) enum Entrance {
    /// A link.
    Link(Arc<Caller>),
    /// The portal's page in a browser.
    Web(Web),
}

impl Entrance {
    /// The same, for the application.
    pub(super) fn via(&self) -> Via<'_> {
        match self {
            Self::Link(link) => Via::Link(link),
            Self::Web(web) => Via::Web(&web.visitor),
        }
    }
}

impl FromRequestParts<Arc<App>> for Entrance {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Refusal> {
        if let Some(link) = parts.extensions.get::<Arc<Caller>>() {
            return Ok(Self::Link(Arc::clone(link)));
        }
        let web = Web::of(parts).ok_or_else(AppError::not_allowed)?;
        web.own_page(&parts.method, &parts.headers, app.origins())?;
        Ok(Self::Web(web))
    }
}

fn bearer(parts: &Parts) -> Option<&str> {
    let value = parts.headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn source(parts: &Parts) -> String {
    let link = parts.extensions.get::<Arc<Caller>>();
    link.map(|link| link.from.ip())
        .or_else(|| Web::of(parts).map(|web| web.visitor.from))
        .map(|ip| ip.to_canonical().to_string())
        .unwrap_or_default()
}
