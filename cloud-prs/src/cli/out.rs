//! What commands print: lines, tables, JSON; control characters never.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::Path;

use anyhow::Context as _;
use culvert_wire::api::Secret;
use serde::Serialize;

use crate::data::write_private;

/// Prints a line.
pub(super) fn line(text: &str) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stdout(), "{}", clean(text))?)
}

/// Prints a line of complaint.
pub(super) fn complain(text: &str) {
    // Nobody is left to tell when this fails.
    let _ = writeln!(std::io::stderr(), "{}", clean(text));
}

/// Prints a value as JSON.
pub(super) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(value)?;
    Ok(writeln!(std::io::stdout(), "{text}")?)
}

/// Prints a text as it is.
pub(super) fn raw(text: &str) -> anyhow::Result<()> {
    Ok(std::io::stdout().write_all(text.as_bytes())?)
}

/// Prints columns under a head line.
pub(super) fn table<const N: usize>(
    head: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> anyhow::Result<()> {
    let head = head.map(str::to_owned);
    let rows: Vec<[String; N]> = std::iter::once(head)
        .chain(rows.into_iter().map(|row| row.map(|cell| clean(&cell))))
        .collect();
    let widths: [usize; N] = std::array::from_fn(|column| {
        let width = |row: &[String; N]| row[column].chars().count();
        rows.iter().map(width).max().unwrap_or(0)
    });
    for row in &rows {
        let cells = row.iter().zip(widths);
        let padded: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        line(padded.join("  ").trim_end())?;
    }
    Ok(())
}

/// Prints a secret, or writes it to a file that only the owner may read.
pub(super) fn secret(text: &str, file: Option<&Path>) -> anyhow::Result<()> {
    match file {
        Some(path) => Ok(write_private(path, &format!("{text}\n"))?),
        None => line(text),
    }
}

/// Reads a password: from standard input, or twice from the terminal.
pub(super) fn password(from_stdin: bool) -> anyhow::Result<Secret> {
    if from_stdin {
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line)?;
        return Ok(Secret::new(line.trim_end_matches(['\r', '\n']).to_owned()));
    }
    anyhow::ensure!(
        std::io::stdin().is_terminal(),
        "there is no terminal to ask for the password: use --password-stdin"
    );
    let first = rpassword::prompt_password("Password: ").context("the password cannot be read")?;
    let again = rpassword::prompt_password("Again: ").context("the password cannot be read")?;
    anyhow::ensure!(first == again, "the two passwords differ");
    Ok(Secret::new(first))
}

/// Names come from people and boxes: none may steer the terminal.
fn clean(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_control() && c != '\n' {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect()
}
