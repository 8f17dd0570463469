//! Text for people: tables, and foreign names without control characters.
//!
//! Everything a server, a gateway or a host says passes [`plain`] before it
//! reaches a terminal: an escape sequence in a host's name stays a name.

use std::io::{self, Write as _};

/// Foreign text made harmless for a terminal.
pub fn plain(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            c if c.is_control() => '\u{fffd}',
            // Bidirectional overrides reorder what follows them.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
            c => c,
        })
        .collect()
}

/// A sentence for a person, perhaps with a list below it: harmless for a terminal,
/// and no longer than anybody reads, whatever was typed or answered.
pub fn sentence(text: &str) -> String {
    let end = text.char_indices().nth(MAX_SENTENCE).map(|(end, _)| end);
    let lines: Vec<String> = text[..end.unwrap_or(text.len())]
        .split('\n')
        .map(plain)
        .collect();
    let more = if end.is_some() { "…" } else { "" };
    lines.join("\n") + more
}

/// Longest sentence, in characters.
const MAX_SENTENCE: usize = 4_000;

/// Rows under a head, in columns as wide as their widest cell.
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| row.iter().map(|cell| plain(cell)).collect())
        .collect();
    let width = |at: usize| {
        let longest = cells.iter().map(|row| row[at].chars().count()).max();
        longest.unwrap_or(0).max(head[at].chars().count())
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |row: Vec<&str>| {
        let mut out = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            out.push_str(cell);
            out.extend(std::iter::repeat_n(' ', width - cell.chars().count() + 2));
        }
        out.trim_end().to_owned() + "\n"
    };
    let mut out = line(head.to_vec());
    for row in &cells {
        out.push_str(&line(row.iter().map(String::as_str).collect()));
    }
    out
}

/// Prints a result. A closed pipe (`culvert ls | head`) is no failure.
pub fn result(text: &str) {
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    drop(written);
}

/// Says something beside the result, on standard error.
pub fn note(text: &str) {
    let written = writeln!(io::stderr().lock(), "culvert: {text}");
    drop(written);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_in_names_reach_no_terminal() {
        let evil = plain("a\u{1b}]0;x\u{7}\nb\u{202e}c");

        assert!(!evil.chars().any(char::is_control));
        assert!(!evil.contains('\u{202e}'));
        assert!(evil.starts_with('a') && evil.ends_with('c'));
    }

    #[test]
    fn a_sentence_ends_and_steers_no_terminal() {
        assert_eq!(
            sentence("there is no\na\u{1b}[2J"),
            "there is no\na\u{fffd}[2J"
        );
        let long = sentence(&"ä".repeat(64 * 1024));
        assert_eq!(long.chars().count(), MAX_SENTENCE + 1);
        assert!(long.ends_with('…'));
    }

    #[test]
    fn columns_line_up_and_lines_end_clean() {
        let text = table(
            &["host", "site"],
            &[
                vec!["nas".into(), "Köln".into()],
                vec!["a\nb-long".into(), "x".into()],
            ],
        );

        assert_eq!(text, "host      site\nnas       Köln\na\u{fffd}b-long  x\n");
    }
}
