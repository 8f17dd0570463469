//! A stranger finds any room: every file says what it is for, and none is a
//! hall.

use culvert_deps::{product, read, sources};
use culvert_wire::reason::Reason;

#[test]
fn every_source_file_begins_by_saying_what_it_is_for() {
    let missing: Vec<_> = sources(&[".rs"])
        .into_iter()
        .filter(|(_, text)| !text.starts_with("//!"))
        .map(|(path, _)| path)
        .collect();

    assert!(missing.is_empty(), "no //! header: {missing:#?}");
}

#[test]
fn no_source_file_exceeds_800_lines_of_product_code() {
    let long: Vec<_> = sources(&[".rs"])
        .into_iter()
        .map(|(path, text)| {
            let lines = product(&text).lines().count();
            (path, lines)
        })
        .filter(|(_, lines)| *lines > 800)
        .collect();

    assert!(long.is_empty(), "split by state: {long:#?}");
}

#[test]
fn the_wire_document_lists_exactly_the_reasons_of_the_code() {
    let listed: Vec<String> = read("docs/wire.md")
        .lines()
        .filter(|line| line.starts_with("| ") && line.matches('|').count() == 4)
        .filter(|line| line[2..].starts_with(|c: char| c.is_ascii_digit()) && line.contains('`'))
        .map(str::to_owned)
        .collect();
    let known: Vec<String> = Reason::ALL
        .iter()
        .map(|reason| {
            format!(
                "| {} | `{}` | {} |",
                reason.code(),
                reason.slug(),
                reason.sentence()
            )
        })
        .collect();

    let missing: Vec<_> = known.iter().filter(|row| !listed.contains(row)).collect();
    assert!(missing.is_empty(), "not in docs/wire.md: {missing:#?}");
    let extra: Vec<_> = listed.iter().filter(|row| !known.contains(row)).collect();
    assert!(extra.is_empty(), "only in docs/wire.md: {extra:#?}");
}
