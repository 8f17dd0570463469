//! PuTTY and its kin on a loopback port: `putty` in a window, `plink` in this
//! terminal, `puttytel`.
//!
//! Of PuTTY's arguments the first word without a dash is the host, and what
//! follows `plink`'s is a command: a person's own come behind it, as with ssh.
//! Only settings saved under a name must come first, as they replace all before.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use culvert_wire::id::HostId;

use super::ssh::alias;
use super::{Start, stem};

/// Whether a program takes PuTTY's arguments.
pub fn is_putty(program: &Path) -> bool {
    matches!(
        stem(program).as_str(),
        "putty" | "plink" | "puttytel" | "kitty"
    )
}

/// PuTTY's arguments for SSH.
pub fn ssh(
    program: PathBuf,
    at: SocketAddr,
    host: HostId,
    user: Option<&str>,
    extra: Vec<OsString>,
) -> Start {
    let mut own: Vec<OsString> = vec![
        "-ssh".into(),
        // The name under which PuTTY remembers the host key.
        "-loghost".into(),
        alias(host).into(),
    ];
    if let Some(user) = user {
        own.extend(["-l".into(), user.into()]);
    }
    start(program, own, at, extra)
}

/// PuTTY's arguments for telnet.
pub fn telnet(program: PathBuf, at: SocketAddr, extra: Vec<OsString>) -> Start {
    start(program, vec!["-telnet".into()], at, extra)
}

fn start(program: PathBuf, own: Vec<OsString>, at: SocketAddr, extra: Vec<OsString>) -> Start {
    let (mut args, rest) = saved_settings(extra);
    args.extend(own);
    args.extend(["-P".into(), at.port().to_string().into()]);
    args.push(at.ip().to_string().into());
    args.extend(rest);
    Start { program, args }
}

/// `-load NAME` at the beginning, and everything else.
fn saved_settings(mut extra: Vec<OsString>) -> (Vec<OsString>, Vec<OsString>) {
    let loads = extra.first().is_some_and(|word| word == "-load");
    let rest = extra.split_off(if loads { extra.len().min(2) } else { 0 });
    (extra, rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::viewer::tests::{at, words};

    /// S30: PuTTY; `tests/e2e/tests/sessions/viewers.rs` runs it.
    #[test]
    fn putty_remembers_the_key_under_the_hosts_id_and_a_command_comes_last() {
        let id = HostId::from_random([1; 16]);
        let extra = vec!["-batch".into(), "uptime; id".into()];

        let start = ssh("plink".into(), at(), id, Some("eva"), extra);

        let (program, loghost) = (Path::new("plink"), format!("{id}.culvert"));
        let expected = [
            "-ssh",
            "-loghost",
            &loghost,
            "-l",
            "eva",
            "-P",
            "40123",
            "127.7.8.9",
            "-batch",
            "uptime; id",
        ];
        assert_eq!(
            (start.program.as_path(), words(&start)),
            (program, expected.into())
        );
    }

    #[test]
    fn settings_saved_under_a_name_are_loaded_before_our_own() {
        let extra = |words: &[&str]| words.iter().map(OsString::from).collect();

        let start = telnet("putty".into(), at(), extra(&["-load", "mine", "-C"]));

        let expected = ["-load", "mine", "-telnet", "-P", "40123", "127.7.8.9", "-C"];
        assert_eq!(words(&start), expected);
        let unfinished = telnet("putty".into(), at(), extra(&["-load"]));
        assert_eq!(words(&unfinished)[..2], ["-load", "-telnet"]);
    }
}
