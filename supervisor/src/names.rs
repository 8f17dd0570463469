//! The name servers of a box: several may tell some (the settings, DHCP on each
//! interface, routers by IPv6), the resolver reads one list.
//!
//! Each source keeps its own file; whoever changes one writes the list anew.
//! The DHCP client's events run in processes of their own, so a lock.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// Servers that the resolver asks at most.
const MAX: usize = 3;

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

    /// What a source tells now, as the resolver reads addresses; the list is
    /// written anew.
    ///
    /// # Errors
    /// What the system says.
    pub fn tell(&self, source: Source<'_>, servers: &[String]) -> io::Result<()> {
        let folder = self.run.join("names");
        fs::create_dir_all(&folder)?;
        let lock = File::create(self.run.join("names.lock"))?;
        lock.lock()?;
        fs::write(folder.join(source.file()), servers.join("\n"))?;
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
        let text: String = all
            .iter()
            .take(MAX)
            .map(|server| format!("nameserver {server}\n"))
            .collect();
        let (beside, list) = (
            self.run.join("resolv.conf.new"),
            self.run.join("resolv.conf"),
        );
        fs::write(&beside, text)?;
        fs::rename(beside, list)
    }
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
            names.tell(source, &servers).unwrap();
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
}
