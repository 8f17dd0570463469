//! The cloud server holds nothing of what a session carries.
//!
//! A canary is typed through telnet, which hides nothing by itself, and looked
//! for while the session lives. The same search finds the canary in the
//! programs at both ends, and finds in the cloud server what it does know.

use anyhow::ensure;
use culvert_lab::{Dialogue, TECHNICIAN, files_hold, memory_holds, random_word};

use super::Tour;
use super::lines::log_in_by_telnet;

pub(super) fn blind(tour: &Tour<'_>) -> anyhow::Result<()> {
    let canary = random_word(24)?;
    let mut telnet = Dialogue::start(&mut tour.technician.culvert(&["telnet", "server"]))?;
    log_in_by_telnet(tour, &mut telnet)?;
    telnet.say(&format!("echo {canary}"))?;
    // Once as it is echoed, once as the answer.
    telnet.wait_for(&canary)?;
    telnet.wait_for(&canary)?;

    let needle = canary.as_bytes();
    let technician = memory_holds(telnet.pid()?, needle)?;
    ensure!(
        technician,
        "the search misses the canary in culvert's memory"
    );
    let gateway = files_hold(&tour.lan_capture(), needle)?;
    ensure!(
        gateway,
        "the search misses the canary in the gateway's LAN traffic"
    );
    let known = memory_holds(tour.cloud_pid, TECHNICIAN.as_bytes())?;
    ensure!(
        known,
        "the search misses the technician's name in the cloud server's memory"
    );

    let cloud = memory_holds(tour.cloud_pid, needle)?;
    ensure!(!cloud, "the cloud server's memory holds what was typed");
    for place in ["cloud", "logs"] {
        let found = files_hold(&tour.site.temp_dir().join(place), needle)?;
        ensure!(
            !found,
            "a file of the cloud server or a log holds what was typed"
        );
    }
    Ok(())
}
