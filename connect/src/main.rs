//! Starts `culvert`: reads the command line, sets up logs, runs one command.

use std::process::ExitCode;

use clap::Parser as _;
use culvert_connect::cli::Cli;
use culvert_connect::commands;
use culvert_connect::text::{note, sentence};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(wrong) => return usage(&wrong),
    };
    log(cli.verbose);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("an operating system that starts programs starts threads");
    let code = runtime.block_on(commands::run(cli));
    // A thread may still wait for a key on standard input: nobody waits for it.
    runtime.shutdown_background();
    code
}

/// What clap says, which repeats what was typed: only as much as a person reads.
fn usage(wrong: &clap::Error) -> ExitCode {
    let said = wrong.to_string();
    let shown = sentence(&said);
    if wrong.use_stderr() && shown != said {
        note(&shown);
    } else {
        // Fails only where nobody reads it.
        let _ = wrong.print();
    }
    ExitCode::from(u8::try_from(wrong.exit_code()).unwrap_or(2))
}

/// Logs go to standard error; results alone to standard output.
fn log(verbose: u8) {
    let level = match verbose {
        0 => "error",
        1 => "info",
        2 => "debug",
        _ => "trace",
    };
    let filter = EnvFilter::try_from_env("CULVERT_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
}
