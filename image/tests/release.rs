//! `image/release` and what it is asked: everything that cannot be is one
//! sentence, and nothing is built.

use std::fs;
use std::path::Path;
use std::process::Command;

fn refused(words: &[&str]) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("release");
    let output = Command::new(script).args(words).output().expect("it runs");
    assert_eq!(output.status.code(), Some(2), "{words:?}");
    assert!(output.stdout.is_empty(), "{words:?}");
    String::from_utf8(output.stderr).expect("it is text")
}

#[test]
fn what_cannot_be_built_is_told_in_one_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let keys = dir.path().join("keys");
    fs::create_dir(&keys).unwrap();
    let keys = keys.to_str().unwrap();
    let none = refused(&["--keys", keys, "--version", "1"]);
    assert!(none.contains("holds no release.key"), "{none}");

    fs::write(dir.path().join("keys/release.key"), "").unwrap();
    let file = format!("{keys}/release.key");
    fs::write(dir.path().join("SHA256SUMS"), "").unwrap();
    let done = dir.path().to_str().unwrap();
    for (words, sentence) in [
        (&[][..], "--keys is missing"),
        (&["--keys", keys], "--version is missing"),
        (&["--keys"], "--keys wants a value"),
        (&["--keys", keys, "--version", "one"], "is no number"),
        (&["--keys", keys, "--version", "0"], "is no number"),
        (&["--keys", keys, "--version", "-1"], "is no number"),
        (&["--key", keys], "--key is not understood"),
        (
            &["--keys", keys, "--version", "1", "--out", &file],
            "is no folder",
        ),
        (
            &["--keys", keys, "--version", "1", "--out", done],
            "holds a whole release",
        ),
        (
            &["--keys", keys, "--version", "1", "--board", "rock46"],
            "there is no board rock46; known are: nanopi-neo2 ",
        ),
    ] {
        let said = refused(words);

        assert!(said.contains(sentence), "{words:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }

    fs::write(dir.path().join("keys/DEMO"), "").unwrap();
    let demo = refused(&["--keys", keys, "--version", "1"]);
    assert!(demo.contains("the demonstration's keys"), "{demo}");
}
