//! Writes a release into the idle slot while its bytes come in.
//!
//! The slot is made unbootable first, in the record and on its own; then the
//! parts are written as they are hashed; header and record come last, when
//! every hash has been right. Whatever happens in between, the running slot
//! stays the one that boots.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

use culvert_board::failed::Known;
use culvert_board::record::{self, Places};
use culvert_board::slots::{Slot, Slots};
use culvert_wire::Decode as _;
use culvert_wire::UnixMs;
use culvert_wire::update::{
    BUNDLE_MAGIC, KeyList, MAX_MANIFEST, Payload, Purpose, SignedManifest, UpdateError,
};

use crate::device::Device;
use crate::slot;

/// Bytes before the manifest: magic and length.
const HEAD: usize = BUNDLE_MAGIC.len() + 4;
/// Bytes after which a slot is synced, and after which reading it back says that
/// this process lives: a card that writes 200 KB a second must not be reset by a
/// watchdog of 16 s.
const STEP: usize = 2 << 20;

/// What this box accepts.
#[derive(Debug, Clone)]
pub struct Judge {
    /// The keys of the running release.
    pub trusted: KeyList,
    /// The board.
    pub board: String,
    /// The slot that runs.
    pub running: Slot,
    /// The version that runs: not installed again.
    pub version: u64,
}

/// A release on its way in.
#[derive(Debug)]
pub struct Install<D = File> {
    judge: Judge,
    device: D,
    capacity: u64,
    stage: Stage,
    taken: u64,
    /// Bytes taken since the last sync.
    unsynced: usize,
}

#[derive(Debug)]
enum Stage {
    /// Magic and manifest are not complete.
    Manifest(Vec<u8>),
    /// The parts come in.
    Payload(Box<SignedManifest>, Payload),
}

impl Install {
    /// Prepares the idle slot's device. Nothing is written yet.
    ///
    /// # Errors
    /// [`InstallError::Disk`].
    pub fn open(device: &Path, judge: Judge) -> Result<Self, InstallError> {
        Self::over(
            OpenOptions::new().read(true).write(true).open(device)?,
            judge,
        )
    }
}

impl<D: Device> Install<D> {
    /// The same over a device that is open already.
    ///
    /// # Errors
    /// [`InstallError::Disk`].
    pub fn over(device: D, judge: Judge) -> Result<Self, InstallError> {
        Ok(Self {
            judge,
            capacity: device.capacity()?,
            device,
            stage: Stage::Manifest(Vec::new()),
            taken: 0,
            unsynced: 0,
        })
    }

    /// Bytes taken so far.
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// Takes the next bytes of the bundle.
    ///
    /// # Errors
    /// [`InstallError`]; the install is over then.
    pub fn feed(
        &mut self,
        bytes: &[u8],
        places: &mut impl Places,
        now: UnixMs,
    ) -> Result<(), InstallError> {
        self.taken += bytes.len() as u64;
        let mut rest = bytes;
        while let Stage::Manifest(head) = &mut self.stage {
            let missing = missing(head)?;
            if missing == 0 {
                let head = std::mem::take(head);
                self.begin(&head[HEAD..], places, now)?;
            } else if rest.is_empty() {
                return Ok(());
            } else {
                let (part, after) = rest.split_at(rest.len().min(missing));
                head.extend_from_slice(part);
                rest = after;
            }
        }
        match &mut self.stage {
            Stage::Manifest(_) => Ok(()),
            Stage::Payload(_, payload) => {
                let device = &self.device;
                payload.feed(rest, |landing| {
                    device.write_at(landing.bytes, landing.offset)?;
                    Ok::<(), InstallError>(())
                })?;
                self.unsynced += rest.len();
                if self.unsynced >= STEP {
                    self.unsynced = 0;
                    device.sync()?;
                }
                Ok(())
            }
        }
    }

    /// The manifest is complete: judged, then the idle slot is given up.
    fn begin(
        &mut self,
        manifest: &[u8],
        places: &mut impl Places,
        now: UnixMs,
    ) -> Result<(), InstallError> {
        let signed = SignedManifest::from_bytes(manifest).map_err(UpdateError::from)?;
        let slots = record::load(places)?
            .map_or_else(|| Slots::flashed(0, 0), |(_, record)| Slots::read(&record));
        let purpose = Purpose::Install {
            version_floor: slots.version_floor,
            generation_floor: slots.generation_floor,
            now,
        };
        let (manifest, _) = signed.verify(&self.judge.trusted, &self.judge.board, purpose)?;
        if manifest.version == self.judge.version {
            return Err(InstallError::Running);
        }
        match slots.failed.judge(manifest.version) {
            Known::Nothing => {}
            Known::Failed => return Err(InstallError::Failed),
            Known::Outdated => return Err(InstallError::Outdated),
        }
        let payload = Payload::new(manifest, self.capacity)?;
        let running = self.judge.running;
        change(places, |slots| slots.begin_install(running))?;
        slot::unseal(&self.device)?;
        self.stage = Stage::Payload(Box::new(signed), payload);
        Ok(())
    }

