//! A real gateway as it runs on a box, with the test in the supervisor's place:
//! it says which system runs there and what becomes of a release. What the real
//! supervisor does with one is held by the boot test (`tests/appliance`).

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::Context as _;
use culvert_lab::Stack;
use culvert_wire::key::SigningKey;
use culvert_wire::supervisor::{FromGateway, FromSupervisor, MAX_MESSAGE, UpdateState};
use culvert_wire::update::{
    BUNDLE_MAGIC, FIRST_PART, Manifest, Part, PartKind, SignedManifest, Verity,
};
use culvert_wire::{Decode as _, Encode as _, UnixMs};
use sha2::{Digest as _, Sha256};

/// The board that releases of these tests are for.
pub const BOARD: &str = "lab-board";

/// What is wrong with a `troubled` box, as its supervisor says it.
const TROUBLE: (&str, &str) = (
    "settings",
    "culvert.toml on the card cannot be used: line 1",
);

/// Claims a box with a code and runs it; it runs version 1. What it is: a release
/// is `healthy` there; it is `frail`, and a release is left again; or it is
/// `troubled`, by a file on its card.
///
/// # Errors
/// What the lab says.
pub fn claim(stack: &mut Stack<'_>, code: &str, what: &str) -> anyhow::Result<()> {
    let trouble = (what == "troubled").then_some(TROUBLE);
    let socket = play(0, what == "healthy", trouble)?;
    stack.claim_box(code, socket)?;
    Ok(())
}

/// Starts the box that was claimed last again, as after a release that was not
/// healthy there: version 1 runs as before.
///
/// # Errors
/// What the lab says.
pub fn fall_back(stack: &mut Stack<'_>, failed: u64) -> anyhow::Result<()> {
    let socket = play(failed, false, None)?;
    stack.reboot_box(socket)?;
    Ok(())
}

/// Plays a supervisor; the gateway's end of its socket.
fn play(failed: u64, healthy: bool, trouble: Option<(&str, &str)>) -> anyhow::Result<OwnedFd> {
    let (ours, theirs) = UnixDatagram::pair()?;
    let supervisor = Supervisor {
        socket: ours,
        runs: 1,
        failed,
        healthy,
    };
    supervisor.say(&FromSupervisor::Pause(false))?;
    match trouble {
        None => supervisor.tell()?,
        // Of no board that releases are counted for.
        Some((code, sentence)) => supervisor.say(&FromSupervisor::Trouble {
            code: code.into(),
            sentence: sentence.into(),
        })?,
    }
    // It ends with the gateway, or with the test.
    thread::spawn(move || supervisor.run());
    Ok(OwnedFd::from(theirs))
}

/// A release of this version, in a bundle below `folder`. Nobody here judges who
/// signed it: real supervisors do.
///
/// # Errors
/// When it cannot be written.
pub fn bundle(folder: &Path, version: u64) -> anyhow::Result<PathBuf> {
    let kernel = [7; 5000];
    let manifest = Manifest {
        board: BOARD.into(),
        version,
        name: format!("0.{version}.0"),
        issued: UnixMs(1),
        expires: UnixMs(4_000_000_000_000),
        parts: vec![Part {
            kind: PartKind::Kernel,
            offset: FIRST_PART,
            size: kernel.len() as u64,
            hash: Sha256::digest(kernel).into(),
        }],
        verity: Verity {
            root_hash: [0; 32],
            salt: [0; 32],
        },
    };
    let signed = SignedManifest::sign(manifest, Vec::new(), &SigningKey::from_seed(&[1; 32]));
    let signed = signed.to_bytes();
    let length = u32::try_from(signed.len())?.to_be_bytes();
    let file = folder.join(format!("{BOARD}-{version}.bundle"));
    let parts: [&[u8]; 4] = [&BUNDLE_MAGIC[..], &length, &signed, &kernel];
    fs::write(&file, parts.concat())?;
    Ok(file)
}

struct Supervisor {
    socket: UnixDatagram,
    /// The version that runs.
    runs: u64,
    /// A version that was left; 0: none.
    failed: u64,
    /// Releases are healthy here.
    healthy: bool,
}

impl Supervisor {
    fn run(mut self) -> anyhow::Result<()> {
        let mut buffer = vec![0; MAX_MESSAGE];
        let mut bundle = Vec::new();
        loop {
            let length = self.socket.recv(&mut buffer)?;
            let state = match FromGateway::from_bytes(&buffer[..length])? {
                FromGateway::UpdateBegin { .. } => {
                    bundle.clear();
                    UpdateState::Taken(0)
                }
                FromGateway::UpdateData(bytes) => {
                    bundle.extend(bytes);
                    UpdateState::Taken(bundle.len() as u64)
                }
                FromGateway::UpdateEnd => {
                    let version = version(&bundle)?;
                    self.say(&FromSupervisor::Update(UpdateState::Installed { version }))?;
                    // What is not healthy is seen after the next boot.
                    if self.healthy {
                        self.runs = version;
                        self.tell()?;
                    }
                    continue;
                }
                FromGateway::Health | FromGateway::LinkState { .. } | FromGateway::Session(_) => {
                    continue;
                }
            };
            self.say(&FromSupervisor::Update(state))?;
        }
    }

    /// What runs here, and what was left.
    fn tell(&self) -> anyhow::Result<()> {
        self.say(&FromSupervisor::System {
            board: BOARD.into(),
            version: self.runs,
            trial: false,
            failed: self.failed,
        })
    }

    fn say(&self, message: &FromSupervisor) -> anyhow::Result<()> {
        self.socket.send(&message.to_bytes())?;
        Ok(())
    }
}

fn version(bundle: &[u8]) -> anyhow::Result<u64> {
    let rest = bundle
        .strip_prefix(&BUNDLE_MAGIC[..])
        .context("no bundle")?;
    let (length, rest) = rest.split_first_chunk::<4>().context("no length")?;
    let length = usize::try_from(u32::from_be_bytes(*length))?;
    let signed = SignedManifest::from_bytes(rest.get(..length).context("cut off")?)?;
    Ok(signed.unverified().version)
}
