//! What is done once, before the loop: mounts, clock, settings.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use culvert_board::button::Button;
use culvert_board::hardware::{Light, Panel as _, Sysfs};
use culvert_board::profile::Board;
use culvert_board::record;
use culvert_board::slots::{Slot, Slots};
use culvert_config::boxfile::{self, BoxFile};
use culvert_wire::Decode as _;
use culvert_wire::supervisor::LinkState;
use culvert_wire::update::{KeyList, Purpose};

use super::cables::Offline;
use super::home::Home;
use super::{Link, Running, button, claim, data, last, time};
use crate::card::Unusable;
use crate::disk::RecordDisk;
use crate::gateway::{Gateway, USER};
use crate::health::Trial;
use crate::install::Judge;
use crate::root::Reading;
use crate::routers::Routers;
use crate::trouble::{Cause, Troubles};
use crate::{
    BOARD_FILE, RELEASE_DIR, TRUST_FILE, card, console, disk, entropy, install, network, slot,
    system, verity,
};

/// Where the data partition is mounted.
pub(super) const DATA: &str = "/data";
/// The gateway's.
pub(super) const GATEWAY: &str = "/data/gateway";
/// The last settings that could be used, without a claim code.
const LAST_GOOD: &str = "/data/system/culvert.toml";
/// The settings that the gateway gets.
const GATEWAY_TOML: &str = "/run/gateway.toml";

/// Brings the box up to the point where the loop can run it.
pub(super) fn start() -> anyhow::Result<Running> {
    // For every program from here on: no file can give more rights.
    nix::sys::prctl::set_no_new_privs().context("cannot forbid new rights")?;
    let board = Board::from_toml(&fs::read_to_string(format!("{RELEASE_DIR}/{BOARD_FILE}"))?)?;
    let trusted = KeyList::from_bytes(&fs::read(format!("{RELEASE_DIR}/{TRUST_FILE}"))?)?;
    system::mount_at(
        "tmpfs".as_ref(),
        "/run",
        "tmpfs",
        system::DATA_ONLY,
        Some("size=8m,mode=755"),
    )?;
    let (mut panel, missing) = Sysfs::open("/".as_ref(), &board.hardware);
    for what in missing {
        console::line(&format!("not there: {what}"));
    }
    if let Some(seconds) = panel.watchdog_seconds() {
        console::line(&format!("watchdog: {seconds} s"));
    }
    if let Err(error) = panel.show(Light::Booting) {
        console::line(&format!("the light cannot be set: {error}"));
    }
    let running = system::argument("culvert.slot")
        .and_then(|letter| Slot::from_letter(&letter))
        .context("the boot loader named no slot")?;
    let device = disk::partition("/".as_ref(), running.partition()).context("no slot")?;
    let signed = slot::manifest(&File::open(device)?)?.context("no manifest")?;
    let (manifest, keys) = signed.verify(&trusted, &board.name, Purpose::Boot)?;

    let mut troubles = Troubles::default();
    data::mount(&mut troubles, &mut panel);
    last::tell(&mut troubles);
    let clock = time::begin(manifest.issued);
    random(
        &mut panel,
        Duration::from_secs(board.hardware.health_seconds),
    );
    let mut settings = settings(&mut troubles);
    if troubles.has(Cause::NoData) && settings.claim.take().is_some() {
        console::line("the claim code is not used: this box would forget whom it belongs to");
    }
    let handed_over = prepare_gateway(&settings, &mut troubles);
    if let Err(error) = network::busybox(&["ip", "link", "set", "lo", "up"]) {
        console::line(&error.to_string());
    }
    let mut records = records();
    note_left_behind(records.as_mut(), running);
    let now = Instant::now();
    let mut it = Running {
        judge: Judge {
            trusted,
            board: board.name.clone(),
            running,
            version: manifest.version,
        },
        generation: keys.generation,
        panel,
        records,
        trial: None,
        root: Reading::begin(verity::ROOT.into()),
        network: settings.network,
        interfaces: Vec::new(),
        offline: Offline::default(),
        holder: None,
        gateway: Gateway::new(now),
        gateway_config: PathBuf::from(GATEWAY_TOML),
        link: Link {
            state: LinkState::Down,
            cause: String::new(),
            sentence: String::new(),
            fingerprint: String::new(),
        },
        sessions: 0,
        begun: now,
        heard: now,
        clock,
        clock_saved: None,
        strange_time: false,
        incoming: None,
        whole: None,
        installed: None,
        linked: false,
        on_card: None,
        card_looked_at: false,
        erase_claim: handed_over,
        shown: String::new(),
        troubles,
        button: button::open(&board),
        presses: Button::default(),
        paused: button::was_paused(),
        hung: false,
        home: Home::Unknown,
        routers: routers(),
        board,
    };
    let slots = it.slots();
    it.trial = Some(Trial {
        on_trial: slots.on_trial(running),
        needs_link: slots.link_was_up,
        limit: Duration::from_secs(it.board.hardware.health_seconds),
    });
    Ok(it)
}

