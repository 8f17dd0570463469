//! `culvert-gateway doctor`.

use std::process::ExitCode;

use culvert_config::gateway::Gateway;

use super::say;

/// How to say it.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// One JSON object, for programs
    #[arg(long)]
    json: bool,
}

pub(super) async fn doctor(_settings: &Gateway, args: &Args) -> anyhow::Result<ExitCode> {
    let _ = args.json;
    tokio::task::yield_now().await;
    say("");
    Ok(ExitCode::SUCCESS)
}
