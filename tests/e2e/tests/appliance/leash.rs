//! Nothing that a test starts outlives it, not even when the test is killed and
//! cannot clean up: every server and machine hangs on the thread that started it.

use std::ffi::OsStr;
use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use culvert_e2e::world::eventually;

use crate::machine::{HANGS, Machine};
use crate::provider::Provider;

/// Tells the killed test that it is that one, and where it says that all is up.
const VICTIM: &str = "CULVERT_LEASH_VICTIM";
/// What it starts, by the names that the kernel keeps of them (15 letters).
const WANTED: [&str; 4] = ["culvert-prs", "sshd", "dnsmasq", "qemu-system-aar"];

/// A program that the kernel kills when this thread ends, however it ends. The
/// program must not change its user or group: that would take the leash off.
pub(crate) fn leashed(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}

/// Started by the test below, and killed by it.
#[test]
#[ignore = "is killed: the next test starts it"]
fn a_test_that_is_killed() -> anyhow::Result<()> {
    let Some(up) = std::env::var_os(VICTIM) else {
        return Ok(());
    };
    let provider = Provider::start()?;
    let disk = provider.home.join("empty.img");
    fs::write(&disk, vec![0; 1 << 20])?;
    let _machine = Machine::boot(&disk, &[])?;
    fs::write(up, provider.home.display().to_string())?;
    loop {
        std::thread::park();
    }
}

/// The server, the sshd, the name server, the machine: all are there before the
/// test dies, none afterwards.
#[test]
fn what_a_killed_test_had_started_ends_with_it() -> anyhow::Result<()> {
    let up = std::env::temp_dir().join(format!("culvert-leash-{}", std::process::id()));
    let mut victim = Command::new(std::env::current_exe()?)
        .args([
            "--exact",
            "--include-ignored",
            "leash::a_test_that_is_killed",
        ])
        .env(VICTIM, &up)
        .stdout(Stdio::null())
        .spawn()?;
    let mut home = String::new();
    eventually("the test to be killed", HANGS, || {
        ensure!(victim.try_wait()?.is_none(), "it ended by itself");
        home = fs::read_to_string(&up).unwrap_or_default();
        Ok(!home.is_empty())
    })?;
    // The last of them may still be the program that puts it on the leash.
    let mut before = Vec::new();
    let all_up = eventually("everything it starts", HANGS / 10, || {
        before = with(&home)?;
        Ok(WANTED.iter().all(|name| before.iter().any(|is| is == name)))
    });
    victim.kill()?;
    victim.wait()?;
    let mut after = Vec::new();
    let gone = eventually("an end of all it had started", HANGS / 10, || {
        after = with(&home)?;
        Ok(after.is_empty())
    });
    fs::remove_file(&up)?;
    fs::remove_dir_all(&home)?;
    all_up.with_context(|| format!("only {before:?} of {WANTED:?}"))?;
    gone.with_context(|| format!("left behind: {after:?}"))
        .map(drop)
}

/// The programs whose command line names a folder.
fn with(folder: &str) -> anyhow::Result<Vec<String>> {
    let mut found = Vec::new();
    for process in fs::read_dir("/proc")?.flatten() {
        let told = |what: &str| fs::read(process.path().join(what)).unwrap_or_default();
        if String::from_utf8_lossy(&told("cmdline")).contains(folder) {
            let name = told("comm");
            found.push(String::from_utf8_lossy(&name).trim().to_owned());
        }
    }
    Ok(found)
}
