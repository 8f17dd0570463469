//! `kill -9` of relay or gateway in the middle of large copies, one by `culvert
//! proxy` and one by `culvert forward`: each copy's end is known, an error or whole
//! and equal (P2, P4, K13). A session outlives the relay's restart and a line that
//! is dead for a while (P12, P13).
//!
//! Each copy is 128 MiB, 1 GiB with `CULVERT_LONG=1` (`./check --long`).

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use culvert_e2e::programs::printed;
use culvert_e2e::world::{self, World};
use culvert_lab::{Ns, Running, SiteOptions};

/// Size of the copied file.
fn size() -> u64 {
    let size = match std::env::var_os("CULVERT_LONG") {
        Some(_) => 1 << 30,
        None => 128 << 20,
    };
    // Past the capture: a run's log says what was sampled.
    let _ = writeln!(std::io::stderr(), "sample: kills in copies of {size} bytes");
    size
}

/// No copy is whole before this time, so none is before the kill: both begin at once.
const HELD_BACK: Duration = Duration::from_secs(30);

/// A copy that hangs is one whose end is not known: no byte more in this time. How
/// long a whole one takes is the machine's business.
const END_KNOWN_WITHIN: Duration = Duration::from_secs(180);

#[test]
fn the_end_of_a_copy_is_known_when_gateway_or_relay_are_killed() {
    world::with(SiteOptions::default(), |world| {
        world.stack.start_gateway()?;
        let source = world.site.home(Ns::Server).join("large");
        marked_file(&source)?;

        let copies = Copies::begin(world)?;
        kill(world.stack.gateway().context("no gateway")?.pid()?)?;
        world.stack.run_gateway()?;
        let whole = copies.finish(world, "gateway killed and started again")?;
        anyhow::ensure!(
            whole == [false, false],
            "the gateway's process held the connections, and it was killed: {whole:?}"
        );

        let copies = Copies::begin(world)?;
        kill(world.stack.cloud().context("no server")?.pid()?)?;
        world.stack.serve()?;
        let whole = copies.finish(world, "relay killed and started again")?;
        anyhow::ensure!(
            whole == [true, true],
            "a copy did not outlive the relay's restart: {whole:?}"
        );
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_terminal_outlives_a_line_that_is_silent_for_forty_seconds() {
    world::with(SiteOptions::default(), |world| {
        world.stack.start_gateway()?;
        let technician = world.stack.technician(Ns::Host, "technician")?;
        let mut ssh = world
            .ssh(&technician, "echo before; cat > after")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut shown = ssh.stdout.take().context("piped")?;
        let mut line = [0; 7];
        shown.read_exact(&mut line)?;
        anyhow::ensure!(&line == b"before\n", "{line:?}");
        world.site.silence(Ns::Router, true)?;
        std::thread::sleep(Duration::from_secs(40));
        world.site.silence(Ns::Router, false)?;
        let mut input = ssh.stdin.take().context("piped")?;
        input.write_all(b"typed behind the silence\n")?;
        drop(input);
        let output = ssh.wait_with_output()?;
        anyhow::ensure!(output.status.success(), "{output:?}");
        let held = std::fs::read_to_string(world.site.home(Ns::Server).join("after"))?;
        anyhow::ensure!(held == "typed behind the silence\n", "{held:?}");
        Ok(())
    })
    .unwrap();
}

/// Two copies at once, by `culvert proxy` and by `culvert forward`.
struct Copies {
    by_proxy: Copy,
    by_forward: Copy,
    forward: Running,
}

impl Copies {
    /// Starts both and returns when bytes of both flow.
    fn begin(world: &World<'_>) -> anyhow::Result<Self> {
        let technician = world.stack.technician(Ns::Host, "technician")?;
        let mut forward = technician.culvert(&["forward", "server:22"]);
        let forward = world.site.spawn("forward", &mut forward)?;
        let at = printed(&forward, "")?;
        let kilobits = size() * 8 / 1000 / HELD_BACK.as_secs();
        let to_server = |words: &[String]| {
            let mut scp = world.with_password(&technician);
            scp.args(["scp", "-l", &kilobits.to_string()]).args(words);
            scp
        };
        let proxy = World::through_proxy(&technician);
        let mut by_proxy = to_server(&proxy);
        by_proxy.arg(format!("{}:large", world.target()));
        // The same options but for the first one, which names the proxy.
        let mut by_forward = to_server(&proxy[2..]);
        let user = &world.site.credentials().user;
        by_forward.args(["-P", &at.port().to_string()]);
        by_forward.arg(format!("{user}@{}:large", at.ip()));
        let to = |name: &str| world.site.temp_dir().join(name);
        let copies = Self {
            by_proxy: Copy::start(by_proxy, to("by-proxy"))?,
            by_forward: Copy::start(by_forward, to("by-forward"))?,
            forward,
        };
        copies.by_proxy.must_flow()?;
        copies.by_forward.must_flow()?;
        Ok(copies)
    }

    /// Waits for both ends; says which copy was whole.
    fn finish(mut self, world: &World<'_>, what: &str) -> anyhow::Result<[bool; 2]> {
        let whole = [
            finish(world, self.by_proxy, &format!("{what}, proxy"))?,
            finish(world, self.by_forward, &format!("{what}, forward"))?,
        ];
        self.forward.stop(END_KNOWN_WITHIN);
        Ok(whole)
    }
}

/// A running copy and where it goes to.
struct Copy {
    child: Child,
    to: PathBuf,
}

impl Copy {
    fn start(mut scp: Command, to: PathBuf) -> anyhow::Result<Self> {
        // None is there but in the second round.
        let _ = std::fs::remove_file(&to);
        scp.arg(&to).stdin(Stdio::null());
        let child = scp.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        Ok(Self { child, to })
    }

    /// Returns when bytes flow.
    fn must_flow(&self) -> anyhow::Result<()> {
        world::eventually("a copy has begun", Duration::from_secs(60), || {
            Ok(std::fs::metadata(&self.to).is_ok_and(|file| file.len() > 1 << 20))
        })
        .map(drop)
    }
}

/// Waits for the copy's end; says whether it was whole.
#[expect(clippy::print_stdout, reason = "how long it took, for people")]
fn finish(world: &World<'_>, mut copy: Copy, what: &str) -> anyhow::Result<bool> {
    let begun = Instant::now();
    let (mut length, mut grew) = (0, begun);
    let status = loop {
        if let Some(status) = copy.child.try_wait()? {
            break status;
        }
        let now = std::fs::metadata(&copy.to)?.len();
        if std::mem::replace(&mut length, now) < now {
            grew = Instant::now();
        }
        if grew.elapsed() > END_KNOWN_WITHIN {
            copy.child.kill()?;
            anyhow::bail!("{what}: the copy neither ended nor failed");
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    if status.success() {
        let source = world.site.home(Ns::Server).join("large");
        anyhow::ensure!(equal(&source, &copy.to)?, "{what}: success, but not equal");
    }
    println!("{what}: scp said {status} after {:?}", begun.elapsed());
    Ok(status.success())
}

/// Sparse, with a mark of its own at each MiB.
fn marked_file(path: &Path) -> anyhow::Result<()> {
    let file = File::create(path)?;
    file.set_len(size())?;
    for at in (0..size()).step_by(1 << 20) {
        file.write_all_at(&at.to_be_bytes(), at)?;
    }
    Ok(())
}

fn equal(a: &Path, b: &Path) -> anyhow::Result<bool> {
    Ok(Command::new("cmp")
        .arg("-s")
        .args([a, b])
        .status()?
        .success())
}

fn kill(pid: u32) -> anyhow::Result<()> {
    let status = Command::new("kill")
        .args(["-9", &pid.to_string()])
        .status()?;
    anyhow::ensure!(status.success(), "kill failed");
    Ok(())
}
