//! Which slot boots.
//!
//! Every boot spends a try of its slot, in the boot loader; health restores
//! them. A new release is on trial until it was healthy once: out of tries, or
//! given up by the supervisor, the other slot boots again. A release that
//! failed is not taken a second time, whoever noticed: the supervisor of the
//! release itself, or, when that came to nothing, the one of the slot that
//! booted in its place. The floor rises only with a good release and is asked
//! only when one is installed.
//!
//! No I/O. The boot loader's half is the script that the image builder writes;
//! [`Slots::choose`] says the same in Rust, for tests and for people.

use crate::environment::{Environment, LEN};
use crate::failed::Failed;

/// Tries of a slot that was healthy.
pub const TRIES: u64 = 3;
/// Where a slot keeps its signed manifest, behind a `u32` length: right after
/// the header.
pub const MANIFEST_AT: u64 = LEN as u64;
/// What the boot loader counts in.
const SECTOR: u64 = 512;

/// What the boot loader keeps and does not read, in one value: it can name no
/// more than ten when it writes the record back.
const NOTE: &str = "note";

/// First byte and length of a part of a slot.
pub type Extent = (u64, u64);

/// The header of a slot that begins at byte `start` of the disk: what the boot
/// loader needs, in its own numbers. Sectors are the disk's, not the slot's:
/// not every boot loader can add.
pub fn header(
    version: u64,
    start: u64,
    kernel: Option<Extent>,
    initramfs: Option<Extent>,
    device_tree: Option<Extent>,
) -> Environment {
    let mut header = Environment::default();
    header.put_number("h_version", version);
    for (name, extent) in [
        ("kernel", kernel),
        ("initramfs", initramfs),
        ("dtb", device_tree),
    ] {
        let (offset, size) = extent.unwrap_or_default();
        header.put_number(&format!("h_{name}_at"), (start + offset) / SECTOR);
        header.put_number(&format!("h_{name}_count"), size.div_ceil(SECTOR));
        header.put_number(&format!("h_{name}_bytes"), size);
    }
    header
}

/// One of the two places for a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// Partition `slot-a`.
    A,
    /// Partition `slot-b`.
    B,
}

impl Slot {
    /// The other one.
    pub const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    /// The letter in names.
    pub const fn letter(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::B => "b",
        }
    }

    /// The partition's name.
    pub const fn partition(self) -> &'static str {
        match self {
            Self::A => "slot-a",
            Self::B => "slot-b",
        }
    }

    /// Reads a letter.
    pub fn from_letter(letter: &str) -> Option<Self> {
        match letter {
            "a" => Some(Self::A),
            "b" => Some(Self::B),
            _ => None,
        }
    }

    fn tries(self) -> &'static str {
        match self {
            Self::A => "a_tries",
            Self::B => "b_tries",
        }
    }
}

/// What the record says of the slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slots {
    /// The slot to boot first.
    pub want: Slot,
    /// Tries left: a, b.
    pub tries: [u64; 2],
    /// Whether the slot's release was healthy once: a, b.
    pub good: [bool; 2],
    /// Lower versions are not installed.
    pub version_floor: u64,
    /// Releases with an older list of keys are not installed.
    pub generation_floor: u32,
    /// Releases that failed; not taken again.
    pub failed: Failed,
    /// Whether the release on trial is healthy only when the link is up again;
    /// of one that is good, whether it ever had a link.
    pub link_was_up: bool,
}

impl Slots {
    /// A box as it was flashed: both slots hold the same good release.
    pub fn flashed(version: u64, generation: u32) -> Self {
        Self {
            want: Slot::A,
            tries: [TRIES, TRIES],
            good: [true, true],
            version_floor: version,
            generation_floor: generation,
            failed: Failed::default(),
            link_was_up: false,
        }
    }

    /// Reads the record; what is missing or strange counts as never told.
    pub fn read(record: &Environment) -> Self {
        let tries = |slot: Slot| record.number(slot.tries()).unwrap_or(0);
        let note = record.value(NOTE).unwrap_or_default();
        let noted = |name: &str| {
            let word = |word: &str| {
                word.strip_prefix(name)?
                    .strip_prefix(':')
                    .map(str::to_owned)
            };
            note.split_whitespace().find_map(word)
        };
        let number = |name| noted(name).and_then(|text| u64::from_str_radix(&text, 16).ok());
        let good = noted("good").unwrap_or_default();
        let before = noted("before").unwrap_or_default();
        let before = before
            .split(',')
            .filter_map(|text| u64::from_str_radix(text, 16).ok());
        Self {
            want: record
                .value("want")
                .and_then(Slot::from_letter)
                .unwrap_or(Slot::A),
            tries: [tries(Slot::A), tries(Slot::B)],
            good: [Slot::A, Slot::B].map(|slot| good.contains(slot.letter())),
            version_floor: number("floor").unwrap_or(0),
            generation_floor: number("generation")
                .and_then(|number| u32::try_from(number).ok())
                .unwrap_or(0),
            failed: Failed::of(number("failed").into_iter().chain(before)),
            link_was_up: number("linked") == Some(1),
        }
    }

