//! Who may depend on whom, judged by packages: the relay cannot read a
//! session because its package cannot even name one.

use std::collections::BTreeMap;

use culvert_deps::packages;

/// For each package of ours, the packages of ours it may depend on.
fn allowed() -> BTreeMap<&'static str, &'static [&'static str]> {
    let endpoint: &[&str] = &[
        "culvert-session",
        "culvert-link",
        "culvert-path",
        "culvert-wire",
        "culvert-screen",
        "culvert-config",
    ];
    BTreeMap::from([
        ("culvert-wire", &[][..]),
        ("culvert-screen", &[]),
        ("culvert-board", &[]),
        ("culvert-path", &["culvert-wire"]),
        ("culvert-config", &["culvert-wire"]),
        ("culvert-link", &["culvert-wire"]),
        (
            "culvert-session",
            &["culvert-path", "culvert-wire", "culvert-link"],
        ),
        ("culvert-gateway", endpoint),
        ("culvert-agent", endpoint),
        ("culvert-connect", endpoint),
        (
            "culvert-cloud-prs",
            &[
                "culvert-link",
                "culvert-wire",
                "culvert-path",
                "culvert-config",
            ],
        ),
        (
            "culvert-endpoint",
            &[
                "culvert-session",
                "culvert-path",
                "culvert-wire",
                "culvert-screen",
            ],
        ),
        ("culvert-bindgen", &[]),
        (
            "culvert-supervisor",
            &["culvert-wire", "culvert-board", "culvert-config"],
        ),
        (
            "culvert-image",
            &["culvert-wire", "culvert-board", "culvert-config"],
        ),
    ])
}

/// Packages that only test; they may use all.
const TESTS: [&str; 5] = [
    "culvert-lab",
    "culvert-e2e",
    "culvert-bench",
    "culvert-deps",
    "culvert-fuzz",
];

#[test]
fn packages_depend_only_in_the_directions_of_the_design() {
    let allowed = allowed();
    for (package, edges) in packages() {
        if TESTS.contains(&package.as_str()) {
            continue;
        }
        let may = allowed
            .get(package.as_str())
            .unwrap_or_else(|| panic!("{package} is new: give it a row in this test"));
        for edge in edges.iter().filter(|edge| edge.to.starts_with("culvert-")) {
            let tested_with = edge.dev && (TESTS.contains(&edge.to.as_str()) || edge.to == package);
            assert!(
                may.contains(&edge.to.as_str()) || tested_with,
                "{package} must not depend on {}",
                edge.to
            );
        }
    }
}

#[test]
fn session_names_link_only_with_its_native_feature() {
    let packages = packages();
    for native in ["culvert-link", "noq", "tokio"] {
        let edge = packages["culvert-session"]
            .iter()
            .find(|edge| edge.to == native && !edge.dev)
            .unwrap_or_else(|| panic!("{native} is no dependency"));
        assert!(edge.optional, "{native} must come with `native` only");
    }
}

#[test]
fn nothing_is_called_common_utils_or_core() {
    for package in packages().keys() {
        for word in ["common", "utils", "core", "helpers"] {
            assert!(!package.ends_with(word), "{package} names no content");
        }
    }
}

#[test]
fn direct_dependencies_stay_few() {
    let pure = ["culvert-wire", "culvert-path", "culvert-screen"];
    for (package, edges) in packages() {
        let count = edges.iter().filter(|edge| !edge.dev).count();
        let limit = if pure.contains(&package.as_str()) {
            8
        } else {
            40
        };
        assert!(
            count <= limit,
            "{package} has {count} direct dependencies, {limit} allowed"
        );
    }
}
