//! `culvert-prs`: the cloud server and its administration.

use std::process::ExitCode;

use clap::Parser as _;
use culvert_cloud_prs::cli::Cli;

#[tokio::main]
async fn main() -> ExitCode {
    Cli::parse().run().await
}
