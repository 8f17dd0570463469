//! What is in an image, in CycloneDX form: packages of the distribution with
//! their hashes, what our programs are linked with as the programs themselves
//! tell it, and every crate of the lock file.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::packages::Package;

/// The C library that Rust brings for static programs, which leaves no trace in
/// them: for each Rust, its musl.
const MUSL: [(&str, &str); 1] = [("1.95.0", "1.2.5")];
/// Our programs in an image.
const PROGRAMS: [&str; 2] = ["culvert-gateway", "culvert-supervisor"];

/// Writes the list; `binaries` is the folder of our programs.
pub(crate) fn write(
    path: &Path,
    name: &str,
    packages: &[&Package],
    arch: &str,
    binaries: &Path,
) -> anyhow::Result<()> {
    let mut components: Vec<Value> = packages
        .iter()
        .map(|package| {
            json!({
                "type": "library",
                "name": package.name,
                "version": package.version,
                "purl": format!("pkg:deb/debian/{}@{}?arch={arch}", package.name, package.version),
                "hashes": [{ "alg": "SHA-256", "content": package.hash }],
            })
        })
        .collect();
    let mut libraries = BTreeSet::new();
    for program in PROGRAMS {
        let path = binaries.join(program);
        let bytes = fs::read(&path).with_context(|| path.display().to_string())?;
        libraries.extend(linked(&bytes).with_context(|| path.display().to_string())?);
    }
    components.extend(libraries.into_iter().map(|(name, version)| {
        json!({
            "type": "library",
            "name": name,
            "version": version,
            "purl": format!("pkg:generic/{name}@{version}"),
        })
    }));
    components.extend(crates()?);
    let list = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": { "component": { "type": "firmware", "name": name } },
        "components": components,
    });
    fs::write(path, serde_json::to_vec_pretty(&list)?)?;
    Ok(())
}

/// Rust's own library and the C library in a static program.
fn linked(program: &[u8]) -> anyhow::Result<[(&'static str, String); 2]> {
    let after = |words: &str| {
        let at = program
            .windows(words.len())
            .position(|w| w == words.as_bytes())?;
        let rest = &program[at + words.len()..];
        let end = rest.iter().position(|b| b" )\0".contains(b))?;
        String::from_utf8(rest[..end].to_vec()).ok()
    };
    let rust = after("rustc version ").context("it does not say which Rust built it")?;
    let c = match after("GNU C Library (Debian GLIBC ") {
        Some(version) => ("glibc", version),
        None => {
            let known = MUSL.iter().find(|(of, _)| *of == rust);
            let (_, version) = known.with_context(|| {
                format!("nobody has told sbom.rs which musl comes with Rust {rust}")
            })?;
            ("musl", (*version).to_owned())
        }
    };
    Ok([("rust-std", rust), c])
}

/// The crates of the lock file this program was built with: more than the
/// image holds. What is linked besides them is [`linked`].
fn crates() -> anyhow::Result<Vec<Value>> {
    let lock: toml::Table = include_str!("../../Cargo.lock").parse()?;
    let packages = lock.get("package").and_then(toml::Value::as_array);
    let packages = packages.context("the lock file lists no package")?;
    Ok(packages
        .iter()
        .filter_map(|package| {
            let name = package.get("name")?.as_str()?;
            let version = package.get("version")?.as_str()?;
            Some(json!({
                "type": "library",
                "name": name,
                "version": version,
                "purl": format!("pkg:cargo/{name}@{version}"),
            }))
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `readelf -p .comment` and `strings` show them.
    const MUSL_PROGRAM: &[u8] =
        b"\x7fELF\0GCC: (Debian 12.2.0-14) 12.2.0\0rustc version 1.95.0 (59807616e 2026-04-14)\0";
    const GLIBC_PROGRAM: &[u8] = b"\x7fELF\0GNU C Library (Debian GLIBC 2.36-8) stable release version 2.36.\0rustc version 1.95.0 (59807616e 2026-04-14)\0";

    fn listed(program: &[u8]) -> anyhow::Result<Vec<(String, String)>> {
        let dir = tempfile::tempdir()?;
        for name in PROGRAMS {
            fs::write(dir.path().join(name), program)?;
        }
        let kernel = Package {
            name: "linux-image-6.1.0-56-arm64".into(),
            version: "6.1.192-2".into(),
            hash: "ab".repeat(32),
            tree: dir.path().to_owned(),
        };
        let path = dir.path().join("sbom.json");
        write(&path, "culvert-rock64-1", &[&kernel], "arm64", dir.path())?;
        let list: Value = serde_json::from_slice(&fs::read(path)?)?;
        assert_eq!(list["bomFormat"], "CycloneDX");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let all = list["components"].as_array().unwrap();
        Ok(all
            .iter()
            .map(|one| (text(&one["name"]), text(&one["version"])))
            .collect())
    }

    #[test]
    fn a_list_names_packages_crates_and_what_is_linked_in() {
        for (program, c) in [
            (MUSL_PROGRAM, ("musl", "1.2.5")),
            (GLIBC_PROGRAM, ("glibc", "2.36-8")),
        ] {
            let all = listed(program).unwrap();
            let has = |name: &str, version: &str| {
                all.iter()
                    .any(|(n, v)| (n.as_str(), v.as_str()) == (name, version))
            };
            assert!(has("linux-image-6.1.0-56-arm64", "6.1.192-2"));
            assert!(has("rust-std", "1.95.0") && has(c.0, c.1), "{c:?}");
            assert!(has("culvert-gateway", env!("CARGO_PKG_VERSION")));
            assert!(all.iter().any(|(name, _)| name == "rustls"));
            assert!(
                all.iter()
                    .all(|(name, version)| !name.is_empty() && !version.is_empty())
            );
            let libraries = ["musl", "glibc", "rust-std"];
            let linked = all
                .iter()
                .filter(|(name, _)| libraries.contains(&name.as_str()));
            assert_eq!(linked.count(), 2, "each once");
        }
    }

    #[test]
    fn a_program_whose_libraries_nobody_knows_is_no_image() {
        let other = b"rustc version 9.99.0 (0 2099-01-01)\0";
        let refused = listed(other).unwrap_err();
        assert!(format!("{refused:#}").contains("which musl comes with Rust 9.99.0"));
        assert!(listed(b"#!/bin/sh\n").is_err());
    }
}
