//! Writes an audit row for every refused call of somebody known.
//!
//! Calls of nobody (no sign-in, no token) are counted by the sign-in's own
//! rows and by the metrics: anybody on the internet can make them, and the
//! trail must not grow by a stranger's will. That the database failed is told
//! once, whoever could not be looked up in it.

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
    let Some(Why(why)) = response.extensions().get().copied() else {
        return response;
    };
    let told = !reads || matches!(why, Reason::NotFound | Reason::NotAllowed);
    match known.get().filter(|_| told) {
        Some(doer) => {
            if let Err(error) = app.record_refusal(doer, &what, why).await {
                tracing::error!(%error, "Refusal could not be recorded");
            }
        }
        None => app.note_outage(why),
    }
    response
}
