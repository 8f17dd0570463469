//! The desktop's picture and keys, through vncviewer and xfreerdp (S28, S29):
//! nothing of ours is installed on that host (S33).

use culvert_lab::{Ns, Pattern, Screen};

use super::{LIMIT, Tour};

/// The number of the screen that VNC shows.
const VNC_SCREEN: u32 = 1;

pub(super) fn vnc(tour: &Tour<'_>) -> anyhow::Result<()> {
    let site = tour.site;
    let (word, pattern) = (tour.canary()?, Pattern::random()?);
    pattern.paint(site, Ns::Desktop, VNC_SCREEN)?;
    site.open_notepad(VNC_SCREEN, "by-vnc")?;
    let screen = Screen::start(site, Ns::Technician)?;
    let mut viewer = screen.command(tour.technician.program());
    tour.technician.dress(&mut viewer);
    viewer
        .args(["vnc", "desktop", "--viewer", "xtigervncviewer", "--"])
        .args(["-SecurityTypes", "VncAuth", "-passwd"])
        .arg(site.vnc_password_file());
    let _viewer = site.spawn("by-vnc", &mut viewer)?;
    screen.wait_for(&pattern, LIMIT)?;
    screen.type_line("desktop", &word)?;
    site.wait_for_note("by-vnc", &word, LIMIT)?;
    Ok(())
}

pub(super) fn rdp(tour: &Tour<'_>) -> anyhow::Result<()> {
    let site = tour.site;
    let who = site.credentials();
    let (word, pattern) = (tour.canary()?, Pattern::random()?);
    let screen = Screen::start(site, Ns::Technician)?;
    let mut viewer = screen.command(tour.technician.program());
    tour.technician.dress(&mut viewer);
    viewer
        .args(["rdp", "desktop", "--viewer", "xfreerdp", "--"])
        .args(["/cert:ignore", "/size:1024x768", "/sec:tls", "/t:by-rdp"])
        .arg(format!("/u:{}", who.user))
        .arg(format!("/p:{}", who.password));
    let _viewer = site.spawn("by-rdp", &mut viewer)?;
    let remote = site.wait_for_rdp_screen(LIMIT)?;
    pattern.paint(site, Ns::Desktop, remote)?;
    site.open_notepad(remote, "by-rdp")?;
    screen.wait_for(&pattern, LIMIT)?;
    screen.type_line("by-rdp", &word)?;
    site.wait_for_note("by-rdp", &word, LIMIT)?;
    Ok(())
}
