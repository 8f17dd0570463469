//! The boot script, run by a real U-Boot over records of every kind: it spends
//! what `Slots::choose` would spend, counts without arithmetic, and without a
//! record begins with the newest release.
//!
//! No slot can be started here (its header is gone, or leads to no kernel), so
//! that one start goes through all of it.

use std::fs;

use anyhow::{Context as _, ensure};
use culvert_board::environment::Environment;
use culvert_board::failed::Failed;
use culvert_board::record::{self, Place};
use culvert_board::slots::{Slot, Slots, header};

use crate::card::Card;
use crate::lan::Lan;
use crate::machine::Machine;

/// A card before a start: its two records, number and what it says, and the
/// versions in its slots.
struct Before {
    first: Option<(u64, Slots)>,
    second: Option<(u64, Slots)>,
    /// 0: no header.
    versions: [u64; 2],
    /// Where the one in force is written anew.
    written: Place,
}

/// P7, S26: the record after a start is the one that the Rust half expects:
/// tries, turn, number over a carry, and only the older copy changed.
#[test]
fn the_boot_script_spends_and_counts_as_the_record_says() -> anyhow::Result<()> {
    let built = crate::built()?;
    let home = std::env::temp_dir().join(format!("culvert-script-{}", std::process::id()));
    fs::create_dir_all(&home)?;
    let _lan = Lan::lay(&home)?;
    let card = Card::flash(&built, home.join("card.img"))?;
    let full = Slots::flashed(7, 2);
    let nearly = Slots {
        want: Slot::B,
        tries: [1, 0],
        failed: Failed::of([9, 8]),
        ..full
    };
    let lost = |versions| Before {
        first: None,
        second: None,
        versions,
        written: Place::First,
    };
    for before in [
        Before {
            first: Some((0xff, full)),
            second: Some((0xfe, nearly)),
            versions: [0, 0],
            written: Place::Second,
        },
        Before {
            first: None,
            second: Some((0x0fff_ffff, nearly)),
            versions: [0, 0],
            written: Place::First,
        },
        lost([0, 0]),
        // Numbers that are in another order as texts.
        lost([0x9, 0x10]),
        lost([0x10, 0x9]),
    ] {
        starts(&card, &before)?;
    }
    Ok(fs::remove_dir_all(home)?)
}

fn starts(card: &Card, before: &Before) -> anyhow::Result<()> {
    for (name, state) in [("record-1", &before.first), ("record-2", &before.second)] {
        let Some((seq, slots)) = state else {
            card.zero(name, 4096)?;
            continue;
        };
        let mut record = Environment::default();
        record.put("unknown", "to the box, and kept");
        slots.write(&mut record);
        card.put_record(name, &record::sealed(&mut record, *seq)?)?;
    }
    for (slot, version) in [Slot::A, Slot::B].into_iter().zip(before.versions) {
        put_header(card, slot, version)?;
    }
    let other = match before.written {
        Place::First => "record-2",
        Place::Second => "record-1",
    };
    let kept = card.record(other)?;
    let found = record::newest(card.record("record-1")?, card.record("record-2")?);
    let (seq, mut expected) = match &found {
        Some((_, record)) => (record::seq(record), Slots::read(record)),
        // Both releases were healthy once, as far as anybody knows; the newest
        // boots first.
        None => {
            let mut slots = Slots::flashed(0, 0);
            if before.versions[1] > before.versions[0] {
                slots.want = Slot::B;
            }
            (0, slots)
        }
    };
    let first = [expected.want, expected.want.other()]
        .into_iter()
        .find(|&slot| expected.tries[slot as usize] > 0)
        .unwrap_or(expected.want)
        .letter();
    let spent = expected.tries.iter().filter(|&&tries| tries > 0).count() as u64;
    ensure!(
        expected.choose(|_| false).is_none(),
        "nothing can be loaded"
    );

    let mut machine = Machine::boot(&card.path, &[])?;
    machine.says("culvert: choosing a slot")?;
    machine.says("culvert: nothing can be loaded, write the card anew")?;
    machine.never_said("Unknown command")?;
    let screen = machine.text();
    let begun = screen.split("culvert: slot ").nth(1);
    ensure!(
        begun.is_some_and(|rest| rest.starts_with(first)),
        "slot {first} is not the first:\n{screen}"
    );
    machine.cut();

    let after = record::newest(card.record("record-1")?, card.record("record-2")?);
    let (place, after) = after.context("the script left no record")?;
    ensure!(place == before.written, "it wrote {place:?}");
    ensure!(
        Slots::read(&after) == expected,
        "{after:?}, not {expected:?}"
    );
    // Each try, and at the end the turn.
    let counted = record::seq(&after);
    ensure!(counted == seq + spent + 1, "{counted:x} after {seq:x}");
    ensure!(card.record(other)? == kept, "it wrote both copies");
    let unknown = found.and_then(|(_, record)| record.value("unknown").map(str::to_owned));
    ensure!(after.value("unknown") == unknown.as_deref(), "{after:?}");
    Ok(())
}

/// A header that names a version and no kernel; none for version 0.
fn put_header(card: &Card, slot: Slot, version: u64) -> anyhow::Result<()> {
    let partition = slot.partition();
    if version == 0 {
        return card.zero(partition, 4096);
    }
    let header = header(version, card.place(partition)?.start, None, None, None);
    card.put_record(partition, &header.encode().context("a header is short")?)
}
