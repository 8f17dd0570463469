//! The files of a release: kernel, initial file system, root, hash tree.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use culvert_board::profile::Board;
use culvert_wire::Encode as _;
use culvert_wire::update::{KeyList, PartKind, Verity};
use data_encoding::HEXLOWER_PERMISSIVE;
use sha2::{Digest as _, Sha256};

use crate::cpio::Archive;
use crate::packages::Package;
use crate::slot::pad_to_block;
use crate::tool;

/// MiB of the data partition and of the empty file system for it.
pub(crate) const DATA_MIB: u64 = 32;
/// The data file system's ids: the same on every box, nobody reads them.
const DATA_ID: &str = "6375-6c76-6572-74d0-64617461";

/// Everything that goes into a release besides the packages.
#[derive(Debug)]
pub(crate) struct Recipe<'a> {
    /// The board and its file's text.
    pub(crate) board: (&'a Board, &'a str),
    /// Folder with `culvert-gateway` and `culvert-supervisor` for the board.
    pub(crate) binaries: &'a Path,
    /// The list of keys that the release trusts.
    pub(crate) trusted: &'a KeyList,
    /// Where files are made.
    pub(crate) work: &'a Path,
    /// Seconds since 1970.
    pub(crate) epoch: u64,
}

/// The files of a release and the check over its root.
pub(crate) type Parts = (Vec<(PartKind, PathBuf)>, Verity);

