//! What is in an image, in CycloneDX form: packages of the distribution with
//! their hashes, and every crate of the lock file.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::packages::Package;

/// Writes the list.
pub(crate) fn write(
    path: &Path,
    name: &str,
    packages: &[&Package],
    arch: &str,
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

/// The crates of the lock file this program was built with: more than the
/// image holds, never less.
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
