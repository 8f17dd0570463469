//! While vnc, rdp, a page in Chromium and forward are in use, nothing of what
//! passes on the customer's LAN is at the relay: not in a core of it, not in its
//! database, files or logs, not in a capture opened with its own TLS keys (S14, S22,
//! S28-S32; threat 13).

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use culvert_e2e::World;
use culvert_e2e::bare::Bare;
use culvert_e2e::decrypted;
use culvert_e2e::lan::Lan;
use culvert_e2e::world::{self, eventually, must_work};
use culvert_lab::{
    DEVICE_IP, Ns, Pattern, Programs, Running, Screen, SiteOptions, TECHNICIAN, Technician,
    core_of, files_hold_bytes, random_word,
};

/// Longer than anything takes on a busy machine.
const LIMIT: Duration = Duration::from_secs(90);
/// The screen that VNC shows.
const VNC_SCREEN: u32 = 1;
/// The ports of vnc, rdp and the page; forward is to the page, too.
const PORTS: [u16; 3] = [5900, 3389, 80];

#[test]
fn nothing_that_passes_on_the_lan_is_in_the_relays_core_or_its_decrypted_capture() {
    let programs = Programs::beside_this_one().and_then(Programs::with_key_log);
    let options = SiteOptions {
        technician: true,
        ..SiteOptions::default()
    };
    world::with_programs(options, programs.unwrap(), |world| {
        let mut cloud = world.site.capture_cloud()?;
        let mut lan = world.site.capture(Ns::Gateway, "eth0")?;
        world.stack.start_gateway()?;
        let relay = world.stack.cloud().context("it runs")?.pid()?;
        let technician = world.stack.technician(Ns::Technician, "technician")?;
        // The control's end runs in this process, which is not at her place.
        let home = world
            .stack
            .technician(Ns::Host, "control")?
            .home()
            .to_owned();
        let screen = Screen::start(world.site, Ns::Technician)?;
        // Each program runs on: its session lives while the core is taken.
        let mut open = Vec::new();
        let by_forward = forward(world, &technician, &mut open)?;
        let by_web = web(world, &technician, &screen, &mut open)?;
        let by_vnc = vnc(world, &technician, &screen, &mut open)?;
        rdp(world, &technician, &screen, &mut open)?;

        let core = core_of(relay, world.site.temp_dir())?;
        for program in &mut open {
            ensure!(
                program.is_running(),
                "{}: {}",
                program.name(),
                program.log()
            );
        }
        let lan = Lan::read(&mut lan)?;
        let typed = at_the_gateway(&lan, &by_forward, &by_web, &by_vnc)?;
        let pieces = pieces(&lan)?;
        // The last piece of each port is let through in the open below.
        let let_through: Vec<&[u8]> = pieces.iter().filter_map(|p| p.last().copied()).collect();
        let mut secret: Vec<&[u8]> = vec![by_forward.as_bytes(), by_web.as_bytes()];
        secret.extend(typed);
        for of_one_port in &pieces {
            secret.extend(&of_one_port[..of_one_port.len() - 1]);
        }
        println!("{} pieces of the LAN are looked for", secret.len());
        let all = [&secret[..], &let_through].concat();
        let found = files_hold_bytes(&core, &all)?;
        ensure!(found.is_none(), "a core holds piece {found:?}");
        std::fs::remove_file(core)?;
        kept(world, &all)?;
        control(world, relay, &home, &let_through)?;

        let port = world.site.cloud().port();
        let links = decrypted::read(&mut cloud, &world.stack.tls_keys(), port)?;
        for link in &links {
            let found = link.first_of(&secret);
            ensure!(found.is_none(), "the capture holds piece {found:?}");
        }
        for (number, piece) in let_through.iter().enumerate() {
            let found = links.iter().any(|link| link.first_of(&[*piece]).is_some());
            ensure!(found, "the control: piece {number} is not in the capture");
        }
        Ok(())
    })
    .unwrap();
}

/// The control at the gateway's end: the search finds there what was typed.
/// Gives pieces of the key events of the word that was typed over VNC.
fn at_the_gateway<'a>(
    lan: &'a [Lan],
    by_forward: &str,
    by_web: &str,
    by_vnc: &str,
) -> anyhow::Result<Vec<&'a [u8]>> {
    for word in [by_forward, by_web] {
        ensure!(
            lan.iter().any(|one| one.holds(word)),
            "{word} is not on the LAN"
        );
    }
    let typed = lan.iter().find_map(|one| one.typed(by_vnc));
    let typed = typed.context("no key events of what was typed over VNC")?;
    ensure!(!typed.is_empty(), "key events without a piece");
    Ok(typed)
}

/// Pieces for each port; RDP's are of its own TLS.
fn pieces(lan: &[Lan]) -> anyhow::Result<Vec<Vec<&[u8]>>> {
    let of_port = |port: &u16| {
        let there = lan.iter().filter(|one| one.host.port() == *port);
        let pieces: Vec<&[u8]> = there.flat_map(Lan::pieces).collect();
        ensure!(
            pieces.len() >= 5,
            "port {port}: only {} pieces",
            pieces.len()
        );
        Ok(pieces)
    };
    PORTS.iter().map(of_port).collect()
}

/// What is there for good: the server's database and files, its log and the box's.
/// The control: the same search finds there whom they are about.
fn kept(world: &World<'_>, secret: &[&[u8]]) -> anyhow::Result<()> {
    let logs = world.site.temp_dir().join("logs");
    for place in [
        world.stack.data("cloud"),
        logs.join("culvert-prs.log"),
        logs.join("culvert-gateway.log"),
    ] {
        let found = files_hold_bytes(&place, secret)?;
        let place = place.display();
        ensure!(found.is_none(), "{place} holds piece {found:?}");
    }
    let user = files_hold_bytes(&world.stack.data("cloud"), &[TECHNICIAN.as_bytes()])?;
    ensure!(user.is_some(), "the search misses a name in the database");
    for log in ["culvert-prs.log", "culvert-gateway.log"] {
        let found = files_hold_bytes(&logs.join(log), &[b"session="])?;
        ensure!(found.is_some(), "the search misses a session in {log}");
    }
    Ok(())
}