impl Recipe<'_> {
    /// Makes all parts.
    pub(crate) fn parts(&self, kernel: &Package, busybox: &Package) -> anyhow::Result<Parts> {
        let mut parts = vec![
            (PartKind::Kernel, self.kernel(kernel)?),
            (PartKind::Initramfs, self.initramfs(kernel)?),
        ];
        if let Some(tree) = self.device_tree(kernel)? {
            parts.push((PartKind::DeviceTree, tree));
        }
        let root = self.root(busybox)?;
        let (hashes, verity) = self.verity(&root)?;
        parts.push((PartKind::Root, root));
        parts.push((PartKind::HashTree, hashes));
        Ok((parts, verity))
    }

    /// Packed, as U-Boot's `booti` takes it too; `bootz` unpacks by itself.
    fn kernel(&self, package: &Package) -> anyhow::Result<PathBuf> {
        let image = one(&package.tree.join("boot"), "vmlinuz-")?;
        let out = self.work.join("kernel");
        fs::copy(&image, &out)?;
        if self.board.0.arch.boot_command() == "booti" {
            tool::finish(
                tool::command("gzip", self.epoch)
                    .args(["-9", "-n", "-f"])
                    .arg(&out),
            )?;
            fs::rename(self.work.join("kernel.gz"), &out)?;
        }
        Ok(out)
    }

    fn device_tree(&self, package: &Package) -> anyhow::Result<Option<PathBuf>> {
        let Some(name) = &self.board.0.kernel.device_tree else {
            return Ok(None);
        };
        let trees = device_trees(package)?;
        let out = self.work.join("dtb");
        fs::copy(trees.join(name), &out).with_context(|| name.display().to_string())?;
        Ok(Some(out))
    }

    /// The supervisor as `/init`, what it must know, and the modules it loads.
    fn initramfs(&self, kernel: &Package) -> anyhow::Result<PathBuf> {
        let mut archive = Archive::default();
        for folder in [
            "dev",
            "proc",
            "sys",
            "root",
            "etc",
            "etc/culvert",
            "lib",
            "lib/modules",
        ] {
            archive.directory(folder);
        }
        archive.console();
        archive.program("init", &fs::read(self.binaries.join("culvert-supervisor"))?);
        archive.file("etc/culvert/board.toml", self.board.1.as_bytes());
        archive.file("etc/culvert/trust", &self.trusted.to_bytes());
        let mut list = String::new();
        for module in self.modules(kernel)? {
            let name = module.file_name().context("a module has a name")?;
            let path = format!("lib/modules/{}", name.to_string_lossy());
            archive.file(&path, &fs::read(&module)?);
            list += &format!("/{path}\n");
        }
        archive.file("modules.list", list.as_bytes());
        let plain = self.work.join("initramfs.cpio");
        fs::write(&plain, archive.finish())?;
        let zstd = ["-q", "-f", "-19", "--single-thread", "--no-progress"];
        let out = self.work.join("initramfs");
        tool::finish(
            tool::command("zstd", self.epoch)
                .args(zstd)
                .arg(&plain)
                .arg("-o")
                .arg(&out),
        )?;
        Ok(out)
    }

    /// The board's modules and all they need, in loading order.
    fn modules(&self, kernel: &Package) -> anyhow::Result<Vec<PathBuf>> {
        let home = one(&kernel.tree.join("lib/modules"), "")?;
        let version = home.file_name().context("a kernel has a version")?;
        if !home.join("modules.dep").exists() {
            tool::finish(
                tool::command("depmod", self.epoch)
                    .arg("-b")
                    .arg(&kernel.tree)
                    .arg(version),
            )?;
        }
        let read = |name: &str| fs::read_to_string(home.join(name));
        let (needs, built_in) = (read("modules.dep")?, read("modules.builtin")?);
        let stem = |path: &str| {
            let file = path.rsplit('/').next().unwrap_or(path);
            file.split('.').next().unwrap_or(file).replace('-', "_")
        };
        let mut out = Vec::new();
        let mut seen = BTreeSet::new();
        for wanted in &self.board.0.kernel.modules {
            let wanted = wanted.replace('-', "_");
            let line = needs.lines().find(|line| {
                line.split(':')
                    .next()
                    .is_some_and(|path| stem(path) == wanted)
            });
            let Some((path, before)) = line.and_then(|line| line.split_once(':')) else {
                if built_in.lines().any(|path| stem(path) == wanted) {
                    continue;
                }
                bail!(
                    "the kernel {} has no module {wanted}",
                    version.to_string_lossy()
                );
            };
            // modules.dep lists what is needed last first.
            for path in before.split_whitespace().rev().chain([path]) {
                if seen.insert(path.to_owned()) {
                    out.push(home.join(path));
                }
            }
        }
        Ok(out)
    }

    /// A read-only root of static programs.
    fn root(&self, busybox: &Package) -> anyhow::Result<PathBuf> {
        let tree = self.work.join("tree");
        for folder in [
            "bin",
            "sbin",
            "dev",
            "proc",
            "sys",
            "run",
            "data",
            "tmp",
            "etc/culvert",
            "usr/lib/culvert",
        ] {
            fs::create_dir_all(tree.join(folder))?;
        }
        let program = |from: &Path, to: &str| -> anyhow::Result<()> {
            let to = tree.join(to);
            fs::copy(from, &to).with_context(|| from.display().to_string())?;
            Ok(fs::set_permissions(&to, fs::Permissions::from_mode(0o755))?)
        };
        program(
            &self.binaries.join("culvert-gateway"),
            "bin/culvert-gateway",
        )?;
        program(
            &self.binaries.join("culvert-supervisor"),
            "sbin/culvert-supervisor",
        )?;
        program(&busybox.tree.join("bin/busybox"), "bin/busybox")?;
        for name in ["init", "dhcp-event"] {
            symlink("culvert-supervisor", tree.join("sbin").join(name))?;
        }
        symlink("/run/resolv.conf", tree.join("etc/resolv.conf"))?;
        let file = |path: &str, bytes: &[u8]| fs::write(tree.join(path), bytes);
        file("etc/culvert/board.toml", self.board.1.as_bytes())?;
        file("etc/culvert/trust", &self.trusted.to_bytes())?;
        file(
            "etc/passwd",
            b"root:x:0:0::/:/none\ngateway:x:1000:1000::/:/none\n",
        )?;
        file("etc/group", b"root:x:0:\ngateway:x:1000:\n")?;
        file("etc/hosts", b"127.0.0.1 localhost\n::1 localhost\n")?;
        self.empty_data(&tree.join("usr/lib/culvert/data.ext4"))?;
        settle_modes(&tree)?;
        let out = self.work.join("root.squashfs");
        let arguments = [
            "-noappend",
            "-all-root",
            "-no-progress",
            "-quiet",
            "-comp",
            "zstd",
            "-Xcompression-level",
            // 19 takes twice the time, for 8 KB of 4 MB.
            "17",
            "-b",
            "131072",
            "-no-xattrs",
        ];
        tool::finish(
            tool::command("mksquashfs", self.epoch)
                .arg(&tree)
                .arg(&out)
                .args(arguments),
        )?;
        pad_to_block(&out)?;
        Ok(out)
    }

    /// What the data partition holds before its first use.
    fn empty_data(&self, path: &Path) -> anyhow::Result<()> {
        fs::File::create(path)?.set_len(DATA_MIB << 20)?;
        let uuid = uuid(DATA_ID);
        let options = format!(
            "hash_seed={uuid},root_owner=0:0,lazy_itable_init=0,lazy_journal_init=0,nodiscard"
        );
        let arguments = [
            "-q",
            "-F",
            "-t",
            "ext4",
            "-L",
            "data",
            "-U",
            &uuid,
            "-E",
            &options,
            "-O",
            "^orphan_file",
            "-J",
            "size=4",
        ];
        // Older programs do not know every feature's name.
        let made = tool::finish(
            tool::command("mkfs.ext4", self.epoch)
                .args(arguments)
                .arg(path),
        );
        if made.is_err() {
            let kept: Vec<&str> = arguments
                .iter()
                .copied()
                .filter(|word| !["-O", "^orphan_file"].contains(word))
                .collect();
            tool::finish(tool::command("mkfs.ext4", self.epoch).args(kept).arg(path))?;
        }
        Ok(())
    }

    /// The hash tree over the root, as the kernel's verity target reads it.
    fn verity(&self, root: &Path) -> anyhow::Result<(PathBuf, Verity)> {
        let out = self.work.join("hashes");
        // Salted by the root itself: reproducible, and no two roots alike.
        let salt: [u8; 32] = Sha256::digest(fs::read(root)?).into();
        let hex = HEXLOWER_PERMISSIVE.encode(&salt);
        let arguments = [
            "format",
            "--no-superblock",
            "--data-block-size=4096",
            "--hash-block-size=4096",
            "--hash=sha256",
        ];
        fs::write(&out, [])?;
        let said = tool::finish(
            tool::command("veritysetup", self.epoch)
                .args(arguments)
                .arg(format!("--salt={hex}"))
                .arg(root)
                .arg(&out),
        )?;
        let hash = said
            .lines()
            .find_map(|line| line.strip_prefix("Root hash:"))
            .context("veritysetup told no root hash")?;
        let root_hash = HEXLOWER_PERMISSIVE
            .decode(hash.trim().as_bytes())?
            .try_into()
            .map_err(|_| anyhow::anyhow!("veritysetup told a strange root hash"))?;
        pad_to_block(&out)?;
        Ok((out, Verity { root_hash, salt }))
    }
}

