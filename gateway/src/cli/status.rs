//! `culvert-gateway status`.

use std::process::ExitCode;

use culvert_config::gateway::Gateway;
use culvert_wire::UnixMs;
use serde::Serialize;

use super::say;
use crate::identity::Identity;
use crate::state::State;
use crate::status::{LinkStatus, Running, Status, utc};

/// How to say it.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// One JSON object, for programs
    #[arg(long)]
    json: bool,
}

/// Everything that can be told about the box.
#[derive(Debug, Serialize)]
struct Told {
    fingerprint: Option<String>,
    claimed: bool,
    provider: Option<String>,
    servers: Vec<String>,
    running: bool,
    linked: bool,
    last_link: Option<String>,
    process: Option<Status>,
}

pub(super) fn status(settings: &Gateway, args: &Args) -> anyhow::Result<ExitCode> {
    let told = told(settings)?;
    if args.json {
        say(&serde_json::to_string_pretty(&told)?);
    } else {
        for line in lines(&told) {
            say(&line);
        }
    }
    Ok(match told.linked {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn told(settings: &Gateway) -> anyhow::Result<Told> {
    let dir = &settings.data_dir;
    let identity = Identity::load(dir)?;
    let state = State::load(dir)?;
    let running = Running::is_taken(dir);
    let process = Status::load(dir)?.filter(|_| running);
    let up = |status: &Status| matches!(status.link, LinkStatus::Up { .. });
    let claim = state.confirmed();
    let own_servers = (!settings.servers.is_empty()).then(|| settings.servers.clone());
    Ok(Told {
        fingerprint: identity.map(|keys| keys.signing.public().fingerprint().to_string()),
        claimed: claim.is_some(),
        provider: claim.map(|claim| claim.provider.fingerprint().to_string()),
        servers: own_servers
            .or_else(|| claim.map(|claim| claim.servers.clone()))
            .unwrap_or_default(),
        running,
        linked: process.as_ref().is_some_and(up),
        last_link: last_link(&state, process.as_ref()),
        process,
    })
}

fn last_link(state: &State, process: Option<&Status>) -> Option<String> {
    let stored = state.lease.map(|_| state.clock_floor);
    let said = process.and_then(|status| status.link_time_ms).map(UnixMs);
    stored.max(said).map(utc)
}

fn lines(told: &Told) -> Vec<String> {
    let none = || "none yet: made at the first start".to_owned();
    let mut lines = vec![format!(
        "fingerprint  {}",
        told.fingerprint.clone().unwrap_or_else(none)
    )];
    match &told.provider {
        Some(provider) => lines.push(format!("claimed      by provider {provider}")),
        None => lines.push("claimed      no: use `culvert-gateway claim`".to_owned()),
    }
    lines.push(format!("servers      {}", told.servers.join(", ")));
    lines.push(format!("link         {}", link_line(told)));
    lines.push(format!(
        "last link    {}",
        told.last_link.as_deref().unwrap_or("never")
    ));
    if let Some(process) = &told.process {
        lines.push(format!("sessions     {}", process.sessions));
        if let Some(last) = process.last_error.as_ref() {
            lines.push(format!("last error   {}: {}", last.cause, last.text));
        }
    }
    if told.running && !told.linked && told.claimed {
        lines.push("`culvert-gateway doctor` tells why there is no link".to_owned());
    }
    lines
}

fn link_line(told: &Told) -> String {
    match told.process.as_ref().map(|process| &process.link) {
        Some(LinkStatus::Up { server }) => format!("up ({server})"),
        Some(LinkStatus::Quarantined) => "quarantined: ask the provider's administrator".to_owned(),
        Some(LinkStatus::Down) => "down".to_owned(),
        Some(LinkStatus::Unclaimed) => "waits for a claim code".to_owned(),
        None if told.running => "starting".to_owned(),
        None => "down: culvert-gateway does not run".to_owned(),
    }
}
