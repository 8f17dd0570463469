//! Builds the browser's endpoint: one command from Rust to the WebAssembly,
//! JavaScript and types below `portal/src/session/wasm`.
//!
//! `cargo run -p culvert-bindgen`. The result depends on the sources and the
//! toolchain alone, not on the folder or the machine: `--twice` builds our own
//! crates again, from a copy of the sources and into a folder elsewhere, and
//! compares every byte; `--twice-whole` builds all the others again, too. Prints
//! what each part took and the size, and fails over [`MAX_GZIPPED`]. Never part
//! of a product. Driven by the portal's build and by `./check`.

mod elsewhere;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

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

/// How often, and how much of it the second time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Times {
    Once,
    /// Our own crates again.
    Twice,
    /// Everything again.
    TwiceWhole,
}

fn main() -> ExitCode {
    let times = match std::env::args().nth(1).as_deref() {
        None => Times::Once,
        Some("--twice") => Times::Twice,
        Some("--twice-whole") => Times::TwiceWhole,
        Some(_) => return fail("usage: culvert-bindgen [--twice | --twice-whole]"),
    };
    match run(times) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&format!("culvert-bindgen: {error:#}")),
    }
}

fn run(times: Times) -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
    let root = fs::canonicalize(root).context("the workspace is not where it was")?;
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| root.join("target"), |dir| root.join(dir));
    let again = Place {
        root: target.join("wasm-again/culvert"),
        target: target.join("wasm-again/target"),
    };
    let here = Place { root, target };
    let flags = flags(&[&here, &again]);
    let out = here.root.join("cloud-prs/portal/src/session/wasm");
    build(&here, &flags, &out)?;
    measure(&out)?;
    if times == Times::Once {
        return Ok(());
    }
    elsewhere::clear(&here.target.join("wasm-again"))?;
    elsewhere::copy_sources(&here.root, &again.root)?;
    if times == Times::Twice {
        for folder in [WASM, ""].map(|kind| Path::new(kind).join(PROFILE)) {
            elsewhere::link_others(&here.target.join(&folder), &again.target.join(&folder))?;
        }
    }
    let second = again.target.join("out");
    build(&again, &flags, &second)?;
    compare(&out, &second)?;
    say("two builds of copied sources in two folders are equal");
    Ok(())
}

/// Where a build takes place.
struct Place {
    /// The workspace.
    root: PathBuf,
    /// What is built.
    target: PathBuf,
}

/// Compiles, then writes what a browser loads.
fn build(place: &Place, flags: &str, out: &Path) -> Result<()> {
    let begun = Instant::now();
    let status = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(&place.root)
        .args(["build", "--locked", "-p", "culvert-endpoint", "--lib"])
        .args(["--target", WASM, "--profile", PROFILE])
        .env("CARGO_TARGET_DIR", &place.target)
        .env("CARGO_ENCODED_RUSTFLAGS", flags)
        .env("CC_wasm32_unknown_unknown", tool("CC", "clang-14"))
        .env("AR_wasm32_unknown_unknown", tool("AR", "llvm-ar-14"))
        .status()
        .context("cargo does not start")?;
    ensure!(
        status.success(),
        "cargo could not compile the endpoint: see above"
    );
    let wasm = place.target.join(WASM).join(PROFILE);
    let compiled = begun.elapsed().as_secs();
    Bindgen::new()
        .input_path(wasm.join(format!("{NAME}.wasm")))
        .out_name(NAME)
        .web(true)?
        .typescript(true)
        .remove_name_section(true)
        .remove_producers_section(true)
        .generate(out)?;
    let all = begun.elapsed().as_secs();
    say(&format!(
        "the browser's endpoint: compiled in {compiled} s, bound in {} s",
        all - compiled
    ));
    Ok(())
}

/// Names for the folders of this machine that would else stand in panic messages.
/// The same flags for all places: what others have written is built once. The last
/// that fits holds, so the longer ones come last.
fn flags(places: &[&Place]) -> String {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let user = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo"));
    let mut folders: Vec<_> = places
        .iter()
        .flat_map(|place| [(&place.root, "/culvert"), (&place.target, "/target")])
        .map(|(folder, name)| (folder.clone(), name))
        .chain(home.or(user).map(|cargo| (cargo, "/cargo")))
        .collect();
    folders.sort_by_key(|(folder, _)| folder.as_os_str().len());
    let flag = |(folder, name): (PathBuf, &str)| {
        format!("--remap-path-prefix={}={name}", folder.display())
    };
    let flags: Vec<_> = folders.into_iter().map(flag).collect();
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
