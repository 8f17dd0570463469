//! The cloud server holds nothing of what the sessions carried (S22).
//!
//! Every word that was typed, written or shown so far, and one more in a
//! session that lives while it is looked for, is searched in the cloud
//! server's memory, in a core of it, in its files and in every log. Controls in the same run:
//! the same searches find the words at both ends, where protocols that hide
//! nothing by themselves leave them, and find in the cloud server what it does
//! know.

use std::fs;

use anyhow::{bail, ensure};
use culvert_lab::{Dialogue, TECHNICIAN, core_of, files_hold, memory_holds};

use super::Tour;
use super::lines::log_in_by_telnet;

pub(super) fn blind(tour: &Tour<'_>) -> anyhow::Result<()> {
    let canary = tour.canary()?;
    let mut telnet = Dialogue::start(&mut tour.technician.culvert(&["telnet", "server"]))?;
    log_in_by_telnet(tour, &mut telnet)?;
    telnet.say(&format!("echo {canary}"))?;
    // Once as it is echoed, once as the answer.
    telnet.wait_for(&canary)?;
    telnet.wait_for(&canary)?;

    controls(tour, &canary, telnet.pid()?)?;
    nothing_in_the_cloud(tour)
}

fn nothing_in_the_cloud(tour: &Tour<'_>) -> anyhow::Result<()> {
    let canaries = tour.canaries.borrow();
    let canaries: Vec<&str> = canaries.iter().map(String::as_str).collect();
    if let Some(word) = memory_holds(tour.cloud_pid, &canaries)? {
        bail!("the cloud server's memory holds {word}");
    }
    let core = core_of(tour.cloud_pid, tour.site.temp_dir())?;
    if let Some(word) = files_hold(&core, &canaries)? {
        bail!("a core of the cloud server holds {word}");
    }
    ensure!(
        files_hold(&core, &[TECHNICIAN])?.is_some(),
        "the search misses a name in a core of the cloud server"
    );
    fs::remove_file(core)?;
    for place in ["cloud", "logs/culvert-prs.log", "logs/culvert-gateway.log"] {
        let path = tour.site.temp_dir().join(place);
        ensure!(path.exists(), "{place} is not there to be searched");
        if let Some(word) = files_hold(&path, &canaries)? {
            bail!("{place} holds {word}");
        }
    }
    Ok(())
}

fn controls(tour: &Tour<'_>, canary: &str, technician: u32) -> anyhow::Result<()> {
    let found = memory_holds(technician, &[canary])?;
    ensure!(
        found.is_some(),
        "the search misses a canary in culvert's memory"
    );
    let who = tour.site.credentials();
    for word in [canary, &who.page_word, &who.live_word] {
        let found = files_hold(tour.at_gateway.file(), &[word])?;
        ensure!(
            found.is_some(),
            "the search misses {word} on the gateway's LAN side"
        );
    }
    let known = [TECHNICIAN];
    let found = memory_holds(tour.cloud_pid, &known)?;
    ensure!(
        found.is_some(),
        "the search misses a name in the cloud server's memory"
    );
    let found = files_hold(&tour.site.temp_dir().join("cloud"), &known)?;
    ensure!(
        found.is_some(),
        "the search misses a name in the cloud server's files"
    );
    Ok(())
}
