//! One command from static programs to a flashable image and its update.

use std::fs;
use std::path::PathBuf;

use culvert_board::profile::Board;

use crate::disk::{self, Contents};
use crate::keys::Signer;
use crate::packages::Store;
use crate::root::Recipe;
use crate::slot::{Label, Release};
use crate::{boot, bundle, sbom};

/// What is built.
#[derive(Debug)]
pub(crate) struct Build {
    /// The board's name.
    pub(crate) board: String,
    /// Folder with the static programs for it.
    pub(crate) binaries: PathBuf,
    /// Folder of signing keys.
    pub(crate) keys: PathBuf,
    /// Whether the demonstration's keys may sign.
    pub(crate) demo: bool,
    /// Folder for packages.
    pub(crate) cache: PathBuf,
    /// Folder for results.
    pub(crate) out: PathBuf,
    /// The release's counter.
    pub(crate) version: u64,
    /// The release's name.
    pub(crate) name: String,
    /// Days until it may not be installed any more.
    pub(crate) days: u64,
    /// Seconds since 1970.
    pub(crate) epoch: u64,
    /// Whether the image is wanted besides the bundle.
    pub(crate) image: bool,
}

impl Build {
    /// Builds; answers the files.
    pub(crate) fn run(&self) -> anyhow::Result<Vec<PathBuf>> {
        let (board, text) = Board::named(&self.board)?;
        let signer = Signer::load(&self.keys, self.demo)?;
        let store = Store::open(&self.cache, board.arch)?;
        let kernel = store.kernel(&board.kernel.package)?;
        let busybox = store.package("busybox-static")?;
        let loader = match &board.loader {
            Some(loader) => Some(store.package(&loader.package)?),
            None => None,
        };
        if let (Some(about), Some(package)) = (&board.loader, &loader) {
            boot::can_run(&board, &package.tree.join(&about.config))?;
        }
        let firmware = match &board.boot.firmware {
            Some(name) => Some(store.package(name)?),
            None => None,
        };
        fs::create_dir_all(&self.out)?;
        let work = tempfile::tempdir()?;
        let recipe = Recipe {
            board: (&board, text),
            binaries: &self.binaries,
            trusted: &signer.trusted,
            work: work.path(),
            epoch: self.epoch,
        };
        let (parts, verity) = recipe.parts(&kernel, &busybox)?;
        let label = Label {
            board: board.name.clone(),
            version: self.version,
            name: self.name.clone(),
            epoch: self.epoch,
            days: self.days,
        };
        let release = Release::sign(&label, &parts, verity, &signer)?;
        let stem = format!("culvert-{}-{}", board.name, self.version);
        let path = |end: &str| self.out.join(format!("{stem}.{end}"));
        let mut made = vec![path("bundle"), path("sbom.json")];
        bundle::write(&made[0], &release)?;
        let mut packages = vec![&kernel, &busybox];
        packages.extend(&loader);
        packages.extend(&firmware);
        sbom::write(
            &made[1],
            &stem,
            &packages,
            board.arch.debian(),
            &self.binaries,
        )?;
        if self.image {
            let script = boot::compiled(&board, work.path(), self.epoch)?;
            let contents = Contents {
                board: &board,
                loader: loader.as_ref(),
                firmware: firmware.as_ref(),
                kernel: &kernel,
                script: &script,
                release: &release,
                version: self.version,
                generation: signer.trusted.generation,
                epoch: self.epoch,
            };
            disk::write(&path("img"), &contents)?;
            made.push(path("img"));
        }
        Ok(made)
    }
}
