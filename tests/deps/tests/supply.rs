//! What is built is what was looked at: every crate and every npm package comes from
//! the public registry with the checksum that is written here, and nothing that
//! builds or installs may choose another version (threat 35).
//!
//! Licences, advisories, bans and foreign registries: `cargo deny` (deny.toml). That
//! two builds of an image are the same bytes, with a list of its parts: image/boot-test.

use std::collections::BTreeSet;

use culvert_deps::{packages, read, root};
use serde_json::Value;

/// Where crates come from.
const CRATES: &str = "registry+https://github.com/rust-lang/crates.io-index";
/// Scripts that build.
const SCRIPTS: [&str; 7] = [
    "bench",
    "check",
    "cloud-prs/portal/build",
    "demo",
    "image/boot-test",
    "image/toolchain",
    "tests/postgres",
];
/// What compiles, or fetches what is compiled.
const BUILDS: [&str; 8] = [
    "build", "check", "clippy", "doc", "install", "run", "rustc", "test",
];
/// What the product is measured against; no part of it.
const PEERS: [&str; 1] = ["rathole"];
/// What npm locks.
const NPM_LOCKS: [&str; 4] = [
    "cloud-prs/portal/node/package-lock.json",
    "cloud-prs/portal/package-lock.json",
    "tests/portal/endpoint/package-lock.json",
    "tests/portal/package-lock.json",
];

#[test]
fn every_crate_is_ours_or_of_the_public_registry_with_its_checksum() {
    let ours: BTreeSet<String> = packages().into_keys().collect();
    let lock = read("Cargo.lock");

    assert_eq!(foreign(&lock, &ours), [] as [String; 0]);

    assert!(lock.matches("[[package]]").count() > 300, "what was read?");
    // The search does find what it is for.
    let named = |from: &str, to: &str| foreign(&lock.replacen(from, to, 1), &ours).len();
    assert_eq!(named(CRATES, "git+https://example.com/a#0"), 1);
    assert_eq!(named("checksum = \"", "checksum = \"0"), 1);
    assert_eq!(
        named("name = \"culvert-wire\"", "name = \"culvert-fire\""),
        1
    );
}

#[test]
fn every_npm_package_is_locked_to_its_checksum() {
    let mut seen = 0;
    for path in NPM_LOCKS {
        let lock: Value = serde_json::from_str(&read(path)).expect("JSON");
        for (name, package) in lock["packages"].as_object().expect("packages") {
            // The first one is the folder itself.
            if name.is_empty() {
                continue;
            }
            seen += 1;
            let sum = package["integrity"].as_str().unwrap_or_default();
            assert!(sum.starts_with("sha512-"), "{path}: {name} has no checksum");
            if let Some(from) = package["resolved"].as_str() {
                let public = from.starts_with("https://registry.npmjs.org/");
                assert!(public, "{path}: {name} comes from {from}");
            }
        }
    }
    assert!(seen > 50, "only {seen} packages found");
}

#[test]
fn nothing_that_builds_may_choose_other_versions() {
    let mut seen = 0;
    for path in SCRIPTS {
        let text = read(path).replace("\\\n", " ");
        for command in text.split(['\n', ';', '&', '|', '(', ')']) {
            if let Some(free) = unlocked(command) {
                assert!(!free, "{path} does not keep to the lock: {command}");
                seen += 1;
            }
        }
    }
    assert!(seen > 12, "only {seen} commands found");
    let ways = [
        "cargo build",
        "cargo test --locked",
        "npm install",
        "npm ci",
        "cargo fmt",
    ];
    let said = ways.map(unlocked);
    assert_eq!(
        said,
        [Some(true), Some(false), Some(true), Some(false), None]
    );
    assert!(root().join("Cargo.lock").exists());
}

/// Packages of a lock that are neither ours nor checked.
fn foreign(lock: &str, ours: &BTreeSet<String>) -> Vec<String> {
    let blocks = lock.split("[[package]]").skip(1);
    let field = |block: &str, name: &str| {
        let line = block.lines().find_map(|line| line.strip_prefix(name));
        let value = line.and_then(|rest| rest.strip_prefix(" = \""));
        value.map(|rest| rest.trim_end_matches('"').to_owned())
    };
    blocks
        .filter(|block| {
            let name = field(block, "name").expect("a name");
            let checked = field(block, "checksum").is_some_and(|sum| {
                sum.len() == 64 && sum.bytes().all(|byte| byte.is_ascii_hexdigit())
            });
            match field(block, "source") {
                None => !ours.contains(&name),
                Some(source) => source != CRATES || !checked,
            }
        })
        .map(|block| field(block, "name").expect("a name"))
        .collect()
}

/// Whether a command takes versions that nobody has written down; none when it
/// fetches and compiles nothing.
fn unlocked(command: &str) -> Option<bool> {
    // What is only said is said between quotes, behind `echo`.
    if command.trim_start().starts_with('#') || command.contains("echo ") {
        return None;
    }
    let words: Vec<&str> = command.split_whitespace().collect();
    let after = |program: &str| {
        let at = words.iter().position(|word| *word == program)?;
        words.get(at + 1).copied()
    };
    if words.iter().any(|word| PEERS.contains(word)) {
        return None;
    }
    if after("cargo").is_some_and(|what| BUILDS.contains(&what)) {
        return Some(!words.contains(&"--locked"));
    }
    match after("npm")? {
        "ci" => Some(false),
        "install" | "i" | "update" => Some(true),
        _ => None,
    }
}
