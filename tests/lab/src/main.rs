//! `culvert-lab`: the lab's own errands; `./demo` is the thin script before it.

mod demo;
mod tour;

use std::io::Read;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use culvert_lab::{Ns, Site, SiteOptions, packages};

/// A real customer site in network namespaces.
#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    errand: Errand,
}

#[derive(Subcommand)]
enum Errand {
    /// Install the Debian packages the lab needs
    Packages,
    /// Start everything and print what to type; Ctrl-C ends it
    Demo {
        /// Run the whole tour unattended instead; exit 0 when all of it worked
        #[arg(long)]
        smoke: bool,
    },
    /// Start a bare site and print how to get into each of its places
    Site,
}

fn main() -> ExitCode {
    let done = match Arguments::parse().errand {
        Errand::Packages => packages::ensure().map_err(Into::into),
        Errand::Demo { smoke: true } => tour::run(),
        Errand::Demo { smoke: false } => demo::run(),
        Errand::Site => bare_site(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("culvert-lab: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn bare_site() -> anyhow::Result<()> {
    let site = Site::start(SiteOptions {
        technician: true,
        ..SiteOptions::default()
    })?;
    for ns in PLACES {
        let command = site.command(*ns, "bash");
        let words: Vec<_> = command
            .get_args()
            .map(|word| word.to_string_lossy())
            .collect();
        say(&format!("{:<11} nsenter {}", ns.name(), words.join(" ")));
    }
    let who = site.credentials();
    say(&format!(
        "login       {} {} (VNC {})",
        who.user, who.password, who.vnc_password
    ));
    say(&format!("folder      {}", site.temp_dir().display()));
    say("Press Enter to end it.");
    std::io::stdin().read_exact(&mut [0]).unwrap_or_default();
    site.stop();
    Ok(())
}

#[expect(clippy::print_stderr, reason = "the program's own words to its user")]
pub(crate) fn say(text: &str) {
    eprintln!("{text}");
}

const PLACES: &[Ns] = &[
    Ns::Gateway,
    Ns::Server,
    Ns::Desktop,
    Ns::Device,
    Ns::Router,
    Ns::Internet,
    Ns::TechnicianRouter,
    Ns::Technician,
];
