//! Power cuts of a running box: moments of lives that were recorded, judged by
//! what the disk would hold, and real ones, each followed by a start.

use std::fs;

use anyhow::{Context as _, ensure};
use culvert_e2e::world::eventually;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::card::Card;
use crate::cut::Cut;
use crate::judge::{self, Places, Told};
use crate::logdisk::LogDisk;
use crate::machine::{HANGS, Machine};
use crate::sabotage::{self, Release};

/// Moments that are judged, and cuts that are followed by a start.
const CUTS: (u64, u64) = (24, 12);
/// The same in a long run.
const MANY_CUTS: (u64, u64) = (240, 200);
/// What is said of a box that has forgotten its record, or a part of it.
const SIGHTS: [&str; 4] = [
    "there is no state record",
    "the floor went back",
    "is forgotten",
    "boots, not one of",
];
/// A real cut falls on one of so many events behind the first sign of life.
const REACH: usize = 60;

/// What a machine wrote from one start to the end of its power, and what it
/// was when it began.
pub(crate) struct Life {
    disk: LogDisk,
    version: u64,
    floor: u64,
}

impl Life {
    /// Begins to record; the card holds a release that was healthy.
    pub(crate) fn record(card: &Card, name: &str, version: u64) -> anyhow::Result<Self> {
        Ok(Self {
            disk: LogDisk::over(&card.path, name)?,
            version,
            floor: version,
        })
    }

    /// Switches the machine on.
    pub(crate) fn boot(&self, more: &[&str]) -> anyhow::Result<Machine> {
        Machine::with_drive(&self.disk.screen, &self.disk.drive(), more)
    }

    /// What the box had told when the screen had shown so much.
    fn told(&self, shown: Option<u64>, key: &str) -> anyhow::Result<Told> {
        let screen = String::from_utf8_lossy(&fs::read(&self.disk.screen)?).into_owned();
        let end = shown.map_or(Ok(screen.len()), usize::try_from)?;
        let mut told = Told {
            versions: vec![self.version],
            floor: self.floor,
            failed: None,
            key: screen.get(..end).is_some_and(|screen| screen.contains(key)),
        };
        let (mut at, mut boots, mut good) = (0, self.version, self.version);
        for line in screen.split_inclusive('\n') {
            at += line.len();
            let left = line.contains("back to the other slot");
            let next = if left { Some(good) } else { installed(line) };
            if let Some(next) = next
                && at > end
            {
                // What it told next may be on the disk already.
                told.versions.push(next);
                break;
            }
            if at > end {
                continue;
            }
            boots = booted(line).unwrap_or(boots);
            if let Some(next) = next {
                told.failed = if left { Some(boots) } else { told.failed };
                told.versions = vec![next];
                boots = next;
            }
            if line.contains("this release is healthy") {
                good = boots;
                told.floor = told.floor.max(good);
            }
        }
        Ok(told)
    }
}

/// The version in the line that tells which release begins.
fn booted(line: &str) -> Option<u64> {
    let (_, after) = line.split_once(": release ")?;
    let (_, version) = after.split_once("(version ")?;
    version.split(')').next()?.parse().ok()
}

/// The version in the line that tells of an installed release.
fn installed(line: &str) -> Option<u64> {
    let (before, _) = line.split_once(" is installed")?;
    before.rsplit(' ').next()?.parse().ok()
}

/// P6, P7: at seeded moments of recorded lives, a whole signed release would
/// boot, with the same key, and nothing the box had told is forgotten.
pub(crate) fn judged(lives: &[Life], card: &Card, key: &str) -> anyhow::Result<String> {
    let (first, cuts) = (first_seed(), count().0);
    let (_, bad) = survey(lives, card, key, (first, cuts), |_| false)?;
    ensure!(bad.is_empty(), "{} cuts broke the box: {bad:#?}", bad.len());
    let sizes: Vec<usize> = lives.iter().map(|l| l.disk.log(<[_]>::len)).collect();
    Ok(format!(
        "sample: {cuts} power cuts judged in logs of {sizes:?} events, CULVERT_SEED={first}"
    ))
}

/// P6, P7: a box that keeps its record badly is seen: one of the cuts of a long run
/// breaks it, by its record. A short run ends with the first such cut.
pub(crate) fn seen(mutant: &str, life: Life, card: &Card, key: &str) -> anyhow::Result<String> {
    let by_its_record = |why: &str| SIGHTS.iter().any(|sight| why.contains(sight));
    let first = first_seed();
    let (cuts, bad) = survey(&[life], card, key, (first, MANY_CUTS.0), |why| {
        !is_long() && by_its_record(why)
    })?;
    let (seen, else_bad): (Vec<_>, Vec<_>) = bad.iter().partition(|why| by_its_record(why));
    let why = seen.first().with_context(|| {
        format!("{cuts} cuts from the seed {first} do not see {mutant}, but {else_bad:#?}")
    })?;
    Ok(format!(
        "sample: {mutant}: {} of {cuts} power cuts broke it (and {} by something else), \
         CULVERT_SEED={first}, the first: {why}",
        seen.len(),
        else_bad.len()
    ))
}

