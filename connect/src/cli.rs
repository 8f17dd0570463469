//! The command line: what can be typed, and nothing of what it does.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use culvert_wire::grant::Protocol;
use culvert_wire::key::Fingerprint;

/// Works on the hosts of customers' sites with the programs you know.
#[derive(Debug, Parser)]
#[command(name = "culvert", version, max_term_width = 100, after_help = EXITS)]
pub struct Cli {
    /// Say more of what happens; twice for everything.
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub verbose: u8,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Everything `culvert` does.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Sign in to a provider's server; the sign-in holds 12 hours at most.
    Login(Login),
    /// End this computer's sign-in, or another one of yours.
    Logout {
        /// Which one, as `culvert logins` lists it; this computer's when missing.
        id: Option<String>,
    },
    /// List your sign-ins and API tokens.
    Logins(Logins),
    /// List hosts; words search customers, sites, hosts and addresses at once.
    Ls(Ls),
    /// Open a shell on a host, with the installed ssh or PuTTY.
    Ssh(View),
    /// Open a host's screen with a VNC viewer (HOST, HOST:DISPLAY, HOST::PORT).
    Vnc(View),
    /// Open a host's desktop with an RDP client.
    Rdp(View),
    /// Open a telnet conversation in this terminal.
    Telnet(View),
    /// Open a device's pages in a browser with a profile of their own.
    Web(Web),
    /// Make a host's TCP port reachable on this computer.
    Forward(Forward),
    /// Carry one connection over standard input and output (ssh's ProxyCommand).
    Proxy(Proxy),
    /// Print lines for ~/.ssh/config, so that `ssh NAME.culvert` works.
    SshConfig,
    /// Open a culvert:// address that a page of the provider's portal gave.
    Open(OpenAddress),
    /// List sessions.
    Sessions(Sessions),
    /// End a session.
    End {
        /// Its id, or the beginning of it.
        id: String,
    },
    /// Try whether a host answers, without sending it a byte.
    Test(Test),
    /// Find out why something does not work.
    Doctor,
    /// Trust a gateway's key, after comparing its fingerprint.
    Trust(Trust),
    /// Print a script that completes commands in a shell.
    Completions {
        /// Which shell.
        shell: Shell,
    },
}

/// `culvert login`.
#[derive(Debug, Args)]
pub struct Login {
    /// The server: name or name:port, with or without https://.
    pub address: String,
    /// Account; with it the password is asked for here, not in the browser.
    #[arg(long)]
    pub user: Option<String>,
    /// Sign in here with account and password, not in the browser.
    #[arg(long, conflicts_with = "browser")]
    pub password: bool,
    /// Sign in through the portal, also where nobody sits at this terminal.
    #[arg(long, conflicts_with_all = ["user", "password_stdin"])]
    pub browser: bool,
    /// Read the password from standard input instead of asking.
    #[arg(long)]
    pub password_stdin: bool,
    /// The provider key's fingerprint, as the provider told it.
    #[arg(long, value_name = "FINGERPRINT")]
    pub provider_key: Option<Fingerprint>,
    /// Trust the provider key that the server shows first.
    #[arg(long, conflicts_with = "provider_key")]
    pub yes: bool,
}

