//! OpenSSH through `culvert proxy`; PuTTY, in [`super::putty`], through a loopback
//! port, because it knows no `ProxyCommand` of OpenSSH's form.
//!
//! Whatever starts the program, host keys are remembered under the host's id: a
//! renamed host keeps its key, and two hosts of one name never share one.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use culvert_wire::api::HostEntry;
use culvert_wire::id::HostId;

use super::Start;
use crate::pick::slug;
use crate::word::SSH_SUFFIX;

/// SSH programs, in the order they are looked for.
pub const SSH: &[&str] = &["ssh", "putty", "plink"];

/// What SSH has to know of a host.
#[derive(Debug, Clone, Copy)]
pub struct Host<'a> {
    /// Its id.
    pub id: HostId,
    /// Its name as a slug.
    pub name: &'a str,
    /// Its SSH port.
    pub port: u16,
    /// The account on it, when said.
    pub user: Option<&'a str>,
}

/// OpenSSH's arguments; `culvert` is our own program's file.
pub fn openssh(program: PathBuf, culvert: &Path, host: Host<'_>, extra: Vec<OsString>) -> Start {
    let mut args: Vec<OsString> = vec![
        "-o".into(),
        option("ProxyCommand=", &proxy_command(culvert, host)),
        "-o".into(),
        format!("HostKeyAlias={}", alias(host.id)).into(),
        "-o".into(),
        "CheckHostIP=no".into(),
    ];
    if let Some(user) = host.user {
        args.extend(["-l".into(), user.into()]);
    }
    args.push(format!("{}{SSH_SUFFIX}", dash_free(host.name)).into());
    args.extend(extra);
    Start { program, args }
}

/// OpenSSH's arguments for a loopback port.
pub fn openssh_port(program: PathBuf, at: SocketAddr, host: HostId) -> Start {
    let args = vec![
        "-o".into(),
        format!("HostKeyAlias={}", alias(host)).into(),
        "-o".into(),
        "CheckHostIP=no".into(),
        "-p".into(),
        at.port().to_string().into(),
        at.ip().to_string().into(),
    ];
    Start { program, args }
}

/// The lines that `culvert ssh-config` prints. ssh takes the first value it
/// finds, so each host stands before the general lines; a host that came later
/// is reached by those, with a key of its own until the lines are made again.
pub fn config(culvert: &Path, hosts: &[HostEntry]) -> String {
    let program = quoted(culvert).to_string_lossy().into_owned();
    let mut text = String::new();
    for host in hosts {
        let names = names(host, hosts).join(" ");
        text.push_str(&format!(
            "Host {names}\n    HostKeyAlias {alias}\n    \
             ProxyCommand {program} proxy --protocol ssh {id} %p\n",
            alias = alias(host.id),
            id = host.id
        ));
    }
    text + &format!(
        "Host *{SSH_SUFFIX}\n    ProxyCommand {program} proxy --protocol ssh %h %p\n    \
         CheckHostIP no\n"
    )
}

/// The words behind `ssh` that mean this host and no other one.
fn names(host: &HostEntry, all: &[HostEntry]) -> Vec<String> {
    let words = |host: &HostEntry| {
        let name = slug(&host.name);
        let site = format!("{name}.{}", slug(&host.site.name));
        let customer = format!("{site}.{}", slug(&host.customer.name));
        [name, site, customer]
    };
    let others: Vec<String> = all
        .iter()
        .filter(|other| other.id != host.id)
        .flat_map(words)
        .collect();
    words(host)
        .into_iter()
        // Another script's letters are nothing that a settings file splits at.
        .filter(|word| word.starts_with(char::is_alphanumeric) && !others.contains(word))
        .chain([host.id.to_string()])
        .map(|word| word + SSH_SUFFIX)
        .collect()
}

/// What every SSH program remembers a host's key under.
pub(super) fn alias(host: HostId) -> String {
    format!("{host}{SSH_SUFFIX}")
}

/// The command that ssh hands to the shell of its user: our own quoted path,
/// an id of letters and digits, a number.
fn proxy_command(culvert: &Path, host: Host<'_>) -> OsString {
    let mut command = quoted(culvert);
    command.push(format!(" proxy --protocol ssh {} {}", host.id, host.port));
    command
}

fn option(name: &str, value: &OsString) -> OsString {
    let mut option = OsString::from(name);
    option.push(value);
    option
}

