//! Reads the source tree for the tests beside it.
//!
//! Never builds or runs anything but `cargo metadata`. Driven by the tests in
//! `tests/deps/tests`, one file for each claim about the tree.

use std::collections::{BTreeMap, BTreeSet};
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

/// A source file without what is compiled for tests alone: modules of a file's own
/// (`#[cfg(test)] mod … { … }`), and declarations of others.
pub fn product(text: &str) -> String {
    let mut out = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line != "#[cfg(test)]" {
            out += line;
            out.push('\n');
            continue;
        }
        let declared = lines.by_ref().find(|line| !line.starts_with("#["));
        if declared.is_some_and(|line| line.ends_with('{')) {
            let _ = lines.by_ref().find(|line| *line == "}");
        }
    }
    out
}

/// The numbers that the comments of a file's tests cite after a word: `P20`
/// after "P", `threats 6 and 18` after "threat". Of a file with other code only
/// what follows `#[cfg(test)]` counts; of a folder every file in it.
pub fn cited(path: &str, word: &str) -> BTreeSet<u32> {
    let of = |path: &str, text: &str| {
        let lines = comments(path, text);
        numbers(&lines.to_lowercase(), &word.to_lowercase())
    };
    if root().join(path).is_dir() {
        let inside = format!("{}/", path.trim_end_matches('/'));
        let all = sources(&[".rs", ".mjs", ".ts"]);
        let all = all.iter().filter(|(path, _)| path.starts_with(&inside));
        return all.flat_map(|(path, text)| of(path, text)).collect();
    }
    of(path, &read(path))
}

/// The comments of a file that belong to tests, as one line.
fn comments(path: &str, text: &str) -> String {
    let whole = path.contains("tests/")
        || path.ends_with("tests.rs")
        || path.ends_with(".mjs")
        || path.ends_with(".ts");
    let from = if whole {
        Some(0)
    } else {
        text.find("#[cfg(test)]")
    };
    let text = from.map_or("", |from| &text[from..]);
    let comments = text
        .lines()
        .map(str::trim_start)
        .filter_map(|line| line.strip_prefix("//"));
    comments
        .flat_map(|line| [line.trim_start_matches(['/', '!']), " "])
        .collect()
}

/// The numbers after each `word`: `p20`, `threat 7`, `threats 8, 24 and 27`.
fn numbers(text: &str, word: &str) -> BTreeSet<u32> {
    let mut found = BTreeSet::new();
    for (at, _) in text.match_indices(word) {
        let before = text[..at].chars().next_back();
        if before.is_some_and(char::is_alphanumeric) {
            continue;
        }
        let rest = &text[at + word.len()..];
        if word.len() == 1 {
            found.extend(leading(rest));
            continue;
        }
        let rest = rest.strip_prefix('s').unwrap_or(rest);
        for part in rest.split([' ', ',']).filter(|part| !part.is_empty()) {
            match leading(part) {
                Some(number) => found.insert(number),
                None if part == "and" => true,
                None => break,
            };
            if part.ends_with([')', '.', ':', ';']) {
                break;
            }
        }
    }
    found
}

fn leading(text: &str) -> Option<u32> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    text[..end].parse().ok()
}

/// Folders that hold nothing of ours.
const SKIPPED: [&str; 4] = ["target", "node_modules", "dist", "corpus"];
