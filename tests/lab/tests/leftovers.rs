//! A lab leaves nothing behind, however its owner ends.

#![expect(clippy::unwrap_used, reason = "a helper may fail its test")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use culvert_lab::{Site, SiteOptions};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

#[test]
fn a_dropped_site_leaves_no_process_and_no_file() {
    let site = Site::start(SiteOptions::default()).unwrap();
    let folder = site.temp_dir().to_owned();
    assert!(mentions(&folder) > 3, "the site's servers are seen");
    drop(site);
    assert_eq!(mentions(&folder), 0);
    assert!(!folder.exists());
}

#[test]
fn a_signalled_or_killed_owner_leaves_no_process_and_no_file() {
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGKILL] {
        let (mut owner, folder) = owner_of_a_site();
        let folder = Path::new(&folder);
        assert!(mentions(folder) > 3, "the site's servers are seen");
        kill(Pid::from_raw(owner.id().cast_signed()), signal).unwrap();
        owner.wait().unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        while mentions(folder) + usize::from(folder.exists()) > 0 {
            assert!(Instant::now() < deadline, "{signal} left {folder:?}");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

fn owner_of_a_site() -> (Child, String) {
    let mut owner = Command::new(env!("CARGO_BIN_EXE_culvert-lab"))
        .arg("site")
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(owner.stderr.take().unwrap()).lines();
    let folder = loop {
        let line = lines.next().expect("it starts").unwrap();
        if let Some(folder) = line.strip_prefix("folder ") {
            break folder.trim().to_owned();
        }
    };
    (owner, folder)
}

/// Running programs whose command line names the folder.
fn mentions(folder: &Path) -> usize {
    let name = folder.file_name().unwrap().to_string_lossy().into_owned();
    fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| fs::read(entry.path().join("cmdline")).ok())
        .filter(|line| String::from_utf8_lossy(line).contains(&name))
        .count()
}
