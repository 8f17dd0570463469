//! Reads the source tree for the tests beside it.
//!
//! Never builds or runs anything but `cargo metadata`. Driven by the tests in
//! `tests/deps/tests`, one file for each claim about the tree.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The top folder of the workspace.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The text of a file below the top folder.
///
/// # Panics
/// When it cannot be read.
pub fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// One edge of the dependency graph.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    /// The package depended upon.
    pub to: String,
    /// What sources call it.
    pub called: String,
    /// Its features that are asked for.
    pub features: Vec<String>,
    /// Whether only tests need it.
    pub dev: bool,
    /// Whether it comes only with a feature of the depending package.
    pub optional: bool,
}

/// Every package of the workspace with its direct dependencies.
///
/// # Panics
/// When `cargo metadata` fails.
pub fn packages() -> BTreeMap<String, Vec<Edge>> {
    metadata()
        .iter()
        .map(|package| (text(&package["name"]), edges(package)))
        .collect()
}

/// Every package's folder below the top folder.
///
/// # Panics
/// When `cargo metadata` fails.
pub fn folders() -> BTreeMap<String, PathBuf> {
    let root = root().canonicalize().expect("the top folder");
    let folder = |package: &Value| {
        let manifest = PathBuf::from(text(&package["manifest_path"]));
        let folder = manifest.parent().expect("a folder").to_owned();
        let short = folder.strip_prefix(&root).expect("below the top");
        (text(&package["name"]), short.to_owned())
    };
    metadata().iter().map(folder).collect()
}

fn metadata() -> Vec<Value> {
    let out = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    let all: Value = serde_json::from_slice(&out.stdout).expect("cargo metadata prints JSON");
    all["packages"].as_array().expect("packages").clone()
}

fn edges(package: &Value) -> Vec<Edge> {
    package["dependencies"]
        .as_array()
        .expect("dependencies")
        .iter()
        .map(|dependency| Edge {
            to: text(&dependency["name"]),
            called: match dependency["rename"].as_str() {
                Some(name) => name.replace('-', "_"),
                None => text(&dependency["name"]).replace('-', "_"),
            },
            features: dependency["features"]
                .as_array()
                .expect("features")
                .iter()
                .map(text)
                .collect(),
            dev: dependency["kind"] == "dev",
            optional: dependency["optional"] == true,
        })
        .collect()
}

fn text(value: &Value) -> String {
    value.as_str().expect("text").to_owned()
}

/// Every source file below the top folder with one of these endings, but none
/// that a build made, as (path below the top folder, text).
pub fn sources(endings: &[&str]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("readable").flatten() {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            if path.is_dir() {
                if !SKIPPED.contains(&name.as_str()) && !name.starts_with('.') {
                    folders.push(path);
                }
            } else if endings.iter().any(|ending| name.ends_with(ending)) {
                let short = path.strip_prefix(root()).expect("below the top");
                let text = fs::read_to_string(&path).unwrap_or_default();
                found.push((short.to_string_lossy().into_owned(), text));
            }
        }
    }
    found.sort();
    found
}

/// Folders that hold nothing of ours.
const SKIPPED: [&str; 4] = ["target", "node_modules", "dist", "corpus"];
