//! `culvert-prs key`: statements and rotations.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{DataArg, out};
use crate::app::{Clock, report};
use crate::data::Data;
use crate::keys::{Keys, MAX_DAYS, PROVIDER_KEY};

/// Renew the node's statement, rotate keys
#[derive(Debug, Args)]
pub(super) struct Key {
    #[command(flatten)]
    data: DataArg,
    /// The provider key's file, if it was moved away
    #[arg(long, value_name = "FILE", global = true)]
    provider_key: Option<PathBuf>,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Sign a new statement for the node's key
    RenewStatement {
        /// For so many days
        #[arg(long, default_value_t = MAX_DAYS)]
        days: u16,
    },
    /// Make a new node key and a statement of a higher epoch
    RotateNode,
    /// Make a new provider key, signed by the old one; boxes follow
    RotateProvider,
}

impl Key {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let data: Data = self.data.data();
        let provider = self.provider_key.unwrap_or_else(|| data.path(PROVIDER_KEY));
        let mut keys = Keys::load(&data)?;
        let now = Clock::System.now();
        let rotated_node = matches!(self.what, What::RotateNode);
        match self.what {
            What::RenewStatement { days } => keys.renew(&data, &provider, now, days)?,
            What::RotateNode => keys.rotate_node(&data, &provider, now)?,
            What::RotateProvider => keys.rotate_provider(&data, &provider, now)?,
        }
        out::line(&format!("provider key: {}", keys.provider().fingerprint()))?;
        out::line(&format!(
            "node key:     {}",
            keys.node.public().fingerprint()
        ))?;
        out::line(&format!(
            "valid until:  {}",
            report::date(keys.valid_until())
        ))?;
        out::line(if rotated_node {
            "Restart the server: it has the old node key."
        } else {
            "A running server takes this over within the hour, at SIGHUP at once."
        })
    }
}
