//! A real router (dnsmasq) announces a network and a name server by IPv6; the
//! kernel takes the address, the box's ear the name server.
//!
//! Runs this program a second time in an empty network of its own.
#![expect(clippy::unwrap_used, reason = "a test that fails says where")]

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use culvert_supervisor::network;
use culvert_supervisor::routers::Routers;

/// The router's address, and where it answers for names.
const ROUTER: &str = "fd77::1";
/// A run that takes longer hangs.
const HANGS: Duration = Duration::from_secs(120);

/// S26: a site with IPv6 alone.
#[test]
fn a_router_s_network_and_name_server_are_taken() {
    culvert_lab::packages::ensure().unwrap();
    let mut own = Command::new("unshare");
    if !nix::unistd::geteuid().is_root() {
        own.arg("--map-root-user");
    }
    let output = own
        .arg("--net")
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "inside", "--ignored", "--nocapture"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("1 passed"), "nothing ran: {said}");
}

#[test]
#[ignore = "run by the test above in a network of its own"]
fn inside() {
    for words in [
        "link set lo up",
        "link add cable type veth peer name box",
        "link set cable up",
        &format!("addr add {ROUTER}/64 dev cable nodad"),
    ] {
        let mut ip = Command::new("ip");
        assert!(ip.args(words.split(' ')).status().unwrap().success());
    }
    let mut routers = Routers::listen().unwrap();
    assert_eq!(routers.changed(Instant::now()), None);
    let dir = tempfile::tempdir().unwrap();
    let _router = Router::start(dir.path().join("leases"));
    let mut ip = Command::new("ip");
    assert!(
        ip.args(["link", "set", "box", "up"])
            .status()
            .unwrap()
            .success()
    );

    let begun = Instant::now();
    let told = loop {
        if let Some(told) = routers.changed(Instant::now()) {
            break told;
        }
        assert!(begun.elapsed() < HANGS, "no router was heard");
        std::thread::sleep(Duration::from_millis(50));
    };
    assert_eq!(told, [ROUTER]);
    while !network::has_address("box") {
        assert!(begun.elapsed() < HANGS, "no address was made");
        std::thread::sleep(Duration::from_millis(50));
    }

    // Its time is over when nobody says it again.
    let later = Instant::now() + Duration::from_secs(30 * 24 * 3600);
    assert_eq!(routers.changed(later), Some(Vec::new()));
}

struct Router(Child);

impl Router {
    fn start(leases: std::path::PathBuf) -> Self {
        fs::write(&leases, "").unwrap();
        let child = Command::new("dnsmasq")
            .args([
                "--keep-in-foreground",
                "--conf-file=/dev/null",
                "--port=0",
                "--user=root",
                "--pid-file",
                "--bind-interfaces",
                "--interface=cable",
                "--enable-ra",
                "--dhcp-range=fd77::,ra-only,64,10m",
                &format!("--dhcp-option=option6:dns-server,[{ROUTER}]"),
                &format!("--dhcp-leasefile={}", leases.display()),
            ])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        Self(child)
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
