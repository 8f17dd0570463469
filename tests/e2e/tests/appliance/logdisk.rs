//! A disk that remembers what a machine wrote to it, in order, and when it was
//! told that this is there for good: QEMU's network block device, over a card
//! in a file.
//!
//! One request after the other, as a plain disk does. A cut is a moment from
//! which on nothing is answered any more; what then survives is `cut.rs`'s
//! business.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read, Write as _};
use std::os::unix::fs::FileExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, ensure};
use culvert_e2e::world::must_work;

/// The protocol's numbers (NBD, "fixed newstyle").
const GREETING: &[u8] = b"NBDMAGICIHAVEOPT\0\x03";
const OPTION: &[u8] = b"IHAVEOPT";
const OPTION_REPLY: u64 = 0x0003_e889_0455_65a9;
const GO: u32 = 7;
const ACK: u32 = 1;
const INFO: u32 = 3;
const UNSUPPORTED: u32 = 0x8000_0001;
/// Has flags, can flush, can write for good.
const ABILITIES: u16 = 1 | 4 | 8;
const REQUEST: u32 = 0x2560_9513;
const REPLY: u32 = 0x6744_6698;
const FOR_GOOD: u16 = 1;
/// QEMU asks for no more at once.
const LONGEST: usize = 32 << 20;

/// What reached the disk.
#[derive(Debug)]
pub(crate) enum Event {
    /// Bytes at a place.
    Write {
        /// First byte.
        at: u64,
        /// What it holds from now on.
        bytes: Vec<u8>,
        /// For good when it is answered.
        lasting: bool,
    },
    /// Everything before is there for good.
    Flush,
}

/// One of them, and how much the screen had shown before it.
#[derive(Debug)]
pub(crate) struct Entry {
    /// What.
    pub(crate) event: Event,
    /// Bytes of the screen.
    pub(crate) shown: u64,
}

/// A card in a file behind such a disk, for one machine.
pub(crate) struct LogDisk {
    /// The card as it was at the start.
    pub(crate) shipped: PathBuf,
    /// The machine's screen.
    pub(crate) screen: PathBuf,
    socket: PathBuf,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    log: Vec<Entry>,
    /// Length of the log at which the power goes.
    cut_at: Option<usize>,
    /// It has gone.
    cut: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes an event; `false` when the power has gone.
    fn note(&self, entry: Entry) -> bool {
        let mut state = self.lock();
        if !state.cut {
            state.log.push(entry);
            state.cut = state.cut_at.is_some_and(|at| state.log.len() >= at);
        }
        !state.cut
    }
}

impl LogDisk {
    /// Serves a card to the next machine; `name` tells its files from others'.
    pub(crate) fn over(card: &Path, name: &str) -> anyhow::Result<Self> {
        let shipped = card.with_extension(format!("{name}.shipped"));
        let mut copy = std::process::Command::new("cp");
        must_work(copy.arg("--sparse=always").arg(card).arg(&shipped))?;
        let disk = Self {
            shipped,
            screen: card.with_extension(format!("{name}.screen")),
            socket: card.with_extension(format!("{name}.nbd")),
            shared: Arc::default(),
        };
        let listener = UnixListener::bind(&disk.socket)?;
        let file = OpenOptions::new().read(true).write(true).open(card)?;
        let (shared, screen) = (Arc::clone(&disk.shared), disk.screen.clone());
        std::thread::spawn(move || {
            // A machine that is cut leaves in the middle of a word.
            if let Ok((stream, _)) = listener.accept() {
                let _ = serve(&stream, &file, &shared, &screen);
            }
        });
        Ok(disk)
    }

    /// The drive in QEMU's words.
    pub(crate) fn drive(&self) -> String {
        let socket = self.socket.display();
        format!("file=nbd:unix:{socket},format=raw,cache=writeback")
    }

    /// The power goes when `more` further events have reached the disk.
    pub(crate) fn cut_after(&self, more: usize) {
        let mut state = self.shared.lock();
        state.cut_at = Some(state.log.len() + more);
    }

