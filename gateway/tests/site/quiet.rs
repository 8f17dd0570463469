//! What the program never does: listen, speak of addresses, leave cores.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::process::{Command, Stdio};

use culvert_wire::reason::Reason;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::host::Host;
use crate::net::{ELSEWHERE, HOST, Net};
use crate::program::{Gateway, Technician, eventually, exists};
use crate::prs::{Prs, target};

/// Threat 33: nothing listens, in a session or outside.
#[test]
fn the_gateway_has_no_listening_socket_of_any_kind() {
    let net = Net::new();
    net.run(async {
        let _host = Host::echo(&net, "192.168.77.10:22");
        let (prs, gateway) = Gateway::linked(&net, "").await;
        let (_, technician) = Technician::in_session(&prs, &gateway, vec![target(HOST, 22)]).await;
        let _stream = technician.stream().await;

        // TCP and UDP of the whole namespace, unix sockets of the process.
        let network = "ss -Hlnt; ss -Hanu; ss -Hanw";
        let unix = format!("ss -Hlnxp | grep 'pid={},' || true", gateway.pid());
        assert_eq!(net.sh(&net.gateway(), network).trim(), "");
        assert_eq!(net.sh(&net.gateway(), &unix).trim(), "");

        let _control = Host::silent(&net.gateway(), "0.0.0.0:7");
        assert!(net.sh(&net.gateway(), network).contains("0.0.0.0:7"));
    });
}

/// Threat 36, S4: the ordinary log holds no address of the customer and no
/// byte of a session; the search does find addresses where they may be.
#[test]
fn the_log_names_no_customer_address_above_debug() {
    for (level, may) in [("info", false), ("debug", true)] {
        let net = Net::new();
        net.run(async {
            let prs = Prs::start().await;
            let _host = Host::echo(&net, "192.168.77.10:22");
            let mut gateway = Gateway::claimed(&net, "");
            let settings = gateway.dir.path().join("gateway.toml");
            let text = fs::read_to_string(&settings).unwrap();
            fs::write(&settings, text.replace("\"info\"", &format!("\"{level}\""))).unwrap();
            gateway.up(&prs).await;
            let outside = prs.grant(gateway.key(), vec![target(ELSEWHERE, 22)]);
            prs.invite(outside).await;
            let targets = vec![target(HOST, 22), target("secret-printer.invalid", 9)];
            let (grant, technician) = Technician::in_session(&prs, &gateway, targets).await;
            let mut stream = technician.stream().await;
            stream.write_all(b"canary-hunter2").await.unwrap();
            stream.read_exact(&mut [0; 14]).await.unwrap();
            technician
                .open(culvert_wire::stream::Service::Target(1))
                .await;
            technician.session.close(Reason::Finished, "");
            crate::ends::ended(&prs, &grant).await;
            tokio::task::block_in_place(|| gateway.stop());

            let log = gateway.log();
            assert!(log.contains(&grant.session.to_string()), "{log}");
            let named = ["192.168.77.", "10.9.9.9", "secret-printer", "fd00:77"]
                .iter()
                .any(|word| log.contains(word));
            assert_eq!(named, may, "{level}: {log}");
            assert!(!log.contains("canary-hunter2"), "{log}");
        });
    }
}

/// Keys are in memory: the kernel gives it to nobody of the same user.
#[test]
fn the_process_cannot_be_read_by_its_own_user() {
    let net = Net::new();
    net.run(async {
        let gateway = Gateway::unclaimed(&net, "");
        let dir = gateway.dir.path();
        fs::create_dir(gateway.data()).unwrap();
        for path in [dir.to_owned(), gateway.data(), dir.join("gateway.toml")] {
            std::os::unix::fs::chown(path, Some(65534), Some(65534)).unwrap();
        }
        // The program itself may lie where only root goes.
        let program = dir.join("culvert-gateway");
        fs::copy(env!("CARGO_BIN_EXE_culvert-gateway"), &program).unwrap();
        let run = |program: &str, words: &[&str]| {
            Command::new("setpriv")
                .args(["--reuid=65534", "--regid=65534", "--clear-groups", program])
                .args(words)
                .stderr(Stdio::null())
                .spawn()
                .unwrap()
        };
        let settings = dir.join("gateway.toml");
        let words = ["--config", settings.to_str().unwrap(), "run"];
        let mut child = run(program.to_str().unwrap(), &words);
        let mut control = run("sleep", &["60"]);
        eventually("the start", || exists(&gateway.data().join("status.json"))).await;
        let owner = |pid: u32| fs::metadata(format!("/proc/{pid}/mem")).unwrap().uid();
        eventually("the control's start", || owner(control.id()) == 65534).await;

        let owners = (owner(child.id()), owner(control.id()));

        child.kill().unwrap();
        control.kill().unwrap();
        child.wait().unwrap();
        control.wait().unwrap();
        assert_eq!(owners, (0, 65534));
    });
}

#[test]
fn a_second_process_on_the_same_folder_refuses_to_run() {
    let net = Net::new();
    net.run(async {
        let (_prs, gateway) = Gateway::linked(&net, "").await;

        let second = gateway.ask(&["run"]).await;

        assert_eq!(second.status.code(), Some(1));
        let said = crate::program::said(&second);
        assert!(
            said.contains("another culvert-gateway already runs"),
            "{said}"
        );
    });
}

/// P18. What it allocates: 4 MiB idle, 16 MiB with eight sessions that have carried data,
/// 32 MiB with the pages of its own file. Idle, those of a debug build alone are 15 MiB:
/// `./bench memory` holds the 16 MiB of the program that boxes get.
#[test]
fn the_program_stays_small() {
    let net = Net::new();
    net.run(async {
        let _host = Host::echo(&net, "192.168.77.10:22");
        let (prs, gateway) = Gateway::linked(&net, "").await;
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        let idle = gateway.allocated_kib();
        let mut open = Vec::new();
        for _ in 0..8 {
            let (_, technician) =
                Technician::in_session(&prs, &gateway, vec![target(HOST, 22)]).await;
            let (mut read, mut write) = tokio::io::split(technician.stream().await);
            let sending = tokio::spawn(async move {
                write.write_all(&vec![5; 2_000_000]).await.unwrap();
                write
            });
            read.read_exact(&mut vec![0; 2_000_000]).await.unwrap();
            open.push((technician, read, sending.await.unwrap()));
        }
        let (busy, resident) = (gateway.allocated_kib(), gateway.resident_kib());

        println!("{idle} KiB idle, {busy} KiB with 8 sessions, {resident} KiB with its file");
        assert!(idle <= 4 * 1024, "{idle} KiB idle");
        assert!(busy <= 16 * 1024, "{busy} KiB with 8 sessions");
        assert!(resident <= 32 * 1024, "{resident} KiB with 8 sessions");
    });
}
