//! `admin release`: releases of the boxes' system, and who gets them.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Subcommand;
use culvert_wire::Decode as _;
use culvert_wire::frame::Progress;
use culvert_wire::update::{
    BUNDLE_MAGIC, MAX_MANIFEST, MAX_SLOT, Manifest, Payload, SignedManifest, UpdateError,
};
use serde_json::json;

use super::{find, out};
use crate::app::rollout::{Member, Ring};
use crate::app::{App, Call, releases, report};

#[derive(Debug, Subcommand)]
pub(super) enum Release {
    /// List releases
    List,
    /// List boxes: ring, what runs there, how far the last release came
    Boxes,
    /// Take a signed bundle in; nobody gets it yet
    Publish {
        /// The bundle, as culvert-image made it
        bundle: PathBuf,
    },
    /// Let a ring, and those before it, have a release
    Promote {
        /// For which board
        board: String,
        /// Its version
        version: u64,
        /// first, early or all
        #[arg(long)]
        ring: Ring,
        /// Boxes take it even while a session runs, which it ends
        #[arg(long)]
        forced: bool,
    },
    /// Stop a release: no further box gets it
    Halt {
        /// For which board
        board: String,
        /// Its version
        version: u64,
    },
    /// Put a box into a ring; it is in "all" otherwise
    Ring {
        /// The gateway's id, or its site
        gateway: String,
        /// first, early or all
        ring: Ring,
    },
}

impl Release {
    pub(super) async fn run(self, app: &App, call: &Call, as_json: bool) -> anyhow::Result<()> {
        match self {
            Self::List => list(app, call, as_json).await,
            Self::Boxes => boxes(app, call, as_json).await,
            Self::Publish { bundle } => publish(app, call, &bundle).await,
            Self::Promote {
                board,
                version,
                ring,
                forced,
            } => {
                let which = (board.as_str(), version);
                Ok(app.promote_release(call, which, ring, forced).await?)
            }
            Self::Halt { board, version } => Ok(app.halt_release(call, (&board, version)).await?),
            Self::Ring { gateway, ring } => {
                let id = find::gateway(app, call, &gateway).await?;
                Ok(app.set_ring(call, id, ring).await?)
            }
        }
    }
}

/// The bundle is in its place before anybody hears of it.
async fn publish(app: &App, call: &Call, bundle: &Path) -> anyhow::Result<()> {
    let (manifest, size) = check(bundle)?;
    let folder = app.bundles();
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let place = folder.join(releases::file_name(&manifest.board, manifest.version));
    if !place.exists() {
        let beside = place.with_extension("new");
        fs::copy(bundle, &beside).with_context(|| beside.display().to_string())?;
        File::open(&beside)?.sync_all()?;
        fs::rename(&beside, &place)?;
    } else if fs::read(&place)? != fs::read(bundle)? {
        bail!("another release with this version is there already");
    }
    app.publish_release(call, &manifest, size).await?;
    out::line(&format!(
        "{} version {} for {}, until {}",
        manifest.name,
        manifest.version,
        manifest.board,
        report::date(manifest.expires)
    ))
}

async fn list(app: &App, call: &Call, as_json: bool) -> anyhow::Result<()> {
    let (all, _) = app.releases(call).await?;
    let ring = |ring: Option<Ring>| ring.map(|ring| ring.name().to_owned()).unwrap_or_default();
    if as_json {
        let rows: Vec<_> = all
            .iter()
            .map(|r| {
                json!({ "board": r.board, "version": r.version, "name": r.name,
                "size": r.size, "published": r.published, "ring": ring(r.ring),
                "forced": r.forced, "halted": r.halted })
            })
            .collect();
        return out::json(&rows);
    }
    out::table(
        ["BOARD", "VERSION", "NAME", "PUBLISHED", "RING", "STOPPED"],
        all.into_iter().map(|release| {
            [
                release.board,
                release.version.to_string(),
                release.name,
                report::date(release.published),
                ring(release.ring),
                release.halted,
            ]
        }),
    )
}

async fn boxes(app: &App, call: &Call, as_json: bool) -> anyhow::Result<()> {
    let (_, members) = app.releases(call).await?;
    if as_json {
        let rows: Vec<_> = members
            .iter()
            .map(|m| {
                json!({ "gateway": m.gateway, "ring": m.ring.name(),
                "board": m.system.board, "version": m.system.version,
                "trial": m.system.trial, "progress": progress(m) })
            })
            .collect();
        return out::json(&rows);
    }
    out::table(
        ["GATEWAY", "RING", "BOARD", "VERSION", "LAST RELEASE"],
        members.into_iter().map(|member| {
            let trial = if member.system.trial {
                " (on trial)"
            } else {
                ""
            };
            [
                member.gateway.to_string(),
                member.ring.name().to_owned(),
                member.system.board.clone(),
                format!("{}{trial}", member.system.version),
                progress(&member),
            ]
        }),
    )
}

fn progress(member: &Member) -> String {
    match &member.system.progress {
        Progress::None => String::new(),
        Progress::Taking { version } => format!("{version} is being taken"),
        Progress::Installed { version } => format!("{version} is installed"),
        Progress::Refused { version, why } => format!("{version} refused: {why}"),
        Progress::Failed { version } => format!("{version} was not healthy there"),
    }
}

/// Reads a bundle and checks that it is whole; who signed it is for the boxes
/// to judge.
fn check(path: &Path) -> anyhow::Result<(Manifest, u64)> {
    let mut file = File::open(path).with_context(|| path.display().to_string())?;
    let mut head = [0; BUNDLE_MAGIC.len() + 4];
    file.read_exact(&mut head)
        .context("this is no update bundle")?;
    let (magic, length) = head.split_at(BUNDLE_MAGIC.len());
    let length = usize::try_from(u32::from_be_bytes(length.try_into()?))?;
    if magic != BUNDLE_MAGIC || length > MAX_MANIFEST {
        bail!("{} is no update bundle", path.display());
    }
    let mut manifest = vec![0; length];
    file.read_exact(&mut manifest)
        .context("this is no update bundle")?;
    let signed = SignedManifest::from_bytes(&manifest)?;
    let manifest = signed.unverified().clone();
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if manifest.board.is_empty() || !manifest.board.chars().all(plain) {
        bail!("the release is for a board with a strange name");
    }
    let mut payload = Payload::new(&manifest, MAX_SLOT)?;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        payload.feed(&buffer[..read], |_| Ok::<(), UpdateError>(()))?;
    }
    payload.finish()?;
    Ok((manifest, fs::metadata(path)?.len()))
}