    /// The bundle is complete: the idle slot boots next, and is healthy with a
    /// link or without. Takes its time; `alive` is called meanwhile.
    ///
    /// # Errors
    /// [`InstallError`]; the running slot then stays.
    pub fn finish(
        self,
        places: &mut impl Places,
        needs_link: bool,
        mut alive: impl FnMut(),
    ) -> Result<u64, InstallError> {
        let Self {
            judge,
            device,
            capacity,
            stage,
            ..
        } = self;
        let Stage::Payload(signed, payload) = stage else {
            return Err(UpdateError::Truncated.into());
        };
        payload.finish()?;
        device.sync()?;
        alive();
        read_back(&device, capacity, &signed, &mut alive)?;
        slot::seal(&device, &signed)?;
        alive();
        let running = judge.running;
        change(places, |slots| slots.end_install(running, needs_link))?;
        Ok(signed.unverified().version)
    }
}

/// What lies on the disk is what was signed: worn flash lies.
fn read_back(
    device: &impl Device,
    capacity: u64,
    signed: &SignedManifest,
    alive: &mut impl FnMut(),
) -> Result<(), InstallError> {
    let mut payload = Payload::new(signed.unverified(), capacity)?;
    let mut buffer = vec![0; 64 * 1024];
    for part in &signed.unverified().parts {
        let mut at = part.offset;
        let end = part.offset + part.size;
        while at < end {
            let left = usize::try_from(end - at).unwrap_or(usize::MAX);
            let run = buffer.len().min(left);
            device.read_at(&mut buffer[..run], at)?;
            payload.feed(&buffer[..run], |_| Ok::<(), InstallError>(()))?;
            at += run as u64;
            if at % (STEP as u64) < run as u64 {
                alive();
            }
        }
    }
    Ok(payload.finish()?)
}

/// Bytes that are still missing before the payload, as far as known.
fn missing(head: &[u8]) -> Result<usize, InstallError> {
    let magic = &head[..head.len().min(BUNDLE_MAGIC.len())];
    if !BUNDLE_MAGIC.starts_with(magic) {
        return Err(InstallError::NoBundle);
    }
    let Some((_, length)) = head.get(..HEAD).and_then(<[u8]>::split_last_chunk::<4>) else {
        return Ok(HEAD - head.len());
    };
    let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
    if length > MAX_MANIFEST {
        return Err(InstallError::NoBundle);
    }
    Ok(HEAD + length - head.len())
}

/// Changes what the state record says of the slots.
///
/// # Errors
/// What the system says.
pub fn change(places: &mut impl Places, edit: impl FnOnce(&mut Slots)) -> io::Result<()> {
    record::change(places, |record| {
        let mut slots = Slots::read(record);
        edit(&mut slots);
        slots.write(record);
    })
    .map(drop)
}

/// Why a release was not installed.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// The bytes begin as nothing we know.
    #[error("this is no update bundle")]
    NoBundle,
    /// Refused by its signatures, floors or hashes.
    #[error(transparent)]
    Refused(#[from] UpdateError),
    /// It runs already.
    #[error("this release runs already")]
    Running,
    /// It was tried and was not healthy.
    #[error("this release failed on this box before: publish a new one")]
    Failed,
    /// More failed since than this box remembers.
    #[error("newer releases than this one failed on this box: publish a new one")]
    Outdated,
    /// The disk.
    #[error("the slot cannot be written: {0}")]
    Disk(#[from] io::Error),
}

impl InstallError {
    /// The box is further than this release.
    pub const fn is_past(&self) -> bool {
        match self {
            Self::Running | Self::Refused(UpdateError::Older { .. }) => true,
            Self::NoBundle | Self::Refused(_) | Self::Failed | Self::Outdated | Self::Disk(_) => {
                false
            }
        }
    }
}

#[cfg(test)]
mod tests;
