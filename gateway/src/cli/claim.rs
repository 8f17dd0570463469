//! `culvert-gateway claim`.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use culvert_config::gateway::Gateway;
use culvert_wire::claim::ClaimCode;

use super::say;
use crate::claim;
use crate::identity::Identity;

/// Longest claim code on standard input, in bytes.
const MAX_CODE: u64 = 64 * 1024;

/// Where the claim code comes from.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The claim code, or `-` for standard input [default: the claim file of
    /// the settings]. On a shared machine prefer a file: other users can read
    /// command lines.
    #[arg(conflicts_with = "file")]
    code: Option<String>,
    /// A file that holds the claim code
    #[arg(long, short, value_name = "FILE")]
    file: Option<PathBuf>,
}

pub(super) async fn claim(settings: &Gateway, args: &Args) -> anyhow::Result<ExitCode> {
    let code = code(settings, args)?;
    let claimed = claim::claim(settings, &code).await?;
    let identity = Identity::load_or_make(&settings.data_dir)?;
    say(&format!("claimed by provider {}", claimed.provider));
    say(&format!(
        "this gateway's fingerprint: {}",
        identity.signing.public().fingerprint()
    ));
    if !claimed.assigned {
        say("an administrator has to assign it to a site before it can be used");
    }
    Ok(ExitCode::SUCCESS)
}

fn code(settings: &Gateway, args: &Args) -> anyhow::Result<ClaimCode> {
    let file = |path: &Path| Ok(claim::read_code(path)?);
    match (&args.code, &args.file) {
        (Some(code), _) if code != "-" => Ok(code.parse()?),
        (Some(_), _) => {
            let mut text = String::new();
            io::stdin()
                .take(MAX_CODE)
                .read_to_string(&mut text)
                .context("cannot read the claim code")?;
            Ok(text.parse()?)
        }
        (None, Some(path)) => file(path),
        (None, None) if settings.claim_file.exists() => file(&settings.claim_file),
        (None, None) => bail!(
            "give a claim code, --file FILE, or put one into {}",
            settings.claim_file.display()
        ),
    }
}
