//! Packages of the distribution for the board's processor, without touching
//! the machine that builds: apt with state, lists and cache of its own. Every
//! byte is authenticated by the distribution's signed index.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};
use culvert_board::profile::Arch;
use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use crate::tool;

/// A package that was fetched and unpacked.
#[derive(Debug, Clone)]
pub(crate) struct Package {
    /// Its name.
    pub(crate) name: String,
    /// Its version.
    pub(crate) version: String,
    /// SHA-256 of the file.
    pub(crate) hash: String,
    /// Where it is unpacked.
    pub(crate) tree: PathBuf,
}

/// A folder of packages for one architecture.
#[derive(Debug)]
pub(crate) struct Store {
    dir: PathBuf,
    arch: Arch,
}

impl Store {
    /// Uses or makes a folder.
    pub(crate) fn open(cache: &Path, arch: Arch) -> anyhow::Result<Self> {
        let dir = cache.join(arch.debian());
        for part in [
            "state/lists/partial",
            "cache/archives/partial",
            "debs",
            "trees",
        ] {
            fs::create_dir_all(dir.join(part))?;
        }
        let dir = fs::canonicalize(dir)?;
        let store = Self { dir, arch };
        let _turn = store.turn()?;
        let dir = &store.dir;
        fs::write(dir.join("state/status"), "")?;
        let text = format!(
            "APT::Architecture \"{arch}\";\nAPT::Architectures {{ \"{arch}\"; }};\n\
             Dir::State \"{dir}/state\";\nDir::State::status \"{dir}/state/status\";\n\
             Dir::Cache \"{dir}/cache\";\nAcquire::Languages \"none\";\n\
             APT::Install-Recommends \"false\";\nAPT::Sandbox::User \"\";\n\
             Dir::Etc::sourcelist \"{dir}/sources.list\";\nDir::Etc::sourceparts \"-\";\n",
            arch = arch.debian(),
            dir = dir.display(),
        );
        fs::write(dir.join("apt.conf"), text)?;
        fs::write(dir.join("sources.list"), sources(arch)?)?;
        Ok(store)
    }

    /// Images of several boards may be built at the same time: one of them uses the folder.
    fn turn(&self) -> anyhow::Result<File> {
        let lock = File::create(self.dir.join("lock"))?;
        lock.lock()?;
        Ok(lock)
    }

    /// Fetches a package, or takes it from the folder, and unpacks it.
    pub(crate) fn package(&self, name: &str) -> anyhow::Result<Package> {
        let _turn = self.turn()?;
        if let Some(found) = self.cached(name)? {
            return self.unpack(name, &found);
        }
        // The lists belong to these sources.
        let (updated, wanted) = (self.dir.join("updated"), sources(self.arch)?);
        if !fs::read_to_string(&updated).is_ok_and(|had| had == wanted) {
            tool::finish(self.apt("apt-get").arg("update"))?;
            fs::write(updated, wanted)?;
        }
        let debs = self.dir.join("debs");
        tool::finish(
            self.apt("apt-get")
                .args(["download", name])
                .current_dir(&debs),
        )
        .with_context(|| format!("package {name} for {}", self.arch.debian()))?;
        let found = self
            .cached(name)?
            .with_context(|| format!("apt-get did not leave {name}"))?;
        self.unpack(name, &found)
    }

    /// The kernel that a package such as `linux-image-arm64` stands for.
    pub(crate) fn kernel(&self, name: &str) -> anyhow::Result<Package> {
        let meta = self.package(name)?;
        let file = self.cached(name)?.context("just fetched")?;
        let depends = tool::run(
            "dpkg-deb",
            0,
            &["-f".as_ref(), file.as_os_str(), "Depends".as_ref()],
        )?;
        let real = depends
            .split([',', '|'])
            .filter_map(|word| word.split_whitespace().next())
            .find(|word| word.starts_with("linux-image-"));
        match real {
            Some(real) => self.package(real),
            None => Ok(meta),
        }
    }

