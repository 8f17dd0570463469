//! A script that drives Chromium beside a test: it asks the test for what only
//! the test can do, and the test judges nothing of what the browser shows.
//!
//! A line `? WORD…` that the script prints is a question; its answer is one
//! line of JSON, or `! ` and why there is none. All other lines are its report.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, ensure};
use culvert_lab::node_tool;

use crate::browser::prepare;

/// A folder of scripts with the browser's tools.
#[derive(Debug)]
pub struct Scripts {
    folder: PathBuf,
}

impl Scripts {
    /// The portal's, with the tools installed.
    ///
    /// # Errors
    /// What is missing, in one sentence.
    pub fn of_the_portal() -> anyhow::Result<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../portal");
        let pages = folder.join("../../cloud-prs/portal/dist/index.html");
        ensure!(
            pages.is_file(),
            "the server was built without its pages: run cloud-prs/portal/build, then cargo build -p culvert-cloud-prs"
        );
        prepare(&folder)?;
        Ok(Self { folder })
    }

    /// Runs a script to its end and answers what it asks. `CULVERT_ONLY` in the
    /// test's environment is for a look at one test by hand: words of its name.
    ///
    /// # Errors
    /// Its report, when a test of it failed or none ran.
    pub fn run(
        &self,
        name: &str,
        environment: &[(&str, String)],
        mut answer: impl FnMut(&[&str]) -> anyhow::Result<String>,
    ) -> anyhow::Result<()> {
        let mut node = node_tool("node");
        node.arg(name).args(std::env::var("CULVERT_ONLY"));
        node.envs(environment.iter().map(|(name, value)| (name, value)));
        node.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut node = node
            .current_dir(&self.folder)
            .spawn()
            .context("starting node")?;
        let mut to = node.stdin.take().context("piped")?;
        let mut said = String::new();
        for line in BufReader::new(node.stdout.take().context("piped")?).lines() {
            let line = line?;
            let Some(question) = line.strip_prefix("? ") else {
                // At once, past the capture of tests: these take minutes.
                let _ = writeln!(std::io::stderr(), "{name}: {line}");
                said += &line;
                said.push('\n');
                continue;
            };
            let words: Vec<&str> = question.split(' ').collect();
            let line = match answer(&words) {
                Ok(json) => json,
                Err(error) => format!("! {}", format!("{error:#}").replace(char::is_control, " ")),
            };
            writeln!(to, "{line}")?;
        }
        let status = node.wait()?;
        ensure!(
            status.success() && said.contains(" passed, 0 failed"),
            "{said}"
        );
        Ok(())
    }
}
