//! What each command does, one file for each.

use std::process::ExitCode;

use clap::CommandFactory as _;

use crate::cli::{Cli, Command};
use crate::failure::{Exit, Failure};
use crate::home::Home;
use crate::text;

mod doctor;
mod forward;
mod hand_over;
mod hosts;
mod login;
mod logins;
mod open;
mod prompt;
mod proxy;
mod resolve;
mod serve;
mod sessions;
mod ssh;
mod telnet;
mod test;
mod trust;
mod view;
mod web;

/// Runs one command and says what came of it.
pub async fn run(cli: Cli) -> ExitCode {
    match dispatch(cli.command).await {
        Ok(()) => ExitCode::from(Exit::Done as u8),
        Err(failure) => {
            if !matches!(failure, Failure::Program(_)) {
                text::note(&text::sentence(&failure.sentence()));
            }
            ExitCode::from(failure.exit())
        }
    }
}

async fn dispatch(command: Command) -> Result<(), Failure> {
    let home = Home::find()?;
    match command {
        Command::SshConfig => ssh::config(home).await,
        Command::Completions { shell } => {
            completions(shell);
            Ok(())
        }
        Command::Login(login) => login::login(home, login).await,
        Command::Logout { id: None } => login::logout(home).await,
        Command::Logout { id: Some(id) } => logins::end(home, &id).await,
        Command::Logins(logins) => logins::list(home, logins).await,
        Command::Ls(ls) => hosts::ls(home, ls).await,
        Command::Ssh(view) => ssh::ssh(home, view).await,
        Command::Vnc(view) => view::vnc(home, view).await,
        Command::Rdp(view) => view::rdp(home, view).await,
        Command::Telnet(view) => telnet::telnet(home, view).await,
        Command::Web(web) => web::web(home, web).await,
        Command::Forward(forward) => forward::forward(home, forward).await,
        Command::Proxy(proxy) => proxy::proxy(home, proxy).await,
        Command::Open(address) => open::open(home, address).await,
        Command::Sessions(sessions) => sessions::list(home, sessions).await,
        Command::End { id } => sessions::end(home, &id).await,
        Command::Test(test) => test::test(home, test).await,
        Command::Doctor => doctor::doctor(home).await,
        Command::Trust(trust) => trust::trust(&home, trust),
    }
}

fn completions(shell: clap_complete::Shell) {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "culvert", &mut script);
    text::result(&String::from_utf8_lossy(&script));
}
