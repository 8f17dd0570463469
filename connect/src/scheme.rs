//! Who answers `culvert://` links on this system: `culvert open --register`.
//!
//! Linux and other systems of freedesktop.org: a desktop entry of the user's own and
//! her default for `x-scheme-handler/culvert`. Windows: `HKEY_CURRENT_USER`'s classes.
//! Never for other users, never with rights that the user does not have, and what is
//! registered asks before it opens anything.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::home::HOME_VARIABLE;

/// Why links cannot be answered.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// The system does not say where this program is.
    #[error("this program's own file cannot be found")]
    Program(#[source] io::Error),
    /// No place for it.
    #[error("this user has no home folder: set HOME")]
    Nowhere,
    /// The entry could not be written.
    #[error("{path} cannot be written")]
    Write {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The registry did not take it.
    #[error("reg.exe did not take the key {key}")]
    Registry {
        /// Which key.
        key: String,
    },
    /// Not known how.
    #[error(
        "links can be registered on Linux and Windows; on this system copy the link from the \
         portal and hand it to 'culvert open'"
    )]
    NotHere,
}

/// Registers the program at `program`; `home` names the folder of its files when that
/// is not the usual one (on Windows it cannot be handed on, and that is told). Returns
/// what to tell the user.
///
/// # Errors
/// [`RegisterError`].
pub fn register(program: &Path, home: Option<&Path>) -> Result<Vec<String>, RegisterError> {
    if cfg!(windows) {
        windows(program, home)
    } else if cfg!(target_os = "macos") {
        Err(RegisterError::NotHere)
    } else {
        freedesktop(program, home)
    }
}

const ENTRY: &str = "culvert-open.desktop";
const TYPE: &str = "x-scheme-handler/culvert";

fn freedesktop(program: &Path, home: Option<&Path>) -> Result<Vec<String>, RegisterError> {
    let data = directories::BaseDirs::new().ok_or(RegisterError::Nowhere)?;
    let folder = data.data_dir().join("applications");
    let path = folder.join(ENTRY);
    fs::create_dir_all(&folder)
        .and_then(|()| fs::write(&path, entry(program, home)))
        .map_err(|source| RegisterError::Write {
            path: path.clone(),
            source,
        })?;
    let mut said = vec![format!("Wrote {}.", path.display())];
    // Only some desktops need it; it is no fault when it is not there.
    let _ = quiet(Command::new("update-desktop-database").arg(&folder));
    said.push(
        match quiet(Command::new("xdg-mime").args(["default", ENTRY, TYPE])) {
            Ok(()) => "Links of the portal open with this program.".into(),
            Err(_) => "xdg-mime is not here or refused: choose Culvert when the browser asks, or \
                       install xdg-utils and register again."
                .into(),
        },
    );
    Ok(said)
}

/// The desktop entry; a terminal, as the program asks before it opens anything.
fn entry(program: &Path, home: Option<&Path>) -> String {
    let home = home.map(|home| {
        let variable = format!("{HOME_VARIABLE}={}", home.display());
        format!("env {} ", quoted(&variable))
    });
    format!(
        "[Desktop Entry]\nType=Application\nName=Culvert\nComment=Opens links of the Culvert \
         portal\nExec={}{} open %u\nTerminal=true\nNoDisplay=true\nMimeType={TYPE};\n",
        home.unwrap_or_default(),
        quoted(&program.display().to_string()),
    )
}

/// One argument of an `Exec` line (Desktop Entry Specification, "The Exec key"): quoted,
/// and escaped once more as every string of such a file.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '`' | '$' => out.extend(['\\', '\\', c]),
            '\\' => out.push_str("\\\\\\\\"),
            '%' => out.push_str("%%"),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn windows(program: &Path, home: Option<&Path>) -> Result<Vec<String>, RegisterError> {
    let key = r"HKCU\Software\Classes\culvert";
    let command = format!("\"{}\" open \"%1\"", program.display());
    for (key, value) in [
        (key.to_owned(), vec!["/ve", "/d", "URL:Culvert"]),
        (key.to_owned(), vec!["/v", "URL Protocol", "/d", ""]),
        (
            format!(r"{key}\shell\open\command"),
            vec!["/ve", "/d", &command],
        ),
    ] {
        quiet(
            Command::new("reg")
                .args(["add", &key, "/f", "/t", "REG_SZ"])
                .args(value),
        )
        .map_err(|_| RegisterError::Registry { key })?;
    }
    let mut said = vec!["Links of the portal open with this program.".into()];
    if let Some(home) = home {
        let home = home.display();
        said.push(format!(
            "They use the usual folder, not {home}: a registered command has no {HOME_VARIABLE}."
        ));
    }
    Ok(said)
}

fn quiet(command: &mut Command) -> io::Result<()> {
    let done = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()?;
    if done.success() {
        Ok(())
    } else {
        Err(io::Error::other(done.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_names_the_program_and_another_home() {
        let entry = entry(Path::new("/opt/c v/culvert"), Some(Path::new("/tmp/demo")));
        assert!(
            entry.contains("\nExec=env \"CULVERT_HOME=/tmp/demo\" \"/opt/c v/culvert\" open %u\n")
        );
        assert!(entry.contains("\nMimeType=x-scheme-handler/culvert;\n"));
    }

    #[test]
    fn no_letter_of_a_path_leaves_its_argument() {
        assert_eq!(quoted("a\"b"), r#""a\\"b""#);
        assert_eq!(quoted("$x `y` 100% \\"), r#""\\$x \\`y\\` 100%% \\\\""#);
        assert_eq!(quoted("a\nTerminal=false"), r#""a\nTerminal=false""#);
    }
}
