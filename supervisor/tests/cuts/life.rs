//! What a box does in its life, with the product's own code: boots, updates, a
//! release that fails, an update that stops half way.

use culvert_board::environment::{Environment, LEN};
use culvert_board::record::{self, Place, Places as _};
use culvert_board::slots::{Slot, Slots};
use culvert_supervisor::install::{Install, change};

use crate::disk::{Disk, Fault, RECORD, SLOT, UNIT};
use crate::release::{self, NOW, bundle, judge};

/// A whole life on a new disk.
pub(crate) fn lived(fault: Fault) -> Disk {
    let mut life = Life::flashed(fault);
    life.boots(Slot::A, 1);
    life.healthy();
    life.installs(2);
    life.boots(Slot::B, 2);
    life.healthy();
    // Half of a release, then the whole.
    life.takes(&bundle(3)[..4_000_000]);
    life.installs(3);
    // Two boots that were cut before anything was known of the release.
    life.boots(Slot::A, 3);
    life.boots(Slot::A, 3);
    life.gives_up();
    life.boots(Slot::B, 2);
    life.healthy();
    life.installs(4);
    life.boots(Slot::A, 4);
    life.healthy();
    life.installs(5);
    life.boots(Slot::B, 5);
    life.healthy();
    life.disk
}

struct Life {
    disk: Disk,
    running: Slot,
    version: u64,
}

impl Life {
    fn flashed(fault: Fault) -> Self {
        let mut record = Environment::default();
        // Longer than a sector, so that a cut can tear it.
        record.put("filler", &"x".repeat(600));
        Slots::flashed(1, 1).write(&mut record);
        let copy = |record: &mut Environment, seq| record::sealed(record, seq).unwrap().to_vec();
        let parts = vec![
            copy(&mut record, 2),
            copy(&mut record, 1),
            release::shipped(1),
            release::shipped(1),
        ];
        Self {
            disk: Disk::new(parts, fault),
            running: Slot::A,
            version: 1,
        }
    }

    /// The boot loader spends a try and starts the slot that is expected.
    fn boots(&mut self, slot: Slot, version: u64) {
        let mut records = self.disk.records();
        let (place, mut record) = record::load(&mut records).unwrap().unwrap();
        let mut slots = Slots::read(&record);
        assert_eq!(slots.choose(|_| true), Some(slot));
        slots.write(&mut record);
        let seq = record::seq(&record) + 1;
        let bytes: [u8; LEN] = record::sealed(&mut record, seq).unwrap();
        let older = match place {
            Place::First => RECORD + 1,
            Place::Second => RECORD,
        };
        self.disk.loader_writes(older, &bytes);
        assert_eq!(records.read(place.other()).unwrap(), bytes);
        let part = self.disk.part(SLOT + slot as usize);
        assert_eq!(release::whole(&part), Ok(version));
        (self.running, self.version) = (slot, version);
    }

    fn healthy(&mut self) {
        let (running, version) = (self.running, self.version);
        change(&mut self.disk.records(), |slots| {
            slots.healthy(running, version, 1);
        })
        .unwrap();
    }

    fn gives_up(&mut self) {
        let (running, version) = (self.running, self.version);
        change(&mut self.disk.records(), |slots| {
            slots.give_up(running, version);
        })
        .unwrap();
    }

    fn installs(&mut self, version: u64) {
        let install = self.takes(&bundle(version));
        let done = install.finish(&mut self.disk.records(), true, || {});
        assert_eq!(done.unwrap(), version);
    }

    fn takes(&mut self, bytes: &[u8]) -> Install<crate::disk::Part> {
        let idle = self.disk.part(SLOT + self.running.other() as usize);
        let mut install = Install::over(idle, judge(self.running, self.version)).unwrap();
        for piece in bytes.chunks(UNIT) {
            install.feed(piece, &mut self.disk.records(), NOW).unwrap();
        }
        install
    }
}
