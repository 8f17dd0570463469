//! Writes an audit row for every refused call of somebody known.
//!
//! Calls of nobody (no sign-in, no token) are counted by the sign-in's own
//! rows and by the metrics: anybody on the internet can make them, and the
//! trail must not grow by a stranger's will.

use std::sync::{Arc, OnceLock};

use axum::extract::{Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use culvert_wire::reason::Reason;

use super::caller::Known;
use super::refusal::Why;
use crate::app::App;

pub(super) async fn record(
    State(app): State<Arc<App>>,
    mut request: Request,
    next: Next,
) -> Response {
    let known: Known = Arc::new(OnceLock::new());
    request.extensions_mut().insert(Arc::clone(&known));
    let reads = request.method() == Method::GET;
    // Without the query, which holds what people look for.
    let what = format!("{} {}", request.method(), request.uri().path());
    let response = next.run(request).await;
    let why = response.extensions().get::<Why>().map(|why| why.0);
    if let (Some(why), Some(doer)) = (why, known.get())
        && (!reads || matches!(why, Reason::NotFound | Reason::NotAllowed))
        && let Err(error) = app.record_refusal(doer, &what, why).await
    {
        tracing::error!(%error, "Refusal could not be recorded");
    }
    response
}
