//! Reads TOML into a raw settings type and turns the reader's errors into
//! sentences a person can act on.
//!
//! Driven by each program's settings module. The raw types derive
//! `Deserialize` with `deny_unknown_fields`.

use std::io::Read as _;
use std::path::Path;

use serde::de::DeserializeOwned;

use crate::ConfigError;

/// Longest settings file, in bytes: far beyond any real one.
const MAX_FILE: u64 = 256 * 1024;
/// Longest words of a file that a sentence repeats.
const MAX_SHOWN: usize = 200;
/// How alike two names must be for one to be suggested for the other, from 0
/// to 1 (Jaro-Winkler; 0.75 finds typing errors and left-out words).
const ALIKE: f64 = 0.75;

/// Reads `path` and gives its text to `check`, which names the errors.
///
/// # Errors
/// [`ConfigError::Read`], or what `check` found wrapped in [`ConfigError::In`].
pub fn load<T>(
    path: &Path,
    check: impl FnOnce(&str) -> Result<T, ConfigError>,
) -> Result<T, ConfigError> {
    let read = |source| ConfigError::Read {
        path: path.to_owned(),
        source,
    };
    let mut text = String::new();
    // Not by its length: a device or a pipe has none, and no end.
    std::fs::File::open(path)
        .and_then(|file| file.take(MAX_FILE + 1).read_to_string(&mut text))
        .map_err(read)?;
    if text.len() as u64 > MAX_FILE {
        return Err(read(std::io::Error::other(format!(
            "more than {MAX_FILE} bytes are too many for a settings file"
        ))));
    }
    check(&text).map_err(|source| ConfigError::In {
        path: path.to_owned(),
        source: Box::new(source),
    })
}

/// Reads TOML text into a raw settings type.
///
/// # Errors
/// [`ConfigError::UnknownKey`] with the nearest known name, else
/// [`ConfigError::Syntax`].
pub fn parse<T: DeserializeOwned>(text: &str) -> Result<T, ConfigError> {
    toml::from_str(text).map_err(|error| explain(text, &error))
}

fn explain(text: &str, error: &toml::de::Error) -> ConfigError {
    let at = error.span().map_or(0, |span| span.start.min(text.len()));
    let line = 1 + text.as_bytes()[..at]
        .iter()
        .filter(|&&byte| byte == b'\n')
        .count();
    match unknown_key(error.message()) {
        Some((key, known)) => ConfigError::UnknownKey {
            line,
            key: shown(key, MAX_SHOWN),
            nearest: nearest(key, &known),
        },
        None => ConfigError::Syntax {
            line,
            problem: shown(&plain(error.message()), MAX_SHOWN),
        },
    }
}

/// Takes serde's sentence apart: "unknown field `x`, expected one of `a`, `b`".
/// Its words are fixed by `serde::de::Error::unknown_field`.
fn unknown_key(message: &str) -> Option<(&str, Vec<&str>)> {
    if !message.starts_with("unknown field ") {
        return None;
    }
    let mut quoted = message.split('`').skip(1).step_by(2);
    let key = quoted.next()?;
    Some((key, quoted.collect()))
}

fn nearest(key: &str, known: &[&str]) -> Option<String> {
    let likeness = |name: &str| strsim::jaro_winkler(&key.to_lowercase(), name);
    known
        .iter()
        .map(|name| (likeness(name), *name))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name.to_owned())
}

/// Foreign words in a sentence: one line of at most so many characters, harmless
/// for a terminal and for a log.
pub fn shown(text: &str, most: usize) -> String {
    let clean = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    let mut shown: String = text.chars().take(most).map(clean).collect();
    if text.chars().nth(most).is_some() {
        shown.push('…');
    }
    shown
}

/// One line, without the value that was found: it may be a misplaced secret.
fn plain(message: &str) -> String {
    let line = message.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.split_once("invalid type: string ") {
        Some((_, rest)) => match rest.rsplit_once(", expected ") {
            Some((_, expected)) => format!("a text stands here, expected {expected}"),
            None => "a text stands here that does not belong here".to_owned(),
        },
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Raw {
        #[expect(dead_code, reason = "only its name matters here")]
        servers: Option<Vec<String>>,
        #[expect(dead_code, reason = "only its name matters here")]
        max_sessions: Option<u16>,
    }

    fn refused(text: &str) -> String {
        parse::<Raw>(text).unwrap_err().to_string()
    }

    #[test]
    fn a_key_that_is_no_name_steers_no_terminal_and_fills_no_screen() {
        let evil = refused("\"da\\u001b[2Jta\" = 1");
        assert_eq!(evil, "line 1: unknown key \"da\u{fffd}[2Jta\"");
        let long = refused(&format!("{} = 1", "k".repeat(64 * 1024)));
        assert!(long.len() < 300, "{} bytes", long.len());
    }

    #[test]
    fn a_sentence_ends_and_steers_no_terminal() {
        assert_eq!(
            shown("cannot read a\u{1b}[2Jb\nc", 100),
            "cannot read a\u{fffd}[2Jb\u{fffd}c"
        );
        assert_eq!(shown("ä", 1), "ä");
        let long = shown(&"ä".repeat(64 * 1024), 2_000);
        assert_eq!(long.chars().count(), 2_001);
        assert!(long.ends_with('…'));
    }

    #[cfg(unix)]
    #[test]
    fn a_file_without_an_end_is_refused() {
        let endless = load(Path::new("/dev/zero"), |_| Ok(())).unwrap_err();
        assert!(endless.to_string().contains("too many"), "{endless}");
    }

    #[test]
    fn an_unknown_key_is_refused_with_the_nearest_known_one() {
        assert_eq!(
            refused("\nserver = []"),
            "line 2: unknown key \"server\", did you mean \"servers\"?"
        );
        assert_eq!(
            refused("Max-Sessions = 3"),
            "line 1: unknown key \"Max-Sessions\", did you mean \"max_sessions\"?"
        );
    }

    #[test]
    fn a_key_like_nothing_known_is_refused_without_a_guess() {
        assert_eq!(refused("zzz = 1"), "line 1: unknown key \"zzz\"");
    }

    #[test]
    fn a_wrong_type_names_the_line_but_never_the_value() {
        let said = refused("servers = []\nmax_sessions = \"hunter2, expected x\"");

        assert_eq!(said, "line 2: a text stands here, expected u16");
    }

    #[test]
    fn a_value_out_of_range_and_broken_toml_name_the_line() {
        assert!(refused("max_sessions = 70000").starts_with("line 1: "));
        assert!(refused("servers = [\n\"a\"\nmax").starts_with("line "));
    }

    #[test]
    fn a_file_that_is_missing_or_too_long_says_its_name() {
        let missing = load(Path::new("/nonexistent/gateway.toml"), parse::<Raw>).unwrap_err();

        assert!(missing.to_string().contains("/nonexistent/gateway.toml"));
    }
}
