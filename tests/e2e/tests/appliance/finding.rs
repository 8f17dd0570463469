//! How the static programs of a box find a server by its name: the gateway as it
//! ships, each processor's under qemu-user, with name servers as sites have them.
//!
//! The name server is dnsmasq; a slow line is a relay in front of it. That a name
//! was found is seen by who comes to the address it stands for.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use culvert_e2e::world::{eventually, must_work};
use culvert_wire::claim::ClaimCode;
use culvert_wire::id::ClaimId;
use culvert_wire::key::SigningKey;

use crate::leash::leashed;
use crate::machine::HANGS;

/// Where the name server answers, and where the slow line to it begins.
const NAMES: &str = "127.0.0.1:53";
const SLOW: &str = "127.0.0.2:53";
/// From question to answer on the slow line; less than a resolver waits.
const DELAY: Duration = Duration::from_secs(1);
/// Addresses of one name: more than a datagram of 512 bytes tells.
const MANY: u8 = 60;
/// Where the server would be: at each of the addresses.
const SERVER: &str = "0.0.0.0:4430";

/// A site's name server: what the resolver's file says, and the name that is looked
/// up.
struct Site {
    what: &'static str,
    file: &'static str,
    name: &'static str,
}

const SITES: [Site; 4] = [
    Site {
        what: "the question for IPv6 is refused",
        file: "nameserver 127.0.0.1\n",
        name: "plain.culvert.test",
    },
    Site {
        what: "the answer is too long for a datagram",
        file: "nameserver 127.0.0.1\n",
        name: "many.culvert.test",
    },
    Site {
        what: "the line is slow and loses the first question",
        file: "nameserver 127.0.0.2\n",
        name: "plain.culvert.test",
    },
    Site {
        what: "the name is short",
        file: "nameserver 127.0.0.1\nsearch other.test culvert.test\n",
        name: "plain",
    },
];

/// S26: a name is found at each site, by the program of each processor.
#[test]
fn the_static_programs_find_a_server_by_its_name() -> anyhow::Result<()> {
    let programs = crate::built()?.join("..");
    let home = folder()?;
    must_work(leashed("ip").args(["link", "set", "lo", "up"]))?;
    let log = home.join("names.log");
    let mut names = name_server(&log)?;
    std::thread::spawn(slow_line);
    let server = TcpListener::bind(SERVER)?;
    server.set_nonblocking(true)?;
    for (arch, emulator) in [
        ("arm64", "qemu-aarch64-static"),
        ("armhf", "qemu-arm-static"),
    ] {
        let gateway = programs.join(arch).join("culvert-gateway");
        ensure!(gateway.exists(), "{} is not built", gateway.display());
        for site in &SITES {
            let mut asks = ask(&home, site, emulator, &gateway)?;
            let found = eventually(site.what, HANGS, || Ok(server.accept().is_ok()));
            let _ = asks.kill();
            let _ = asks.wait();
            // It may have come more than once.
            while server.accept().is_ok() {}
            found.with_context(|| format!("{arch}: {}", log_of(&log)))?;
        }
    }
    names.kill()?;
    names.wait()?;
    let told = log_of(&log);
    ensure!(told.contains("REFUSED"), "nothing was refused:\n{told}");
    // It serves each connection in a process of its own.
    let own = format!("[{}]: query", names.id());
    let long = told.lines().filter(|line| line.contains("query[A] many"));
    ensure!(
        long.clone().any(|line| line.contains(&own)),
        "nobody asked by datagram:\n{told}"
    );
    ensure!(
        long.clone().any(|line| !line.contains(&own)),
        "nobody asked again by a connection:\n{told}"
    );
    Ok(fs::remove_dir_all(home)?)
}

/// Knows the names' IPv4 addresses and refuses all else.
fn name_server(log: &Path) -> anyhow::Result<Child> {
    let mut dnsmasq = leashed("dnsmasq");
    dnsmasq
        .args([
            "--keep-in-foreground",
            "--conf-file=/dev/null",
            "--no-hosts",
        ])
        .args(["--no-resolv", "--user=root", "--group=root", "--pid-file"])
        .args(["--bind-interfaces", "--listen-address=127.0.0.1"])
        .args([
            "--host-record=plain.culvert.test,127.0.0.1",
            // Known not to exist there, as a site's own domain tells it.
            "--local=/other.test/",
            "--log-queries",
        ])
        .arg(format!("--log-facility={}", log.display()));
    for last in 1..=MANY {
        dnsmasq.arg(format!("--host-record=many.culvert.test,127.0.0.{last}"));
    }
    let child = dnsmasq
        .stdin(Stdio::null())
        .spawn()
        .context("dnsmasq (Debian package dnsmasq-base)")?;
    eventually("the name server", HANGS, || {
        Ok(std::net::TcpStream::connect(NAMES).is_ok())
    })?;
    Ok(child)
}

/// Every question arrives late, the first of each asker not at all.
fn slow_line() -> anyhow::Result<()> {
    let near = UdpSocket::bind(SLOW)?;
    let far: SocketAddr = NAMES.parse()?;
    let mut seen: Vec<SocketAddr> = Vec::new();
    let mut question = [0; 512];
    loop {
        let (length, asker) = near.recv_from(&mut question)?;
        if !seen.contains(&asker) {
            seen.push(asker);
            continue;
        }
        let (near, question) = (near.try_clone()?, question[..length].to_vec());
        std::thread::spawn(move || -> anyhow::Result<()> {
            let line = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
            line.send_to(&question, far)?;
            let mut answer = [0; 512];
            let length = line.recv(&mut answer)?;
            std::thread::sleep(DELAY);
            near.send_to(&answer[..length], asker)?;
            Ok(())
        });
    }
}

/// The gateway of a processor, on its way to a server with a name.
fn ask(home: &Path, site: &Site, emulator: &str, gateway: &Path) -> anyhow::Result<Child> {
    let code = ClaimCode {
        servers: vec![format!("{}:4430", site.name)],
        provider: SigningKey::from_seed(&[9; 32]).public(),
        claim: ClaimId::from_random([9; 16]),
        seed: SigningKey::from_seed(&[8; 32]),
    };
    let [resolver, settings, claim] =
        ["resolv.conf", "gateway.toml", "claim"].map(|f| home.join(f));
    fs::write(&resolver, site.file)?;
    let data = home.join("data").display().to_string();
    fs::write(&settings, format!("data_dir = \"{data}\"\n"))?;
    fs::write(&claim, code.reveal().as_str())?;
    let mut asks = leashed("unshare");
    asks.args(["--mount", "sh", "-ec"])
        .arg("mount --bind \"$0\" /etc/resolv.conf; exec \"$@\"")
        .arg(&resolver)
        .arg(emulator)
        .arg(gateway)
        .arg("--config")
        .arg(&settings)
        .args(["claim", "--file"])
        .arg(&claim);
    for proxy in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        asks.env_remove(proxy);
    }
    let quiet = asks.stdin(Stdio::null()).stdout(Stdio::null());
    quiet.stderr(Stdio::null()).spawn().context("unshare")
}

fn log_of(log: &Path) -> String {
    fs::read_to_string(log).unwrap_or_default()
}

fn folder() -> anyhow::Result<PathBuf> {
    let home = std::env::temp_dir().join(format!("culvert-names-{}", std::process::id()));
    fs::create_dir_all(&home)?;
    Ok(home)
}
