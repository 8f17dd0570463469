//! The name servers of a box, and the domains that short names are looked up in:
//! several may tell some (the settings, DHCP on each interface, routers by IPv6),
//! the resolver reads one list.
//!
//! Each source keeps its own file; whoever changes one writes the list anew.
//! The DHCP client's events run in processes of their own, so a lock.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// Servers that the resolver asks at most.
const MAX: usize = 3;
/// And looks a short name up in so many domains (glibc's old limit; musl has
/// one of 255 bytes for all of them).
const MAX_DOMAINS: usize = 6;
const MAX_DOMAIN_BYTES: usize = 255;
/// How a source's file tells a domain from a server.
const DOMAIN: &str = "search ";

/// Who tells; the first has the first word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source<'a> {
    /// The settings file.
    Settings,
    /// DHCP on an interface.
    Dhcp(&'a str),
    /// Routers, by IPv6.
    Routers,
}

impl Source<'_> {
    fn file(self) -> String {
        match self {
            Self::Settings => "0-settings".to_owned(),
            Self::Dhcp(interface) => format!("1-dhcp-{interface}"),
            Self::Routers => "2-routers".to_owned(),
        }
    }
}

/// The lists below a folder that tests may choose.
#[derive(Debug, Clone)]
pub struct Names {
    run: PathBuf,
}

impl Names {
    /// Below `/run`; `/etc/resolv.conf` points to its `resolv.conf`.
    pub fn of_the_box() -> Self {
        Self::below(Path::new("/run"))
    }

    /// Below another folder.
    pub fn below(run: &Path) -> Self {
        Self {
            run: run.to_owned(),
        }
    }

    /// What a source tells now, as the resolver reads addresses and domains; the
    /// list is written anew.
    ///
    /// # Errors
    /// What the system says.
    pub fn tell(
        &self,
        source: Source<'_>,
        servers: &[String],
        domains: &[String],
    ) -> io::Result<()> {
        let folder = self.run.join("names");
        fs::create_dir_all(&folder)?;
        let lock = File::create(self.run.join("names.lock"))?;
        lock.lock()?;
        let domains = domains.iter().map(|domain| format!("{DOMAIN}{domain}\n"));
        let servers = servers.iter().map(|server| format!("{server}\n"));
        fs::write(
            folder.join(source.file()),
            servers.chain(domains).collect::<String>(),
        )?;
        let mut files: Vec<PathBuf> = fs::read_dir(&folder)?
            .flatten()
            .map(|entry| entry.path())
            .collect();
        files.sort();
        let mut all: Vec<String> = Vec::new();
        for file in files {
            for line in fs::read_to_string(file)?.lines() {
                if !all.iter().any(|known| known == line) {
                    all.push(line.to_owned());
                }
            }
        }
        let (beside, list) = (
            self.run.join("resolv.conf.new"),
            self.run.join("resolv.conf"),
        );
        fs::write(&beside, resolver_s(&all))?;
        fs::rename(beside, list)
    }
}

/// The lines of all sources in the resolver's words.
fn resolver_s(all: &[String]) -> String {
    let domain = |line: &str| line.strip_prefix(DOMAIN).map(str::to_owned);
    let servers = all.iter().filter(|line| domain(line).is_none());
    let mut text: String = servers
        .take(MAX)
        .map(|server| format!("nameserver {server}\n"))
        .collect();
    let mut domains = String::new();
    for one in all.iter().filter_map(|line| domain(line)).take(MAX_DOMAINS) {
        if domains.len() + 1 + one.len() <= MAX_DOMAIN_BYTES {
            domains = domains + " " + &one;
        }
    }
    if !domains.is_empty() {
        text = text + "search" + &domains + "\n";
    }
    text
}

/// A domain as a stranger tells it, if it is one that names nothing else to the
/// resolver's file.
pub fn domain(told: &str) -> Option<String> {
    let told = told.trim_end_matches('.');
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let label = |label: &str| (1..=63).contains(&label.len()) && label.chars().all(plain);
    let good = told.len() <= MAX_DOMAIN_BYTES && told.split('.').all(label);
    good.then(|| told.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_s_servers_are_on_one_list_and_go_with_who_told_them() {
        let dir = tempfile::tempdir().unwrap();
        let names = Names::below(dir.path());
        let tell = |source, servers: &[&str]| {
            let servers: Vec<String> = servers.iter().map(|&one| one.to_owned()).collect();
            names.tell(source, &servers, &[]).unwrap();
            fs::read_to_string(dir.path().join("resolv.conf")).unwrap()
        };

        tell(Source::Routers, &["fd77::1", "fe80::1%eth0"]);
        let both = tell(Source::Dhcp("eth0"), &["10.0.0.1", "fd77::1"]);
        let four = tell(Source::Settings, &["9.9.9.9"]);
        let gone = tell(Source::Dhcp("eth0"), &[]);

        assert_eq!(
            both,
            "nameserver 10.0.0.1\nnameserver fd77::1\nnameserver fe80::1%eth0\n"
        );
        assert_eq!(
            four,
            "nameserver 9.9.9.9\nnameserver 10.0.0.1\nnameserver fd77::1\n"
        );
        assert_eq!(
            gone,
            "nameserver 9.9.9.9\nnameserver fd77::1\nnameserver fe80::1%eth0\n"
        );
    }

    #[test]
    fn short_names_are_looked_up_where_dhcp_says_and_no_longer() {
        let dir = tempfile::tempdir().unwrap();
        let names = Names::below(dir.path());
        let tell = |source, domains: &[String]| {
            names
                .tell(source, &["10.0.0.1".to_owned()], domains)
                .unwrap();
            fs::read_to_string(dir.path().join("resolv.conf")).unwrap()
        };
        let long: Vec<String> = (0..9).map(|n| format!("{}.{n}", "x".repeat(60))).collect();

        let one = tell(Source::Dhcp("eth0"), &["mill.example".to_owned()]);
        let many = tell(Source::Dhcp("eth1"), &long);
        tell(Source::Dhcp("eth1"), &[]);
        let none = tell(Source::Dhcp("eth0"), &[]);

        assert_eq!(one, "nameserver 10.0.0.1\nsearch mill.example\n");
        let search = many.lines().last().unwrap();
        assert!(search.starts_with("search mill.example xxx"), "{search}");
        assert!(search.len() <= "search ".len() + MAX_DOMAIN_BYTES);
        assert_eq!(none, "nameserver 10.0.0.1\n");
    }

    #[test]
    fn what_is_no_domain_never_reaches_the_resolver_s_file() {
        assert_eq!(domain("Mill.example.").as_deref(), Some("mill.example"));
        for told in [
            "",
            ".",
            "a..b",
            "a b",
            "a\nnameserver 6.6.6.6",
            "$(x)",
            "ä.example",
        ] {
            assert_eq!(domain(told), None, "{told:?}");
        }
        assert_eq!(domain(&"x".repeat(64)), None);
        assert_eq!(domain(&"x.".repeat(200)), None);
    }
}