/// No gateway makes a key before the kernel can. A release under which it never
/// can is as good as one that does not start: the tries are spent, the other boots.
fn random(panel: &mut Sysfs, limit: Duration) {
    let source = Path::new(entropy::SOURCE);
    let waited = entropy::ready(source).and_then(|ready| {
        if ready {
            return Ok(());
        }
        console::line("waiting for randomness: the kernel has too little to make a key");
        let begun = Instant::now();
        entropy::wait(source, || {
            if begun.elapsed() > limit {
                system::restart("there is no randomness to make a key from");
            }
            // A watchdog that cannot be fed is told by the loop.
            let _ = panel.feed();
        })?;
        console::line(&format!(
            "there is randomness after {} s",
            begun.elapsed().as_secs()
        ));
        Ok(())
    });
    if let Err(error) = waited {
        console::line(&format!(
            "the kernel's randomness cannot be judged: {error}"
        ));
    }
}

/// When the boot loader should have started the other slot, on trial, and did
/// not: what is there died before it could judge itself, and is not taken again.
fn note_left_behind(records: Option<&mut RecordDisk>, running: Slot) {
    let Some(records) = records else {
        return;
    };
    let fell_back = match record::load(records) {
        Ok(Some((_, record))) => Slots::read(&record).fell_back(running),
        Ok(None) | Err(_) => false,
    };
    if !fell_back {
        return;
    }
    let idle = running.other();
    let version = disk::partition("/".as_ref(), idle.partition())
        .and_then(|device| slot::version(&File::open(device).ok()?));
    if let Some(version) = version {
        console::line(&format!(
            "version {version} in slot {} did not come up: it is not taken again",
            idle.letter()
        ));
    }
    let noted = install::change(records, |slots| slots.left_behind(running, version));
    if let Err(error) = noted {
        console::line(&format!("the state record cannot be written: {error}"));
    }
}

fn routers() -> Option<Routers> {
    Routers::listen()
        .inspect_err(|error| {
            console::line(&format!(
                "routers cannot be heard: {error}; name servers come from DHCP or the settings"
            ));
        })
        .ok()
}

fn records() -> Option<RecordDisk> {
    match RecordDisk::open("/".as_ref()) {
        Ok(records) => Some(records),
        Err(error) => {
            console::line(&format!(
                "no state record: {error}; this box takes no updates"
            ));
            None
        }
    }
}

/// The settings on the card, or the last good ones, or none.
fn settings(troubles: &mut Troubles) -> BoxFile {
    let card = Path::new(card::CARD);
    let read = match disk::partition("/".as_ref(), disk::SETTINGS) {
        None => Err(Unusable::everywhere(
            "there is no settings partition".to_owned(),
        )),
        Some(device) => match card::attach(&device) {
            Ok(()) => card::settings(card),
            Err(error) => Err(Unusable::everywhere(error.to_string())),
        },
    };
    match read {
        Ok(Some(good)) => {
            keep(card);
            good
        }
        Ok(None) => BoxFile::default(),
        Err(Unusable { screen, portal }) => {
            console::line(&format!("settings: {screen}"));
            troubles.note(Cause::Settings, &portal);
            let last = fs::read_to_string(LAST_GOOD).ok();
            last.and_then(|text| BoxFile::from_toml(&text).ok())
                .unwrap_or_default()
        }
    }
}

/// Keeps a copy of settings that could be used, without the code, if it is
/// not the same.
fn keep(card: &Path) {
    let kept = fs::read(card.join(boxfile::FILE_NAME)).and_then(|bytes| {
        let mut bytes = bytes;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some(span) = boxfile::claim_span(&text) {
            bytes[span].fill(b' ');
        }
        if fs::read(LAST_GOOD).is_ok_and(|before| before == bytes) {
            return Ok(());
        }
        replace(LAST_GOOD, &bytes, 0)
    });
    if let Err(error) = kept {
        console::line(&format!("the settings cannot be kept: {error}"));
    }
}

/// The gateway's settings, and a claim code it has not used yet; answers
/// whether it has one now. What cannot be written stops nothing.
fn prepare_gateway(settings: &BoxFile, troubles: &mut Troubles) -> bool {
    let own = format!("data_dir = \"{GATEWAY}\"\n");
    // The table of the settings file comes first: its sub-tables end it.
    if let Err(error) = fs::write(GATEWAY_TOML, own + &settings.gateway) {
        console::line(&format!(
            "the gateway's settings cannot be written: {error}"
        ));
    }
    match &settings.claim {
        Some(code) => claim::hand_over(claim::FILE, code, USER, troubles),
        None => false,
    }
}

/// Writes a file whole, for one user.
pub(super) fn replace(path: &str, bytes: &[u8], owner: u32) -> io::Result<()> {
    let beside = format!("{path}.new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&beside)?;
    file.write_all(bytes)?;
    chown(&beside, Some(owner), Some(owner))?;
    file.sync_all()?;
    fs::rename(beside, path)?;
    settle(path)
}

/// Returns when a file's coming or going is there for good.
pub(super) fn settle(path: &str) -> io::Result<()> {
    match Path::new(path).parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}
