//! The disk as it may be after a power cut, and what a box makes of it.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::io;

use culvert_board::environment::{Environment, LEN};
use culvert_board::record;
use culvert_board::slots::{Slot, Slots};
use culvert_supervisor::device::Device;

use crate::disk::{Event, Log, RECORD, SECTOR, SLOT};
use crate::release;

/// What reached the disk of all that was not synced.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Arrived {
    /// Nothing.
    Nothing,
    /// Everything, as it was written.
    All,
    /// Some of the sectors, in any order, by this seed.
    Some(u64),
}

/// What a box makes of the disk.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// A whole, signed release boots, and no state was forgotten.
    Good,
    /// What is wrong.
    Bad(String),
}

/// Goes through a log, event by event.
pub(crate) struct Replay<'a> {
    log: &'a Log,
    done: usize,
    /// What was synced, and for each part how often that changed.
    durable: Vec<Vec<u8>>,
    changes: Vec<usize>,
    /// Writes since, by part and sector: event and its sector, oldest first.
    pending: Vec<BTreeMap<usize, Vec<(usize, usize)>>>,
    relied: u64,
    /// Slots that were looked at: nothing was pending, so they are the same.
    known: RefCell<HashMap<(usize, usize), Result<u64, String>>>,
}

impl<'a> Replay<'a> {
    /// At the beginning of a log.
    pub(crate) fn new(log: &'a Log) -> Self {
        Self {
            log,
            done: 0,
            durable: log.shipped.clone(),
            changes: vec![0; log.shipped.len()],
            pending: vec![BTreeMap::new(); log.shipped.len()],
            relied: 0,
            known: RefCell::default(),
        }
    }

    /// Events so far.
    pub(crate) fn done(&self) -> usize {
        self.done
    }

    /// Goes on to the next write; answers whether there was one.
    pub(crate) fn step(&mut self) -> bool {
        while let Some(event) = self.log.events.get(self.done) {
            let number = self.done;
            self.done += 1;
            match event {
                Event::Write {
                    part,
                    sector,
                    bytes,
                } => {
                    for own in 0..bytes.len() / SECTOR {
                        let writes = self.pending[*part].entry(sector + own).or_default();
                        writes.push((number, own));
                    }
                    return true;
                }
                Event::Sync(part) => self.settle(*part),
                Event::Relied(seq) => self.relied = *seq,
            }
        }
        false
    }

    fn settle(&mut self, part: usize) {
        let pending = std::mem::take(&mut self.pending[part]);
        self.changes[part] += 1;
        for (sector, writes) in pending {
            if let Some(&write) = writes.last() {
                let bytes = self.written(write).to_vec();
                let at = sector * SECTOR;
                self.durable[part][at..at + SECTOR].copy_from_slice(&bytes);
            }
        }
    }

    fn written(&self, (event, own): (usize, usize)) -> &[u8] {
        match &self.log.events[event] {
            Event::Write { bytes, .. } => &bytes[own * SECTOR..][..SECTOR],
            Event::Sync(_) | Event::Relied(_) => unreachable!("only writes are pending"),
        }
    }

    /// Cuts the power here.
    pub(crate) fn cut(&self, arrived: Arrived) -> Verdict {
        match self.boot(arrived) {
            Ok(()) => Verdict::Good,
            Err(why) => Verdict::Bad(why),
        }
    }

    /// What U-Boot's script does, and then `early`.
    fn boot(&self, arrived: Arrived) -> Result<(), String> {
        let part = |part| Cut {
            replay: self,
            part,
            arrived,
        };
        let copies = [RECORD, RECORD + 1].map(|copy| environment(&part(copy)));
        let [first, second] = copies;
        let (_, record) = record::newest(first, second).ok_or("there is no state record")?;
        let seq = record::seq(&record);
        if seq < self.relied {
            return Err(format!("the state went back from {} to {seq}", self.relied));
        }
        let slots = [SLOT, SLOT + 1].map(part);
        let loads = |slot: Slot| {
            let header = environment(&slots[slot as usize]);
            header.is_some_and(|header| header.number("h_version").unwrap_or(0) > 0)
        };
        let slot = Slots::read(&record)
            .choose(loads)
            .ok_or("no slot can be loaded")?;
        let whole = self.whole(&slots[slot as usize]);
        whole.map_err(|why| format!("slot {} is not whole: {why}", slot.letter()))?;
        Ok(())
    }

    fn whole(&self, slot: &Cut<'_>) -> Result<u64, String> {
        if !self.pending[slot.part].is_empty() {
            return release::whole(slot);
        }
        let key = (slot.part, self.changes[slot.part]);
        let known = self.known.borrow().get(&key).cloned();
        known.unwrap_or_else(|| {
            let found = release::whole(slot);
            self.known.borrow_mut().insert(key, found.clone());
            found
        })
    }
}

fn environment(part: &Cut<'_>) -> Option<Environment> {
    let mut bytes = [0; LEN];
    part.read_at(&mut bytes, 0).ok()?;
    Environment::decode(&bytes)
}

/// A partition after the cut.
struct Cut<'a> {
    replay: &'a Replay<'a>,
    part: usize,
    arrived: Arrived,
}

impl Cut<'_> {
    /// Which write of a sector is the last that arrived.
    fn last(&self, sector: usize, writes: &[(usize, usize)]) -> Option<(usize, usize)> {
        match self.arrived {
            Arrived::Nothing => None,
            Arrived::All => writes.last().copied(),
            Arrived::Some(seed) => {
                let place = (self.part as u64) << 40 | sector as u64;
                let chosen = mixed(mixed(seed) ^ place) % (writes.len() as u64 + 1);
                writes.get(usize::try_from(chosen).unwrap()).copied()
            }
        }
    }
}

impl Device for Cut<'_> {
    fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<()> {
        let at = usize::try_from(at).unwrap();
        let durable = &self.replay.durable[self.part];
        let found = durable.get(at..at + bytes.len());
        bytes.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        let end = at + bytes.len();
        let sectors = at / SECTOR..end.div_ceil(SECTOR);
        for (&sector, writes) in self.replay.pending[self.part].range(sectors) {
            if let Some(write) = self.last(sector, writes) {
                let written = self.replay.written(write);
                let from = (sector * SECTOR).max(at);
                let to = ((sector + 1) * SECTOR).min(end);
                bytes[from - at..to - at]
                    .copy_from_slice(&written[from - sector * SECTOR..to - sector * SECTOR]);
            }
        }
        Ok(())
    }

    fn write_at(&self, _: &[u8], _: u64) -> io::Result<()> {
        unreachable!("after a cut nothing is written here")
    }

    fn sync(&self) -> io::Result<()> {
        unreachable!("after a cut nothing is written here")
    }

    fn capacity(&self) -> io::Result<u64> {
        Ok(self.replay.durable[self.part].len() as u64)
    }

    fn start(&self) -> io::Result<u64> {
        unreachable!("after a cut nothing is written here")
    }
}

/// `SplitMix64`: every bit of the seed reaches every bit of the answer.
fn mixed(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