/// How many cuts were judged, and those that broke the box, until one is `enough`.
fn survey(
    lives: &[Life],
    card: &Card,
    key: &str,
    (first, cuts): (u64, u64),
    enough: impl Fn(&str) -> bool,
) -> anyhow::Result<(u64, Vec<String>)> {
    let places = places(card)?;
    let identity = judge::key(&card.path, &places.data)?.context("the box has a key")?;
    let scratch = card.path.with_extension("cut");
    let mut bad = Vec::new();
    for number in 0..cuts {
        let seed = first.wrapping_add(number);
        // Two of each in turn: one behind a write to the record, one anywhere.
        let life = &lives[usize::try_from(number / 2)? % lives.len()];
        let (cut, shown) = life.disk.log(|log| -> anyhow::Result<_> {
            let cut = Cut::chosen(log, seed, &places.records);
            cut.left(log, &life.disk.shipped, &scratch)?;
            Ok((cut, cut.shown(log)))
        })?;
        let told = life.told(shown, key)?;
        let judged = judge::judge(&scratch, &places, &sabotage::trusted(), &told).and_then(|_| {
            let found = judge::key(&scratch, &places.data);
            match found {
                Ok(found) => ensure!(
                    !told.key || found.as_ref() == Some(&identity),
                    "the key is another"
                ),
                // Before the box has told of a key, it makes its data anew.
                Err(error) => ensure!(!told.key, "{error:#}"),
            }
            Ok(())
        });
        if let Err(why) = judged {
            bad.push(format!("{cut:?}, told {told:?}: {why:#}"));
            if enough(bad.last().expect("just pushed")) {
                return Ok((number + 1, bad));
            }
        }
    }
    Ok((cuts, bad))
}

/// P6, P7: the power goes while a release is being installed, and again; the
/// box comes back each time and is the same to the server.
pub(crate) fn lived_through(
    card: &Card,
    release: &Release,
    key: &str,
    state: (u64, u64),
) -> anyhow::Result<String> {
    let (first, cuts) = (first_seed(), count().1);
    legs(card, release, key, state, (first, cuts))
        .with_context(|| format!("CULVERT_SEED={first}"))?;
    Ok(format!(
        "sample: {cuts} power cuts, each booted again, CULVERT_SEED={first}"
    ))
}

/// From start to cut, so many times, and one start more.
fn legs(
    card: &Card,
    release: &Release,
    key: &str,
    (mut version, mut floor): (u64, u64),
    (first, cuts): (u64, u64),
) -> anyhow::Result<()> {
    let places = places(card)?;
    for number in 0..cuts {
        let (seed, next) = (first.wrapping_add(number), 100 + number);
        let bundle = release.version(next)?;
        card.put_bundle(&bundle)?;
        fs::remove_file(bundle)?;
        let life = Life {
            disk: LogDisk::over(&card.path, &format!("leg-{number}"))?,
            version,
            floor,
        };
        let mut machine = life.boot(&[])?;
        ensure!(machine.online()? == key, "a cut must not change the key");
        // The judge of the last cut and the boot loader must be of one mind.
        ensure!(
            machine.said(&format!("(version {version}) for"))?,
            "seed {seed}: version {version} should have booted:\n{}",
            machine.text()
        );
        life.disk
            .cut_after(StdRng::seed_from_u64(seed).random_range(1..=REACH));
        // At the latest when it has the release and rests again.
        eventually("a cut", HANGS, || {
            Ok(life.disk.is_cut() || machine.said("release refused: this release runs already")?)
        })?;
        machine.cut();
        let cut = life.disk.log(|log| -> anyhow::Result<_> {
            let after = log.len();
            let cut = Cut { after, seed };
            cut.left(log, &life.disk.shipped, &card.path)?;
            Ok(cut)
        })?;
        let mut told = life.told(None, key)?;
        // The record may have been written and nobody told of it any more.
        told.versions.push(next);
        let left = judge::judge(&card.path, &places, &sabotage::trusted(), &told);
        (version, floor) = left.with_context(|| format!("{cut:?}, told {told:?}"))?;
    }
    card.take_bundle()?;
    let mut machine = Machine::boot(&card.path, &[])?;
    ensure!(machine.online()? == key, "a cut must not change the key");
    machine.healthy()?;
    machine.cut();
    Ok(())
}

fn count() -> (u64, u64) {
    if is_long() { MANY_CUTS } else { CUTS }
}

fn is_long() -> bool {
    std::env::var_os("CULVERT_LONG").is_some()
}

/// Another one for each run, unless `CULVERT_SEED` tells it.
fn first_seed() -> u64 {
    let told = std::env::var("CULVERT_SEED").ok();
    told.and_then(|seed| seed.parse().ok())
        .unwrap_or_else(rand::random)
}

fn places(card: &Card) -> anyhow::Result<Places> {
    Ok(Places {
        records: [card.place("record-1")?, card.place("record-2")?],
        slots: [card.place("slot-a")?, card.place("slot-b")?],
        data: card.place("data")?,
    })
}
