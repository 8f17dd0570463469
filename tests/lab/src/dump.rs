//! A core of a running program: everything it holds in memory at one moment.
//!
//! `gcore` stops the program, writes the file and lets it go on. The file is
//! searched like any other.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::LabError;
use crate::namespace::{finish, said};

/// Writes a core of a running program into `folder` and says where it is.
///
/// Whoever has searched it removes it; it is as large as the program.
pub fn core_of(pid: u32, folder: &Path) -> Result<PathBuf, LabError> {
    let prefix = folder.join("core");
    let mut command = Command::new("gcore");
    // -a: every mapping, whatever the program or the system would leave out.
    command.args(["-a", "-o"]).arg(&prefix).arg(pid.to_string());
    let output = finish(&mut command)?;
    let file = folder.join(format!("core.{pid}"));
    if output.status.success() && file.exists() {
        return Ok(file);
    }
    Err(LabError::Failed {
        what: "taking a core".into(),
        output: said(&output),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{files_hold, random_word};

    #[test]
    fn a_core_holds_what_the_program_has_in_memory_and_the_program_goes_on() {
        let (word, other) = (random_word(24).unwrap(), random_word(24).unwrap());
        let folder = tempfile::tempdir().unwrap();
        let mut sleeper = Command::new("sleep")
            .arg("60")
            .env("WORD", &word)
            .spawn()
            .unwrap();
        let core = core_of(sleeper.id(), folder.path());
        let lives = sleeper.try_wait().unwrap().is_none();
        sleeper.kill().unwrap();
        sleeper.wait().unwrap();
        let core = core.unwrap();
        assert!(lives);
        assert_eq!(files_hold(&core, &[&other, &word]).unwrap(), Some(&*word));
        assert_eq!(files_hold(&core, &[&other]).unwrap(), None);
    }
}
