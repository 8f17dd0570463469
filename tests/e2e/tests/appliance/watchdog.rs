//! The watchdog, a real one as far as QEMU goes (i6300esb): whatever hangs, the
//! board is reset and the box comes back. The supervisor of this image harms
//! its box on demand (its feature `sabotage`).

use std::fs;
use std::process::Command;

use culvert_e2e::world::must_work;

use crate::card::Card;
use crate::machine::Machine;
use crate::provider::Provider;

/// What the supervisor does to its box, in this order, and what the start after it tells.
const WORDS: [(&str, &str); 3] = [
    ("init", "the last start ended without a word"),
    ("panic", "the last start ended without a word"),
    (
        "gateway",
        "this box restarted by itself: the gateway is hung",
    ),
];

/// P9: a hung process 1, a panic that does not restart by itself and a stopped
/// gateway each end in a reset, and the box is online again with its key; the portal
/// sees why, where the box could tell.
#[test]
fn the_watchdog_brings_back_a_box_that_hangs() -> anyhow::Result<()> {
    let provider = Provider::start()?;
    let image = crate::built()?.join("culvert-qemu-watchdog-1.img");
    let card = Card::copy(&image, provider.home.join("watchdog.img"))?;
    card.provision(&provider.settings()?)?;
    harm(&card)?;
    let dog = ["-device", "i6300esb", "-action", "watchdog=reset"];
    let mut machine = Machine::boot(&card.path, &dog)?;
    let boots = "slot a: release 0.1.0 (version 1) for qemu-watchdog";
    // Before the root: closed without its letter, the kernel leaves it running.
    machine.says("watchdog did not stop!")?;
    machine.boots(boots)?;
    machine.says("watchdog: 10 s")?;
    let key = machine.online()?;
    for (word, told) in WORDS {
        machine.says(&format!("sabotage: {word}"))?;
        machine.boots(boots)?;
        machine.says(told)?;
        anyhow::ensure!(machine.online()? == key, "{word}: the key must stay");
    }
    machine.healthy()?;
    provider.sees_health("restarted")?;
    machine.never_said("not there: watchdog")?;
    machine.never_said("sabotage failed")?;
    provider.session()
}

/// Writes onto the card what the box shall do to itself, one word each boot.
fn harm(card: &Card) -> anyhow::Result<()> {
    let list = card.path.with_extension("sabotage");
    fs::write(&list, WORDS.map(|(word, _)| word).join("\n"))?;
    let start = card.place("settings")?.start;
    let mut copy = Command::new("mcopy");
    copy.arg("-i")
        .arg(format!("{}@@{start}", card.path.display()))
        .arg(list)
        .arg("::sabotage.txt");
    must_work(&mut copy)?;
    Ok(())
}
