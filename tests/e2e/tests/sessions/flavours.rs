//! Every flavour of VNC and RDP that Debian's servers and viewers speak passes
//! unchanged: the picture arrives, the keys arrive (S28, S29, S33, S38).
//!
//! What no server of Debian 12 offers (RA2, Apple DH, MS-Logon II) is in
//! docs/out-of-scope.md.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;
use culvert_e2e::World;
use culvert_e2e::world::{self, eventually};
use culvert_lab::{DESKTOP_IP, Flavour, Ns, Pattern, Screen, SiteOptions, Technician, random_word};

/// Longer than a viewer takes on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// A server and what its viewer is told.
struct Try {
    flavour: Flavour,
    title: &'static str,
    security: &'static str,
}

const fn vnc(flavour: Flavour, title: &'static str, security: &'static str) -> Try {
    Try {
        flavour,
        title,
        security,
    }
}

const TRIES: [Try; 10] = [
    vnc(Flavour::X11vncPassword, "x11vnc-password", "VncAuth"),
    vnc(Flavour::X11vncOpen, "x11vnc-open", "None"),
    vnc(Flavour::VeNCrypt, "vencrypt", "TLSNone"),
    vnc(Flavour::VeNCrypt, "vencrypt", "TLSVnc"),
    vnc(Flavour::VeNCrypt, "vencrypt", "TLSPlain"),
    vnc(Flavour::VeNCrypt, "vencrypt", "X509None"),
    vnc(Flavour::VeNCrypt, "vencrypt", "X509Vnc"),
    vnc(Flavour::VeNCrypt, "vencrypt", "X509Plain"),
    vnc(Flavour::VeNCrypt, "vencrypt", "Plain"),
    vnc(Flavour::Nla, "by-nla", "nla"),
];

#[test]
fn every_flavour_of_vnc_and_rdp_passes_with_its_own_viewer() {
    let options = SiteOptions {
        technician: true,
        ..SiteOptions::default()
    };
    world::with(options, |world| {
        world.stack.start_gateway()?;
        let mut add = vec!["host", "add", "--site", "Harbour/Pump station", "screens"];
        add.extend(["--address", DESKTOP_IP, "--service", "rdp:3390"]);
        for service in ["vnc:5901", "vnc:5902", "vnc:5903"] {
            add.extend(["--service", service]);
        }
        world.stack.admin(&add)?;
        let technician = world.stack.technician(Ns::Technician, "technician")?;
        let seen_as = seen_as(world, &technician)?.ip();
        let mut servers = Vec::new();
        for flavour in [
            Flavour::X11vncPassword,
            Flavour::X11vncOpen,
            Flavour::VeNCrypt,
            Flavour::Nla,
        ] {
            servers.push(world.site.start_flavour(flavour, seen_as)?);
        }
        let screen = Screen::start(world.site, Ns::Technician)?;
        for one in &TRIES {
            pass(world, &technician, &screen, one).with_context(|| one.security)?;
            println!("{} with {}: picture and keys", one.title, one.security);
        }
        Ok(())
    })
    .unwrap();
}

/// One viewer: a fresh pattern is seen, a fresh word arrives.
fn pass(
    world: &World<'_>,
    technician: &Technician<'_>,
    screen: &Screen<'_>,
    one: &Try,
) -> anyhow::Result<()> {
    let (site, display) = (world.site, one.flavour.display());
    let (word, pattern) = (random_word(16)?, Pattern::random()?);
    let name = format!("by-{}-{}", one.title, one.security);
    pattern.paint(site, Ns::Desktop, display)?;
    site.open_notepad(display, &name)?;
    let mut command = screen.command(technician.program());
    technician.dress(&mut command);
    viewer(world, &mut command, one);
    let mut viewer = site.spawn(&name, &mut command)?;
    let seen = screen.wait_for(&pattern, LIMIT);
    seen.with_context(|| viewer.log())?;
    screen.type_line(one.title, &word)?;
    let typed = site.wait_for_note(&name, &word, LIMIT);
    typed.with_context(|| viewer.log())?;
    viewer.stop(LIMIT);
    Ok(())
}

fn viewer(world: &World<'_>, command: &mut Command, one: &Try) {
    let who = world.site.credentials();
    let port = one.flavour.port();
    if one.flavour == Flavour::Nla {
        command
            .args([
                "rdp",
                &format!("screens:{port}"),
                "--viewer",
                "xfreerdp",
                "--",
            ])
            .args(["/cert:ignore", "/sec:nla", "/t:by-nla"])
            .args([format!("/u:{}", who.user), format!("/p:{}", who.password)]);
        return;
    }
    command
        .args([
            "vnc",
            &format!("screens::{port}"),
            "--viewer",
            "xtigervncviewer",
        ])
        .args(["--", "-SecurityTypes", one.security, "-X509CA"])
        .arg(world.site.vencrypt_certificate());
    if one.security.ends_with("Plain") {
        // An account of the host, not the screen's password.
        command
            .env("VNC_USERNAME", &who.user)
            .env("VNC_PASSWORD", &who.password);
    } else {
        command.arg("-passwd").arg(world.site.vnc_password_file());
    }
}

/// The loopback address that the host has at the technician's: a certificate
/// that a viewer accepts must name it.
fn seen_as(world: &World<'_>, technician: &Technician<'_>) -> anyhow::Result<SocketAddr> {
    let mut print = technician.culvert(&["vnc", "screens::5903", "--print"]);
    let mut program = world.site.spawn("seen-as", &mut print)?;
    let mut found = None;
    eventually("an address is printed", LIMIT, || {
        found = program.log().lines().find_map(|line| line.parse().ok());
        Ok(found.is_some())
    })
    .with_context(|| program.log())?;
    program.stop(LIMIT);
    found.context("just found")
}