    /// Writes all of it into the record.
    pub fn write(&self, record: &mut Environment) {
        record.put("want", self.want.letter());
        for slot in [Slot::A, Slot::B] {
            record.put_number(slot.tries(), self.tries[slot as usize]);
        }
        let good: String = [Slot::A, Slot::B]
            .into_iter()
            .filter(|&slot| self.good[slot as usize])
            .map(Slot::letter)
            .collect();
        // Releases before this list read and write the last one alone.
        let before: Vec<String> = self.failed.versions().skip(1).map(hex).collect();
        let note = format!(
            "good:{good} floor:{:x} generation:{:x} failed:{:x} linked:{} before:{}",
            self.version_floor,
            self.generation_floor,
            self.failed.last().unwrap_or(0),
            u8::from(self.link_was_up),
            before.join(",")
        );
        record.put(NOTE, &note);
    }

    /// Which slot the boot loader takes: the wanted one, else the other, as
    /// long as it has tries and can be loaded. Nobody has tries left: the two
    /// take turns, so that no box ever stops for good.
    pub fn choose(&mut self, loads: impl Fn(Slot) -> bool) -> Option<Slot> {
        for slot in [self.want, self.want.other()] {
            if self.tries[slot as usize] > 0 {
                self.tries[slot as usize] -= 1;
                if loads(slot) {
                    return Some(slot);
                }
            }
        }
        let turn = self.want;
        self.want = turn.other();
        [turn, turn.other()].into_iter().find(|&slot| loads(slot))
    }

    /// The idle slot will be overwritten: from now on it cannot boot.
    pub fn begin_install(&mut self, running: Slot) {
        let idle = running.other();
        self.want = running;
        self.tries[idle as usize] = 0;
        self.good[idle as usize] = false;
    }

    /// The idle slot holds a verified release: it boots next, on trial.
    pub fn end_install(&mut self, running: Slot, link_is_up: bool) {
        let idle = running.other();
        self.want = idle;
        self.tries[idle as usize] = TRIES;
        self.good[idle as usize] = false;
        self.link_was_up = link_is_up;
    }

    /// The running release is healthy.
    pub fn healthy(&mut self, running: Slot, version: u64, generation: u32) {
        self.want = running;
        self.tries[running as usize] = TRIES;
        self.good[running as usize] = true;
        // Of a good release, too: a record that the boot loader made from
        // nothing has no floors.
        self.version_floor = self.version_floor.max(version);
        self.generation_floor = self.generation_floor.max(generation);
        // The slot to fall back to is as good as it was when it last ran.
        let idle = running.other();
        if self.good[idle as usize] {
            self.tries[idle as usize] = TRIES;
        }
    }

    /// The running release, on trial, did not become healthy.
    pub fn give_up(&mut self, running: Slot, version: u64) {
        self.want = running.other();
        self.tries[running as usize] = 0;
        self.failed.add(version);
    }

    /// Whether the boot loader should have started the idle slot, on trial, and
    /// started this one: the release there never came as far as judging itself.
    pub fn fell_back(&self, running: Slot) -> bool {
        let idle = running.other();
        self.want == idle && !self.good[idle as usize]
    }

    /// After [`Slots::fell_back`]: that release failed. A slot that holds none
    /// has no version.
    pub fn left_behind(&mut self, running: Slot, version: Option<u64>) {
        self.want = running;
        self.tries[running.other() as usize] = 0;
        self.failed.add(version.unwrap_or(0));
    }

    /// Whether the running release is still on trial.
    pub fn on_trial(&self, running: Slot) -> bool {
        !self.good[running as usize]
    }
}

