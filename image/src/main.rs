//! `culvert-image`: builds, signs, looks at and prepares the images of boxes.

mod batch;
mod boot;
mod build;
mod bundle;
mod card;
mod cli;
mod cpio;
mod disk;
mod flash;
mod gpt;
mod inspect;
mod keys;
mod packages;
mod provision;
mod root;
mod sbom;
mod series;
mod slot;
mod tool;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
