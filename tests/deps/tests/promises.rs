//! What the papers say is held by a test is held by one: every file that
//! SPECIFICATION.md and docs/threat-model.md name exists, and the test that
//! holds a promise or a threat cites its number, so that neither can be moved,
//! renamed or numbered wrongly without being noticed.

use std::collections::{BTreeMap, BTreeSet};

use culvert_deps::{cited, read, root, sources};

/// The threats that this part of the project answers for.
const OWNED: [u32; 20] = [
    1, 2, 3, 4, 5, 6, 7, 8, 13, 18, 19, 20, 21, 22, 23, 24, 27, 28, 33, 36,
];

#[test]
fn every_promise_has_one_row_and_each_test_in_it_cites_the_promise() {
    let rows = numbered(&read("SPECIFICATION.md"), "P");
    for promise in 1..=26 {
        let row = rows.get(&promise).map_or(&[][..], Vec::as_slice);
        let [row] = row else {
            panic!("P{promise} has {} rows in SPECIFICATION.md", row.len());
        };
        let named = tests_named(row);
        assert!(
            !named.is_empty() || row.contains("pending"),
            "P{promise} has no test and is not pending: {row}"
        );
        for path in named {
            let says = cited(&path, "P");
            assert!(says.contains(&promise), "{path} does not cite P{promise}");
        }
    }
}

#[test]
fn every_threat_has_tests_that_cite_it() {
    let model = read("docs/threat-model.md");
    let rows = numbered(&model, "");
    for threat in OWNED {
        assert!(rows.contains_key(&threat), "threat {threat} has no row");
    }
    for (threat, row) in &rows {
        let [row] = &row[..] else {
            panic!("threat {threat} has {} rows", row.len());
        };
        let held = row.trim_end_matches(['|', ' ']).rsplit('|').next();
        let named = tests_named(held.expect("a last column"));
        assert!(!named.is_empty(), "no test holds threat {threat}");
        for path in named {
            let says = cited(&path, "threat");
            assert!(
                says.contains(threat),
                "{path} does not cite threat {threat}"
            );
        }
    }
    let known: BTreeSet<u32> = rows.keys().copied().chain(later(&model)).collect();
    assert_eq!(known, (1..=37).collect(), "threats 1 to 37");
}

/// The threats of parts that are not built.
fn later(model: &str) -> Vec<u32> {
    let line = model
        .lines()
        .find(|line| line.starts_with("Not built yet:"))
        .expect("the threats of parts that are not built");
    line.split(|c: char| !c.is_ascii_digit())
        .filter_map(|word| word.parse().ok())
        .collect()
}

#[test]
fn no_test_cites_a_threat_that_the_model_does_not_give_to_a_test() {
    let model = read("docs/threat-model.md");
    let rows = numbered(&model, "").into_keys();
    let known: BTreeSet<u32> = rows.chain(later(&model)).collect();
    for (path, _) in sources(&[".rs", ".mjs", ".ts"]) {
        for threat in cited(&path, "threat") {
            assert!(
                known.contains(&threat),
                "{path} cites threat {threat}, which has no row"
            );
        }
    }
}

#[test]
fn every_test_that_the_specification_names_exists() {
    let mut seen = 0;
    for paper in ["SPECIFICATION.md", "docs/threat-model.md"] {
        for (number, line) in read(paper).lines().enumerate() {
            for word in quoted(line) {
                seen += 1;
                assert!(exists(word), "{paper}:{}: there is no `{word}`", number + 1);
            }
        }
    }
    assert!(seen > 100, "only {seen} names found");
}

/// Rows of tables by the number in their first cell, after a letter.
fn numbered(text: &str, letter: &str) -> BTreeMap<u32, Vec<String>> {
    let mut rows: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    for line in text.lines() {
        let cell = line
            .strip_prefix("| ")
            .and_then(|rest| rest.split(' ').next());
        let number = cell.and_then(|cell| cell.strip_prefix(letter)?.parse().ok());
        if let Some(number) = number {
            rows.entry(number).or_default().push(line.to_owned());
        }
    }
    rows
}

/// What stands between backquotes.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// The files that a row names, without the function.
fn tests_named(row: &str) -> Vec<String> {
    quoted(row)
        .filter(|word| is_path(word))
        .map(|word| word.split("::").next().unwrap_or(word).to_owned())
        .collect()
}

fn is_path(word: &str) -> bool {
    let other = ["./", "/", "culvert://"];
    word.contains('/') && !word.contains(' ') && !other.iter().any(|o| word.starts_with(o))
}

/// Whether the tree holds what is named: a file, a folder, `file::function`, a
/// name for `./bench`, a step of `./check`. What is none of these is no name.
fn exists(word: &str) -> bool {
    if let Some(named) = word.strip_prefix("./bench ") {
        let file = format!("tests/bench/src/bench/{named}.rs");
        return named == "NAME" || root().join(file).exists();
    }
    if let Some(step) = word.strip_prefix("./check ") {
        return step == "--long" || read("check").contains(&format!("\nstep_{step}()"));
    }
    if !is_path(word) {
        return true;
    }
    match word.split_once("::") {
        None => root().join(word).exists(),
        Some((file, name)) => {
            let text = read(file);
            let part = |c: char| c.is_alphanumeric() || c == '_';
            let named = |before: &str| {
                let whole = format!("{before}{name}");
                let mut found = text.match_indices(&whole);
                found.any(|(at, _)| !text[at + whole.len()..].starts_with(part))
            };
            root().join(file).exists() && (named("fn ") || named("    ") || named("mod "))
        }
    }
}