/// `culvert logins`.
#[derive(Debug, Args)]
pub struct Logins {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// `culvert ls`.
#[derive(Debug, Args)]
pub struct Ls {
    /// Words that must all appear.
    pub words: Vec<String>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Commands that start a program on a host.
#[derive(Debug, Args)]
pub struct View {
    /// name, site/name, customer/site/name or id; see the manual for ports.
    pub host: String,
    /// The program to start instead of the first installed one.
    #[arg(long, value_name = "PROGRAM")]
    pub viewer: Option<PathBuf>,
    /// Start nothing: print the local address and keep it open.
    #[arg(long, conflicts_with = "viewer")]
    pub print: bool,
    /// Arguments for the program.
    #[arg(last = true)]
    pub args: Vec<OsString>,
}

/// `culvert web`.
#[derive(Debug, Args)]
pub struct Web {
    /// name, site/name, customer/site/name or id, with :PORT if need be.
    pub host: String,
    /// The browser to start instead of the first installed one.
    #[arg(long, value_name = "PROGRAM")]
    pub browser: Option<PathBuf>,
    /// Start nothing: print the SOCKS address and the page's, and keep open.
    #[arg(long, conflicts_with = "browser")]
    pub print: bool,
    /// Arguments for the browser.
    #[arg(last = true)]
    pub args: Vec<OsString>,
}

/// `culvert forward`.
#[derive(Debug, Args)]
pub struct Forward {
    /// HOST:PORT; the host as for the other commands.
    pub target: String,
    /// Local address and port, such as 127.0.0.1:8000; loopback only.
    #[arg(short = 'L', long, value_name = "ADDRESS:PORT")]
    pub listen: Option<SocketAddr>,
}

/// `culvert proxy`.
#[derive(Debug, Args)]
pub struct Proxy {
    /// The host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// What is spoken; decides what the session is asked for as.
    #[arg(long)]
    pub protocol: Option<Protocol>,
}

/// `culvert open`.
#[derive(Debug, Args)]
pub struct OpenAddress {
    /// culvert://open/TICKET
    #[arg(required_unless_present = "register")]
    pub address: Option<String>,
    /// Make this program answer culvert:// links of this user's browsers.
    #[arg(long, conflicts_with_all = ["address", "yes", "print"])]
    pub register: bool,
    /// Do not ask before a program is started.
    #[arg(long)]
    pub yes: bool,
    /// Start nothing: print the local address and keep it open.
    #[arg(long)]
    pub print: bool,
}

/// `culvert sessions`.
#[derive(Debug, Args)]
pub struct Sessions {
    /// Those that are over.
    #[arg(long)]
    pub ended: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// `culvert test`.
#[derive(Debug, Args)]
pub struct Test {
    /// HOST or HOST:PORT; without a port everything the host offers.
    pub host: String,
}

/// `culvert trust`.
#[derive(Debug, Args)]
pub struct Trust {
    /// The site: customer/site, or site where that is enough.
    pub site: String,
    /// The fingerprint read from the box.
    pub fingerprint: Fingerprint,
}

/// The last lines of `culvert --help`.
const EXITS: &str = "\
Exit codes: 0 done, 1 failed, 2 wrong command line, 3 sign in, 4 no such host or several, \
5 server not reached, 6 forbidden, 7 gateway or host not reached, 8 session ended, 9 wrong key. \
ssh and viewers keep their own.
Files are in ~/.local/share/culvert, or where CULVERT_HOME says.";

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn parse(args: &[&str]) -> Result<Cli, clap::Error> {
        Cli::try_parse_from([&["culvert"], args].concat())
    }

    #[test]
    fn the_definition_is_sound_and_the_help_names_every_exit_code() {
        Cli::command().debug_assert();
        for (exit, _) in crate::failure::Exit::ALL {
            assert!(EXITS.contains(&format!("{} ", exit as u8)), "{exit:?}");
        }
    }

    /// Row 31: a word that looks like an option is none of a program's.
    #[test]
    fn options_of_programs_come_behind_two_dashes_only() {
        let ssh = parse(&["ssh", "nas", "--", "-v", "--help"]).unwrap();
        let Command::Ssh(view) = ssh.command else {
            panic!("ssh was asked for");
        };
        assert_eq!(view.args, ["-v", "--help"]);
        assert!(parse(&["ssh", "nas", "-oProxyCommand=id"]).is_err());
        assert!(parse(&["vnc", "-via", "x"]).is_err());
        assert!(parse(&["open", "--evil"]).is_err());
        assert!(parse(&["open", "culvert://open/x", "y"]).is_err());
    }

    #[test]
    fn a_port_to_listen_on_is_an_address_and_a_port() {
        assert!(parse(&["forward", "nas:80", "-L", "127.0.0.1:8000"]).is_ok());
        assert!(parse(&["forward", "nas:80", "-L", "8000"]).is_err());
        assert!(parse(&["forward", "nas:80", "-L", "localhost:80"]).is_err());
    }
}
