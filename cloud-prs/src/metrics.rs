//! `/healthz`, `/readyz` and `/metrics` (Prometheus text) on a second address.
//!
//! No names, no ids, no addresses: figures only.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use culvert_wire::UnixMs;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tracing::warn;

use crate::app::App;
use crate::plane::Plane;
use crate::store::sessions::{self, Filter};
use crate::store::{StoreError, gateways};

/// Prometheus' text format.
const TEXT: &str = "text/plain; version=0.0.4";

#[derive(Clone)]
struct Here {
    app: Arc<App>,
    plane: Plane,
    /// Until when the node's statement is valid.
    until: watch::Receiver<UnixMs>,
}

impl Here {
    fn statement_left_ms(&self) -> u64 {
        self.until.borrow().ms_since(self.app.now())
    }
}

/// Serves until dropped; for ever idle without an address.
pub async fn serve(
    listener: Option<TcpListener>,
    app: Arc<App>,
    plane: Plane,
    until: watch::Receiver<UnixMs>,
) {
    let Some(listener) = listener else {
        return std::future::pending().await;
    };
    let router = Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(Here { app, plane, until });
    if let Err(error) = axum::serve(listener, router).await {
        warn!(%error, "Metrics are not served any more");
    }
    std::future::pending().await
}

async fn ready(State(here): State<Here>) -> impl IntoResponse {
    if here.statement_left_ms() == 0 {
        return (
            StatusCode::SERVICE_UNAVAILABLE,
            "the node's statement is over\n",
        );
    }
    match figures(&here.app).await {
        Ok(_) => (StatusCode::OK, "ready\n"),
        Err(_) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "the database does not answer\n",
        ),
    }
}

/// Figures of the database.
struct Figures {
    live: usize,
    known: usize,
}

async fn figures(app: &App) -> Result<Figures, StoreError> {
    let mut db = app.store().read().await?;
    let filter = Filter {
        live: Some(true),
        ..Default::default()
    };
    Ok(Figures {
        live: sessions::list(&mut db, &filter).await?.len(),
        known: gateways::all(&mut db).await?.len(),
    })
}

async fn metrics(State(here): State<Here>) -> impl IntoResponse {
    let counters = here.plane.counters();
    let relay = counters.relay;
    let mut out = String::new();
    let mut put = |kind: &str, name: &str, help: &str, value: u64| {
        let _ = write!(
            out,
            "# HELP culvert_{name} {help}\n# TYPE culvert_{name} {kind}\nculvert_{name} {value}\n"
        );
    };
    put("gauge", "links", "Links that are up", counters.links as u64);
    put(
        "gauge",
        "gateways_online",
        "Gateways with a link",
        counters.gateways as u64,
    );
    put(
        "gauge",
        "routes",
        "Routes that may be joined or are",
        counters.routes as u64,
    );
    put(
        "gauge",
        "unproved_connections",
        "Connections without a proof",
        counters.unproved as u64,
    );
    put(
        "gauge",
        "queued_bytes",
        "Bytes in all queues",
        counters.queued_bytes as u64,
    );
    put(
        "counter",
        "refused_connections_total",
        "Connections refused",
        counters.refused_connections,
    );
    put(
        "counter",
        "forwarded_bytes_total",
        "Bytes forwarded",
        relay.forwarded_bytes,
    );
    put(
        "counter",
        "forwarded_messages_total",
        "Messages forwarded",
        relay.forwarded_messages,
    );
    put(
        "counter",
        "dropped_messages_total",
        "Messages dropped because their receiver's queue was full",
        relay.dropped.messages,
    );
    put(
        "counter",
        "dropped_bytes_total",
        "Bytes of those",
        relay.dropped.bytes,
    );
    put(
        "counter",
        "offenders_total",
        "Links ended because of what they sent",
        relay.offenders,
    );
    put(
        "counter",
        "unroutable_total",
        "Messages for an absent end",
        relay.unroutable,
    );
    put(
        "counter",
        "refused_joins_total",
        "Joins refused",
        relay.refused_joins,
    );
    put(
        "counter",
        "stun_answers_total",
        "STUN answers",
        counters.stun_answers,
    );
    put(
        "counter",
        "stun_refused_total",
        "STUN requests not answered",
        counters.stun_refused,
    );
    put(
        "gauge",
        "statement_left_seconds",
        "How long the node's statement is still valid",
        here.statement_left_ms() / 1000,
    );
    if let Ok(figures) = figures(&here.app).await {
        put(
            "gauge",
            "sessions_live",
            "Sessions that run",
            figures.live as u64,
        );
        put(
            "gauge",
            "gateways_known",
            "Gateways that were claimed",
            figures.known as u64,
        );
    }
    ([(header::CONTENT_TYPE, TEXT)], out)
}
