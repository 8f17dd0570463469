//! No package asks for a package that its sources never name.

use std::path::Path;

use culvert_deps::{Edge, folders, packages, sources};

/// Asked for only to choose their features: package, dependency, why.
const ONLY_FEATURES: &[(&str, &str, &str)] = &[(
    "culvert-e2e",
    "proptest",
    "programs are built on the same regex-syntax as tests, and so once",
)];

#[test]
fn every_dependency_is_named_in_the_sources_that_it_is_for() {
    let (folders, sources) = (folders(), sources(&[".rs"]));
    for (package, edges) in packages() {
        let folder = &folders[&package];
        let own: Vec<_> = sources
            .iter()
            .filter(|(path, _)| Path::new(path).starts_with(folder))
            .map(|(path, text)| {
                let path = Path::new(path);
                (path.strip_prefix(folder).expect("below it"), text.as_str())
            })
            .collect();
        for edge in edges {
            let excepted = ONLY_FEATURES
                .iter()
                .any(|(of, to, _)| *of == package && *to == edge.to);
            assert!(
                excepted || is_named(&own, &edge),
                "{package} depends on {} and never names it: take it out of its Cargo.toml",
                edge.to
            );
        }
    }
}

/// Tests may name any of them, the package itself only what is not for tests.
fn is_named(own: &[(&Path, &str)], edge: &Edge) -> bool {
    own.iter()
        .filter(|(path, _)| edge.dev || path.starts_with("src") || *path == Path::new("build.rs"))
        .any(|(_, text)| holds_word(text, &edge.called))
}

fn holds_word(text: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word)
        .any(|(at, _)| !text[..at].ends_with(part) && !text[at + word.len()..].starts_with(part))
}

#[test]
fn a_word_is_found_whole_or_not_at_all() {
    assert!(holds_word("use noq::Endpoint;", "noq"));
    assert!(!holds_word("use noq_proto::Endpoint;", "noq"));
    assert!(!holds_word("let my_noq = 1;", "noq"));
}
