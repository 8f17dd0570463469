//! A disk that remembers the order of everything written to it.

use std::cell::{Ref, RefCell};
use std::io;
use std::rc::Rc;

use culvert_board::environment::{Environment, LEN};
use culvert_board::record::{self, Place, Places};
use culvert_supervisor::device::Device;
use culvert_supervisor::disk::RecordDisk;

/// What a disk writes in one go: a cut tears between two.
pub(crate) const SECTOR: usize = 512;
/// Longest recorded write: cuts fall at every 4 KiB.
pub(crate) const UNIT: usize = 4096;
/// Number of the first record's partition, and the second's behind it.
pub(crate) const RECORD: usize = 0;
/// Number of slot A's partition, and slot B's behind it.
pub(crate) const SLOT: usize = 2;

/// A call that is left out, or a decision turned round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The product as it is.
    None,
    /// A record is not synced.
    RecordNotSynced,
    /// A record replaces the copy in force.
    RecordInPlace,
    /// What the boot loader wrote is not synced before the other copy goes.
    LoaderNotSynced,
    /// A slot is not synced.
    SlotNotSynced,
}

/// Something that happened.
#[derive(Debug)]
pub(crate) enum Event {
    /// Whole sectors, at most [`UNIT`] bytes.
    Write {
        /// Which partition.
        part: usize,
        /// First sector.
        sector: usize,
        /// What it holds from now on.
        bytes: Vec<u8>,
    },
    /// All that was written to a partition is there for good.
    Sync(usize),
    /// The box goes on as if the state with this number were there for good.
    Relied(u64),
}

/// Partitions as the running box sees them, and what happened to them.
#[derive(Debug)]
pub(crate) struct Log {
    /// As they were at the start.
    pub(crate) shipped: Vec<Vec<u8>>,
    /// Since then.
    pub(crate) events: Vec<Event>,
    live: Vec<Vec<u8>>,
    /// Partitions that the boot loader wrote to, past the system's cache: the
    /// next sync of anything reaches them.
    direct: Vec<usize>,
}

/// The disk; its clones are the same disk.
#[derive(Debug, Clone)]
pub(crate) struct Disk {
    log: Rc<RefCell<Log>>,
    fault: Fault,
}

impl Disk {
    /// A disk that was shipped so.
    pub(crate) fn new(parts: Vec<Vec<u8>>, fault: Fault) -> Self {
        let log = Log {
            live: parts.clone(),
            shipped: parts,
            events: Vec::new(),
            direct: Vec::new(),
        };
        Self {
            log: Rc::new(RefCell::new(log)),
            fault,
        }
    }

    /// One partition.
    pub(crate) fn part(&self, part: usize) -> Part {
        Part {
            disk: self.clone(),
            part,
        }
    }

    /// The state record as the supervisor writes it.
    pub(crate) fn records(&self) -> Records {
        let parts = (self.part(RECORD), self.part(RECORD + 1));
        Records {
            whole: self.clone(),
            disk: RecordDisk::over(parts.0, parts.1),
            in_place: self.fault == Fault::RecordInPlace,
            misled: None,
        }
    }

    /// What the boot loader writes: it asks the disk for nothing more.
    pub(crate) fn loader_writes(&self, part: usize, bytes: &[u8]) {
        let mut log = self.log.borrow_mut();
        // What an earlier start wrote has reached the disk by now.
        let direct = std::mem::take(&mut log.direct);
        log.events.extend(direct.into_iter().map(Event::Sync));
        log.write(part, bytes, 0);
        log.direct.push(part);
    }

    /// The box relies on a state from now on.
    fn relied(&self, seq: u64) {
        self.log.borrow_mut().events.push(Event::Relied(seq));
    }

    /// What happened so far.
    pub(crate) fn log(&self) -> Ref<'_, Log> {
        self.log.borrow()
    }
}

impl Log {
    fn write(&mut self, part: usize, bytes: &[u8], at: u64) {
        let at = usize::try_from(at).unwrap();
        let live = &mut self.live[part];
        live[at..at + bytes.len()].copy_from_slice(bytes);
        let (first, end) = (at / SECTOR, (at + bytes.len()).div_ceil(SECTOR));
        for sector in (first..end).step_by(UNIT / SECTOR) {
            let to = end.min(sector + UNIT / SECTOR);
            self.events.push(Event::Write {
                part,
                sector,
                bytes: live[sector * SECTOR..to * SECTOR].to_vec(),
            });
        }
    }

    fn sync(&mut self, part: usize) {
        self.events.push(Event::Sync(part));
        let direct = std::mem::take(&mut self.direct);
        self.events.extend(direct.into_iter().map(Event::Sync));
    }
}

/// One partition of the disk.
#[derive(Debug)]
pub(crate) struct Part {
    disk: Disk,
    part: usize,
}

impl Device for Part {
    fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<()> {
        let at = usize::try_from(at).unwrap();
        let log = self.disk.log();
        let found = log.live[self.part].get(at..at + bytes.len());
        bytes.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.disk.log.borrow_mut().write(self.part, bytes, at);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut log = self.disk.log.borrow_mut();
        let ours = !log.direct.contains(&self.part);
        let written = match log.events.last() {
            Some(Event::Write { part, .. }) => ours && *part == self.part,
            Some(Event::Sync(_) | Event::Relied(_)) | None => false,
        };
        let record = self.part < SLOT;
        match self.disk.fault {
            Fault::RecordNotSynced if record && written => {}
            Fault::LoaderNotSynced if record && !written => {}
            Fault::SlotNotSynced if !record => {}
            Fault::None
            | Fault::RecordNotSynced
            | Fault::RecordInPlace
            | Fault::LoaderNotSynced
            | Fault::SlotNotSynced => log.sync(self.part),
        }
        Ok(())
    }

    fn capacity(&self) -> io::Result<u64> {
        Ok(self.disk.log().live[self.part].len() as u64)
    }

    fn start(&self) -> io::Result<u64> {
        Ok((self.part as u64) << 20)
    }
}

/// The product's record over this disk.
#[derive(Debug)]
pub(crate) struct Records {
    whole: Disk,
    disk: RecordDisk<Part>,
    in_place: bool,
    misled: Option<Place>,
}

impl Places for Records {
    fn read(&mut self, place: Place) -> io::Result<Vec<u8>> {
        // `change` reads back what it wrote, where it believes it is.
        match self.misled.take() {
            Some(misled) if misled == place => self.disk.read(place.other()),
            _ => self.disk.read(place),
        }
    }

    fn write(&mut self, place: Place, bytes: &[u8; LEN]) -> io::Result<()> {
        if self.in_place {
            self.misled = Some(place);
            self.disk.write(place.other(), bytes)?;
        } else {
            self.disk.write(place, bytes)?;
        }
        let written = Environment::decode(bytes).map(|record| record::seq(&record));
        self.whole.relied(written.unwrap());
        Ok(())
    }
}
