//! `culvert-gateway pins`: the host keys that technicians have accepted.

use std::process::ExitCode;

use anyhow::bail;
use clap::Subcommand;
use culvert_config::gateway::Gateway;

use super::say;
use crate::pins::{Pin, Pins};

/// What to do with them.
#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// Show every host's key
    List,
    /// Forget a host: its next key is asked about again
    Forget {
        /// The host's address, as the portal names it
        address: String,
        /// Its port
        #[arg(default_value_t = 22)]
        port: u16,
    },
}

pub(super) fn pins(settings: &Gateway, action: &Action) -> anyhow::Result<ExitCode> {
    let pins = Pins::of(&settings.data_dir);
    match action {
        Action::List => {
            for (place, pin) in pins.all()? {
                say(&format!("{place}  {}", line(&pin)));
            }
        }
        Action::Forget { address, port } => {
            if !pins.forget(&format!("{address} {port}"))? {
                bail!("no key is pinned for {address} port {port}: `pins list` shows what is");
            }
            say("forgotten: the next key is asked about");
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn line(pin: &Pin) -> String {
    let mut parts = Vec::new();
    if let Some(key) = &pin.key {
        parts.push(format!("{} {}", key.algorithm, key.fingerprint));
    }
    if !pin.refused.is_empty() {
        parts.push(format!("refused: {}", pin.refused.join(" ")));
    }
    if pin.legacy {
        parts.push("old algorithms allowed".to_owned());
    }
    parts.join("; ")
}
