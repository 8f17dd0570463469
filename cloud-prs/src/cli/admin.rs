//! `culvert-prs admin`: what is done at the console.

use clap::{Args, Subcommand};

use super::{DataArg, backup, gateways, people, releases, sessions, tokens, trail, tree};
use crate::app::Call;
use crate::serve;

/// People, customers, sites, hosts, gateways, sessions, audit, backup
#[derive(Debug, Args)]
pub(super) struct Admin {
    #[command(flatten)]
    data: DataArg,
    /// Print lists as JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    noun: Noun,
}

#[derive(Debug, Subcommand)]
enum Noun {
    /// People
    #[command(subcommand)]
    User(people::User),
    /// Teams of people who hold roles together
    #[command(subcommand)]
    Team(people::Team),
    /// Who holds which role where
    #[command(subcommand)]
    Permission(people::Permission),
    /// Sign-ins and API tokens
    #[command(subcommand)]
    Token(tokens::Tokens),
    /// Customers
    #[command(subcommand)]
    Customer(tree::Customer),
    /// Sites of customers
    #[command(subcommand)]
    Site(tree::Site),
    /// Hosts at sites
    #[command(subcommand)]
    Host(tree::Host),
    /// Gateways and their claim codes
    #[command(subcommand)]
    Gateway(gateways::Gateway),
    /// Releases of the boxes' system
    #[command(subcommand)]
    Release(releases::Release),
    /// Sessions
    #[command(subcommand)]
    Session(sessions::Session),
    /// Who worked on which host, when, for how long
    Report(sessions::Report),
    /// The audit trail
    #[command(subcommand)]
    Audit(trail::Audit),
    /// Copy database, settings and keys to a new folder, also while serving
    Backup(backup::Backup),
    /// Put a backup's database in place; voids codes, tickets and tokens
    Restore(backup::Restore),
}

impl Admin {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let data = self.data.data();
        let call = Call::console(account());
        if let Noun::Restore(restore) = self.noun {
            return restore.run(&data, &call).await;
        }
        let (_, _, app) = serve::open(&data).await?;
        let json = self.json;
        let done = match self.noun {
            Noun::User(user) => user.run(&app, &call, json).await,
            Noun::Team(team) => team.run(&app, &call, json).await,
            Noun::Permission(permission) => permission.run(&app, &call, json).await,
            Noun::Token(token) => token.run(&app, &call, json).await,
            Noun::Customer(customer) => customer.run(&app, &call, json).await,
            Noun::Site(site) => site.run(&app, &call, json).await,
            Noun::Host(host) => host.run(&app, &call, json).await,
            Noun::Gateway(gateway) => gateway.run(&app, &call, json).await,
            Noun::Release(release) => release.run(&app, &call, json).await,
            Noun::Session(session) => session.run(&app, &call, json).await,
            Noun::Report(report) => report.run(&app, &call, json).await,
            Noun::Audit(audit) => audit.run(&app, &call, json).await,
            Noun::Backup(backup) => backup.run(&data, &app).await,
            Noun::Restore(_) => Ok(()),
        };
        app.store().close().await;
        done
    }
}

/// The operating system's account, for the audit trail.
fn account() -> String {
    let names = ["SUDO_USER", "USER", "LOGNAME"];
    names
        .into_iter()
        .find_map(|name| std::env::var(name).ok())
        .unwrap_or_else(|| format!("uid {}", nix::unistd::getuid()))
}
