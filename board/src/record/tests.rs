//! Power cuts and damage at the state record (P6, P7).

use super::*;

/// A disk of two places on which every write can be cut short: what was not
/// yet written stays as before, torn at 512 bytes.
#[derive(Debug, Clone)]
struct Disk {
    places: [[u8; LEN]; 2],
    /// Sectors that still may be written; the power is then cut.
    sectors: usize,
}

impl Disk {
    fn new() -> Self {
        Self {
            places: [[0xff; LEN]; 2],
            sectors: usize::MAX,
        }
    }
}

const SECTOR: usize = 512;

impl Places for Disk {
    fn read(&mut self, place: Place) -> io::Result<Vec<u8>> {
        Ok(self.places[place as usize].to_vec())
    }

    fn write(&mut self, place: Place, bytes: &[u8; LEN]) -> io::Result<()> {
        for (number, sector) in bytes.chunks(SECTOR).enumerate() {
            if self.sectors == 0 {
                return Err(io::Error::other("power cut"));
            }
            self.sectors -= 1;
            let at = number * SECTOR;
            self.places[place as usize][at..at + SECTOR].copy_from_slice(sector);
        }
        Ok(())
    }
}

fn set(disk: &mut Disk, value: &str) -> io::Result<Environment> {
    change(disk, |record| record.put("want", value))
}

fn want(disk: &mut Disk) -> Option<String> {
    let (_, record) = load(disk).unwrap()?;
    record.value("want").map(str::to_owned)
}

#[test]
fn a_power_cut_at_any_sector_leaves_the_old_or_the_new_record() {
    let mut cuts = 0;
    for before in 1..4 {
        let mut disk = Disk::new();
        for number in 0..before {
            set(&mut disk, &format!("old{number}")).unwrap();
        }
        let old = want(&mut disk);
        for sectors in 0..LEN / SECTOR {
            let mut cut = disk.clone();
            cut.sectors = sectors;
            assert!(set(&mut cut, "new").is_err());
            let found = want(&mut cut);
            assert!(found == old || found == Some("new".into()), "{found:?}");
            cuts += 1;
        }
    }
    assert_eq!(cuts, 24);
}

/// The control of the test above: written in place, the record is lost.
#[test]
fn a_record_written_in_place_would_be_lost_at_a_power_cut() {
    let mut disk = Disk::new();
    set(&mut disk, "old").unwrap();
    let (place, mut record) = load(&mut disk).unwrap().unwrap();
    record.put("want", "new");
    record.put("filler", &"x".repeat(600));
    let bytes = sealed(&mut record, 2).unwrap();

    disk.sectors = 1;
    assert!(disk.write(place, &bytes).is_err());

    assert_eq!(want(&mut disk), None);
}

#[test]
fn only_the_older_copy_is_replaced_and_unknown_names_stay() {
    let mut disk = Disk::new();
    change(&mut disk, |record| record.put("foreign", "kept")).unwrap();
    for number in 0..5 {
        let (place, _) = load(&mut disk).unwrap().unwrap();
        let kept = disk.places[place as usize];

        let record = set(&mut disk, &number.to_string()).unwrap();

        assert_eq!(disk.places[place as usize], kept);
        assert_eq!(record.value("foreign"), Some("kept"));
        assert_eq!(record.value("keys"), Some("foreign keys seq want"));
    }
}

/// As the boot script counts (image/src/boot.rs): a digit, and a carry.
#[test]
fn a_number_is_digits_that_can_be_counted_up_one_by_one() {
    let mut record = Environment::default();
    for (number, words) in [
        (0, "0 0 0 0 0 0 0 0"),
        (0xf, "f 0 0 0 0 0 0 0"),
        (0x10, "0 1 0 0 0 0 0 0"),
        (0x1234_abcd, "d c b a 4 3 2 1"),
    ] {
        sealed(&mut record, number).unwrap();

        assert_eq!(record.value("seq"), Some(words));
        assert_eq!(seq(&record), number);
    }
    record.put("seq", "what");
    assert_eq!(seq(&record), 0);
}

#[test]
fn nothing_is_written_when_nothing_changes() {
    let mut disk = Disk::new();
    set(&mut disk, "same").unwrap();
    let before = disk.places;

    set(&mut disk, "same").unwrap();

    assert_eq!(disk.places, before);
}

#[test]
fn a_worthless_copy_is_replaced_first() {
    for broken in [Place::First, Place::Second] {
        let mut disk = Disk::new();
        set(&mut disk, "one").unwrap();
        set(&mut disk, "two").unwrap();
        disk.places[broken as usize] = [0; LEN];

        set(&mut disk, "three").unwrap();

        assert_eq!(want(&mut disk).as_deref(), Some("three"));
        let both = disk.places.iter().all(|p| Environment::decode(p).is_some());
        assert!(both);
    }
}
