//! Embeds the built portal (`portal/dist`) into the server.
//!
//! Writes a table of its files, with the compressed copies that `portal/build`
//! laid beside them. Without a built portal the table is empty, and the server
//! says so to whoever opens it. Never runs the portal's build by itself: the
//! server builds without node.

use std::fmt::Write as _;
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};

fn main() {
    // Asked now: the folder may have moved since this script was compiled.
    let package = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo names the package");
    let dist = Path::new(&package).join("portal/dist");
    // A path that is not there would run this script at every build.
    let watched = if dist.is_dir() {
        "portal/dist"
    } else {
        "portal"
    };
    println!("cargo::rerun-if-changed={watched}");
    println!("cargo::rerun-if-changed=build.rs");
    let mut files = Vec::new();
    if dist.join("index.html").is_file() {
        collect(&dist, &mut files);
    }
    let mut named: Vec<(String, PathBuf)> = files
        .into_iter()
        .map(|file| (name(&dist, &file), file))
        .collect();
    named.sort();
    let mut table = String::from("&[\n");
    for (name, file) in &named {
        entry(&mut table, name, file);
    }
    table.push(']');
    let out = std::env::var_os("OUT_DIR").expect("cargo names the folder");
    fs::write(Path::new(&out).join("portal.rs"), table).expect("the folder is cargo's own");
}

/// Every file that is served under a name of its own.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("portal/dist can be read") {
        let path = entry.expect("portal/dist can be read").path();
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.expect("names in portal/dist are plain");
        let kind = fs::symlink_metadata(&path)
            .expect("the file is there")
            .file_type();
        if kind.is_dir() {
            collect(&path, files);
        } else if kind.is_file() && !name.starts_with('.') && !is_copy(&path) {
            files.push(path);
        }
    }
}

/// Whether a file is the compressed copy of another.
fn is_copy(path: &Path) -> bool {
    let copy = path
        .extension()
        .is_some_and(|kind| kind == "br" || kind == "gz");
    copy && path.with_extension("").is_file()
}

/// The path of a file's URL.
fn name(dist: &Path, file: &Path) -> String {
    let inside = file.strip_prefix(dist).expect("it was found there");
    let parts = inside
        .iter()
        .map(|part| part.to_str().expect("checked above"));
    parts.fold(String::new(), |whole, part| whole + "/" + part)
}

fn entry(table: &mut String, name: &str, file: &Path) {
    let bytes = fs::read(file).expect("portal/dist can be read");
    // A weak entity tag (RFC 9110 §8.8.1): it only has to change with the file.
    let mut hash = DefaultHasher::new();
    bytes.hash(&mut hash);
    let tag = format!("{:016x}", hash.finish());
    let kind = kind(file);
    // Vite puts a hash into the names of what it bundles.
    let lasting = name.starts_with("/assets/");
    let with = |more: &str| {
        let path = PathBuf::from(format!("{}{more}", file.display()));
        match path.is_file() {
            true => format!("Some(include_bytes!({path:?}))"),
            false => "None".to_owned(),
        }
    };
    let _ = writeln!(
        table,
        "File {{ path: {name:?}, kind: {kind:?}, tag: \"W/\\\"{tag}\\\"\", lasting: {lasting}, \
         plain: include_bytes!({file:?}), brotli: {}, gzip: {} }},",
        with(".br"),
        with(".gz"),
    );
}

/// What a browser is told that a file is.
fn kind(file: &Path) -> &'static str {
    let kind = file
        .extension()
        .and_then(|kind| kind.to_str())
        .unwrap_or("");
    match kind {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "txt" => "text/plain; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "wasm" => "application/wasm",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        other => panic!(
            "{}: build.rs does not know what '{other}' files are",
            file.display()
        ),
    }
}
