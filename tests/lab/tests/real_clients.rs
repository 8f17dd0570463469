//! A technician's ordinary programs work on each host from the gateway's
//! place, and nothing works that the site's router is there to stop.

#![expect(clippy::unwrap_used, reason = "a helper may fail its test")]

use std::fs;
use std::process::Output;
use std::time::Duration;

use culvert_lab::{
    DESKTOP_IP, DEVICE_IP, Dialogue, Ns, Pattern, SERVER_IP, Screen, Site, SiteOptions, random_word,
};

#[test]
fn ssh_and_scp_work_on_the_server() {
    let site = Site::start(SiteOptions::default()).unwrap();
    let word = random_word(12).unwrap();
    let target = format!("{}@{SERVER_IP}", site.credentials().user);

    let said = with_password(&site, &["ssh", &target, &format!("echo {word} > ssh")]);
    assert!(said.status.success(), "{said:?}");
    assert_eq!(proof(&site, Ns::Server, "ssh"), word);

    let file = site.temp_dir().join("to-copy");
    fs::write(&file, &word).unwrap();
    let from = file.to_str().unwrap();
    let said = with_password(&site, &["scp", from, &format!("{target}:scp")]);
    assert!(said.status.success(), "{said:?}");
    assert_eq!(proof(&site, Ns::Server, "scp"), word);
}

#[test]
fn telnet_logs_in_on_the_server() {
    let site = Site::start(SiteOptions::default()).unwrap();
    let word = random_word(12).unwrap();
    let who = site.credentials();
    let mut telnet = Dialogue::start(site.command(Ns::Gateway, "telnet").arg(SERVER_IP)).unwrap();
    telnet.wait_for("login: ").unwrap();
    telnet.say(&who.user).unwrap();
    telnet.wait_for("Password: ").unwrap();
    telnet.say(&who.password).unwrap();
    telnet.wait_for("$ ").unwrap();
    telnet
        .say(&format!("echo {word} > telnet; echo done-$?"))
        .unwrap();
    telnet.wait_for("done-0").unwrap();
    assert_eq!(proof(&site, Ns::Server, "telnet"), word);
}

#[test]
fn vncviewer_shows_the_desktop_and_types_into_it() {
    let site = Site::start(SiteOptions::default()).unwrap();
    let word = random_word(12).unwrap();
    let pattern = Pattern::random().unwrap();
    pattern.paint(&site, Ns::Desktop, 1).unwrap();
    site.open_notepad(1, "vnc").unwrap();

    let screen = Screen::start(&site, Ns::Gateway).unwrap();
    let mut viewer = screen.command("xtigervncviewer");
    viewer
        .env("HOME", site.temp_dir())
        .args(["-SecurityTypes", "VncAuth", "-passwd"])
        .arg(site.vnc_password_file())
        .arg(DESKTOP_IP);
    let _viewer = site.spawn("vncviewer", &mut viewer).unwrap();

    screen.wait_for(&pattern, LIMIT).unwrap();
    screen.type_line("desktop", &word).unwrap();
    site.wait_for_note("vnc", &word, LIMIT).unwrap();
}

#[test]
fn xfreerdp_logs_in_shows_a_desktop_and_types_into_it() {
    let site = Site::start(SiteOptions::default()).unwrap();
    let who = site.credentials();
    let word = random_word(12).unwrap();
    let screen = Screen::start(&site, Ns::Gateway).unwrap();
    let mut viewer = screen.command("xfreerdp");
    viewer
        .env("HOME", site.temp_dir())
        .args(["/cert:ignore", "/size:1024x768", "/sec:tls", "/t:xrdp"])
        .arg(format!("/v:{DESKTOP_IP}"))
        .arg(format!("/u:{}", who.user))
        .arg(format!("/p:{}", who.password));
    let _viewer = site.spawn("xfreerdp", &mut viewer).unwrap();

    let display = site.wait_for_rdp_screen(LIMIT).unwrap();
    let pattern = Pattern::random().unwrap();
    pattern.paint(&site, Ns::Desktop, display).unwrap();
    site.open_notepad(display, "rdp").unwrap();
    screen.wait_for(&pattern, LIMIT).unwrap();
    screen.type_line("xrdp", &word).unwrap();
    site.wait_for_note("rdp", &word, LIMIT).unwrap();
}

#[test]
fn the_device_page_wants_its_cookie_and_sends_browsers_to_an_absolute_address() {
    let site = Site::start(SiteOptions::default()).unwrap();
    let page = format!("http://{DEVICE_IP}/");
    let jar = site.temp_dir().join("jar");
    let said = site
        .run(
            Ns::Gateway,
            "curl",
            ["-sSL", "-c", jar.to_str().unwrap(), &page],
        )
        .unwrap();
    let text = String::from_utf8_lossy(&said.stdout);
    assert!(text.contains(&site.credentials().page_word), "{said:?}");

    let bare = format!("{page}status.html");
    let said = site.run(Ns::Gateway, "curl", ["-sS", &bare]).unwrap();
    assert!(
        String::from_utf8_lossy(&said.stdout).contains("403"),
        "{said:?}"
    );

    let secure = format!("https://{DEVICE_IP}/");
    let said = site
        .run(
            Ns::Gateway,
            "curl",
            ["-sSkL", "-c", jar.to_str().unwrap(), &secure],
        )
        .unwrap();
    let text = String::from_utf8_lossy(&said.stdout);
    assert!(text.contains(&site.credentials().page_word), "{said:?}");
}

#[test]
fn a_browser_runs_the_device_page_and_its_websocket() {
    let site = Site::start(SiteOptions::default()).unwrap();
    let mut browser = site.command(Ns::Gateway, "chromium");
    browser
        .env("HOME", site.temp_dir())
        .args(["--headless=new", "--no-sandbox", "--disable-gpu"])
        .arg(format!(
            "--user-data-dir={}",
            site.temp_dir().join("profile").display()
        ))
        .arg(format!("http://{DEVICE_IP}/"));
    let _browser = site.spawn("chromium", &mut browser).unwrap();
    site.wait_for_page_proof(LIMIT).unwrap();
}

fn with_password(site: &Site, program: &[&str]) -> Output {
    let (name, rest) = program.split_first().unwrap();
    let mut args = vec!["-p", &site.credentials().password, *name];
    args.extend([
        "-o",
        "StrictHostKeyChecking=no",
        "-o",
        "UserKnownHostsFile=/dev/null",
    ]);
    args.extend(rest);
    site.run(Ns::Gateway, "sshpass", args).unwrap()
}

fn proof(site: &Site, host: Ns, name: &str) -> String {
    let text = fs::read_to_string(site.home(host).join(name)).unwrap_or_default();
    text.trim().to_owned()
}

const LIMIT: Duration = Duration::from_secs(60);
