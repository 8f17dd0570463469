//! Packages of the distribution for the board's processor, without touching
//! the machine that builds: apt with state, lists and cache of its own. Every
//! byte is authenticated by the distribution's signed index.
//!
//! What was fetched once is taken again, so that a release can be built again the
//! same; newer packages come in only by [`refresh`].

use std::fs::{self, File};
use std::io::Write as _;
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
        if !dir.join("sources.list").exists() {
            fs::write(dir.join("sources.list"), sources(true)?)?;
        }
        Ok(store)
    }

    /// Fetches the lists of packages. The index of security updates for 32-bit
    /// ARM was found not to match its signature on some mirrors: a release without
    /// them is better than none, and is told.
    fn update(&self) -> anyhow::Result<()> {
        let list = self.dir.join("sources.list");
        fs::write(&list, sources(true)?)?;
        if tool::finish(self.apt("apt-get").arg("update")).is_err() {
            fs::write(&list, sources(false)?)?;
            tool::finish(self.apt("apt-get").arg("update"))?;
            let mut screen = std::io::stderr().lock();
            // A closed screen is no reason to fail.
            let _ = writeln!(
                screen,
                "note: security updates for {} cannot be had from this mirror: new packages \
                 are those of the last point release",
                self.arch.debian()
            );
        }
        fs::copy(&list, self.dir.join("updated"))?;
        Ok(())
    }

    /// Replaces every package that is kept and of which there is a newer one; answers
    /// their names and versions. What is replaced stays in the folder `old`.
    fn renew(&self) -> anyhow::Result<Vec<String>> {
        let _turn = self.turn()?;
        self.update()?;
        let old = self.dir.join("old");
        fs::create_dir_all(&old)?;
        let mut out = Vec::new();
        for kept in self.kept()? {
            let name = kept.split('_').next().unwrap_or_default();
            // A kernel that the distribution has no more is not built in any more either.
            let Ok(Some(newest)) = self.newest(name) else {
                continue;
            };
            if is_newer(&newest, &kept)? {
                self.download(name)?;
                fs::rename(self.dir.join("debs").join(&kept), old.join(&kept))?;
                out.push(format!("{kept} -> {newest}"));
            }
        }
        Ok(out)
    }

    /// Names of the package files, in order.
    fn kept(&self) -> anyhow::Result<Vec<String>> {
        let entries = fs::read_dir(self.dir.join("debs"))?.flatten();
        let mut names: Vec<String> = entries
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .filter(|name| name.ends_with(".deb"))
            .collect();
        names.sort();
        Ok(names)
    }

    /// The file's name of the newest package, as apt would keep it.
    fn newest(&self, name: &str) -> anyhow::Result<Option<String>> {
        let words = ["download", "--print-uris", name];
        let said = tool::finish(self.apt("apt-get").args(words))?;
        Ok(file_of(&said))
    }

    fn download(&self, name: &str) -> anyhow::Result<()> {
        let mut apt = self.apt("apt-get");
        apt.args(["download", name])
            .current_dir(self.dir.join("debs"));
        tool::finish(&mut apt)
            .with_context(|| format!("package {name} for {}", self.arch.debian()))?;
        Ok(())
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
        let updated = fs::read_to_string(self.dir.join("updated")).unwrap_or_default();
        if updated != sources(true)? && updated != sources(false)? {
            self.update()?;
        }
        self.download(name)?;
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

/// Looks for newer packages for every processor that was built for; answers what
/// was replaced.
pub(crate) fn refresh(cache: &Path) -> anyhow::Result<Vec<String>> {
    let mut out = Vec::new();
    for arch in [Arch::Arm64, Arch::Armhf] {
        if cache.join(arch.debian()).join("debs").exists() {
            out.extend(Store::open(cache, arch)?.renew()?);
        }
    }
    Ok(out)
}

/// The file in apt's line about a package: `'ADDRESS' FILE SIZE HASH`.
fn file_of(said: &str) -> Option<String> {
    let line = said.lines().find(|line| line.starts_with('\''))?;
    line.split_whitespace().nth(1).map(str::to_owned)
}

/// By Debian's own order of versions. Where security updates cannot be had, what apt
/// calls the newest is older than what is kept.
fn is_newer(newest: &str, kept: &str) -> anyhow::Result<bool> {
    let version = |file: &str| {
        let version = file.split('_').nth(1).unwrap_or_default();
        version.replace("%3a", ":")
    };
    let mut dpkg = tool::command("dpkg", 0);
    dpkg.args(["--compare-versions", &version(newest), "gt", &version(kept)]);
    Ok(dpkg.status().context("cannot run dpkg")?.success())
}

/// The machine's own Debian sources.
fn sources(security: bool) -> anyhow::Result<String> {
    let text = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let suite = text
        .lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="))
        .context("this machine is no Debian: packages cannot be fetched")?;
    let keys = "[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]";
    // Firmware that is not free is fetched only for a board that names it.
    let parts = "main non-free-firmware";
    let mut out = format!("deb {keys} http://deb.debian.org/debian {suite} {parts}\n");
    if security {
        out += &format!("deb {keys} http://deb.debian.org/debian-security {suite}-security main\n");
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apt_s_word_names_the_newest_file() {
        let said = "'http://deb.debian.org/debian/pool/main/b/busybox/busybox-static_1.35.0-4_arm64.deb' \
                    busybox-static_1%3a1.35.0-4_arm64.deb 916764 SHA256:7f\n";
        assert_eq!(
            file_of(said).as_deref(),
            Some("busybox-static_1%3a1.35.0-4_arm64.deb")
        );
        assert_eq!(file_of("Reading package lists...\n"), None);
    }

    #[test]
    fn only_what_is_newer_replaces_what_is_kept() {
        let file = |version: &str| format!("busybox-static_{version}_arm64.deb");
        for (newest, kept, newer) in [
            ("6.1.192-2", "6.1.176-1", true),
            ("6.1.176-1", "6.1.192-2", false),
            ("6.1.192-2", "6.1.192-2", false),
            ("1%3a1.35.0-4", "1.36.0-1", true),
            ("2023.01+dfsg-2+deb12u3", "2023.01+dfsg-2+deb12u10", false),
        ] {
            assert_eq!(
                is_newer(&file(newest), &file(kept)).unwrap(),
                newer,
                "{newest}"
            );
        }
    }

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