    fn apt(&self, name: &str) -> Command {
        let mut command = tool::command(name, 0);
        command.env("APT_CONFIG", self.dir.join("apt.conf"));
        for proxy in ["http_proxy", "https_proxy", "no_proxy"] {
            if let Some(value) = std::env::var_os(proxy) {
                command.env(proxy, value);
            }
        }
        command
    }

    fn cached(&self, name: &str) -> anyhow::Result<Option<PathBuf>> {
        let start = format!("{name}_");
        let mut found: Vec<PathBuf> = fs::read_dir(self.dir.join("debs"))?
            .flatten()
            .filter(|entry| entry.file_name().to_string_lossy().starts_with(&start))
            .map(|entry| entry.path())
            .collect();
        found.sort();
        if found.len() > 1 {
            bail!(
                "{name} lies in several versions in {}: remove the old ones",
                self.dir.display()
            );
        }
        Ok(found.pop())
    }

    fn unpack(&self, name: &str, file: &Path) -> anyhow::Result<Package> {
        let field = |field: &str| {
            tool::run(
                "dpkg-deb",
                0,
                &["-f".as_ref(), file.as_os_str(), field.as_ref()],
            )
            .map(|text| text.trim().to_owned())
        };
        let version = field("Version")?;
        let tree = self
            .dir
            .join("trees")
            .join(format!("{name}_{}", version.replace(':', "-")));
        if !tree.exists() {
            let beside = tree.with_extension("new");
            // Of a build that was stopped.
            if beside.exists() {
                fs::remove_dir_all(&beside)?;
            }
            tool::run(
                "dpkg-deb",
                0,
                &["-x".as_ref(), file.as_os_str(), beside.as_os_str()],
            )?;
            fs::rename(beside, &tree)?;
        }
        Ok(Package {
            name: name.to_owned(),
            version,
            hash: HEXLOWER.encode(&Sha256::digest(fs::read(file)?)),
            tree,
        })
    }
}

/// The machine's own Debian sources. Security updates for 32-bit ARM are left
/// out: their index on the mirrors was found not to match its signature.
fn sources(arch: Arch) -> anyhow::Result<String> {
    let text = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let suite = text
        .lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="))
        .context("this machine is no Debian: packages cannot be fetched")?;
    let keys = "[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]";
    // Firmware that is not free is fetched only for a board that names it.
    let parts = "main non-free-firmware";
    let mut out = format!("deb {keys} http://deb.debian.org/debian {suite} {parts}\n");
    if arch == Arch::Arm64 {
        out += &format!("deb {keys} http://deb.debian.org/debian-security {suite}-security main\n");
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builds_at_the_same_time_share_a_folder() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), Arch::Arm64).unwrap();
        let made = dir.path().join("tiny");
        fs::create_dir_all(made.join("DEBIAN")).unwrap();
        fs::create_dir_all(made.join("usr/share/tiny")).unwrap();
        for number in 0..200 {
            fs::write(made.join(format!("usr/share/tiny/{number}")), "x").unwrap();
        }
        let control = "Package: tiny\nVersion: 1\nArchitecture: all\n\
                       Maintainer: nobody <nobody@example.com>\nDescription: tiny\n";
        fs::write(made.join("DEBIAN/control"), control).unwrap();
        let deb = store.dir.join("debs/tiny_1_all.deb");
        let words = ["--build".as_ref(), made.as_os_str(), deb.as_os_str()];
        tool::run("dpkg-deb", 0, &words).unwrap();
        // Of a build that was stopped.
        fs::create_dir_all(store.dir.join("trees/tiny_1.new/usr")).unwrap();

        std::thread::scope(|scope| {
            let build = || Store::open(dir.path(), Arch::Arm64)?.package("tiny");
            let builds: Vec<_> = (0..8).map(|_| scope.spawn(build)).collect();
            for built in builds {
                let package = built.join().unwrap().unwrap();
                assert!(package.tree.join("usr/share/tiny/199").exists());
            }
        });
        assert_eq!(fs::read_dir(store.dir.join("trees")).unwrap().count(), 1);
    }
}
