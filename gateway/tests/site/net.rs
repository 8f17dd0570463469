//! Three namespaces: the cloud, the gateway, the customer's LAN.
//!
//! ```text
//! cloud 203.0.113.1 ──wan── 203.0.113.2 gateway 192.168.77.2 ──lan── .10 .20 LAN
//! ```
//!
//! The LAN also carries addresses that must never be reached, with routes to
//! them from the gateway, so that only the gateway's own rules hold it back.

use std::fs::File;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use nix::sched::{CloneFlags, setns};

/// Where the server listens.
pub(crate) const CLOUD: &str = "203.0.113.1";
/// An ordinary host of the LAN.
pub(crate) const HOST: &str = "192.168.77.10";
/// Another one.
pub(crate) const OTHER: &str = "192.168.77.20";
/// Nobody has this address.
pub(crate) const ABSENT: &str = "192.168.77.99";
/// The gateway's own on the LAN.
pub(crate) const OWN: &str = "192.168.77.2";
/// Reachable, but outside the default allow-list.
pub(crate) const ELSEWHERE: &str = "10.9.9.9";
/// Reachable, and never to be reached.
pub(crate) const METADATA: &str = "169.254.169.254";

/// The namespaces of one test.
pub(crate) struct Net {
    name: String,
}

impl Net {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        assert!(nix::unistd::geteuid().is_root(), "namespaces need root");
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let net = Self {
            name: format!("cvg{}-{count}", std::process::id()),
        };
        net.make();
        net
    }

    pub(crate) fn cloud(&self) -> String {
        format!("{}c", self.name)
    }

    pub(crate) fn gateway(&self) -> String {
        format!("{}g", self.name)
    }

    pub(crate) fn lan(&self) -> String {
        format!("{}l", self.name)
    }

    /// Runs a test on a runtime whose sockets are the cloud's.
    pub(crate) fn run<T: Send>(&self, test: impl Future<Output = T> + Send) -> T {
        within(&self.cloud(), || {
            tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .unwrap()
                .block_on(test)
        })
    }

    /// Runs a shell line inside a namespace.
    pub(crate) fn sh(&self, ns: &str, line: &str) -> String {
        let done = Command::new("ip")
            .args(["netns", "exec", ns, "sh", "-ec", line])
            .output()
            .unwrap();
        output(line, &done)
    }

    /// How many connections the gateway's machine has begun, to anywhere but
    /// the server.
    pub(crate) fn syns(&self) -> u64 {
        let listed = self.sh(&self.gateway(), "nft list counter inet watch syns");
        let mut words = listed.split_whitespace().skip_while(|w| *w != "packets");
        words.nth(1).unwrap().parse().unwrap()
    }

    fn make(&self) {
        let (c, g, l) = (self.cloud(), self.gateway(), self.lan());
        let script = format!(
            "for n in {c} {g} {l}; do ip netns add $n; ip -n $n link set lo up; done
             ip -n {g} link add wan0 type veth peer name eth0 netns {c}
             ip -n {g} link add lan0 type veth peer name eth0 netns {l}
             ip -n {c} addr add {CLOUD}/24 dev eth0
             ip -n {g} addr add 203.0.113.2/24 dev wan0
             ip -n {g} addr add {OWN}/24 dev lan0
             ip -n {g} addr add fd00:77::2/64 dev lan0 nodad
             for a in {HOST}/24 {OTHER}/24 {ELSEWHERE}/32 {METADATA}/16 100.100.100.200/32; do
               ip -n {l} addr add $a dev eth0
             done
             ip -n {l} addr add fd00:77::10/64 dev eth0 nodad
             ip -n {l} addr add 64:ff9b::7f00:1/128 dev eth0 nodad
             ip -n {c} link set eth0 up; ip -n {l} link set eth0 up
             ip -n {g} link set wan0 up; ip -n {g} link set lan0 up
             ip -n {g} route add default via {CLOUD}
             ip -n {g} route add 169.254.0.0/16 dev lan0
             ip -n {g} route add 10.0.0.0/8 via {HOST}
             ip -n {g} route add 100.100.100.200 via {HOST}
             ip -n {g} route add 224.0.0.0/4 dev lan0
             ip -n {g} -6 route add 64:ff9b::/96 via fd00:77::10
             ip netns exec {g} nft -f - <<'END'
             table inet watch {{
               counter syns {{}}
               chain out {{
                 type filter hook output priority 0;
                 tcp flags & (syn | ack) == syn ip daddr != {CLOUD} counter name syns
                 tcp flags & (syn | ack) == syn meta nfproto ipv6 counter name syns
               }}
             }}
END"
        );
        let done = Command::new("sh").args(["-ec", &script]).output().unwrap();
        output("making the namespaces", &done);
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        for ns in [self.cloud(), self.gateway(), self.lan()] {
            let _ = Command::new("ip").args(["netns", "del", &ns]).output();
        }
    }
}

/// Runs `work` on a thread inside a namespace; sockets made there stay there.
pub(crate) fn within<T: Send>(ns: &str, work: impl FnOnce() -> T + Send) -> T {
    let file = File::open(format!("/run/netns/{ns}")).unwrap();
    thread::scope(|scope| {
        let thread = scope.spawn(move || {
            setns(file, CloneFlags::CLONE_NEWNET).unwrap();
            work()
        });
        match thread.join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// Binds at an address that a task which was just ended may still hold.
pub(crate) async fn bind<T>(mut bind: impl FnMut() -> std::io::Result<T>) -> T {
    for _ in 0..2000 {
        match bind() {
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
            bound => return bound.unwrap(),
        }
    }
    panic!("the address stays in use");
}

/// Listens at a port of the cloud.
pub(crate) async fn listen(port: u16) -> tokio::net::TcpListener {
    let listener = bind(|| std::net::TcpListener::bind((CLOUD, port))).await;
    listener.set_nonblocking(true).unwrap();
    tokio::net::TcpListener::from_std(listener).unwrap()
}

/// A UDP socket of a LAN host.
pub(crate) async fn lan_udp(net: &Net, address: &str) -> tokio::net::UdpSocket {
    let ns = net.lan();
    let socket = bind(|| within(&ns, || std::net::UdpSocket::bind(address))).await;
    socket.set_nonblocking(true).unwrap();
    tokio::net::UdpSocket::from_std(socket).unwrap()
}

fn output(what: &str, done: &Output) -> String {
    let error = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{what}: {error}");
    String::from_utf8_lossy(&done.stdout).into_owned()
}
