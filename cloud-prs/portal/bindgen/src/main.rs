//! Builds the browser's endpoint: one command from Rust to the WebAssembly,
//! JavaScript and types below `portal/src/session/wasm`.
//!
//! `cargo run -p culvert-bindgen`. The result depends on the sources and the
//! toolchain alone, not on the folder or the machine: `--twice` builds it again
//! elsewhere and compares every byte. Prints the size and fails over
//! [`MAX_GZIPPED`]. Never part of a product. Driven by the portal's build and
//! by `./check`.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail, ensure};
use wasm_bindgen_cli_support::Bindgen;

/// What a browser may have to load, gzipped, in bytes (SPECIFICATION.md).
const MAX_GZIPPED: usize = 600 * 1000;
/// The target.
const WASM: &str = "wasm32-unknown-unknown";
/// The profile of Cargo.toml that is made for size.
const PROFILE: &str = "wasm";
/// The names of what is built.
const NAME: &str = "culvert_endpoint";

fn main() -> ExitCode {
    let twice = match std::env::args().nth(1).as_deref() {
        None => false,
        Some("--twice") => true,
        Some(_) => return fail("usage: culvert-bindgen [--twice]"),
    };
    match run(twice) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&format!("culvert-bindgen: {error:#}")),
    }
}

fn run(twice: bool) -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
    let root = fs::canonicalize(root).context("the workspace is not where it was")?;
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| root.join("target"), |dir| root.join(dir));
    let out = root.join("cloud-prs/portal/src/session/wasm");
    build(&root, &target, &out)?;
    measure(&out)?;
    if twice {
        let elsewhere = target.join("wasm-again");
        let again = elsewhere.join("out");
        if elsewhere.exists() {
            fs::remove_dir_all(&elsewhere).context("an old second build is in the way")?;
        }
        build(&root, &elsewhere, &again)?;
        compare(&out, &again)?;
        say("two builds in two folders are equal");
    }
    Ok(())
}

/// Compiles, then writes what a browser loads.
fn build(root: &Path, target: &Path, out: &Path) -> Result<()> {
    let status = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(root)
        .args(["build", "--locked", "-p", "culvert-endpoint", "--lib"])
        .args(["--target", WASM, "--profile", PROFILE])
        .env("CARGO_TARGET_DIR", target)
        .env("CARGO_ENCODED_RUSTFLAGS", remapped(root, target))
        .env("CC_wasm32_unknown_unknown", tool("CC", "clang-14"))
        .env("AR_wasm32_unknown_unknown", tool("AR", "llvm-ar-14"))
        .status()
        .context("cargo does not start")?;
    ensure!(
        status.success(),
        "cargo could not compile the endpoint: see above"
    );
    let wasm = target.join(WASM).join(PROFILE).join(format!("{NAME}.wasm"));
    Bindgen::new()
        .input_path(&wasm)
        .out_name(NAME)
        .web(true)?
        .typescript(true)
        .remove_name_section(true)
        .remove_producers_section(true)
        .generate(out)
}

/// Folders of this machine that would else stand in panic messages.
fn remapped(root: &Path, target: &Path) -> String {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let user = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo"));
    let folders = [
        (Some(target.to_owned()), "/target"),
        (Some(root.to_owned()), "/culvert"),
        (home.or(user), "/cargo"),
    ];
    let flags: Vec<_> = folders
        .into_iter()
        .filter_map(|(folder, name)| {
            let folder = folder?.display().to_string();
            Some(format!("--remap-path-prefix={folder}={name}"))
        })
        .collect();
    flags.join("\u{1f}")
}

/// ring's C parts are compiled by clang.
fn tool(kind: &str, default: &str) -> String {
    std::env::var(format!("{kind}_wasm32_unknown_unknown")).unwrap_or_else(|_| default.to_owned())
}

fn measure(out: &Path) -> Result<()> {
    let wasm = read(&out.join(format!("{NAME}_bg.wasm")))?;
    let glue = read(&out.join(format!("{NAME}.js")))?;
    let zipped = gzipped(&wasm)? + gzipped(&glue)?;
    say(&format!(
        "the browser's endpoint: {} bytes of WebAssembly, {} of JavaScript, {zipped} gzipped",
        wasm.len(),
        glue.len()
    ));
    if zipped > MAX_GZIPPED {
        bail!("{zipped} bytes gzipped are more than {MAX_GZIPPED}");
    }
    Ok(())
}

fn compare(one: &Path, other: &Path) -> Result<()> {
    for name in [
        format!("{NAME}_bg.wasm"),
        format!("{NAME}.js"),
        format!("{NAME}.d.ts"),
    ] {
        let equal = read(&one.join(&name))? == read(&other.join(&name))?;
        ensure!(
            equal,
            "{name} differs between two builds of the same sources"
        );
    }
    Ok(())
}

fn gzipped(bytes: &[u8]) -> Result<usize> {
    let mut zip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    zip.write_all(bytes)?;
    Ok(zip.finish()?.len())
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("{} cannot be read", path.display()))
}

#[expect(clippy::print_stdout, reason = "what a person who builds reads")]
fn say(text: &str) {
    println!("{text}");
}

#[expect(clippy::print_stderr, reason = "what a person who builds reads")]
fn fail(text: &str) -> ExitCode {
    eprintln!("{text}");
    ExitCode::FAILURE
}
