//! The gateway's process: its own user, no capabilities, one inherited socket;
//! started again, ever later, when it ends.

use std::fs;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use culvert_wire::supervisor::{FromGateway, FromSupervisor, MAX_MESSAGE};
use culvert_wire::{Decode as _, Encode as _};
use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use nix::unistd::Pid;

use crate::console;

/// Its user and group.
pub const USER: u32 = 1000;
/// The program.
const PROGRAM: &str = "/bin/culvert-gateway";
/// Silence after which a gateway is taken for hung.
const HUNG: Duration = Duration::from_secs(30);
/// The same before its first word: it is read from the card and checked as it starts,
/// and a restart of a box with a slow card would only begin the same wait anew.
const HUNG_AT_START: Duration = Duration::from_secs(90);
/// Shortest and longest wait before it is started again.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// Messages taken in one turn of the loop.
const TURN: usize = 64;

/// The process, or when it comes again.
#[derive(Debug)]
pub struct Gateway {
    state: State,
    backoff: Duration,
}

#[derive(Debug)]
enum State {
    Running {
        pid: Pid,
        socket: UnixDatagram,
        since: Instant,
        heard: Instant,
    },
    Waiting {
        until: Instant,
    },
}

impl Gateway {
    /// To be started at the first turn.
    pub fn new(now: Instant) -> Self {
        Self {
            state: State::Waiting { until: now },
            backoff: BACKOFF.0,
        }
    }

    /// Starts the process if it is time; answers whether it did.
    ///
    /// # Errors
    /// What the system says; tried again later.
    pub fn keep_running(&mut self, config: &Path, now: Instant) -> io::Result<bool> {
        match &self.state {
            State::Waiting { until } if *until <= now => {}
            State::Waiting { .. } | State::Running { .. } => return Ok(false),
        }
        self.wait(now);
        let (pid, socket) = spawn(config)?;
        self.state = State::Running {
            pid,
            socket,
            since: now,
            heard: now,
        };
        Ok(true)
    }

    /// A child ended; answers whether it was the gateway.
    pub fn ended(&mut self, ended: Pid, now: Instant) -> bool {
        match self.state {
            State::Running { pid, since, .. } if pid == ended => {
                if now.duration_since(since) > BACKOFF.1 {
                    self.backoff = BACKOFF.0;
                }
                self.wait(now);
                true
            }
            State::Running { .. } | State::Waiting { .. } => false,
        }
    }

    fn wait(&mut self, now: Instant) {
        self.state = State::Waiting {
            until: now + self.backoff,
        };
        self.backoff = (self.backoff * 2).min(BACKOFF.1);
    }

    /// The next messages; what is no message is dropped and said once a turn.
    pub fn messages(&mut self, now: Instant) -> Vec<FromGateway> {
        let State::Running { socket, heard, .. } = &mut self.state else {
            return Vec::new();
        };
        let mut out = Vec::new();
        let mut buffer = vec![0; MAX_MESSAGE];
        while out.len() < TURN {
            // Nothing there, or its end is gone: the process's end tells.
            let Ok(length @ 1..) = socket.recv(&mut buffer) else {
                break;
            };
            match FromGateway::from_bytes(&buffer[..length]) {
                Ok(message) => out.push(message),
                Err(error) => {
                    console::line(&format!("the gateway said something strange: {error}"));
                    break;
                }
            }
        }
        if !out.is_empty() {
            *heard = now;
        }
        out
    }

    /// Says something; a gateway that does not listen is judged by its
    /// silence.
    pub fn say(&self, message: &FromSupervisor) {
        if let State::Running { socket, .. } = &self.state {
            let _ = socket.send(&message.to_bytes());
        }
    }

    /// What the kernel lets it do, for whoever looks at the screen.
    pub fn rights(&self) -> Option<String> {
        let State::Running { pid, .. } = self.state else {
            return None;
        };
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        rights(&status)
    }

    /// How long it has lived.
    pub fn alive(&self, now: Instant) -> Option<Duration> {
        match self.state {
            State::Running { since, .. } => Some(now.duration_since(since)),
            State::Waiting { .. } => None,
        }
    }

    /// It runs and says nothing: only a restart of the box is sure to end
    /// that, for what hangs may hang in the kernel.
    pub fn hung(&self, now: Instant) -> bool {
        match self.state {
            State::Running { since, heard, .. } => {
                let limit = if heard == since { HUNG_AT_START } else { HUNG };
                now.duration_since(heard) > limit
            }
            State::Waiting { .. } => false,
        }
    }

    /// Ends it at once; its end is noticed as any other.
    pub fn kill(&self) {
        if let State::Running { pid, .. } = self.state {
            let _ = kill(pid, Signal::SIGKILL);
        }
    }

    /// Stops it, for tests of the watchdog.
    ///
    /// # Errors
    /// What the system says.
    #[cfg(feature = "sabotage")]
    pub fn stop(&self) -> io::Result<()> {
        match self.state {
            State::Running { pid, .. } => Ok(kill(pid, Signal::SIGSTOP)?),
            State::Waiting { .. } => Err(io::Error::other("no gateway runs")),
        }
    }

    /// Its socket, to wait on.
    pub fn socket(&self) -> Option<BorrowedFd<'_>> {
        match &self.state {
            State::Running { socket, .. } => Some(socket.as_fd()),
            State::Waiting { .. } => None,
        }
    }
}

