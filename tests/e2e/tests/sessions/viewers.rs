//! Native programs beside those of the tour (ssh, TigerVNC's viewer, FreeRDP):
//! PuTTY in a window and in a terminal, Remmina for screens and desktops. Each is
//! started by `culvert` and works on the site's real servers (S28, S29, S30, S34).

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use culvert_e2e::World;
use culvert_e2e::world::{self, eventually};
use culvert_lab::{Dialogue, LabError, Ns, Pattern, Screen, SiteOptions, Technician, random_word};

/// Longer than a viewer takes on a busy machine.
const LIMIT: Duration = Duration::from_secs(90);
/// Until the next try.
const SHORT: Duration = Duration::from_secs(5);
/// The screen that VNC shows on the desktop.
const VNC_SCREEN: u32 = 1;
/// Where Remmina asks whether it is to accept a certificate: "Yes".
const ACCEPT: (u16, u16) = (318, 233);
/// The middle of the remote screen in its window: black until the host shows its
/// own window there.
const MIDDLE: (usize, usize) = (641, 509);
/// What a viewer's window is called: the address that it was given.
const TITLE: &str = "127.";

#[test]
fn putty_and_remmina_work_on_the_site() {
    let options = SiteOptions {
        technician: true,
        ..SiteOptions::default()
    };
    world::with(options, |world| {
        world.stack.start_gateway()?;
        let technician = world.stack.technician(Ns::Technician, "technician")?;
        let screen = Screen::start(world.site, Ns::Technician)?;

        plink(world, &technician).context("plink")?;
        plink_telnet(world, &technician).context("plink -telnet")?;
        putty(world, &technician, &screen).context("putty")?;
        let only = only_remmina(world)?;
        remmina_vnc(world, &technician, &screen, &only).context("remmina, vnc")?;
        remmina_rdp(world, &technician, &screen, &only).context("remmina, rdp")
    })
    .unwrap();
}

/// A command and its exit code; the key that was taken once is known at the next
/// session, whose local port is another one.
fn plink(world: &World<'_>, technician: &Technician<'_>) -> anyhow::Result<()> {
    let word = random_word(12)?;
    let yes = world.stack.data("yes");
    fs::write(&yes, "y\n")?;
    let run = |options: &[&str], script: &str| {
        let mut plink = technician.culvert(&["ssh", &world.target(), "--viewer", "plink", "--"]);
        plink.args(["-pw", &world.site.credentials().password]);
        plink.args(options).arg(script);
        plink.stdin(fs::File::open(&yes)?);
        plink.output().context("plink")
    };
    let first = run(&[], "exit 7")?;
    ensure!(first.status.code() == Some(7), "{first:?}");
    let again = run(&["-batch"], &format!("echo {word} > by-plink"))?;
    ensure!(again.status.success(), "{again:?}");
    must_hold(world, "by-plink", &word)
}

fn plink_telnet(world: &World<'_>, technician: &Technician<'_>) -> anyhow::Result<()> {
    let (who, word) = (world.site.credentials(), random_word(12)?);
    let mut telnet = technician.culvert(&["telnet", "server", "--viewer", "plink"]);
    let mut telnet = Dialogue::start(&mut telnet)?;
    telnet.wait_for("login: ")?;
    telnet.say(&who.user)?;
    telnet.wait_for("Password: ")?;
    telnet.say(&who.password)?;
    telnet.wait_for("$ ")?;
    telnet.say(&format!("echo {word} > by-plink-telnet; echo done-$?"))?;
    telnet.wait_for("done-0")?;
    must_hold(world, "by-plink-telnet", &word)
}

/// In its window; knows the key that `plink` took.
fn putty(
    world: &World<'_>,
    technician: &Technician<'_>,
    screen: &Screen<'_>,
) -> anyhow::Result<()> {
    let word = random_word(12)?;
    let mut putty = screen.command(technician.program());
    technician.dress(&mut putty);
    putty.args(["ssh", &world.target(), "--viewer", "putty", "--"]);
    putty.args(["-pw", &world.site.credentials().password]);
    let mut putty = world.site.spawn("by-putty", &mut putty)?;
    let line = format!("echo {word} > by-putty");
    eventually("a word typed into PuTTY", LIMIT, || {
        // Until the shell is there, nobody reads.
        Ok(screen.type_line("PuTTY", &line).is_ok() && holds(world, "by-putty", &word))
    })
    .with_context(|| putty.log())?;
    screen.type_line("PuTTY", "exit")?;
    let ended = putty.wait(LIMIT).context("culvert runs on behind PuTTY")?;
    ensure!(ended.success(), "{}", putty.log());
    Ok(())
}

