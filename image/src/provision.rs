//! Writes the settings of one box onto an image or a card, and a release to be
//! installed by hand.

use std::fs::{self, File, OpenOptions};
use std::path::Path;

use anyhow::Context as _;
use culvert_config::boxfile::{BoxFile, FILE_NAME};

use crate::card::{self, Window};
use crate::disk;

/// A release that is installed from the card.
const BUNDLE: &str = "update.culvert";

/// Writes a settings file that the box will be able to use.
pub(crate) fn settings(device: &Path, text: &str) -> anyhow::Result<()> {
    BoxFile::from_toml(text)?;
    card::put(window(device)?, FILE_NAME, text.as_bytes())
}

/// Puts a release next to the settings.
pub(crate) fn release(device: &Path, bundle: &Path) -> anyhow::Result<()> {
    let bytes = fs::read(bundle).with_context(|| bundle.display().to_string())?;
    crate::bundle::check(&bytes, None)?;
    card::put(window(device)?, BUNDLE, &bytes)
}

/// What stands in the settings file now.
pub(crate) fn shown(device: &Path) -> anyhow::Result<Option<String>> {
    let bytes = card::read(window(device)?, FILE_NAME)?;
    Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

fn window(device: &Path) -> anyhow::Result<Window<File>> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(device)
        .with_context(|| device.display().to_string())?;
    let place = disk::named("settings");
    Ok(Window::new(file, place.start, place.length))
}
