//! Questions to the person at the terminal.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use crate::failure::Failure;

/// Whether there is somebody to ask.
pub(super) fn is_there() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks a question; anything but yes is no.
pub(super) fn yes(question: &str) -> Result<bool, Failure> {
    let answer = line(&format!("{question} [y/N] "))?;
    Ok(matches!(answer.to_lowercase().as_str(), "y" | "yes"))
}

/// Asks for a line.
pub(super) fn line(question: &str) -> Result<String, Failure> {
    let broken = |source| Failure::Local {
        what: "the terminal does not answer".into(),
        source,
    };
    let mut out = io::stderr().lock();
    write!(out, "{question}")
        .and_then(|()| out.flush())
        .map_err(broken)?;
    drop(out);
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).map_err(broken)?;
    Ok(answer.trim().to_owned())
}