/// The same modes whatever the builder's umask: the gateway's user must get
/// through every folder, and two builds must be the same.
fn settle_modes(path: &Path) -> anyhow::Result<()> {
    let about = fs::symlink_metadata(path)?;
    if about.is_symlink() {
        return Ok(());
    }
    let runs = about.is_dir() || about.permissions().mode() & 0o100 != 0;
    let mode = if runs { 0o755 } else { 0o644 };
    fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    if about.is_dir() {
        for entry in fs::read_dir(path)? {
            settle_modes(&entry?.path())?;
        }
    }
    Ok(())
}

/// Where a kernel's package keeps its device trees.
pub(crate) fn device_trees(kernel: &Package) -> anyhow::Result<PathBuf> {
    one(&kernel.tree.join("usr/lib"), "linux-image-")
}

/// The one entry of a folder whose name begins so.
fn one(folder: &Path, start: &str) -> anyhow::Result<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(folder)
        .with_context(|| folder.display().to_string())?
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(start))
        .map(|entry| entry.path())
        .collect();
    found.sort();
    found
        .into_iter()
        .next()
        .with_context(|| format!("{} has no {start}*", folder.display()))
}

/// A fixed id out of a name.
pub(crate) fn uuid(name: &str) -> String {
    let mut hash: [u8; 32] = Sha256::digest(name).into();
    // Version 8 and the variant of RFC 9562: an id that somebody else defined.
    hash[6] = hash[6] & 0x0f | 0x80;
    hash[8] = hash[8] & 0x3f | 0x80;
    let hex = HEXLOWER_PERMISSIVE.encode(&hash[..16]);
    format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_built_under_a_strict_umask_is_open_for_the_gateway_s_user() {
        let dir = tempfile::tempdir().unwrap();
        let tree = dir.path().join("tree");
        fs::create_dir_all(tree.join("bin")).unwrap();
        for (file, mode) in [("bin/run", 0o700), ("note", 0o600)] {
            fs::write(tree.join(file), "x").unwrap();
            fs::set_permissions(tree.join(file), fs::Permissions::from_mode(mode)).unwrap();
        }
        symlink("/nowhere", tree.join("link")).unwrap();
        fs::set_permissions(tree.join("bin"), fs::Permissions::from_mode(0o700)).unwrap();

        settle_modes(&tree).unwrap();

        let mode = |file: &str| {
            let about = fs::symlink_metadata(tree.join(file)).unwrap();
            about.permissions().mode() & 0o777
        };
        assert_eq!(
            (mode(""), mode("bin"), mode("bin/run")),
            (0o755, 0o755, 0o755)
        );
        assert_eq!(mode("note"), 0o644);
    }
}
