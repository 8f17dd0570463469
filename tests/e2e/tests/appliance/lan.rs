//! The site's network: one cable into a network namespace of the test's own,
//! with an address server and a name server on this side of it.
//!
//! The test runs in an empty namespace (`image/boot-test` makes it), so that
//! nothing here can meet the machine's own network.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, ensure};
use culvert_e2e::world::{eventually, must_work};

use crate::leash::leashed;
use crate::machine::HANGS;

/// This end of the cable.
pub(crate) const CABLE: &str = "cable";
/// The address of everything that is not the box.
pub(crate) const HOST: &str = "10.77.0.1";
/// The box's address, as the address server gives it.
pub(crate) const BOX: &str = "10.77.0.50";
/// The box's address in another network.
pub(crate) const ELSEWHERE: &str = "10.77.0.60";
/// The box's address where its file gives it one.
pub(crate) const FIXED: &str = "10.77.0.51";
/// This end of the cable for those who have IPv6 alone.
const HOST6: &str = "fd77::1";
/// The server's name, which only the site's name server knows.
pub(crate) const SERVER_NAME: &str = "prs.culvert.test";

/// UDP ports that an appliance might answer on: names, addresses, files, time,
/// discovery, management, tunnels.
const UDP: &str = "53,67,69,123,137,161,500,1900,4500,5353,5355,51820";
/// TCP ports for a look that must not take long: all below 1024, and where
/// pages, pictures and file shares are.
const FEW: &str = "1-1024,1900,2049,3000,3389,5000,5900-5910,8000-8100,8443,8888,9000-9100,10000";

/// Whether the site's name server lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Names {
    /// It does.
    Known,
    /// Nobody answers.
    Dead,
    /// It does, and addresses are others.
    Elsewhere,
    /// It does, on a site with IPv6 alone.
    Ipv6,
}

/// The cable and its servers.
pub(crate) struct Lan {
    dnsmasq: Option<Child>,
}

impl Drop for Lan {
    fn drop(&mut self) {
        self.unplug_servers();
        // The next test lays its own.
        let _ = ip(&["link", "del", CABLE]).status();
    }
}

impl Lan {
    /// Lays the cable; `home` is for files.
    pub(crate) fn lay(home: &Path) -> anyhow::Result<Self> {
        let links = String::from_utf8(must_work(&mut ip(&["-o", "link"]))?.stdout)?;
        ensure!(
            links.lines().count() == 1,
            "this test wants an empty network: image/boot-test makes one"
        );
        for words in [
            &["link", "set", "lo", "up"][..],
            &["tuntap", "add", CABLE, "mode", "tap"],
            &["addr", "add", &format!("{HOST}/24"), "dev", CABLE],
            &["addr", "add", &format!("{HOST6}/64"), "dev", CABLE, "nodad"],
            &["link", "set", CABLE, "up"],
        ] {
            must_work(&mut ip(words))?;
        }
        let mut lan = Self { dnsmasq: None };
        lan.plug_servers(home, Names::Known)?;
        Ok(lan)
    }

    /// Addresses from now on, and names if they are known.
    pub(crate) fn plug_servers(&mut self, home: &Path, names: Names) -> anyhow::Result<()> {
        self.unplug_servers();
        let leases = home.join("leases");
        fs::write(&leases, "")?;
        let child = leashed("dnsmasq")
            .args([
                "--keep-in-foreground",
                "--conf-file=/dev/null",
                "--no-hosts",
            ])
            .args([
                "--no-resolv",
                "--user=root",
                "--group=root",
                "--bind-interfaces",
            ])
            .args([
                format!("--interface={CABLE}"),
                "--except-interface=lo".into(),
            ])
            .arg(format!("--dhcp-leasefile={}", leases.display()))
            .args(["--local=/culvert.test/", "--pid-file"])
            .args(served(names))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("dnsmasq (Debian package dnsmasq-base)")?;
        self.dnsmasq = Some(child);
        Ok(())
    }

    /// Neither addresses nor names any more.
    pub(crate) fn unplug_servers(&mut self) {
        if let Some(mut child) = self.dnsmasq.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// S26, threat 33: looks at every TCP port of the box, and at the UDP ports
/// that appliances answer on, from its own network.
pub(crate) fn nothing_listens() -> anyhow::Result<()> {
    let ports = format!("-pT:1-65535,U:{UDP}");
    let said = seen(&["-sS", "-sU", &ports])?;
    ensure!(said.contains("Status: Up"), "nmap saw no box:\n{said}");
    Ok(())
}

/// The same for a moment that passes, from when the box answers: [`FEW`] of its
/// TCP ports. The kernel's list, which every start shows, has them all.
pub(crate) fn nothing_listens_now() -> anyhow::Result<()> {
    let ports = format!("-p{FEW}");
    eventually("a box that refuses connections", HANGS, || {
        Ok(seen(&["-sS", &ports])?.contains("State: closed"))
    })
    .map(drop)
}

/// What nmap says of the box, which has no open port.
fn seen(words: &[&str]) -> anyhow::Result<String> {
    let mut nmap = Command::new("nmap");
    nmap.args(["-n", "-Pn", "--max-retries", "2", "-oG", "-"])
        .args(words)
        .arg(BOX);
    let said = String::from_utf8(must_work(&mut nmap)?.stdout)?;
    ensure!(!said.contains("/open/"), "the box listens:\n{said}");
    Ok(said)
}

/// What the site gives, in dnsmasq's words.
fn served(names: Names) -> Vec<String> {
    let record = |address| format!("--host-record={SERVER_NAME},{address}");
    match names {
        Names::Known | Names::Dead | Names::Elsewhere => vec![
            match names {
                Names::Elsewhere => format!("--dhcp-range={ELSEWHERE},{ELSEWHERE},10m"),
                Names::Known | Names::Dead | Names::Ipv6 => format!("--dhcp-range={BOX},{BOX},10m"),
            },
            record(HOST),
            // Told even when nobody answers there.
            format!("--dhcp-option=option:dns-server,{HOST}"),
            match names {
                Names::Dead => "--port=0".to_owned(),
                Names::Known | Names::Elsewhere | Names::Ipv6 => "--port=53".to_owned(),
            },
        ],
        Names::Ipv6 => vec![
            "--enable-ra".to_owned(),
            "--dhcp-range=fd77::,ra-only,64,10m".to_owned(),
            record(HOST6),
            format!("--dhcp-option=option6:dns-server,[{HOST6}]"),
        ],
    }
}

fn ip(words: &[&str]) -> Command {
    let mut command = Command::new("ip");
    command.args(words);
    command
}
