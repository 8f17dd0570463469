//! `admin audit`.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Subcommand;
use serde_json::json;

use super::{find, out};
use crate::app::{App, Call, report};
use crate::audit::{Chain, Head};

#[derive(Debug, Subcommand)]
pub(super) enum Audit {
    /// List the newest rows
    List {
        /// Of this customer only
        #[arg(long)]
        customer: Option<String>,
        /// So many
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    /// Check every chain; names the first bad spot
    Verify {
        /// File with heads that were kept elsewhere
        #[arg(long, value_name = "FILE")]
        heads: Option<PathBuf>,
    },
    /// Print the signed heads, to be kept elsewhere
    Heads,
}

impl Audit {
    pub(super) async fn run(self, app: &App, call: &Call, as_json: bool) -> anyhow::Result<()> {
        match self {
            Self::List { customer, limit } => {
                let chain = match customer {
                    Some(customer) => Some(Chain::Customer(find::customer(app, &customer).await?)),
                    None => None,
                };
                list(app, call, chain, limit, as_json).await
            }
            Self::Verify { heads } => {
                let kept = heads.map(read_heads).transpose()?.unwrap_or_default();
                match app.audit_verify(&kept).await? {
                    Ok(rows) => out::line(&format!("{rows} rows, every chain is whole")),
                    Err(fault) => bail!("{fault}"),
                }
            }
            Self::Heads => {
                for head in app.audit_heads().await? {
                    out::line(&head.to_string())?;
                }
                Ok(())
            }
        }
    }
}

fn read_heads(path: PathBuf) -> anyhow::Result<Vec<Head>> {
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}", path.display()))?;
    text.lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| line.parse().map_err(anyhow::Error::from))
        .collect()
}

async fn list(
    app: &App,
    call: &Call,
    chain: Option<Chain>,
    limit: u32,
    as_json: bool,
) -> anyhow::Result<()> {
    let rows = app.audit_rows(call, chain, None, limit).await?;
    if as_json {
        let rows: Vec<_> = rows
            .iter()
            .map(|row| {
                json!({
                    "chain": row.chain.to_string(), "seq": row.seq, "at": row.at,
                    "actor": row.actor, "actor_name": row.actor_name, "source": row.source,
                    "action": row.action, "object": row.object, "outcome": row.outcome,
                    "before": row.before, "after": row.after,
                })
            })
            .collect();
        return out::json(&rows);
    }
    out::table(
        ["AT", "WHO", "FROM", "ACTION", "OBJECT", "OUTCOME"],
        rows.into_iter().map(|row| {
            let who = if row.actor_name.is_empty() {
                row.actor
            } else {
                row.actor_name
            };
            [
                report::date(row.at),
                who,
                row.source,
                row.action,
                row.object,
                row.outcome,
            ]
        }),
    )
}
