//! Power cuts at every moment of a box's life, replayed on recorded writes
//! (P6, P7, threat 11).
//!
//! The product's own code installs releases, boots them, judges them; what it
//! writes and when it waits for the disk is recorded. Then the power is cut
//! after every write: what was synced is there, of the rest nothing, all, or a
//! random part of its sectors in any order. Each time the boot loader's choice
//! must be a whole, signed release, and no change of the state that the box
//! relied on may be forgotten.
//!
//! The last tests break the code on purpose: the check must see it.
#![expect(clippy::unwrap_used, reason = "a test that fails says where")]

mod disk;
mod life;
mod release;
mod replay;

use std::io::Write as _;

use crate::disk::{Disk, Fault};
use crate::replay::{Arrived, Replay, Verdict};

/// Cuts with a random part of what was not synced, per write.
const RANDOM: u64 = 2;

#[test]
fn a_cut_anywhere_leaves_a_signed_release_and_the_newest_state() {
    let disk = life::lived(Fault::None);

    let (cuts, bad) = cut_everywhere(&disk, |_| false);

    // Past the capture: a run's log says what was sampled.
    let _ = writeln!(
        std::io::stderr(),
        "sample: {cuts} power cuts, each write {RANDOM} times at random, its number the seed"
    );
    assert!(bad.is_empty(), "{} of {cuts}: {:?}", bad.len(), bad.first());
    assert!(cuts >= 40_000, "{cuts} cuts");
}

/// Every fault is one call or one decision that the product makes.
#[test]
fn the_check_sees_a_missing_sync_and_a_record_in_place() {
    for (fault, sight) in [
        (Fault::RecordNotSynced, "the state went back"),
        (Fault::RecordInPlace, "the state went back"),
        (Fault::LoaderNotSynced, "there is no state record"),
        (Fault::SlotNotSynced, "is not whole"),
    ] {
        let disk = life::lived(fault);

        let (cuts, bad) = cut_everywhere(&disk, |bad| bad.contains(sight));

        let last = bad.last().cloned().unwrap_or_default();
        assert!(last.contains(sight), "{fault:?}, {cuts} cuts: {last}");
    }
}

/// Cuts after every recorded write, until one is bad enough; answers how many
/// and what went wrong.
fn cut_everywhere(disk: &Disk, enough: impl Fn(&str) -> bool) -> (usize, Vec<String>) {
    let log = disk.log();
    let mut replay = Replay::new(&log);
    let (mut cuts, mut bad) = (0, Vec::new());
    while replay.step() {
        let first = replay.done() as u64 * RANDOM;
        let seeds = (first..first + RANDOM).map(Arrived::Some);
        for way in [Arrived::Nothing, Arrived::All].into_iter().chain(seeds) {
            cuts += 1;
            if let Verdict::Bad(why) = replay.cut(way) {
                bad.push(format!("event {}, {way:?}: {why}", replay.done()));
            }
            if bad.last().is_some_and(|bad| enough(bad)) {
                return (cuts, bad);
            }
        }
    }
    (cuts, bad)
}
