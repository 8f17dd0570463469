//! What of this box can be reached from outside: the kernel's own list of
//! sockets, shown on the screen at every boot. The answer shall be "none".
//!
//! The DHCP clients' ports do not count: they take answers only.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

/// State of a TCP socket that waits for connections, in the kernel's lists.
const LISTEN: &str = "0A";
/// Ports of the clients of DHCP and DHCPv6.
const CLIENTS: [u16; 2] = [68, 546];

/// How often and how far apart it is looked whether a port stays: for a second more than
/// musl's resolver waits for an answer.
const LOOKS: usize = 24;
const APART: Duration = Duration::from_millis(250);

/// What is open and stays so: a question about a name has a port, too, while it
/// waits for its answer.
pub fn stay_open(root: &Path) -> Vec<String> {
    stays(open(root), || {
        thread::sleep(APART);
        open(root)
    })
}

/// What was found and is there at every look.
fn stays(mut found: Vec<String>, mut look: impl FnMut() -> Vec<String>) -> Vec<String> {
    for _ in 0..LOOKS {
        if found.is_empty() {
            break;
        }
        let still = look();
        found.retain(|port| still.contains(port));
    }
    found
}

/// Open ports as `tcp 22`; loopback counts too, for nobody needs it here.
fn open(root: &Path) -> Vec<String> {
    let mut out = Vec::new();
    for (file, kind) in [
        ("tcp", "tcp"),
        ("tcp6", "tcp"),
        ("udp", "udp"),
        ("udp6", "udp"),
    ] {
        let text = fs::read_to_string(root.join("proc/net").join(file)).unwrap_or_default();
        let ports = text.lines().skip(1).filter_map(|line| waiting(line, kind));
        out.extend(ports.map(|port| format!("{kind} {port}")));
    }
    out.sort();
    out.dedup();
    out
}

/// The port of a socket that takes what anybody sends.
fn waiting(line: &str, kind: &str) -> Option<u16> {
    // sl, local_address:port, rem_address:port, state, …
    let mut words = line.split_whitespace().skip(1);
    let (local, remote, state) = (words.next()?, words.next()?, words.next()?);
    let port = u16::from_str_radix(local.rsplit(':').next()?, 16).ok()?;
    let open = match kind {
        "tcp" => state == LISTEN,
        // Bound and connected to nobody.
        _ => remote.ends_with(":0000") && !CLIENTS.contains(&port),
    };
    open.then_some(port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_is_seen_and_a_connection_or_a_client_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let net = dir.path().join("proc/net");
        fs::create_dir_all(&net).unwrap();
        let head = "  sl  local_address rem_address   st tx_queue rx_queue\n";
        let tcp =
            "   0: 00000000:0016 00000000:0000 0A 0:0\n   1: 0200000A:C000 01020304:01BB 01 0:0\n";
        let udp =
            "   0: 00000000:0044 00000000:0000 07 0:0\n   1: 0200000A:C001 01020304:0035 01 0:0\n";
        let udp6 = "   0: 00000000000000000000000000000000:14E9 00000000000000000000000000000000:0000 07 0:0\n";
        for (file, lines) in [("tcp", tcp), ("udp", udp), ("udp6", udp6)] {
            fs::write(net.join(file), format!("{head}{lines}")).unwrap();
        }

        assert_eq!(open(dir.path()), ["tcp 22", "udp 5353"]);
    }

    #[test]
    fn a_port_counts_only_as_long_as_it_stays() {
        let ports = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let first: Vec<String> = ports(&["tcp 22", "udp 53000"]);
        let mut looks = 0;
        // A question ends at the third look, another one begins.
        let found = stays(first.clone(), || {
            looks += 1;
            match looks {
                1 | 2 => first.clone(),
                _ => ports(&["tcp 22", "udp 53001"]),
            }
        });
        assert_eq!((found, looks), (ports(&["tcp 22"]), LOOKS));

        let mut looks = 0;
        let none = stays(ports(&["udp 53000"]), || {
            looks += 1;
            Vec::new()
        });
        assert_eq!((none.len(), looks), (0, 1), "nobody waits for more");
    }

    /// The real list of the machine that runs this.
    #[test]
    fn a_real_listener_is_found() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();

        assert!(open("/".as_ref()).contains(&format!("tcp {port}")));
        drop(listener);
        assert!(!open("/".as_ref()).contains(&format!("tcp {port}")));
    }
}
