//! `culvert-prs` with the feature `keylog`: for tests, never shipped.
//!
//! Writes its TLS keys to the file that `SSLKEYLOGFILE` names, so that a test
//! can read what one who has these keys would read in a capture.

use std::process::ExitCode;

use clap::Parser as _;
use culvert_cloud_prs::cli::Cli;

#[tokio::main]
async fn main() -> ExitCode {
    Cli::parse().run().await
}