/// Sends pieces through an end that does not encrypt until a core holds each.
fn control(
    world: &World<'_>,
    relay: u32,
    home: &std::path::Path,
    pieces: &[&[u8]],
) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let bare = runtime.block_on(Bare::join(home, "server"))?;
    for piece in pieces {
        let begun = Instant::now();
        loop {
            for _ in 0..200 {
                bare.send_bytes(piece);
            }
            let core = core_of(relay, world.site.temp_dir())?;
            let found = files_hold_bytes(&core, &[*piece])?;
            std::fs::remove_file(core)?;
            if found.is_some() {
                break;
            }
            ensure!(
                begun.elapsed() < LIMIT,
                "the control: a core misses what passes the relay in the open"
            );
        }
    }
    Ok(())
}

fn spawn(
    world: &World<'_>,
    open: &mut Vec<Running>,
    name: &str,
    command: &mut Command,
) -> anyhow::Result<()> {
    open.push(world.site.spawn(name, command)?);
    Ok(())
}

/// A word asked of the device through a forwarded port.
fn forward(
    world: &World<'_>,
    technician: &Technician<'_>,
    open: &mut Vec<Running>,
) -> anyhow::Result<String> {
    let word = random_word(24)?;
    let mut command = technician.culvert(&["forward", "device:80", "-L", "127.0.0.1:8080"]);
    spawn(world, open, "forward", &mut command)?;
    let url = format!("http://127.0.0.1:8080/proof/{word}");
    let mut curl = technician.in_her_place("curl");
    curl.args([
        "--silent",
        "--show-error",
        "--retry",
        "60",
        "--retry-delay",
        "1",
    ]);
    must_work(curl.args(["--retry-connrefused", &url]))?;
    world
        .site
        .wait_for_request(&format!("/proof/{word}"), LIMIT)?;
    Ok(word)
}

/// A word typed into Chromium's address line.
fn web(
    world: &World<'_>,
    technician: &Technician<'_>,
    screen: &Screen<'_>,
    open: &mut Vec<Running>,
) -> anyhow::Result<String> {
    let word = random_word(24)?;
    let mut command = screen.command(technician.program());
    technician.dress(&mut command);
    command.args(["web", "device", "--browser", "chromium", "--"]);
    command.args(["--no-sandbox", "--disable-gpu", "--no-first-run"]);
    spawn(world, open, "web", &mut command)?;
    world.site.wait_for_page_proof(LIMIT)?;
    let address = format!("{DEVICE_IP}/proof/{word}");
    let asked = format!("/proof/{word}");
    // A browser that has just come up may lose its first keys: typed again, a few times.
    let mut tries = 0;
    loop {
        screen.type_address("Device", &address)?;
        tries += 1;
        match world.site.wait_for_request(&asked, LIMIT / 3) {
            Ok(()) => return Ok(word),
            Err(error) if tries == 3 => return Err(error.into()),
            Err(_) => {}
        }
    }
}

/// A word typed into a terminal of the desktop, and its picture seen.
fn vnc(
    world: &World<'_>,
    technician: &Technician<'_>,
    screen: &Screen<'_>,
    open: &mut Vec<Running>,
) -> anyhow::Result<String> {
    let (site, word, pattern) = (world.site, random_word(24)?, Pattern::random()?);
    pattern.paint(site, Ns::Desktop, VNC_SCREEN)?;
    site.open_notepad(VNC_SCREEN, "by-vnc")?;
    let mut command = screen.command(technician.program());
    technician.dress(&mut command);
    command.args(["vnc", "desktop", "--viewer", "xtigervncviewer", "--"]);
    command.args(["-SecurityTypes", "VncAuth", "-passwd"]);
    command.arg(site.vnc_password_file());
    spawn(world, open, "vnc", &mut command)?;
    screen.wait_for(&pattern, LIMIT)?;
    screen.type_line("TigerVNC", &word)?;
    site.wait_for_note("by-vnc", &word, LIMIT)?;
    Ok(word)
}

/// The same over RDP: TLS of its own inside the session.
fn rdp(
    world: &World<'_>,
    technician: &Technician<'_>,
    screen: &Screen<'_>,
    open: &mut Vec<Running>,
) -> anyhow::Result<()> {
    let (site, who) = (world.site, world.site.credentials());
    let (word, pattern) = (random_word(24)?, Pattern::random()?);
    let mut command = screen.command(technician.program());
    technician.dress(&mut command);
    command.args(["rdp", "desktop", "--viewer", "xfreerdp", "--"]);
    command.args(["/cert:ignore", "/size:1024x768", "/sec:tls", "/t:by-rdp"]);
    command.args([format!("/u:{}", who.user), format!("/p:{}", who.password)]);
    spawn(world, open, "rdp", &mut command)?;
    let remote = site.wait_for_rdp_screen(LIMIT)?;
    pattern.paint(site, Ns::Desktop, remote)?;
    site.open_notepad(remote, "by-rdp")?;
    screen.wait_for(&pattern, LIMIT)?;
    screen.type_line("by-rdp", &word)?;
    eventually("the word arrives", LIMIT, || {
        Ok(site.wait_for_note("by-rdp", &word, LIMIT).is_ok())
    })?;
    Ok(())
}
