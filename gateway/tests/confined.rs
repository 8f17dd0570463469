//! Threat 14: a confined worker tries each forbidden call and is killed for
//! it; the same program without the filter is not.
//!
//! Its own harness: the program runs itself, as the gateway does. Each trial is
//! one process with the two sockets that a worker has.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "its own harness says what it tries; a panic is a failed test"
)]

use std::fs;
use std::hint::black_box;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, ExitStatus, Stdio, exit};

use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid, chroot, dup, execv, pipe, setuid};

/// A name, and what is tried.
type Trial = (&'static str, fn() -> bool);

/// What a worker might be made to try. Each succeeds when nothing forbids it.
const FORBIDDEN: [Trial; 17] = [
    ("open a file", || fs::File::open("/etc/passwd").is_ok()),
    ("look at a file", || fs::metadata("/etc/passwd").is_ok()),
    ("list a folder", || fs::read_dir("/").is_ok()),
    ("make a folder", || {
        let place = std::env::temp_dir().join(format!("trial-{}", std::process::id()));
        fs::create_dir(&place)
            .and_then(|()| fs::remove_dir(place))
            .is_ok()
    }),
    ("go elsewhere", || std::env::set_current_dir("/").is_ok()),
    ("make a socket", || UdpSocket::bind("127.0.0.1:0").is_ok()),
    ("listen", || TcpListener::bind("127.0.0.1:0").is_ok()),
    ("make a pair", || UnixStream::pair().is_ok()),
    ("make a pipe", || pipe().is_ok()),
    ("double a descriptor", || dup(std::io::stdin()).is_ok()),
    ("run a program", || {
        // Comes back only when it failed.
        execv(c"/bin/true", &[c"true"]).is_ok()
    }),
    ("make a thread", || {
        let thread = std::thread::Builder::new().spawn(|| ());
        thread.is_ok_and(|thread| thread.join().is_ok())
    }),
    ("signal a process", || {
        kill(Pid::from_raw(0), None::<Signal>).is_ok()
    }),
    ("become somebody", || setuid(Uid::from_raw(0)).is_ok()),
    ("change its root", || chroot("/").is_ok()),
    ("change a limit", || {
        setrlimit(Resource::RLIMIT_CORE, 0, 0).is_ok()
    }),
    ("change what it is", || prctl::set_name(c"trial").is_ok()),
];

fn main() {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some("trial") {
        let name = arguments.next().unwrap();
        let confined = arguments.next().as_deref() == Some("confined");
        exit(i32::from(!act(&name, confined)));
    }
    for (name, _) in FORBIDDEN {
        let free = trial(name, "free");
        assert!(free.success(), "{name}: the control failed: {free:?}");
        let confined = trial(name, "confined");
        println!("{name}: {confined}");
        assert_eq!(
            confined.signal(),
            Some(libc::SIGSYS),
            "{name}: {confined:?}"
        );
    }
    for name in ["compute", "too much memory"] {
        let confined = trial(name, "confined");
        println!("{name}: {confined}");
        assert!(confined.success(), "{name}: {confined:?}");
    }
}

/// Runs this program on one trial, started as a worker is.
fn trial(name: &str, how: &str) -> ExitStatus {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let lan = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (_ours, pair) = UnixStream::pair().unwrap();
    Command::new("/proc/self/exe")
        .args(["trial", name, how])
        .env_clear()
        .stdin(Stdio::from(OwnedFd::from(pair)))
        .stdout(Stdio::from(OwnedFd::from(lan)))
        .stderr(Stdio::null())
        .status()
        .unwrap()
}

fn act(name: &str, confined: bool) -> bool {
    if confined {
        culvert_gateway::worker::confine_for_trial().unwrap();
    }
    match name {
        "compute" => {
            let sum: u64 = black_box((0..1_000_000).collect::<Vec<u64>>()).iter().sum();
            sum > 0
        }
        "too much memory" => {
            let mut much: Vec<u8> = Vec::new();
            much.try_reserve_exact(1 << 30).is_err()
        }
        _ => {
            let known = FORBIDDEN.iter().find(|(known, _)| *known == name);
            known.is_some_and(|(_, act)| act())
        }
    }
}