/// A user other than root keeps no capability across `exec`, and process 1
/// has forbidden every program to gain any.
fn spawn(config: &Path) -> io::Result<(Pid, UnixDatagram)> {
    let (ours, theirs) = pair()?;
    let child = Command::new(PROGRAM)
        .arg("--config")
        .arg(config)
        .arg("run")
        .env_clear()
        .env("CULVERT_SUPERVISOR", "stdin")
        .uid(USER)
        .gid(USER)
        .current_dir("/")
        .stdin(theirs)
        .process_group(0)
        .spawn()?;
    let pid = i32::try_from(child.id()).map_err(io::Error::other)?;
    Ok((Pid::from_raw(pid), ours))
}

/// A process's rights in one line, out of its `status`: every id and every set of
/// capabilities, so that none can hide behind another.
fn rights(status: &str) -> Option<String> {
    let field = |name: &str| {
        let rest = status.lines().find_map(|line| line.strip_prefix(name))?;
        let words: Vec<&str> = rest.strip_prefix(':')?.split_whitespace().collect();
        Some(words.join(" "))
    };
    let capabilities = ["CapInh", "CapPrm", "CapEff", "CapAmb"].map(field);
    let none = |set: &Option<String>| {
        set.as_ref()
            .is_some_and(|set| set.trim_matches('0').is_empty())
    };
    let capabilities = match capabilities.iter().all(none) {
        true => "none".to_owned(),
        false => format!("{capabilities:?}"),
    };
    Some(format!(
        "user {}, group {}, more groups [{}], capabilities {capabilities}, new rights {}",
        field("Uid")?,
        field("Gid")?,
        field("Groups")?,
        match field("NoNewPrivs")?.as_str() {
            "1" => "forbidden",
            _ => "possible",
        }
    ))
}

/// A pair of packet sockets; ours does not block. (`UnixDatagram` only ever
/// calls `send` and `recv`, which are the same for both kinds.)
fn pair() -> io::Result<(UnixDatagram, OwnedFd)> {
    let (ours, theirs) = socketpair(
        AddressFamily::Unix,
        SockType::SeqPacket,
        None,
        SockFlag::SOCK_CLOEXEC,
    )?;
    let ours = UnixDatagram::from(ours);
    ours.set_nonblocking(true)?;
    Ok((ours, theirs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_keep_their_borders_and_a_full_socket_does_not_block() {
        let (ours, theirs) = pair().unwrap();
        let theirs = UnixDatagram::from(theirs);
        let now = Instant::now();
        let mut gateway = Gateway::new(now);
        gateway.state = State::Running {
            pid: Pid::from_raw(1),
            socket: ours,
            since: now,
            heard: now,
        };
        theirs.send(&FromGateway::Health.to_bytes()).unwrap();
        theirs.send(&FromGateway::Session(2).to_bytes()).unwrap();

        let heard = gateway.messages(now);
        for _ in 0..100_000 {
            gateway.say(&FromSupervisor::Reboot);
        }

        assert_eq!(heard, [FromGateway::Health, FromGateway::Session(2)]);
        theirs.send(b"\xff?").unwrap();
        assert!(gateway.messages(now).is_empty());
    }

    /// Threat 14: a gateway that got more than its user is seen on the screen.
    #[test]
    fn a_process_s_rights_are_told_in_one_line() {
        let status = "Name:\tculvert-gateway\nUid:\t1000\t1000\t1000\t1000\nGid:\t1000\t1000\t1000\t1000\n\
                      Groups:\t \nCapInh:\t0000000000000000\nCapPrm:\t0000000000000000\n\
                      CapEff:\t0000000000000000\nCapBnd:\t000001ffffffffff\n\
                      CapAmb:\t0000000000000000\nNoNewPrivs:\t1\n";
        let told = "user 1000 1000 1000 1000, group 1000 1000 1000 1000, more groups [], \
                    capabilities none, new rights forbidden";
        assert_eq!(rights(status).as_deref(), Some(told));

        for (was, becomes) in [
            ("Uid:\t1000\t1000\t1000\t1000", "Uid:\t1000\t0\t1000\t1000"),
            ("Groups:\t ", "Groups:\t0 "),
            ("CapAmb:\t0000000000000000", "CapAmb:\t0000000000000400"),
            ("CapEff:\t0000000000000000", "CapEff:\t000001ffffffffff"),
            ("NoNewPrivs:\t1", "NoNewPrivs:\t0"),
        ] {
            let changed = status.replace(was, becomes);
            assert_ne!(changed, status);
            assert_ne!(rights(&changed).as_deref(), Some(told), "{becomes}");
        }
        assert_eq!(rights("Name:\tculvert-gateway\n"), None);
    }

    /// Ending is no hanging: what ended is started again.
    #[test]
    fn only_a_gateway_that_runs_and_is_silent_is_hung() {
        let (ours, theirs) = pair().unwrap();
        let theirs = UnixDatagram::from(theirs);
        let now = Instant::now();
        let mut gateway = Gateway::new(now);
        let second = Duration::from_secs(1);
        let later = now + HUNG_AT_START + second;
        assert!(!gateway.hung(later));
        gateway.state = State::Running {
            pid: Pid::from_raw(1),
            socket: ours,
            since: now,
            heard: now,
        };

        assert!(!gateway.hung(now + HUNG_AT_START) && gateway.hung(later));
        theirs.send(&FromGateway::Health.to_bytes()).unwrap();
        gateway.messages(later);
        assert!(!gateway.hung(later + HUNG) && gateway.hung(later + HUNG + second));
    }

    #[test]
    fn a_gateway_that_keeps_ending_is_started_ever_later() {
        let mut now = Instant::now();
        let mut gateway = Gateway::new(now);
        let mut waits = Vec::new();
        for _ in 0..9 {
            gateway.wait(now);
            let State::Waiting { until } = gateway.state else {
                panic!("it waits");
            };
            waits.push(until.duration_since(now).as_secs());
            now = until;
        }

        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    }
}
