//! `GET /api/v1/events`: what happens, as Server-Sent Events.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderName, HeaderValue};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse as _, Response};
use culvert_wire::api::ApiError;
use futures_util::stream;

use super::caller::Who;
use super::refusal::Refusal;
use crate::app::{App, AppError, Caller};

/// How soon a page comes back when its stream ends.
const COME_BACK: Duration = Duration::from_secs(1);

/// What happens within the asker's reach, as Server-Sent Events: `hello`,
/// `gateway` (`GatewayNow`), `session` (`kind` started or ended, and the
/// session), `presence` (`PresenceNow`), `tree` (load it again), `rights` (the
/// asker's have changed: ask `me` again), and `beat` every 10 seconds. Who sees
/// nothing of the tree hears `hello`, `rights` and `beat` only. The stream ends with
/// the sign-in, which `signed_out` says last, when the reader is too slow, and after
/// some minutes: whoever comes back loads the tree again.
#[utoipa::path(get, path = "/api/v1/events", tag = "tree",
    responses((status = 200, content_type = "text/event-stream", body = String),
        (status = "4XX", body = ApiError)))]
pub(super) async fn events(
    State(app): State<Arc<App>>,
    link: Option<Extension<Arc<Caller>>>,
    Who(call): Who,
) -> Result<Response, Refusal> {
    if link.is_some() {
        return Err(AppError::invalid("events come over HTTPS, not over a link").into());
    }
    let listener = app.listen(call).await?;
    let listening = stream::unfold((app, listener), |(app, mut listener)| async move {
        let said = listener.next(&app).await?;
        let event = Event::default().event(said.name).data(said.data);
        Some((Ok::<_, Infallible>(event), (app, listener)))
    });
    let first = stream::once(std::future::ready(Ok(Event::default().retry(COME_BACK))));
    let mut response = Sse::new(stream::StreamExt::chain(first, listening)).into_response();
    for (name, value) in [
        (CACHE_CONTROL, "no-store"),
        // Proxies shall pass each event on at once.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ] {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    Ok(response)
}
