//! No requirement is forgotten: each id of docs/requirements.md is cited by a
//! test, or stands as "pending" in SPECIFICATION.md, or has its reason in
//! docs/out-of-scope.md.

use std::collections::BTreeSet;

use culvert_deps::{read, sources};

#[test]
fn every_requirement_is_tested_pending_or_out_of_scope() {
    let asked = ids(&read("docs/requirements.md"), |line| line.starts_with("| "));
    let tested: BTreeSet<String> = sources(&[".rs", ".ts", ".sh"])
        .iter()
        .filter(|(path, text)| !path.ends_with("requirements.rs") && is_test(path, text))
        .flat_map(|(_, text)| ids(text, |line| line.trim_start().starts_with("//")))
        .collect();
    let pending = ids(&read("SPECIFICATION.md"), |line| line.contains("pending"));
    let outside = ids(&read("docs/out-of-scope.md"), |line| line.starts_with("| "));

    let forgotten: Vec<_> = asked
        .iter()
        .filter(|id| !tested.contains(*id) && !pending.contains(*id) && !outside.contains(*id))
        .collect();

    assert!(asked.len() > 190, "only {} ids found", asked.len());
    assert!(
        forgotten.is_empty(),
        "no test, no pending row, no reason: {forgotten:?}"
    );
}

#[test]
fn nothing_pending_is_claimed_as_tested_in_the_same_row() {
    for line in read("SPECIFICATION.md").lines() {
        assert!(
            !(line.contains("pending") && line.contains("| held by")),
            "{line}"
        );
    }
}

/// Whether a file holds tests.
fn is_test(path: &str, text: &str) -> bool {
    path.contains("tests/") || text.contains("#[test]") || text.contains("#[tokio::test")
}

/// Ids such as K14, P3 in the lines that `wanted` picks.
fn ids(text: &str, wanted: impl Fn(&str) -> bool) -> BTreeSet<String> {
    text.lines()
        .filter(|line| wanted(line))
        .flat_map(|line| line.split(|c: char| !c.is_ascii_alphanumeric()))
        .filter(|word| is_id(word))
        .map(str::to_owned)
        .collect()
}

fn is_id(word: &str) -> bool {
    let mut chars = word.chars();
    let letter = chars.next().is_some_and(|c| "KRTSAP".contains(c));
    let number: String = chars.collect();
    letter && (1..=2).contains(&number.len()) && number.chars().all(|c| c.is_ascii_digit())
}
