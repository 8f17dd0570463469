//! A local port and the program that uses it, until one of them ends.

use std::net::{IpAddr, SocketAddr};
use std::process::ExitStatus;
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::carry::Busy;
use crate::failure::{Exit, Failure};
use crate::local::address::loopback_of;
use crate::signals::asked_to_end;
use crate::tunnel::Tunnel;
use crate::viewer::{Start, ViewerError};

/// A viewer may hand over to one that runs already and end: its connection
/// comes within this time or not at all.
const HAND_OVER: Duration = Duration::from_secs(10);
/// A viewer whose session is over may close by itself for this long.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// A free port on the host's own loopback address.
pub(super) fn own_port(tunnel: &Tunnel) -> SocketAddr {
    let address = tunnel
        .streams()
        .targets()
        .first()
        .map(|t| t.address.to_string());
    let ip: IpAddr = loopback_of(tunnel.gateway(), &address.unwrap_or_default());
    SocketAddr::new(ip, 0)
}

/// Starts a program.
pub(super) fn start(start: &Start) -> Result<Child, Failure> {
    let spawned = Command::new(&start.program)
        .args(&start.args)
        .kill_on_drop(true)
        .spawn();
    spawned.map_err(|source| {
        Failure::Viewer(ViewerError::Start {
            program: start.program.clone(),
            source,
        })
    })
}

/// Waits for the first end of: the program (and the connections it left), the
/// session, Ctrl-C, the carrying of connections. Then ends the others.
pub(super) async fn run(
    tunnel: Tunnel,
    mut carrier: JoinHandle<()>,
    mut busy: watch::Receiver<Busy>,
    mut child: Option<Child>,
) -> Result<(), Failure> {
    let result = tokio::select! {
        ended = program(&mut child, &mut busy) => ended,
        _ = tunnel.streams().ended() => {
            let verdict = tunnel.verdict();
            if let Some(child) = &mut child {
                // Its window may still show what happened; then it is closed.
                let closed = timeout(LAST_WORDS, child.wait()).await;
                drop(closed);
            }
            verdict
        }
        // A single connection that ended without a program: the work is done.
        _ = &mut carrier, if child.is_none() => Ok(()),
        () = asked_to_end() => Ok(()),
    };
    carrier.abort();
    tunnel.streams().finish().await;
    result
}

/// Waits for the program's end; without a program for ever.
async fn program(
    child: &mut Option<Child>,
    busy: &mut watch::Receiver<Busy>,
) -> Result<(), Failure> {
    let Some(child) = child else {
        return std::future::pending().await;
    };
    let status = child.wait().await.map_err(|source| Failure::Local {
        what: "the program was lost".into(),
        source,
    })?;
    if status.success() && busy.borrow().ever == 0 {
        let came = timeout(HAND_OVER, busy.wait_for(|busy| busy.ever > 0)).await;
        drop(came);
    }
    // Another window of the same program may still be connected. The sender
    // goes only with the connections.
    while busy.borrow().now > 0 {
        sleep(Duration::from_millis(200)).await;
    }
    verdict(status)
}

/// The program's own exit code.
pub(super) fn verdict(status: ExitStatus) -> Result<(), Failure> {
    if status.success() {
        return Ok(());
    }
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Err(Failure::Program(code.unwrap_or(Exit::Failed as u8)))
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::viewer::desktop;

    /// A program that writes down each of its arguments, ended by a zero byte.
    const STUB: &str = "#!/bin/sh\nprintf '%s\\0' \"$@\" > \"$0.args\"\nexit 7\n";

    /// By a process of its own: one that another test starts in this moment would have the
    /// file that is being written, and nothing runs a file that somebody writes (ETXTBSY).
    fn install(dir: &Path, program: &Path) {
        let text = dir.join("stub");
        std::fs::write(&text, STUB).unwrap();
        let mut install = std::process::Command::new("install");
        let status = install.arg("-m755").arg(&text).arg(program).status();
        assert!(status.unwrap().success());
    }

    #[tokio::test]
    async fn a_program_gets_its_arguments_one_by_one_and_no_shell_sees_them() {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("xfreerdp");
        install(dir.path(), &program);
        let owned = dir.path().join("owned");
        let evil = format!("/u:a b\n\"'; touch {}; $(id)", owned.display());
        let at = "127.7.8.9:40123".parse().unwrap();
        let rdp = desktop::rdp(program.clone(), at, vec![evil.clone().into()], dir.path());

        let status = start(&rdp.unwrap()).unwrap().wait().await.unwrap();

        assert!(matches!(verdict(status), Err(Failure::Program(7))));
        let got = std::fs::read_to_string(dir.path().join("xfreerdp.args")).unwrap();
        assert_eq!(got, format!("/v:127.7.8.9:40123\0{evil}\0"));
        assert!(!owned.exists());
    }

    #[test]
    fn a_program_that_is_gone_is_named() {
        let gone = Start {
            program: "/no/such/viewer".into(),
            args: vec![],
        };
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_all().build().unwrap();
        let _inside = runtime.enter();

        let failure = start(&gone).unwrap_err();

        assert!(failure.sentence().contains("/no/such/viewer"));
    }
}
