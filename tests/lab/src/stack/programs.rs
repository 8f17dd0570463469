//! Where Culvert's own programs are found.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::LabError;

/// Where the programs are.
#[derive(Clone, Debug)]
pub struct Programs {
    folder: PathBuf,
    server: &'static str,
}

impl Programs {
    /// The programs built beside this one (or, for a test, one folder up).
    pub fn beside_this_one() -> Result<Self, LabError> {
        let own = std::env::current_exe().map_err(LabError::file("this program"))?;
        let folder = own
            .ancestors()
            .skip(1)
            .take(2)
            .find(|folder| folder.join("culvert-prs").exists());
        let folder = folder.ok_or_else(|| LabError::Failed {
            what: "finding culvert-prs, culvert-gateway and culvert".into(),
            output: format!("build them first; they are not beside {}", own.display()),
        })?;
        Ok(Self {
            folder: folder.to_owned(),
            server: "culvert-prs",
        })
    }

    /// The same, with the build of the cloud server that writes its TLS keys.
    pub fn with_key_log(self) -> Result<Self, LabError> {
        let server = "culvert-prs-keylog";
        if self.path(server).exists() {
            return Ok(Self { server, ..self });
        }
        Err(LabError::Failed {
            what: format!("finding {server}"),
            output: format!(
                "build it first: cargo build --workspace --bin {server} \
                 --features culvert-cloud-prs/keylog"
            ),
        })
    }

    /// The folder they are in.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The cloud server.
    pub(super) fn server(&self) -> PathBuf {
        self.path(self.server)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// node or one of its tools: where the machine's is too old, the one that
/// `cloud-prs/portal/build` brought comes first in its path, as it does there.
pub fn node_tool(name: &str) -> Command {
    let own = std::env::current_exe().unwrap_or_default();
    let newer = own.ancestors().map(|folder| folder.join("tools/node/bin"));
    let mut newer = newer.filter(|folder| folder.join("node").exists());
    // A program is looked for in the path that it is given.
    let mut command = Command::new(name);
    if let Some(newer) = newer.next() {
        let mut path = OsString::from(newer);
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        command.env("PATH", path);
    }
    command
}
