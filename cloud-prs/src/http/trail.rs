//! `audit`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use culvert_wire::UnixMs;
use culvert_wire::api::ApiError;
use culvert_wire::id::CustomerId;

use super::caller::Who;
use super::extract::Ask;
use super::refusal::Refusal;
use crate::app::App;
use crate::audit::{Chain, Entry};

/// Rows in an answer when the asker names no limit.
const ROWS: u32 = 100;

/// A row of the audit trail.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub(super) struct AuditRow {
    /// The customer's id, or `provider`.
    chain: String,
    /// Its number in the chain.
    seq: u64,
    /// When.
    at: UnixMs,
    /// Who: an id, `box` and a fingerprint, `server`, `console` or `nobody`.
    actor: String,
    /// The name at that time.
    actor_name: String,
    /// From where.
    source: String,
    /// What.
    action: String,
    /// To what.
    object: String,
    /// `done`, or why it was refused.
    outcome: String,
    /// JSON of what was; may be empty.
    before: String,
    /// JSON of what is; may be empty.
    after: String,
}

impl From<Entry> for AuditRow {
    fn from(entry: Entry) -> Self {
        Self {
            chain: entry.chain.to_string(),
            seq: entry.seq,
            at: entry.at,
            actor: entry.actor,
            actor_name: entry.actor_name,
            source: entry.source,
            action: entry.action,
            object: entry.object,
            outcome: entry.outcome,
            before: entry.before,
            after: entry.after,
        }
    }
}

/// Rows of the audit trail.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub(super) struct AuditList {
    /// Newest first.
    rows: Vec<AuditRow>,
}

/// Which rows.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AuditQuery {
    customer: Option<CustomerId>,
    before: Option<UnixMs>,
    limit: Option<u32>,
}

/// The newest rows, of one customer or of all.
#[utoipa::path(get, path = "/api/v1/audit", tag = "audit",
    params(("customer" = Option<CustomerId>, Query), ("before" = Option<u64>, Query),
        ("limit" = Option<u32>, Query)),
    responses((status = 200, body = AuditList), (status = "4XX", body = ApiError)))]
pub(super) async fn audit(
    State(app): State<Arc<App>>,
    Who(call): Who,
    Ask(ask): Ask<AuditQuery>,
) -> Result<Json<AuditList>, Refusal> {
    let chain = ask.customer.map(Chain::Customer);
    let limit = ask.limit.unwrap_or(ROWS);
    let rows = app.audit_rows(&call, chain, ask.before, limit).await?;
    Ok(Json(AuditList {
        rows: rows.into_iter().map(AuditRow::from).collect(),
    }))
}
