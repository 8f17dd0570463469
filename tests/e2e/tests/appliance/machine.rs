//! A machine that is switched on: QEMU's `virt` with U-Boot, one disk, one
//! cable into the test's network. What it says on its serial console is all
//! that is known of it from here.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use culvert_e2e::world::eventually;

use crate::hand::Hand;
use crate::lan;
use crate::leash::leashed;

/// What the kernel lets the gateway do (threat 14).
const LEAST_RIGHTS: &str = "user 1000 1000 1000 1000, group 1000 1000 1000 1000, \
    more groups [], capabilities none, new rights forbidden";
/// A run that takes longer hangs.
pub(crate) const HANGS: Duration = Duration::from_secs(600);

/// A processor, and what starts on it.
struct Kind {
    program: &'static str,
    machine: &'static str,
    cpu: &'static str,
    loader: &'static str,
    /// Where the kernel gets randomness from.
    random: &'static [&'static str],
}

/// With ACPI and a boot loader the machine would have no GPIO chip.
const ARM64: Kind = Kind {
    program: "qemu-system-aarch64",
    machine: "virt,acpi=off",
    cpu: "cortex-a53",
    loader: "/usr/lib/u-boot/qemu_arm64/u-boot.bin",
    random: &["-device", "virtio-rng-pci"],
};
/// A board without a source of randomness, whose boot loader hands none over.
const DULL: Kind = Kind {
    machine: "virt,acpi=off,dtb-randomness=off",
    random: &[],
    ..ARM64
};
/// Everything below 4 GiB: its boot loader looks no higher.
const ARMHF: Kind = Kind {
    program: "qemu-system-arm",
    machine: "virt,highmem=off",
    cpu: "cortex-a15",
    loader: "/usr/lib/u-boot/qemu_arm/u-boot.bin",
    random: ARM64.random,
};

/// Dropping it cuts its power.
pub(crate) struct Machine {
    qemu: Child,
    screen: PathBuf,
    monitor: PathBuf,
    /// Bytes of the screen from before the last start.
    since: usize,
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

impl Machine {
    /// Switches a machine with this disk on; `more` are further words for QEMU.
    pub(crate) fn boot(disk: &Path, more: &[&str]) -> anyhow::Result<Self> {
        let drive = format!("file={},format=raw,cache=writeback", disk.display());
        Self::with_drive(&disk.with_extension("screen"), &drive, more)
    }

    /// The same with a drive as QEMU describes it.
    pub(crate) fn with_drive(screen: &Path, drive: &str, more: &[&str]) -> anyhow::Result<Self> {
        Self::of(ARM64, screen, drive, more)
    }

    /// The machine with 32 bits.
    pub(crate) fn boot_32_bits(disk: &Path) -> anyhow::Result<Self> {
        Self::on(ARMHF, disk)
    }

    /// The machine without a source of randomness.
    pub(crate) fn boot_dull(disk: &Path) -> anyhow::Result<Self> {
        Self::on(DULL, disk)
    }

    fn on(kind: Kind, disk: &Path) -> anyhow::Result<Self> {
        let drive = format!("file={},format=raw,cache=writeback", disk.display());
        Self::of(kind, &disk.with_extension("screen"), &drive, &[])
    }

    fn of(kind: Kind, screen: &Path, drive: &str, more: &[&str]) -> anyhow::Result<Self> {
        let monitor = screen.with_extension("qmp");
        let qmp = format!("unix:{},server=on,wait=off", monitor.display());
        let cable = format!("tap,id=lan,ifname={},script=no,downscript=no", lan::CABLE);
        let mut command = leashed(kind.program);
        command
            .args([
                "-M",
                kind.machine,
                "-cpu",
                kind.cpu,
                "-smp",
                "2",
                "-m",
                "256",
            ])
            .args(["-nographic", "-monitor", "none", "-qmp", &qmp])
            .args(["-bios", kind.loader])
            .args(["-drive", &format!("if=none,id=disk,{drive}")])
            .args(["-device", "virtio-blk-pci,drive=disk", "-netdev", &cable])
            .args(["-device", "virtio-net-pci,netdev=lan,romfile="])
            .args(kind.random)
            .args(more);
        let qemu = command
            .stdin(Stdio::null())
            .stdout(File::create(screen)?)
            .stderr(Stdio::inherit())
            .spawn()
            .with_context(|| format!("{} (Debian package qemu-system-arm)", kind.program))?;
        Ok(Self {
            qemu,
            screen: screen.to_owned(),
            monitor,
            since: 0,
        })
    }

