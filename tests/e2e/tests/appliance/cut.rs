//! What a disk holds after the power went: everything before the last flush
//! that was answered, and of what came later a random part of its sectors, in
//! any order.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::Command;

use culvert_e2e::world::must_work;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::card::Place;
use crate::logdisk::{Entry, Event};

/// What a disk writes whole or not at all.
const SECTOR: usize = 512;

/// A moment in a log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cut {
    /// Events that came before it.
    pub(crate) after: usize,
    /// Decides what of the unflushed arrived.
    pub(crate) seed: u64,
}

impl Cut {
    /// A moment by a seed: every other one right behind a write to the state
    /// record, the others anywhere. Flushes divide the log; each stretch is as
    /// likely as any other, so that few writes are not lost among many.
    pub(crate) fn chosen(log: &[Entry], seed: u64, records: &[Place]) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let told: Vec<usize> = (0..log.len())
            .filter(|index| writes_to(&log[*index], records))
            .collect();
        if seed % 2 == 1 && !told.is_empty() {
            let after = told[random.random_range(0..told.len())] + 1;
            return Self { after, seed };
        }
        let ends: Vec<usize> = log
            .iter()
            .enumerate()
            .filter(|(_, entry)| settles(entry))
            .map(|(index, _)| index)
            .chain([log.len()])
            .collect();
        let stretch = random.random_range(0..ends.len());
        let begin = stretch.checked_sub(1).map_or(0, |before| ends[before] + 1);
        Self {
            after: random.random_range(begin..=ends[stretch].max(begin)),
            seed,
        }
    }

    /// Bytes that the screen had shown for sure.
    pub(crate) fn shown(&self, log: &[Entry]) -> Option<u64> {
        log.get(self.after).map(|next| next.shown)
    }

    /// Makes `card` what is left of a disk that began as `shipped`.
    pub(crate) fn left(&self, log: &[Entry], shipped: &Path, card: &Path) -> anyhow::Result<()> {
        let mut copy = Command::new("cp");
        must_work(copy.arg("--sparse=always").arg(shipped).arg(card))?;
        let file = OpenOptions::new().write(true).open(card)?;
        let log = &log[..self.after];
        let flushed = log
            .iter()
            .rposition(|entry| matches!(entry.event, Event::Flush));
        let (safe, open) = log.split_at(flushed.map_or(0, |last| last + 1));
        for entry in safe {
            if let Event::Write { at, bytes, .. } = &entry.event {
                file.write_all_at(bytes, *at)?;
            }
        }
        for (at, arrived) in self.arrived(open) {
            file.write_all_at(arrived, at)?;
        }
        Ok(())
    }

    /// Of each sector one of the values that were written to it, or none.
    fn arrived<'a>(&self, open: &'a [Entry]) -> BTreeMap<u64, &'a [u8]> {
        let mut sectors: BTreeMap<u64, Vec<Option<&[u8]>>> = BTreeMap::new();
        for entry in open {
            let Event::Write { at, bytes, lasting } = &entry.event else {
                continue;
            };
            for (at, bytes) in (*at..).step_by(SECTOR).zip(bytes.chunks(SECTOR)) {
                let values = sectors.entry(at).or_insert_with(|| vec![None]);
                if *lasting {
                    values.clear();
                }
                values.push(Some(bytes));
            }
        }
        let mut random = StdRng::seed_from_u64(!self.seed);
        // Now and then nothing arrived, or all in order: the extremes matter.
        let way = random.random_range(0..6);
        let chosen = sectors.into_iter().filter_map(|(at, values)| {
            let index = match way {
                0 => 0,
                1 => values.len() - 1,
                _ => random.random_range(0..values.len()),
            };
            Some((at, values[index]?))
        });
        chosen.collect()
    }
}

fn writes_to(entry: &Entry, places: &[Place]) -> bool {
    match &entry.event {
        Event::Flush => false,
        Event::Write { at, .. } => {
            let within = |place: &Place| (place.start..place.start + place.length).contains(at);
            places.iter().any(within)
        }
    }
}

fn settles(entry: &Entry) -> bool {
    match &entry.event {
        Event::Flush => true,
        Event::Write { lasting, .. } => *lasting,
    }
}
