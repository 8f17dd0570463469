//! The command line: `run`, `claim`, `status`, `pins`, `doctor`.
//!
//! Errors are one sentence on standard error and exit code 1; wrong usage is
//! exit code 2. `status` and `doctor` exit with 1 when something is wrong.

mod claim;
mod doctor;
mod log;
mod pins;
mod status;

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use culvert_config::gateway::{DEFAULT_FILE, Gateway};
use culvert_config::shown;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};

/// The box at the customer site: carries technicians' sessions to LAN hosts.
#[derive(Debug, Parser)]
#[command(name = "culvert-gateway", version)]
struct Cli {
    /// Settings file [default: /etc/culvert/gateway.toml, if there is one]
    #[arg(
        long,
        short,
        global = true,
        value_name = "FILE",
        env = "CULVERT_GATEWAY_CONFIG"
    )]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run until SIGTERM
    Run,
    /// Bind this box to a provider with a claim code
    Claim(claim::Args),
    /// Say how the box is; exit code 0 only when it is linked
    Status(status::Args),
    /// The host keys that technicians have accepted
    #[command(subcommand)]
    Pins(pins::Action),
    /// Find out why the box has no link, and what to tell the customer's IT
    Doctor(doctor::Args),
}

/// Runs the program.
pub fn main() -> ExitCode {
    if let Some(ended) = crate::worker::main_if_worker() {
        return ended;
    }
    let cli = Cli::parse();
    // Keys and tickets are in memory: no core file, no debugger of the same
    // user. Only an old kernel without the call refuses.
    if let Err(error) = nix::sys::prctl::set_dumpable(false) {
        complain(&format!("cannot protect the process's memory: {error}"));
    }
    match dispatch(cli) {
        Ok(code) => code,
        Err(error) => {
            complain(&sentence(&error));
            ExitCode::FAILURE
        }
    }
}

fn dispatch(cli: Cli) -> anyhow::Result<ExitCode> {
    let settings = settings(cli.config.as_deref())?;
    log::start(settings.log, matches!(cli.command, Command::Run));
    match cli.command {
        Command::Run => runtime()?.block_on(async {
            let stop = stop_signal()?;
            crate::run::run(settings, stop).await?;
            Ok(ExitCode::SUCCESS)
        }),
        Command::Claim(args) => runtime()?.block_on(claim::claim(&settings, &args)),
        Command::Pins(action) => pins::pins(&settings, &action),
        Command::Status(args) => status::status(&settings, &args),
        Command::Doctor(args) => runtime()?.block_on(doctor::doctor(&settings, &args)),
    }
}

fn settings(named: Option<&Path>) -> anyhow::Result<Gateway> {
    match named {
        Some(path) => Ok(Gateway::load(path)?),
        None if Path::new(DEFAULT_FILE).exists() => Ok(Gateway::load(Path::new(DEFAULT_FILE))?),
        None => Ok(Gateway::default()),
    }
}

/// Two workers: one core may be busy with a bulk copy while another session
/// types. Few threads keep the memory small; those that block are there only
/// while names are looked up, three for a name whose server is silent.
fn runtime() -> anyhow::Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(32)
        .thread_name("culvert")
        .enable_all()
        .build()
        .context("cannot start")
}

/// Resolves at SIGTERM or SIGINT.
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// An error with its causes, each said once.
fn sentence(error: &anyhow::Error) -> String {
    error.chain().fold(String::new(), |said, cause| {
        let cause = cause.to_string();
        match said.as_str() {
            "" => cause,
            said if said.contains(&cause) => said.to_owned(),
            said => format!("{said}: {cause}"),
        }
    })
}

/// One line for a person; a closed output is no reason to fail.
fn say(line: &str) {
    let _ = writeln!(io::stdout().lock(), "{line}");
}

/// One sentence: what was typed or read steers no terminal and fills no screen.
fn complain(line: &str) {
    let _ = writeln!(
        io::stderr().lock(),
        "culvert-gateway: {}",
        shown(line, MAX_SHOWN)
    );
}

/// Longest sentence, in characters.
const MAX_SHOWN: usize = 2_000;
