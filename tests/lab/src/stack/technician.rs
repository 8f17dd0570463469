//! A technician at work: `culvert` and her other programs, with files of her
//! own.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Stack, run_to_end};
use crate::LabError;
use crate::namespace::Ns;

/// A signed-in technician.
pub struct Technician<'a> {
    stack: &'a Stack<'a>,
    ns: Ns,
    home: PathBuf,
    variables: Vec<(&'static str, String)>,
}

impl<'a> Technician<'a> {
    pub(super) fn new(
        stack: &'a Stack<'a>,
        ns: Ns,
        home: PathBuf,
        variables: Vec<(&'static str, String)>,
    ) -> Self {
        Self {
            stack,
            ns,
            home,
            variables,
        }
    }

    /// A `culvert` command in the technician's place.
    pub fn culvert(&self, args: &[&str]) -> Command {
        let mut command = self.in_her_place(self.program());
        command.args(args);
        command
    }

    /// Where the `culvert` program is, for programs that start it themselves.
    pub fn program(&self) -> PathBuf {
        self.stack.programs.path("culvert")
    }

    /// Any program in the technician's place, with her environment.
    pub fn in_her_place(&self, program: impl AsRef<Path>) -> Command {
        let mut command = self.stack.site.command(self.ns, program);
        self.dress(&mut command);
        command
    }

    /// Gives a command the technician's environment.
    pub fn dress(&self, command: &mut Command) {
        command
            .env("HOME", &self.home)
            .env("CULVERT_HOME", self.home.join("culvert"))
            .envs(self.variables.iter().map(|(name, value)| (name, value)));
    }

    /// Her home folder.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Runs `culvert` to its end; an error holds what it printed.
    pub fn run(&self, args: &[&str]) -> Result<String, LabError> {
        run_to_end(
            &format!("culvert {}", args.join(" ")),
            &mut self.culvert(args),
        )
    }
}