fn hex(number: u64) -> String {
    format!("{number:x}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failed::Known;

    fn booted(slots: &mut Slots) -> Slot {
        slots.choose(|_| true).expect("a slot boots")
    }

    #[test]
    fn the_record_holds_everything() {
        let mut slots = Slots::flashed(5, 2);
        slots.failed = Failed::of([9, 0x1a, 7]);
        slots.link_was_up = true;
        slots.tries = [2, 0];
        slots.good = [true, false];
        slots.want = Slot::B;
        let mut record = Environment::default();

        slots.write(&mut record);

        let bytes = record.encode().unwrap();
        let read = Slots::read(&Environment::decode(&bytes).unwrap());
        assert_eq!(read, slots);
    }

    /// A release from before the list wrote this, and reads the last one of it.
    #[test]
    fn a_record_with_one_failed_release_is_read() {
        let mut record = Environment::default();
        record.put("note", "good:a floor:5 generation:1 failed:1f linked:1");

        let mut read = Slots::read(&record);

        assert_eq!(read.failed, Failed::of([0x1f]));
        read.failed.add(0x20);
        read.write(&mut record);
        let note = record.value("note").unwrap();
        assert!(note.contains(" failed:20 linked:1 before:1f"), "{note}");
    }

    /// P8: a release that never comes as far as its supervisor is noted by the
    /// one that boots instead, once.
    #[test]
    fn a_release_that_dies_before_its_supervisor_is_noted_as_failed() {
        let mut slots = Slots::flashed(1, 1);
        slots.begin_install(Slot::A);
        assert!(!slots.fell_back(Slot::A), "a cut in an install is no trial");
        slots.end_install(Slot::A, true);
        for _ in 0..TRIES {
            assert_eq!(booted(&mut slots), Slot::B);
        }
        assert_eq!(booted(&mut slots), Slot::A);
        assert!(slots.fell_back(Slot::A));

        slots.left_behind(Slot::A, Some(2));

        assert!(!slots.fell_back(Slot::A));
        assert_eq!(slots.failed.judge(2), Known::Failed);
        assert_eq!((slots.want, slots.version_floor), (Slot::A, 1));
        slots.healthy(Slot::A, 1, 1);
        assert_eq!(booted(&mut slots), Slot::A);
    }

    #[test]
    fn a_good_slot_that_was_passed_over_has_not_failed() {
        let mut slots = Slots::flashed(1, 1);
        assert_eq!(slots.choose(|slot| slot == Slot::B), Some(Slot::B));
        assert!(!slots.fell_back(Slot::B));

        slots.begin_install(Slot::A);
        slots.end_install(Slot::A, true);
        // The release on trial itself runs, or was given up by itself.
        assert!(!slots.fell_back(Slot::B));
        slots.give_up(Slot::B, 2);
        assert!(!slots.fell_back(Slot::A));
        assert_eq!(slots.failed.last(), Some(2));
    }

    /// P8: with both records bad the boot loader knows no floor.
    #[test]
    fn a_good_release_brings_back_a_floor_that_was_lost() {
        let mut record = Environment::default();
        // As the boot script writes it.
        record.put("note", "good:ab");
        let mut slots = Slots::read(&record);
        assert_eq!((slots.version_floor, slots.generation_floor), (0, 0));

        slots.healthy(Slot::B, 7, 2);

        assert_eq!((slots.version_floor, slots.generation_floor), (7, 2));
        slots.healthy(Slot::A, 6, 1);
        assert_eq!((slots.version_floor, slots.generation_floor), (7, 2));
    }

    /// P7: three failed boots of a new release, and the old one is back.
    #[test]
    fn a_release_that_never_comes_up_is_left_after_three_tries() {
        let mut slots = Slots::flashed(1, 1);
        slots.begin_install(Slot::A);
        slots.end_install(Slot::A, true);

        let seen: Vec<Slot> = (0..4).map(|_| booted(&mut slots)).collect();

        assert_eq!(seen, [Slot::B, Slot::B, Slot::B, Slot::A]);
        assert_eq!(slots.version_floor, 1);
    }

    /// P8: the floor rises with a good release and never with one on trial.
    #[test]
    fn a_good_release_raises_the_floor_and_a_failed_one_is_remembered() {
        let mut slots = Slots::flashed(1, 1);
        slots.begin_install(Slot::A);
        slots.end_install(Slot::A, true);
        assert_eq!(booted(&mut slots), Slot::B);
        assert!(slots.on_trial(Slot::B));

        let mut failed = slots;
        failed.give_up(Slot::B, 2);
        assert_eq!(booted(&mut failed), Slot::A);
        assert_eq!((failed.failed.last(), failed.version_floor), (Some(2), 1));

        slots.healthy(Slot::B, 2, 3);
        assert_eq!((slots.version_floor, slots.generation_floor), (2, 3));
        assert!(!slots.on_trial(Slot::B));
        assert_eq!(booted(&mut slots), Slot::B);
    }

    #[test]
    fn a_cut_during_an_install_boots_the_running_release() {
        let mut slots = Slots::flashed(1, 1);
        slots.begin_install(Slot::B);

        for _ in 0..20 {
            assert_eq!(booted(&mut slots), Slot::B);
            slots.healthy(Slot::B, 1, 1);
        }
    }

    /// P7: however often the power fails before health, some slot boots.
    #[test]
    fn a_box_out_of_tries_never_stops() {
        let mut slots = Slots::flashed(1, 1);

        let seen: Vec<Slot> = (0..20).map(|_| booted(&mut slots)).collect();

        assert!(seen[6..].contains(&Slot::A) && seen[6..].contains(&Slot::B));
    }

    #[test]
    fn a_dead_slot_is_passed_over() {
        let mut slots = Slots::flashed(1, 1);
        for _ in 0..10 {
            assert_eq!(slots.choose(|slot| slot == Slot::B), Some(Slot::B));
        }
        assert_eq!(slots.choose(|_| false), None);
    }
}
