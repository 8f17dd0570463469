//! `culvert-gateway doctor`.

use std::process::ExitCode;

use culvert_config::gateway::Gateway;

use super::say;
use crate::doctor::{Findings, Weight, examine};

/// How to say it.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// One JSON object, for programs
    #[arg(long)]
    json: bool,
}

pub(super) async fn doctor(settings: &Gateway, args: &Args) -> anyhow::Result<ExitCode> {
    let findings = examine(settings).await;
    if args.json {
        say(&serde_json::to_string_pretty(&findings)?);
    } else {
        tell(&findings);
    }
    Ok(match findings.cause.weight() {
        Weight::Works => ExitCode::SUCCESS,
        Weight::Broken => ExitCode::FAILURE,
    })
}

fn tell(findings: &Findings) {
    for step in &findings.steps {
        let mark = if step.good { "ok  " } else { "FAIL" };
        say(&format!("{mark}  {:<15} {}", step.name, step.seen));
    }
    say(&format!("cause: {}", findings.cause.code()));
    say(&format!("  {}.", capital(findings.cause.sentence())));
    say(&format!("  {}", findings.cause.remedy()));
    if !findings.detail.is_empty() {
        say(&format!("  ({})", findings.detail));
    }
}

fn capital(sentence: &str) -> String {
    let mut letters = sentence.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}
