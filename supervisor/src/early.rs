//! Before the root: loads the modules the builder listed, judges the manifest
//! of the slot that the boot loader chose, and enters its checked root.
//!
//! The watchdog is started before anything else that could hang, as soon as its
//! module is there (the first of the list). It is closed without its magic
//! letter, so it goes on while the root is entered, and the system there opens
//! it again. No boot loader of the boards' packages can start it: what hangs
//! before this program is not reset.
//!
//! Any failure restarts the box: the boot loader has spent a try, so three
//! failures lead to the other slot.

use std::convert::Infallible;
use std::ffi::CString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use culvert_board::hardware::early_watchdog;
use culvert_board::profile::Board;
use culvert_board::slots::Slot;
use culvert_board::watchdog::Watchdog;
use culvert_wire::Decode as _;
use culvert_wire::update::{KeyList, Purpose};
use nix::kmod::{ModuleInitFlags, finit_module};
use nix::mount::{MsFlags, mount};

use crate::{BOARD_FILE, RELEASE_DIR, TRUST_FILE, console, disk, slot, system, verity};

/// Module files in loading order, one path a line.
const MODULES: &str = "/modules.list";
/// The disk may take this long to appear.
const DISK: Duration = Duration::from_secs(20);
/// Where the root is mounted before it is entered.
const ROOT: &str = "/root";

/// Runs as `/init`.
pub fn main() -> ExitCode {
    match enter() {
        Ok(never) => match never {},
        Err(error) => system::restart(&format!("this slot cannot start: {error:#}")),
    }
}

fn enter() -> anyhow::Result<Infallible> {
    system::mount_kernel()?;
    let board = Board::from_toml(&fs::read_to_string(format!("{RELEASE_DIR}/{BOARD_FILE}"))?)?;
    let mut watch = Watch::over(&board);
    load_modules(&mut watch)?;
    let letter = system::argument("culvert.slot").context("the boot loader named no slot")?;
    let chosen = Slot::from_letter(&letter).context("the boot loader named no slot")?;
    let device = wait_for(chosen, &mut watch)?;
    let trusted = KeyList::from_bytes(&fs::read(format!("{RELEASE_DIR}/{TRUST_FILE}"))?)?;
    let Some(signed) = slot::manifest(&File::open(&device)?)? else {
        bail!("slot {letter} holds no manifest");
    };
    let (manifest, _) = signed.verify(&trusted, &board.name, Purpose::Boot)?;
    console::line(&format!(
        "slot {letter}: release {} (version {}) for {}",
        manifest.name, manifest.version, manifest.board
    ));
    let root = verity::open(&device, manifest)?;
    system::mount_at(&root, ROOT, "squashfs", MsFlags::MS_RDONLY, None)?;
    watch.alive();
    // Closed before its device moves; it runs on.
    drop(watch);
    switch()
}

/// The board's watchdog, from the moment that its driver is there.
struct Watch<'a> {
    board: &'a Board,
    watchdog: Option<Watchdog>,
}

impl<'a> Watch<'a> {
    fn over(board: &'a Board) -> Self {
        Self {
            board,
            watchdog: None,
        }
    }

    /// Something was done; a watchdog that is not there yet is looked for.
    fn alive(&mut self) {
        match &mut self.watchdog {
            // Who feeds it later tells what is wrong with it.
            Some(watchdog) => drop(watchdog.feed()),
            none => *none = early_watchdog(Path::new("/"), &self.board.hardware),
        }
    }
}

fn load_modules(watch: &mut Watch<'_>) -> anyhow::Result<()> {
    let list = fs::read_to_string(MODULES).unwrap_or_default();
    for path in list.lines().filter(|line| !line.is_empty()) {
        let file = File::open(path).with_context(|| path.to_owned())?;
        match finit_module(&file, c"", ModuleInitFlags::empty()) {
            Ok(()) | Err(nix::Error::EEXIST) => {}
            // Hardware that is not there: the box shows later what is missing.
            Err(nix::Error::ENODEV) => {}
            Err(error) => console::line(&format!("module {path}: {error}")),
        }
        watch.alive();
    }
    Ok(())
}

fn wait_for(slot: Slot, watch: &mut Watch<'_>) -> anyhow::Result<PathBuf> {
    let begun = Instant::now();
    loop {
        match disk::partition(Path::new("/"), slot.partition()) {
            Some(device) if device.exists() => return Ok(device),
            _ if begun.elapsed() > DISK => bail!("there is no partition {}", slot.partition()),
            _ => {
                std::thread::sleep(Duration::from_millis(20));
                watch.alive();
            }
        }
    }
}

/// Frees the initial file system's memory and becomes the root's process 1.
fn switch() -> anyhow::Result<Infallible> {
    let none = None::<&str>;
    for place in ["/dev", "/proc", "/sys"] {
        let target = format!("{ROOT}{place}");
        mount(Some(place), target.as_str(), none, MsFlags::MS_MOVE, none)
            .with_context(|| format!("cannot move {place}"))?;
    }
    empty_ram()?;
    std::env::set_current_dir(ROOT)?;
    mount(Some(ROOT), "/", none, MsFlags::MS_MOVE, none).context("cannot enter the root")?;
    nix::unistd::chroot(".")?;
    std::env::set_current_dir("/")?;
    let init = CString::from(c"/sbin/init");
    nix::unistd::execv(&init, std::slice::from_ref(&init)).context("cannot run /sbin/init")
}

/// Removes what lies in memory: modules, this program's file. Only names that
/// the builder put there: never what is mounted.
fn empty_ram() -> io::Result<()> {
    for entry in ["/lib", "/etc"] {
        if Path::new(entry).exists() {
            fs::remove_dir_all(entry)?;
        }
    }
    for entry in ["/init", MODULES] {
        if Path::new(entry).exists() {
            fs::remove_file(entry)?;
        }
    }
    Ok(())
}
