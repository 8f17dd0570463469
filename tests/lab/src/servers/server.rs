//! .10, the server: OpenSSH and telnetd.

use std::fs;
use std::process::Command;

use super::Start;
use crate::namespace::{Ns, finish, said};
use crate::network::SERVER_IP;
use crate::ready::wait_for_banner;
use crate::{LabError, Running};

pub(super) fn start(start: &Start<'_>) -> Result<Vec<Running>, LabError> {
    let folder = start.folder.join("hosts").join("server");
    let key = folder.join("host_key");
    make_key(&key)?;
    // AcceptEnv as Debian ships it: a shell learns from the client that it speaks UTF-8.
    let settings = format!(
        "ListenAddress {SERVER_IP}\nHostKey {key}\nPidFile none\nUsePAM yes\n\
         PasswordAuthentication yes\nKbdInteractiveAuthentication no\n\
         PermitRootLogin no\nStrictModes no\nPrintMotd no\nUseDNS no\n\
         AcceptEnv LANG LC_*\nMaxStartups 100\nMaxSessions 100\nSubsystem sftp internal-sftp\n",
        key = key.display()
    );
    let file = folder.join("sshd_config");
    fs::write(&file, settings).map_err(LabError::file(&file))?;
    let sshd = start.run(Ns::Server, "/usr/sbin/sshd", |command| {
        command.args(["-D", "-e", "-f"]).arg(&file);
    })?;
    let telnetd = start.run(Ns::Server, "socat", |command| {
        command
            .arg(format!("TCP-LISTEN:23,bind={SERVER_IP},reuseaddr,fork"))
            .arg("EXEC:/usr/sbin/telnetd -h,nofork");
    })?;
    Ok(vec![sshd, telnetd])
}

pub(super) fn wait(start: &Start<'_>) -> Result<(), LabError> {
    wait_for_banner(start.world, Ns::Gateway, SERVER_IP, 22, "SSH-2.0-")?;
    // IAC: telnetd speaks first, with its options.
    wait_for_banner(start.world, Ns::Gateway, SERVER_IP, 23, r"\xff")
}

fn make_key(path: &std::path::Path) -> Result<(), LabError> {
    let mut command = Command::new("ssh-keygen");
    command
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(path);
    let output = finish(&mut command)?;
    if output.status.success() {
        return Ok(());
    }
    Err(LabError::Failed {
        what: "making a host key".into(),
        output: said(&output),
    })
}
