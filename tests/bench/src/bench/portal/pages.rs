//! The portal's own pages in Chromium: from the click on a host's button to
//! the prompt of its shell, from a key in the terminal to its echo, the page's
//! pauses while a terminal prints without end, from a key in the search to its
//! list, and the frames of a scrolling desktop.
//!
//! The pages come from the server's listener for the demo. For the second round
//! a line stands between the server and both ends, as for `start`: 60 ms from
//! end to end and back. What the browser does is in tests/portal/figures.mjs.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use culvert_lab::{Ns, Portal, Running, Site, Stack, free_cloud_address, node_tool};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::report::Figure;
use crate::rig::site::{line_at, put_line_before};

/// One way between the server and either end, in the second round.
const LEG: Duration = Duration::from_millis(15);
/// The desktop's screen in the lab.
const DISPLAY: u32 = 1;

/// What the browser prints of both rounds.
#[derive(Deserialize)]
struct Prompts {
    prompt: f64,
    prompt_p95: f64,
    prompt_runs: u32,
}

/// What it prints of the first round only.
#[derive(Deserialize)]
struct Near {
    #[serde(flatten)]
    prompts: Prompts,
    echo: f64,
    echo_p95: f64,
    echo_keys: u32,
    echo_capital: f64,
    pause: f64,
    flood_mb_s: f64,
    flood_fps: f64,
    frame: f64,
    frame_p95: f64,
    fps: f64,
    search: f64,
    search_p95: f64,
    search_keys: u32,
}

pub(super) fn figures(
    site: &Site,
    stack: &mut Stack<'_>,
    portal: &Portal,
) -> anyhow::Result<Vec<Figure>> {
    let scrolling = scroll(site)?;
    let near: Near = browse(site, portal, "near", None)?;
    drop(scrolling);
    put_line_before(stack, site.cloud(), LEG)?;
    let front = std::net::SocketAddr::new(free_cloud_address()?.ip(), portal.address.port());
    line_at(front, portal.address, LEG)?;
    let far: Prompts = browse(site, portal, "far", Some(&front.ip().to_string()))?;
    Ok(vec![
        prompt("click_to_prompt", &near.prompts, "loopback"),
        prompt("click_to_prompt_60_ms", &far, "60 ms end to end and back"),
        Figure::new(
            "terminal_echo_p95",
            near.echo_p95,
            "ms",
            format!(
                "key to echo in the portal's SSH terminal, loopback: {} keys; median {:.1} ms, of capitals {:.1}",
                near.echo_keys, near.echo, near.echo_capital
            ),
        ),
        Figure::new(
            "terminal_longest_pause",
            near.pause,
            "ms",
            format!(
                "between two frames of the portal while its terminal prints {:.1} MB/s; {:.0} fps",
                near.flood_mb_s, near.flood_fps
            ),
        ),
        Figure::new(
            "search_p95",
            near.search_p95,
            "ms",
            format!(
                "key to list drawn, 10,000 hosts: {} keys; median {:.0} ms",
                near.search_keys, near.search
            ),
        ),
        Figure::new(
            "ms_per_frame",
            near.frame,
            "ms",
            format!(
                "VNC 1280x720, scrolling: {:.1} fps; p95 between frames {:.0} ms",
                near.fps, near.frame_p95
            ),
        ),
    ])
}

fn prompt(name: &'static str, took: &Prompts, what: &str) -> Figure {
    let about = format!(
        "SSH button to prompt drawn, kept password, {what}: median of {}; p95 {:.0} ms",
        took.prompt_runs, took.prompt_p95
    );
    Figure::new(name, took.prompt, "ms", about)
}

/// A terminal over the whole of a 1280 x 720 screen, which scrolls: sixty times
/// a second five new lines, no two alike.
fn scroll(site: &Site) -> anyhow::Result<Running> {
    let size = format!("DISPLAY=:{DISPLAY} xrandr -s 1280x720");
    site.shell(Ns::Desktop, &size)
        .context("the desktop's size")?;
    let mut command = site.command(Ns::Desktop, "setpriv");
    site.as_account(&mut command, Some(DISPLAY));
    command.args(["xterm", "-geometry", "212x54+0+0", "-e", "perl", "-e"]);
    command.arg(SCROLL);
    Ok(site.spawn("scroll", &mut command)?)
}

const SCROLL: &str = r#"$| = 1;
while (1) {
    print join("", map { join("", map { chr(33 + rand 94) } 1 .. 200) . "\n" } 1 .. 5);
    select(undef, undef, undef, 1 / 60);
}"#;

fn browse<T: DeserializeOwned>(
    site: &Site,
    portal: &Portal,
    round: &str,
    line: Option<&str>,
) -> anyhow::Result<T> {
    let who = site.credentials();
    let mut node = node_tool("node");
    node.args(["figures.mjs", round])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../portal"))
        .env("CULVERT_URL", &portal.url)
        .env("CULVERT_OWNER", portal.owner)
        .env("CULVERT_OWNER_PASSWORD", &portal.owner_password)
        .env("CULVERT_ACCOUNT", &who.user)
        .env("CULVERT_ACCOUNT_PASSWORD", &who.password)
        .env("CULVERT_VNC_PASSWORD", &who.vnc_password);
    if let Some(line) = line {
        node.env("CULVERT_LINE", line);
    }
    super::last_line(&mut node)
}
