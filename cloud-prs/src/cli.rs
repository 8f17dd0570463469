//! The command line of `culvert-prs`.
//!
//! Commands work on the data folder itself, also while the server runs: a
//! change goes into the database together with the order that makes the
//! server carry it out (see `app::orders`).

mod admin;
mod backup;
mod check;
mod find;
mod gateways;
mod init;
mod key;
mod out;
mod people;
mod releases;
mod sessions;
mod systemd;
mod tokens;
mod trail;
mod tree;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::data::Data;
use crate::keys::Keys;
use crate::serve;

/// Relay, broker, API and reports of a Culvert provider.
#[derive(Debug, Parser)]
#[command(name = "culvert-prs", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// The folder with keys, settings and database.
#[derive(Debug, Clone, Args)]
struct DataArg {
    /// Folder with keys, settings and database
    #[arg(
        long = "data",
        value_name = "DIR",
        env = "CULVERT_PRS_DATA",
        default_value = "/var/lib/culvert-prs"
    )]
    dir: PathBuf,
}

impl DataArg {
    fn data(&self) -> Data {
        Data::at(&self.dir)
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make keys, settings, certificate and database in an empty folder
    Init(init::Init),
    /// Serve until SIGTERM
    Serve {
        #[command(flatten)]
        data: DataArg,
        /// Log as JSON lines
        #[arg(long)]
        log_json: bool,
    },
    /// Look at DNS, port, clock, certificate and disk, and say what to fix
    Check {
        #[command(flatten)]
        data: DataArg,
    },
    /// Print the provider key's fingerprint
    Fingerprint {
        #[command(flatten)]
        data: DataArg,
        /// Print the whole key
        #[arg(long)]
        key: bool,
    },
    /// Renew the node's statement, rotate keys
    Key(key::Key),
    /// People, customers, sites, hosts, gateways, sessions, audit, backup
    Admin(admin::Admin),
}

impl Cli {
    /// Runs the command; says in one sentence why it failed.
    pub async fn run(self) -> ExitCode {
        // Databases, their journals and backups are the owner's alone.
        nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o077));
        match self.command.run().await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
                out::complain(&format!("culvert-prs: {}", causes.join(": ")));
                ExitCode::FAILURE
            }
        }
    }
}

impl Command {
    async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Init(init) => init.run().await,
            Self::Serve { data, log_json } => {
                start_log(log_json);
                Ok(serve::serve(&data.data()).await?)
            }
            Self::Check { data } => check::run(&data.data()).await,
            Self::Fingerprint { data, key } => {
                let provider = Keys::load(&data.data())?.provider();
                out::line(&if key {
                    provider.to_string()
                } else {
                    provider.fingerprint().to_string()
                })
            }
            Self::Key(key) => key.run(),
            Self::Admin(admin) => admin.run().await,
        }
    }
}

/// INFO unless `CULVERT_LOG` says otherwise. sqlx tells statements at DEBUG,
/// and slow ones at WARN with their text, which never holds values.
fn start_log(json: bool) {
    let filter =
        EnvFilter::try_from_env("CULVERT_LOG").unwrap_or_else(|_| EnvFilter::new("info,sqlx=warn"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    if json {
        log.json().init();
    } else {
        log.with_ansi(false).init();
    }
}