/// A path as one word for a shell, with ssh's own `%` doubled.
fn quoted(path: &Path) -> OsString {
    let text = path.to_string_lossy().replace('%', "%%");
    if cfg!(windows) {
        // A Windows path holds no double quote.
        return format!("\"{text}\"").into();
    }
    format!("'{}'", text.replace('\'', r"'\''")).into()
}

/// A slug can still begin with a dot or a dash of another script.
fn dash_free(name: &str) -> &str {
    match name.trim_start_matches(|c: char| !c.is_alphanumeric()) {
        "" => "host",
        name => name,
    }
}

#[cfg(test)]
mod tests {
    use culvert_wire::api::Named;
    use culvert_wire::id::{CustomerId, SiteId};

    use super::*;

    fn id() -> HostId {
        HostId::from_random([1; 16])
    }

    fn host(user: Option<&str>) -> Host<'_> {
        Host {
            id: id(),
            name: "front-desk",
            port: 22,
            user,
        }
    }

    #[cfg(unix)]
    #[test]
    fn openssh_gets_exactly_these_arguments() {
        let extra = vec!["-v".into(), "uptime; id".into()];
        let start = openssh(
            "/usr/bin/ssh".into(),
            "/usr/bin/culvert".as_ref(),
            host(Some("eva")),
            extra,
        );

        let expected: Vec<OsString> = vec![
            "-o".into(),
            format!(
                "ProxyCommand='/usr/bin/culvert' proxy --protocol ssh {} 22",
                id()
            )
            .into(),
            "-o".into(),
            format!("HostKeyAlias={}.culvert", id()).into(),
            "-o".into(),
            "CheckHostIP=no".into(),
            "-l".into(),
            "eva".into(),
            "front-desk.culvert".into(),
            "-v".into(),
            "uptime; id".into(),
        ];
        assert_eq!(start.args, expected);
    }

    #[cfg(unix)]
    #[test]
    fn an_odd_path_of_our_own_stays_one_word() {
        let path = Path::new("/opt/it's 100% ours/$(id)/culvert");

        let command = proxy_command(path, host(None)).into_string().unwrap();

        let quoted = r"'/opt/it'\''s 100%% ours/$(id)/culvert'";
        assert!(
            command.starts_with(&format!("{quoted} proxy ")),
            "{command}"
        );
    }

    #[test]
    fn no_name_of_a_host_becomes_an_option() {
        for name in ["-oProxyCommand=id", "--", "...", "-"] {
            let host = Host { name, ..host(None) };
            let start = openssh("ssh".into(), "c".as_ref(), host, vec![]);
            let word = start.args.last().unwrap().to_str().unwrap();
            assert!(word.starts_with(char::is_alphanumeric), "{word}");
        }
    }

    fn entry(seed: u8, site: &str, name: &str) -> HostEntry {
        let named = |name: &str| (CustomerId::from_random([9; 16]), name.to_owned());
        let (id, customer) = named("Acme");
        HostEntry {
            id: HostId::from_random([seed; 16]),
            name: name.into(),
            customer: Named { id, name: customer },
            site: Named {
                id: SiteId::from_random([seed; 16]),
                name: site.into(),
            },
            address: "192.168.1.9".parse().unwrap(),
            services: Vec::new(),
            any_port: false,
            online: true,
            last_seen: None,
        }
    }

    /// One scheme: what `culvert ssh` has learned, ssh knows by every name.
    #[test]
    fn the_config_remembers_keys_under_the_hosts_id_by_every_name_that_is_its_own() {
        let (berlin, paris) = (
            entry(1, "Berlin", "Print * er"),
            entry(2, "Paris", "print-er"),
        );

        let text = config("/usr/bin/culvert".as_ref(), &[berlin, paris]);

        let id = HostId::from_random([1; 16]);
        let block = format!(
            "Host print-er.berlin.culvert print-er.berlin.acme.culvert {id}.culvert\n    \
             HostKeyAlias {id}.culvert\n    ProxyCommand "
        );
        assert!(text.starts_with(&block), "{text}");
        assert!(
            text.contains(&format!(" proxy --protocol ssh {id} %p\n")),
            "{text}"
        );
        assert!(!text.contains("Host print-er.culvert"), "{text}");
        let general = text.find("Host *.culvert").expect("general lines");
        assert!(text.rfind("HostKeyAlias").unwrap() < general, "{text}");
    }

    #[test]
    fn the_config_names_this_program_and_sshs_own_words() {
        let text = config("/usr/bin/culvert".as_ref(), &[]);

        assert!(text.starts_with("Host *.culvert\n"), "{text}");
        assert!(text.contains("culvert' proxy --protocol ssh %h %p\n") || cfg!(windows));
    }
}
