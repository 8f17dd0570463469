//! What tests in a real browser need on the machine: Node.js, Chromium,
//! a reader of QR codes, and the packages of the tests' own folder.

use std::path::Path;

use anyhow::{Context as _, ensure};
use culvert_lab::node_tool;

use crate::world::must_work;

/// Confirms that the programs are there, and installs the folder's packages
/// (as locked) unless they are.
///
/// # Errors
/// What is missing and how to install it, or what npm said.
pub fn prepare(folder: &Path) -> anyhow::Result<()> {
    for program in ["node", "npm", "chromium", "zbarimg"] {
        let found = node_tool(program).arg("--version").output();
        let install = "as root, apt-get install nodejs npm chromium zbar-tools; ./check does it";
        ensure!(found.is_ok(), "{program} is missing: {install}");
    }
    if !folder.join("node_modules/.package-lock.json").is_file() {
        let mut npm = node_tool("npm");
        npm.args(["ci", "--no-audit", "--no-fund", "--loglevel=error"]);
        must_work(npm.current_dir(folder)).context("the packages of the browser's tests")?;
    }
    Ok(())
}
