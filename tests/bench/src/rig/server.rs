//! The shipped `culvert-prs` as a process of its own, and what it uses.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use culvert_wire::claim::ClaimCode;
use culvert_wire::key::PublicKey;

/// A provider's server with its data on disk.
pub(crate) struct Server {
    program: PathBuf,
    data: PathBuf,
    address: SocketAddr,
    running: Option<Child>,
}

impl Server {
    /// Makes a fresh one; it does not run yet.
    pub(crate) fn init(programs: &Path, data: &Path, address: SocketAddr) -> anyhow::Result<Self> {
        let server = Self {
            program: programs.join("culvert-prs").canonicalize()?,
            data: data.to_owned(),
            address,
            running: None,
        };
        let (listen, public) = (format!("--listen={address}"), address.to_string());
        server.admin(&["init", "--data"], &[&listen, "--public-address", &public])?;
        Ok(server)
    }

    /// One customer with one site, and the provider's key out of a claim code.
    pub(crate) fn populate(&self) -> anyhow::Result<PublicKey> {
        let admin = &["admin", "--data"];
        self.admin(admin, &["customer", "add", "C"])?;
        self.admin(admin, &["site", "add", "--customer", "C", "S"])?;
        let code = self.admin(admin, &["gateway", "code", "--site", "C/S"])?;
        let code: ClaimCode = code
            .split_whitespace()
            .find_map(|word| word.parse().ok())
            .context("no claim code was printed")?;
        Ok(code.provider)
    }

    /// Its database file.
    pub(crate) fn database(&self) -> PathBuf {
        self.data.join("culvert.db")
    }

    /// Starts it and waits until it takes connections.
    pub(crate) fn start(&mut self) -> anyhow::Result<()> {
        let log = fs::File::options()
            .append(true)
            .create(true)
            .open(self.data.join("bench.log"))?;
        let child = Command::new(&self.program)
            .arg("serve")
            .arg("--data")
            .arg(&self.data)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        self.running = Some(child);
        let began = Instant::now();
        while std::net::TcpStream::connect(self.address).is_err() {
            ensure!(
                began.elapsed() < Duration::from_secs(20),
                "culvert-prs does not listen: {}",
                fs::read_to_string(self.data.join("bench.log")).unwrap_or_default()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Ends it as a power cut would.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.running.take() {
            // Fails only when it is gone already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Its resident memory in KiB.
    pub(crate) fn resident_kib(&self) -> anyhow::Result<f64> {
        let child = self.running.as_ref().context("it does not run")?;
        resident_kib(child.id())
    }

    fn admin(&self, before: &[&str], after: &[&str]) -> anyhow::Result<String> {
        let done = Command::new(&self.program)
            .args(before)
            .arg(&self.data)
            .args(after)
            .stdin(Stdio::null())
            .output()?;
        ensure!(
            done.status.success(),
            "culvert-prs {before:?} {after:?}: {}",
            String::from_utf8_lossy(&done.stderr)
        );
        Ok(String::from_utf8(done.stdout)?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A process's resident memory in KiB.
pub(crate) fn resident_kib(process: u32) -> anyhow::Result<f64> {
    let text = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = text.lines().find(|line| line.starts_with("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1));
    Ok(kib.context("no VmRSS")?.parse()?)
}
