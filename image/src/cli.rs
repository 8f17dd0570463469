//! The command line. Errors are one sentence on standard error, exit code 1.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use clap::{Args, Parser, Subcommand};
use culvert_config::boxfile::BoxFile;
use culvert_wire::update::MAX_VERSION;

use crate::build::Build;
use crate::{batch, bundle, flash, inspect, keys, packages, provision, series};

/// Builds the flashable image of a box and its signed updates.
#[derive(Debug, Parser)]
#[command(name = "culvert-image", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Build the image, the update bundle and the list of contents
    Build(Release),
    /// Build the update bundle and the list of contents
    Bundle(Release),
    /// Write an image onto a card and read it back; of a folder with images (provision
    /// --batch) one card after the other
    Flash {
        /// The image, or the folder
        image: PathBuf,
        /// The card, such as /dev/sdb: the disk, not a part of it
        #[arg(long, value_name = "DEVICE")]
        device: PathBuf,
    },
    /// Write a box's settings onto an image or a card
    Provision(Provision),
    /// Print what an image, a card or a bundle holds, and check it
    Inspect {
        /// Image, card or bundle
        path: PathBuf,
        /// Keys to check signatures with: `chain` of the folder of keys, or etc/culvert/trust
        #[arg(long, value_name = "FILE")]
        trusted: Option<PathBuf>,
    },
    /// Make or replace signing keys
    #[command(subcommand)]
    Keys(Keys),
    /// Look for newer packages (kernel, boot loader, busybox) than those kept
    Refresh {
        /// Folder where packages are kept
        #[arg(long, value_name = "FOLDER", default_value = "target/packages")]
        cache: PathBuf,
    },
}

#[derive(Debug, Args)]
struct Release {
    /// The board, as in board/boards
    #[arg(long)]
    board: String,
    /// Folder with culvert-gateway and culvert-supervisor for the board
    #[arg(long, value_name = "FOLDER")]
    binaries: PathBuf,
    /// Folder with the signing keys
    #[arg(long, value_name = "FOLDER")]
    keys: PathBuf,
    /// Sign even with keys that everybody has: for tests
    #[arg(long)]
    demo: bool,
    /// The release's counter, higher than every one before; at most 2147483647
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=MAX_VERSION))]
    version: u64,
    /// What people call it
    #[arg(long, default_value = env!("CARGO_PKG_VERSION"))]
    name: String,
    /// Days until it may not be installed any more
    #[arg(long, default_value_t = 365)]
    days: u64,
    /// Time of the build, seconds since 1970
    #[arg(long, env = "SOURCE_DATE_EPOCH", value_name = "SECONDS")]
    epoch: u64,
    /// Folder where packages are kept
    #[arg(long, value_name = "FOLDER", default_value = "target/packages")]
    cache: PathBuf,
    /// Folder for the results
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    out: PathBuf,
}

#[derive(Debug, Args)]
struct Provision {
    /// Image or card
    device: PathBuf,
    /// Settings file, as config/examples/culvert.toml
    #[arg(long, value_name = "FILE", required_unless_present_any = ["release", "show", "batch"])]
    settings: Option<PathBuf>,
    /// A release to be installed at the next start
    #[arg(long, value_name = "BUNDLE")]
    release: Option<PathBuf>,
    /// Print the settings that are there
    #[arg(long)]
    show: bool,
    /// A CSV file with a line for each box: an image of its own for each, and
    /// a sheet of labels; --settings is then what all have in common
    #[arg(long, value_name = "FILE", requires = "out", conflicts_with_all = ["release", "show"])]
    batch: Option<PathBuf>,
    /// A new folder for the images and labels of a batch
    #[arg(long, value_name = "FOLDER", requires = "batch")]
    out: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Keys {
    /// Make a root key, a release key and the first list
    Init {
        /// A new folder
        dir: PathBuf,
        /// Keys that everybody has, for tests
        #[arg(long)]
        demo: bool,
    },
    /// Replace the release key; boxes learn it with the next release
    Rotate {
        /// The folder
        dir: PathBuf,
        /// Replace the root key too
        #[arg(long)]
        root: bool,
    },
}

/// Runs the program.
pub(crate) fn main() -> ExitCode {
    match dispatch(Cli::parse().command) {
        Ok(lines) => {
            print(&lines);
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _ = writeln!(std::io::stderr().lock(), "culvert-image: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn print(lines: &[String]) {
    let mut out = std::io::stdout().lock();
    for line in lines {
        // A closed output is no reason to fail.
        let _ = writeln!(out, "{line}");
    }
}

fn dispatch(command: Command) -> anyhow::Result<Vec<String>> {
    match command {
        Command::Build(args) => build(args, true),
        Command::Bundle(args) => build(args, false),
        Command::Flash { image, device } => flash(&image, &device),
        Command::Provision(Provision {
            device,
            settings,
            batch: Some(list),
            out: Some(out),
            ..
        }) => {
            let made = batch::images(&device, &list, settings.as_deref(), &out)?;
            Ok(made.iter().map(|path| path.display().to_string()).collect())
        }
        Command::Provision(args) => {
            if let Some(path) = &args.settings {
                let name = || path.display().to_string();
                let text = std::fs::read_to_string(path).with_context(name)?;
                BoxFile::from_toml(&text).with_context(name)?;
                provision::settings(&args.device, &text)?;
            }
            if let Some(path) = &args.release {
                provision::release(&args.device, path)?;
            }
            let shown = args.show.then(|| provision::shown(&args.device));
            Ok(shown.transpose()?.flatten().into_iter().collect())
        }
        Command::Inspect { path, trusted } => {
            let trusted = trusted.as_deref().map(bundle::keys).transpose()?;
            let found = inspect::look(&path, trusted.as_ref())
                .with_context(|| path.display().to_string())?;
            print(&found.lines);
            ensure!(found.wrong.is_empty(), found.wrong.join("; "));
            Ok(Vec::new())
        }
        Command::Keys(Keys::Init { dir, demo }) => keys::init(&dir, demo).map(|()| Vec::new()),
        Command::Keys(Keys::Rotate { dir, root }) => {
            keys::rotate(&dir, root).map(|generation| vec![format!("generation {generation}")])
        }
        Command::Refresh { cache } => packages::refresh(&cache),
    }
}

/// Asks on standard error and listens on standard input.
fn flash(image: &Path, device: &Path) -> anyhow::Result<Vec<String>> {
    let (mut screen, mut typed) = (std::io::stderr().lock(), std::io::stdin().lock());
    if image.is_dir() {
        let count = series::write(image, device, &mut typed, &mut screen)?;
        return Ok(vec![format!("{count} cards are written")]);
    }
    inspect::whole(image)?;
    let target = flash::Target::look(Path::new("/"), device)?;
    let length = std::fs::metadata(image)
        .with_context(|| image.display().to_string())?
        .len();
    target.permit(device, length, &mut typed, &mut screen)?;
    let hash = flash::flash(image, device, &mut screen)?;
    Ok(vec![format!("{} holds {hash}", device.display())])
}

fn build(args: Release, image: bool) -> anyhow::Result<Vec<String>> {
    let build = Build {
        board: args.board,
        binaries: args.binaries,
        keys: args.keys,
        demo: args.demo,
        cache: args.cache,
        out: args.out,
        version: args.version,
        name: args.name,
        days: args.days,
        epoch: args.epoch,
        image,
    };
    let made = build.run()?;
    Ok(made.iter().map(|path| path.display().to_string()).collect())
}
