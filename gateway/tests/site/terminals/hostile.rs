//! A hostile host ends its own terminal and nothing else (P22, threats 14, 15 and
//! 17).

use culvert_wire::grant::{Protocol, Target};
use culvert_wire::reason::Reason;
use culvert_wire::terminal::Exit;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{PASSWORDS, session, ssh_site};
use crate::host::Host;
use crate::net::{Net, OTHER};
use crate::person::{Person, start};
use crate::program::{Gateway, Technician, eventually};
use crate::prs::target;

/// P22, threat 14: a hostile host ends its own terminal, and the worker that
/// met it has nothing to take.
#[test]
fn hostile_hosts_end_only_their_own_terminal() {
    let net = Net::new();
    net.run(async {
        let _raving = Host::raving(&net, "192.168.77.20:22");
        let _chatty = Host::chatty(&net, "192.168.77.20:23");
        let _mute = Host::mute(&net, "192.168.77.20:24");
        let (prs, gateway, _sshd) = ssh_site(&net, "ed25519", PASSWORDS).await;
        let (_, technician) = session(&prs, &gateway).await;
        let mut person = Person::begin(&technician, start()).await;
        person.sign_in().await;
        let [worker] = gateway.workers()[..] else {
            panic!("not one worker");
        };
        confined(worker);

        let bad = [22, 23, 24].map(|port| Target {
            protocol: Protocol::Ssh,
            ..target(OTHER, port)
        });
        let grant = prs.grant(gateway.key(), bad.to_vec());
        let victim = Technician::admitted(&prs, &grant).await;
        for (index, reason) in [
            (0, Reason::HostProtocol),
            (1, Reason::HostProtocol),
            (2, Reason::HostTimedOut),
        ] {
            let mut person = Person::begin_at(&victim, index, start()).await;
            assert_eq!(person.refused().await, reason, "target {index}");
        }

        eventually("their workers end", || gateway.workers() == [worker]).await;

        // Also when the worker itself dies.
        let mut second = Person::begin(&technician, start()).await;
        second.sign_in().await;
        let other = gateway.workers().into_iter().find(|pid| *pid != worker);
        let other = Pid::from_raw(i32::try_from(other.unwrap()).unwrap());
        kill(other, Signal::SIGKILL).unwrap();
        let Exit::Lost { reason, text } = second.exit().await else {
            panic!("the shell ended");
        };
        assert_eq!(
            (reason, text.as_str()),
            (Reason::BridgeEnded, "signal 9 ended it")
        );
        person.type_line("echo still-$((1 + 1))").await;
        person.until("still-2").await;
    });
}

/// Threat 14: "forwards nothing": no agent, no port, no X11, whatever a host opens.
#[test]
fn a_host_gets_no_channel_that_it_opens_itself() {
    let net = Net::new();
    net.run(async {
        let _grasping = Host::grasping(&net, "192.168.77.10:22");
        let (prs, gateway) = Gateway::linked(&net, "").await;
        let (_, technician) = session(&prs, &gateway).await;
        let mut person = Person::begin(&technician, start()).await;
        person.sign_in().await;
        person.until("that was all").await;
        let screen = String::from_utf8_lossy(&person.screen).into_owned();
        assert_eq!(screen.matches("refused").count(), 7, "{screen}");
        assert!(!screen.contains("taken"), "{screen}");
    });
}

/// What the system says of a worker: filter, no privileges, one thread, no
/// environment, no files.
fn confined(pid: u32) {
    let read = |name: &str| std::fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap();
    let status = read("status");
    for line in ["Seccomp:\t2", "NoNewPrivs:\t1", "Threads:\t1"] {
        assert!(status.contains(line), "{line}: {status}");
    }
    assert_eq!(read("environ"), "");
    let memory = status.lines().find(|line| line.starts_with("VmRSS"));
    println!("one worker in a terminal: {memory:?}");
    let files = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let files: Vec<String> = files
        .map(|file| std::fs::read_link(file.unwrap().path()).unwrap())
        .map(|link| link.to_string_lossy().into_owned())
        .collect();
    let allowed = ["socket:", "anon_inode:[event"];
    let odd = |link: &&String| !allowed.iter().any(|start| link.starts_with(start));
    assert_eq!(files.iter().find(odd), None, "{files:?}");
}