    /// Waits for the next start that says `words`: what was said before it is
    /// not looked at any more.
    pub(crate) fn boots(&mut self, words: &str) -> anyhow::Result<()> {
        let (end, _) = self.wait_for(words)?;
        self.since = end;
        Ok(())
    }

    /// Waits until `words` were said since the last start; answers the rest of
    /// the line. Lines come in any order: several parts of the box speak.
    pub(crate) fn says(&mut self, words: &str) -> anyhow::Result<String> {
        Ok(self.wait_for(words)?.1)
    }

    fn wait_for(&mut self, words: &str) -> anyhow::Result<(usize, String)> {
        let mut found = None;
        let shown = eventually(words, HANGS, || {
            if let Some(status) = self.qemu.try_wait()? {
                anyhow::bail!("the machine ended: {status}");
            }
            let text = self.text();
            let new = text.get(self.since..).unwrap_or_default();
            let Some(at) = new.find(words) else {
                return Ok(false);
            };
            let after = &new[at + words.len()..];
            let Some((line, _)) = after.split_once('\n') else {
                return Ok(false);
            };
            found = Some((self.since + at + words.len(), line.trim().to_owned()));
            Ok(true)
        });
        shown.with_context(|| format!("the screen shows:\n{}", self.text()))?;
        found.context("just found")
    }

    /// Fails if the screen has shown `words` since the machine was switched on.
    pub(crate) fn never_said(&self, words: &str) -> anyhow::Result<()> {
        let text = self.text();
        ensure!(!text.contains(words), "the screen shows {words:?}:\n{text}");
        Ok(())
    }

    /// Fails if the screen has shown `words` since the last start.
    pub(crate) fn never_since(&self, words: &str) -> anyhow::Result<()> {
        let text = self.text();
        let new = text.get(self.since..).unwrap_or_default();
        ensure!(!new.contains(words), "the screen shows {words:?}:\n{text}");
        Ok(())
    }

    /// Waits until the box is online; answers its key's fingerprint.
    pub(crate) fn online(&mut self) -> anyhow::Result<String> {
        self.says("status: online, key ")
    }

    /// Waits until its boot has succeeded, and judges what it says listens and
    /// what its gateway may do.
    pub(crate) fn healthy(&mut self) -> anyhow::Result<()> {
        let open = self.says("open ports:")?;
        ensure!(open == "none", "the box listens on {open}");
        let rights = self.says("the gateway's rights: ")?;
        ensure!(rights == LEAST_RIGHTS, "the gateway's rights: {rights}");
        self.says("this release is healthy")?;
        Ok(())
    }

    /// Whether the screen has shown `words` since the last start.
    pub(crate) fn said(&mut self, words: &str) -> anyhow::Result<bool> {
        if let Some(status) = self.qemu.try_wait()? {
            anyhow::bail!("the machine ended: {status}");
        }
        let text = self.text();
        Ok(text.get(self.since..).unwrap_or_default().contains(words))
    }

    /// A hand at its button.
    pub(crate) fn hand(&self) -> anyhow::Result<Hand> {
        Hand::at(&self.monitor)
    }

    /// Pulls the plug.
    pub(crate) fn cut(self) {}

    /// All that the screen has shown since the machine was switched on.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.screen).unwrap_or_default()).into_owned()
    }
}
