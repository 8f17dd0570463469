//! The figures of `./bench image`, written as lines `name value unit | what`
//! into the file that CULVERT_FIGURES names.
//!
//! The box and its server as in the tests; the images are those that
//! `image/boot-test build` made.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use culvert_e2e::world::must_work;

use crate::card::Card;
use crate::logdisk::{Event, LogDisk};
use crate::machine::Machine;
use crate::provider::Provider;

/// Starts of one kind.
const STARTS: usize = 5;
/// A day is so many times as long as the idle time that is looked at.
const DAY: (Duration, u64) = (Duration::from_secs(300), 288);

/// P16, P17: all figures, one card.
#[test]
#[ignore = "measures: ./bench image runs it"]
fn figures() -> anyhow::Result<()> {
    let built = crate::built()?;
    let out = std::env::var_os("CULVERT_FIGURES").context("CULVERT_FIGURES names a file")?;
    let mut out = File::create(out)?;
    sizes(&built, &mut out)?;
    let provider = Provider::start()?;
    let card = Card::flash(&built, provider.home.join("card.img"))?;
    card.provision(&provider.settings()?)?;
    let mut machine = Machine::boot(&card.path, &[])?;
    machine.online()?;
    machine.healthy()?;
    machine.cut();
    starts(&card, &mut out)?;
    day(&card, &mut out)?;
    falls(&card, &built, &mut out)
}

fn sizes(built: &Path, out: &mut File) -> anyhow::Result<()> {
    let mega = |bytes: u64| bytes as f64 / 1e6;
    let bundle = built.join("culvert-qemu-virt-1.bundle");
    let image = built.join("culvert-qemu-virt-1.img");
    let length = fs::metadata(&bundle)?.len();
    // A bundle is a slot's parts and a manifest.
    writeln!(
        out,
        "slot {:.2} MB | kernel, initial file system, root and hashes",
        mega(length)
    )?;
    writeln!(out, "bundle {:.2} MB | as it is fetched", mega(length))?;
    let mut squeeze = Command::new("zstd");
    let squeezed = must_work(squeeze.args(["-q", "-c", "-10"]).arg(&image))?
        .stdout
        .len();
    let raw = mega(fs::metadata(&image)?.len());
    let squeezed = mega(squeezed.try_into()?);
    writeln!(
        out,
        "image {squeezed:.2} MB | flashable image by zstd -10; {raw:.0} MB on the card"
    )?;
    let seconds = fs::read_to_string(built.join("build-seconds"))?;
    writeln!(
        out,
        "build {} s | image, bundle and list of contents from built programs",
        seconds.trim()
    )?;
    Ok(())
}

fn starts(card: &Card, out: &mut File) -> anyhow::Result<()> {
    let (mut took, mut used) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let begun = Instant::now();
        let mut machine = Machine::boot(&card.path, &[])?;
        machine.online()?;
        took.push(begun.elapsed().as_secs_f64());
        machine.healthy()?;
        let said = machine.says("memory used: ")?;
        let number = said.split(' ').next().unwrap_or_default();
        used.push(number.parse::<f64>().with_context(|| said.clone())?);
    }
    let (start, memory) = (median(&mut took), median(&mut used));
    let slowest = took.last().context("runs")?;
    writeln!(
        out,
        "online {start:.1} s | switched on to online, emulated: median of {STARTS}, slowest {slowest:.1}"
    )?;
    writeln!(
        out,
        "memory {memory:.1} MB | used in the whole box when it is online and idle"
    )?;
    Ok(())
}

/// An idle day: what the start wrote, its once-a-day writes among it, and an
/// idle stretch as often as a day has it.
fn day(card: &Card, out: &mut File) -> anyhow::Result<()> {
    let disk = LogDisk::over(&card.path, "idle")?;
    let mut machine = Machine::with_drive(&disk.screen, &disk.drive(), &[])?;
    machine.online()?;
    machine.healthy()?;
    // The start's last writes reach the disk within a commit of the data.
    std::thread::sleep(Duration::from_secs(45));
    let written = || {
        disk.log(|log| {
            let bytes = log.iter().map(|entry| match &entry.event {
                Event::Write { bytes, .. } => bytes.len(),
                Event::Flush => 0,
            });
            bytes.sum::<usize>() as f64 / 1e6
        })
    };
    let start = written();
    std::thread::sleep(DAY.0);
    let idle = written() - start;
    let (minutes, times) = (DAY.0.as_secs() / 60, DAY.1);
    let day = start + idle * times as f64;
    writeln!(
        out,
        "writes {day:.2} MB | a day: a start's {start:.2} MB and {times} times {minutes} idle minutes' {idle:.4} MB"
    )?;
    Ok(())
}

/// From power-on to online with a slot that is dead, in two ways; the slower
/// one counts.
fn falls(card: &Card, built: &Path, out: &mut File) -> anyhow::Result<()> {
    let image = built.join("culvert-qemu-virt-1.img");
    card.zero("slot-a", 4096)?;
    let header = fall(card)?;
    card.restore("slot-a", &image)?;
    for record in ["record-1", "record-2"] {
        card.restore(record, &image)?;
    }
    card.flip("slot-a", card.part("slot-a", "root")? + 5000)?;
    let root = fall(card)?;
    let slower = header.max(root);
    writeln!(
        out,
        "fall_back {slower:.1} s | switched on to online from the other slot: header gone {header:.1}, root damaged {root:.1}"
    )?;
    Ok(())
}

fn fall(card: &Card) -> anyhow::Result<f64> {
    let begun = Instant::now();
    let mut machine = Machine::boot(&card.path, &[])?;
    machine.boots("slot b: release 0.1.0 (version 1)")?;
    machine.online()?;
    Ok(begun.elapsed().as_secs_f64())
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