    /// Whether it has gone.
    pub(crate) fn is_cut(&self) -> bool {
        self.shared.lock().cut
    }

    /// Looks at what happened so far.
    pub(crate) fn log<T>(&self, look: impl FnOnce(&[Entry]) -> T) -> T {
        look(&self.shared.lock().log)
    }
}

impl Drop for LogDisk {
    fn drop(&mut self) {
        for file in [&self.socket, &self.shipped] {
            let _ = fs::remove_file(file);
        }
    }
}

/// Until the machine is gone or the power is cut.
fn serve(stream: &UnixStream, card: &File, shared: &Shared, screen: &Path) -> anyhow::Result<()> {
    let mut words = BufReader::new(stream);
    agree(&mut words, stream, card.metadata()?.len())?;
    loop {
        let magic = number::<4>(&mut words)?;
        ensure!(magic == u64::from(REQUEST), "not a request: {magic:x}");
        let flags = u16::try_from(number::<2>(&mut words)?)?;
        let kind = number::<2>(&mut words)?;
        let handle = number::<8>(&mut words)?;
        let at = number::<8>(&mut words)?;
        let length = usize::try_from(number::<4>(&mut words)?)?;
        ensure!(length <= LONGEST, "a request of {length} bytes");
        let mut answer = Vec::new();
        // What the screen has shown, it has shown before this is answered.
        let shown = fs::metadata(screen).map_or(0, |file| file.len());
        let event = match kind {
            0 => {
                answer.resize(length, 0);
                card.read_exact_at(&mut answer, at)?;
                None
            }
            1 => {
                let mut bytes = vec![0; length];
                words.read_exact(&mut bytes)?;
                card.write_all_at(&bytes, at)?;
                let lasting = flags & FOR_GOOD != 0;
                Some(Event::Write { at, bytes, lasting })
            }
            2 => return Ok(()),
            3 => Some(Event::Flush),
            other => anyhow::bail!("a request of kind {other} was not offered"),
        };
        if let Some(event) = event
            && !shared.note(Entry { event, shown })
        {
            // Nobody hears of it; whoever asked waits until he is cut too.
            return Ok(io::copy(&mut words, &mut io::sink()).map(drop)?);
        }
        let mut head = REPLY.to_be_bytes().to_vec();
        head.extend([0; 4]);
        head.extend(handle.to_be_bytes());
        head.append(&mut answer);
        (&mut &*stream).write_all(&head)?;
    }
}

/// The handshake: one disk without a name, nothing extra.
fn agree(words: &mut impl Read, mut stream: &UnixStream, length: u64) -> anyhow::Result<()> {
    stream.write_all(GREETING)?;
    number::<4>(words)?;
    loop {
        let mut magic = [0; 8];
        words.read_exact(&mut magic)?;
        ensure!(magic == OPTION, "not an option");
        let option = u32::try_from(number::<4>(words)?)?;
        let size = usize::try_from(number::<4>(words)?)?;
        ensure!(size <= 4096, "an option of {size} bytes");
        words.read_exact(&mut vec![0; size])?;
        if option != GO {
            reply(stream, option, UNSUPPORTED, &[])?;
            continue;
        }
        let mut export = vec![0, 0];
        export.extend(length.to_be_bytes());
        export.extend(ABILITIES.to_be_bytes());
        reply(stream, option, INFO, &export)?;
        return reply(stream, option, ACK, &[]);
    }
}

fn reply(mut stream: &UnixStream, option: u32, kind: u32, data: &[u8]) -> anyhow::Result<()> {
    let mut out = OPTION_REPLY.to_be_bytes().to_vec();
    out.extend(option.to_be_bytes());
    out.extend(kind.to_be_bytes());
    out.extend(u32::try_from(data.len())?.to_be_bytes());
    out.extend(data);
    stream.write_all(&out).context("the machine hung up")
}

fn number<const N: usize>(words: &mut impl Read) -> io::Result<u64> {
    let mut bytes = [0; N];
    words.read_exact(&mut bytes)?;
    Ok(bytes
        .iter()
        .fold(0, |sum, &byte| sum << 8 | u64::from(byte)))
}
