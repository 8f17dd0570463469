//! .20, the desktop over VNC: TigerVNC with a window manager and a terminal.

use std::fs;
use std::time::Duration;

use super::Start;
use super::account::as_account;
use crate::keys::Credentials;
use crate::namespace::Ns;
use crate::network::DESKTOP_IP;
use crate::ready::{until, wait_for_banner};
use crate::{LabError, Running};

/// The screen's number; VNC's port is 5900 whatever it is.
pub(crate) const DISPLAY: u32 = 1;

pub(super) fn start(start: &Start<'_>) -> Result<Vec<Running>, LabError> {
    let password = start.folder.join("hosts").join("desktop").join("vnc");
    write_password(start, &password)?;
    let screen = start.run_as(Ns::Desktop, "setpriv", "Xvnc", |command| {
        as_account(command, start.who, None);
        command
            .args(["Xtigervnc", &format!(":{DISPLAY}")])
            .args([
                "-desktop",
                "desktop",
                "-geometry",
                "1024x768",
                "-depth",
                "24",
            ])
            .args(["-rfbport", "5900", "-interface", DESKTOP_IP])
            .args(["-SecurityTypes", "VncAuth", "-AlwaysShared", "-rfbauth"])
            .arg(password)
            .args(["-nolisten", "tcp", "-ac", "-br"]);
    })?;
    wait(start)?;
    let manager = start.run_as(Ns::Desktop, "setpriv", "session", |command| {
        as_account(command, start.who, Some(DISPLAY));
        command.args(["sh", "-c", SESSION]);
    })?;
    Ok(vec![screen, manager])
}

pub(super) fn wait(start: &Start<'_>) -> Result<(), LabError> {
    wait_for_banner(start.world, Ns::Gateway, DESKTOP_IP, 5900, "RFB 003.008")
}

/// Waits until the desktop has been drawn: what a test paints over it later
/// stays.
pub(super) fn wait_for_session(start: &Start<'_>) -> Result<(), LabError> {
    let script = is_up(start.who, DISPLAY);
    until(
        "the desktop's window manager",
        Duration::from_secs(40),
        || {
            let said = start
                .world
                .shell(Ns::Desktop, "the window manager", &script);
            said.map_err(|error| error.to_string())
        },
    )?;
    Ok(())
}

/// A shell test: the window manager has taken the screen, and said so in the
/// property every window manager sets.
pub(crate) fn is_up(who: &Credentials, display: u32) -> String {
    format!(
        "XAUTHORITY=/home/{}/.Xauthority DISPLAY=:{display} \
         xprop -root _NET_SUPPORTING_WM_CHECK | grep -q 'window id'",
        who.user
    )
}

fn write_password(start: &Start<'_>, path: &std::path::Path) -> Result<(), LabError> {
    let script = format!(
        "printf '%s\\n' {} | tigervncpasswd -f",
        start.who.vnc_password
    );
    let mut command = start.world.command(Ns::Desktop, "sh");
    command.args(["-c", &script]);
    let output = crate::namespace::finish(&mut command)?;
    fs::write(path, &output.stdout).map_err(LabError::file(path))?;
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .map_err(LabError::file(path))
}

/// What a person sees who opens the desktop.
pub(super) const SESSION: &str = "cd; xsetroot -solid '#35526b'
icewm & xterm -geometry 72x16+40+40 -title desktop & wait";