/// A folder for `PATH` in which Remmina is all that is installed.
fn only_remmina(world: &World<'_>) -> anyhow::Result<String> {
    let folder = world.stack.data("only-remmina");
    fs::create_dir(&folder)?;
    symlink("/usr/bin/remmina", folder.join("remmina"))?;
    Ok(format!("PATH={}", folder.display()))
}

fn remmina(screen: &Screen<'_>, technician: &Technician<'_>, only: &str, what: &str) -> Command {
    let mut remmina = screen.command("/usr/bin/env");
    technician.dress(&mut remmina);
    remmina.arg(only).arg(technician.program());
    remmina.args([what, "desktop"]);
    remmina
}

fn remmina_vnc(
    world: &World<'_>,
    technician: &Technician<'_>,
    screen: &Screen<'_>,
    only: &str,
) -> anyhow::Result<()> {
    let (site, word, pattern) = (world.site, random_word(12)?, Pattern::random()?);
    pattern.paint(site, Ns::Desktop, VNC_SCREEN)?;
    site.open_notepad(VNC_SCREEN, "by-remmina-vnc")?;
    let mut remmina = remmina(screen, technician, only, "vnc");
    let mut remmina = site.spawn("by-remmina-vnc", &mut remmina)?;
    let seen = || screen.wait_for(&pattern, SHORT).is_ok();
    let password = &site.credentials().vnc_password;
    let asked = until_heard(|| screen.type_answer(TITLE, password), seen);
    asked.with_context(|| remmina.log())?;
    screen.type_line(TITLE, &word)?;
    site.wait_for_note("by-remmina-vnc", &word, LIMIT)?;
    remmina.stop(LIMIT);
    Ok(())
}

fn remmina_rdp(
    world: &World<'_>,
    technician: &Technician<'_>,
    screen: &Screen<'_>,
    only: &str,
) -> anyhow::Result<()> {
    let (site, who) = (world.site, world.site.credentials());
    let (word, pattern) = (random_word(12)?, Pattern::random()?);
    let mut remmina = remmina(screen, technician, only, "rdp");
    let mut remmina = site.spawn("by-remmina-rdp", &mut remmina)?;
    eventually("the host asks who it is", LIMIT, || {
        // No window or no question as yet: once more.
        let _ = screen.click(TITLE, ACCEPT);
        std::thread::sleep(Duration::from_secs(1));
        Ok(screen.is_light(MIDDLE)?)
    })
    .with_context(|| remmina.log())?;
    let name_and_password = format!("{}\t{}", who.user, who.password);
    let answer = || screen.type_line(TITLE, &name_and_password);
    let came = || site.wait_for_rdp_screen(3 * SHORT).is_ok();
    let asked = until_heard(answer, came);
    asked.with_context(|| remmina.log())?;
    let remote = site.wait_for_rdp_screen(LIMIT)?;
    // A small screen: the notepad would leave no whole pattern to be seen.
    pattern.paint(site, Ns::Desktop, remote)?;
    screen.wait_for(&pattern, LIMIT)?;
    site.open_notepad(remote, "by-remmina-rdp")?;
    screen.type_line(TITLE, &word)?;
    site.wait_for_note("by-remmina-rdp", &word, LIMIT)?;
    remmina.stop(LIMIT);
    Ok(())
}

/// Answers what Remmina or the host asks until that was heard: what is typed before
/// a question is shown goes nowhere, and a wrong answer is asked for again.
fn until_heard(
    mut answer: impl FnMut() -> Result<(), LabError>,
    mut heard: impl FnMut() -> bool,
) -> anyhow::Result<()> {
    eventually("an answer is heard", LIMIT, || {
        // Where there is no window as yet: once more.
        Ok(answer().is_ok() && heard())
    })
    .map(drop)
}

fn holds(world: &World<'_>, name: &str, word: &str) -> bool {
    let path = world.site.home(Ns::Server).join(name);
    fs::read_to_string(path).is_ok_and(|text| text.trim() == word)
}

fn must_hold(world: &World<'_>, name: &str, word: &str) -> anyhow::Result<()> {
    ensure!(holds(world, name, word), "{name} on the server");
    Ok(())
}
