//! The shipped programs around a site of network namespaces, with a slow line
//! between the server and both ends.

use std::fs;
use std::io::Read as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use culvert_connect::home::Home;
use culvert_lab::{Ns, Programs, Site, SiteOptions, Stack, free_cloud_address};
use tokio::net::TcpListener;

use super::cpu::RoleThread;
use super::line::{Line, carry};

/// A running stack.
pub(crate) struct Rig<'a> {
    site: &'a Site,
    stack: Stack<'a>,
    programs: PathBuf,
}

impl Rig<'_> {
    /// Starts everything, runs `measure`, stops everything. `leg` is one way's
    /// time between the server and either end.
    pub(crate) fn start<T>(
        programs: &Path,
        leg: Duration,
        measure: impl FnOnce(&mut Rig<'_>) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let cloud = free_cloud_address()?;
        let site = Site::start(SiteOptions {
            cloud,
            ..SiteOptions::default()
        })?;
        let mut stack = Stack::start(&site, Programs::beside_this_one()?)?;
        put_line_before(&mut stack, cloud, leg)?;
        stack.start_gateway()?;
        let technician = stack.technician(Ns::Host, HOME)?;
        let listed = technician.run(&["ls"])?;
        ensure!(listed.contains("server"), "no host is listed: {listed}");
        measure(&mut Rig {
            site: &site,
            stack,
            programs: programs.canonicalize()?,
        })
    }

    /// Opens `culvert proxy` to the site's SSH server; the time from its start
    /// to the server's first byte. The session lasts until dropped.
    pub(crate) fn ssh_banner(&self) -> anyhow::Result<(Proxy, Duration)> {
        let mut command = self.culvert(&["proxy", "server", "22"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        command.stderr(Stdio::inherit());
        let began = Instant::now();
        let mut child = command.spawn()?;
        let mut out = child.stdout.take().context("no output")?;
        let proxy = Proxy(child);
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || {
            let mut first = [0; 4];
            let read = out.read_exact(&mut first);
            // Fails only when nobody waits any more.
            let _ = tell.send(read.map(|()| (first, began.elapsed())));
            // Stays open, as ssh would keep it, until the session ends.
            let _ = std::io::copy(&mut out, &mut std::io::sink());
        });
        let (first, took) = told
            .recv_timeout(LIMIT)
            .context("no byte came in time")?
            .context("the session did not come up")?;
        ensure!(&first == b"SSH-", "not an SSH server: {first:?}");
        Ok((proxy, took))
    }

    /// Signs the technician in with a folder of her own.
    pub(crate) fn sign_in(&self, name: &str) -> anyhow::Result<Home> {
        self.stack.technician(Ns::Host, name)?;
        Ok(Home::at(self.stack.data(name).join("culvert")))
    }

    /// Runs an administrator's command.
    pub(crate) fn admin(&self, args: &[&str]) -> anyhow::Result<()> {
        self.stack.admin(args)?;
        Ok(())
    }

    /// A program at a place of the site.
    pub(crate) fn at(&self, place: Ns, program: PathBuf) -> Command {
        self.site.command(place, program)
    }

    /// The technician's folder.
    pub(crate) fn home(&self) -> Home {
        Home::at(self.stack.data(HOME).join("culvert"))
    }

    /// The gateway's process.
    pub(crate) fn gateway_pid(&mut self) -> anyhow::Result<u32> {
        let gateway = self.stack.gateway().context("no gateway")?;
        Ok(gateway.pid()?)
    }

    fn culvert(&self, args: &[&str]) -> Command {
        let home = self.stack.data(HOME);
        let mut command = Command::new(self.programs.join("culvert"));
        command
            .args(args)
            .env("HOME", &home)
            .env("CULVERT_HOME", home.join("culvert"));
        command
    }
}

/// One open `culvert proxy`.
pub(crate) struct Proxy(Child);

impl Drop for Proxy {
    fn drop(&mut self) {
        // Ends as ssh ends it: its input is closed.
        drop(self.0.stdin.take());
        for _ in 0..100 {
            if matches!(self.0.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The technician's folder.
const HOME: &str = "bench";
/// A session that takes longer is none.
const LIMIT: Duration = Duration::from_secs(30);

/// Moves the server to another port and puts a line where it was.
pub(crate) fn put_line_before(
    stack: &mut Stack<'_>,
    front: SocketAddr,
    leg: Duration,
) -> anyhow::Result<()> {
    if leg.is_zero() {
        return Ok(());
    }
    let cloud = stack.cloud().context("no server")?;
    cloud.stop(Duration::from_secs(40));
    let behind = SocketAddr::new(front.ip(), front.port() + 1);
    let settings = stack.data("cloud").join("prs.toml");
    let text = fs::read_to_string(&settings)?;
    let (old, new) = (
        format!("listen = \"{front}\""),
        format!("listen = \"{behind}\""),
    );
    ensure!(text.contains(&old), "no {old} in {text}");
    fs::write(&settings, text.replace(&old, &new))?;
    line_at(front, behind, leg)?;
    stack.serve()?;
    let began = Instant::now();
    while std::net::TcpStream::connect(behind).is_err() {
        ensure!(began.elapsed() < LIMIT, "the server does not listen again");
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// A line of `leg` each way from `front` to `behind`, until the program ends.
pub(crate) fn line_at(front: SocketAddr, behind: SocketAddr, leg: Duration) -> anyhow::Result<()> {
    let (tell, told) = mpsc::channel();
    RoleThread::start("line", move || async move {
        let listener = TcpListener::bind(front).await;
        tell.send(listener.is_ok())?;
        let line = Line {
            delay: leg,
            rate: None,
        };
        carry(listener?, behind, line).await
    })?;
    ensure!(told.recv()?, "{front} is taken");
    Ok(())
}
