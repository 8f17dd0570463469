//! A link that is lost takes no byte of a session with it.

use std::time::Duration;

use culvert_wire::frame::{Frame, Refused};
use culvert_wire::hello::Who;
use culvert_wire::reason::Reason;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::host::Host;
use crate::net::{HOST, Net};
use crate::program::{Gateway, Technician};
use crate::prs::{Prs, target};

/// K14 in small: the gateway's link is cut without a word in mid-copy.
#[test]
fn a_copy_survives_the_cut_of_the_gateways_link_byte_for_byte() {
    let net = Net::new();
    net.run(async {
        let _host = Host::echo(&net, "192.168.77.10:22");
        let (prs, gateway) = Gateway::linked(&net, "").await;
        let (_, technician) = Technician::in_session(&prs, &gateway, vec![target(HOST, 22)]).await;
        let (mut read, mut write) = tokio::io::split(technician.stream().await);
        let sent: Vec<u8> = (0..6_000_000u32)
            .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect();
        let whole = sent.clone();
        let writing = tokio::spawn(async move {
            write.write_all(&whole).await.unwrap();
            write.shutdown().await.unwrap();
        });
        let mut back = vec![0; 1_000_000];
        read.read_exact(&mut back).await.unwrap();

        prs.cut(gateway.key());

        let mut rest = Vec::new();
        read.read_to_end(&mut rest).await.unwrap();
        writing.await.unwrap();
        back.extend(rest);
        assert!(back == sent, "the copy differs");
        // What was under way may have been all of it: the box comes back later then.
        prs.linked(gateway.key()).await;
        let hellos = prs.hellos();
        let links = hellos.iter().filter(|who| matches!(who, Who::Gateway(_)));
        assert!(links.count() >= 2, "the link was never cut");
        drop(technician.link);
    });
}

/// D7, clones: one boot id, and each lease stored before it is acknowledged.
#[test]
fn each_link_shows_the_same_boot_and_the_last_lease() {
    let net = Net::new();
    net.run(async {
        let (prs, gateway) = Gateway::linked(&net, "").await;
        let mut leases = Vec::new();
        for _ in 0..2 {
            leases.push(
                prs.hear(|frame| match frame {
                    Frame::LeaseStored(lease) => Some(*lease),
                    _ => None,
                })
                .await,
            );
            let stored = culvert_gateway::state::State::load(&gateway.data()).unwrap();
            assert_eq!(stored.lease, leases.last().copied());
            prs.cut(gateway.key());
        }
        prs.linked(gateway.key()).await;
        let hellos: Vec<_> = prs
            .hellos()
            .into_iter()
            .filter_map(|who| match who {
                Who::Gateway(hello) => Some(hello),
                Who::Claim(_) | Who::Technician(_) | Who::Browser(_) => None,
            })
            .collect();
        assert_eq!(hellos[0].lease, None);
        assert_eq!(hellos[1].lease, Some(leases[0]));
        assert_eq!(hellos[0].boot, hellos[1].boot);
    });
}

#[test]
fn a_box_that_is_refused_says_why_and_comes_back_when_told() {
    let net = Net::new();
    net.run(async {
        let prs = Prs::start().await;
        prs.refuse(Some(Refused {
            reason: Reason::Quarantined,
            retry_after_ms: 500,
            text: String::new(),
        }));
        let mut gateway = Gateway::claimed(&net, "");
        gateway.start();
        let refused = async {
            loop {
                let status = gateway.ask(&["status", "--json"]).await;
                if String::from_utf8_lossy(&status.stdout).contains("quarantined") {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::time::timeout(crate::prs::SOON, refused)
            .await
            .unwrap();

        prs.refuse(None);

        prs.linked(gateway.key()).await;
    });
}

/// P3: a server that cannot take the box in just now, or its session, says so
/// and when to come back; what runs on the box waits for that.
#[test]
fn a_session_outlives_reconnects_that_are_refused_for_a_while() {
    let net = Net::new();
    net.run(async {
        let _host = Host::echo(&net, "192.168.77.10:22");
        let (prs, gateway) = Gateway::linked(&net, "").await;
        let (_, technician) = Technician::in_session(&prs, &gateway, vec![target(HOST, 22)]).await;
        let mut stream = technician.stream().await;
        let mut echoes = async |number: u8| {
            stream.write_all(&[number; 100]).await.unwrap();
            let mut back = [0; 100];
            stream.read_exact(&mut back).await.unwrap();
            assert_eq!(back, [number; 100]);
        };
        echoes(0).await;
        // The others are `culvert_session::ending`'s business.
        for (number, reason) in [(1, Reason::DatabaseDown), (2, Reason::Throttled)] {
            prs.refuse(Some(Refused {
                reason,
                retry_after_ms: 200,
                text: String::new(),
            }));
            prs.cut(gateway.key());
            prs.greeted(2).await;

            prs.refuse(None);

            prs.linked(gateway.key()).await;
            echoes(number).await;
        }
        // Taken in, but its session is not found yet: asked for again.
        prs.refuse_a_join(Reason::DatabaseDown);
        prs.cut(gateway.key());
        echoes(99).await;
        drop(technician.link);
    });
}

/// Threat 9, the box's half: it says that it serves nobody, and why.
#[test]
fn a_quarantined_box_says_so() {
    let net = Net::new();
    net.run(async {
        let prs = Prs::start().await;
        prs.quarantine();
        let mut gateway = Gateway::claimed(&net, "");
        gateway.up(&prs).await;
        let told = async {
            loop {
                let status = gateway.ask(&["status"]).await;
                if crate::program::said(&status).contains("link         quarantined") {
                    return status.status.code();
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };

        let code = tokio::time::timeout(crate::prs::SOON, told).await.unwrap();

        assert_eq!(code, Some(1));
        let doctor = gateway.ask(&["doctor"]).await;
        let said = crate::program::said(&doctor);
        assert!(said.contains("cause: refused"), "{said}");
    });
}

/// P16, bad input: a full disk costs leases and counters, no session.
#[test]
fn a_box_whose_disk_is_full_keeps_working_and_still_obeys() {
    let net = Net::new();
    net.run(async {
        let prs = Prs::start().await;
        let _host = Host::echo(&net, "192.168.77.10:22");
        let mut gateway = Gateway::claimed(&net, "");
        let key = gateway.key();
        // Whatever cannot be created, cannot be written: the same error path.
        for name in ["state.new", "status.new"] {
            std::fs::create_dir(gateway.data().join(name)).unwrap();
        }
        gateway.up(&prs).await;
        let grant = prs.grant(key, vec![target(HOST, 22)]);
        let technician = Technician::admitted(&prs, &grant).await;
        let _stream = technician.stream().await;

        prs.revoke(key, 1, culvert_wire::revocation::Scope::All);

        let ended = crate::ends::ended(&prs, &grant).await;
        assert_eq!(ended.reason, Reason::AccessRevoked);
        // Never acknowledged what a power cut would undo.
        assert!(!prs.heard_any(|frame| matches!(frame, Frame::Revoked(_) | Frame::LeaseStored(_))));
    });
}

/// Threat 34, P9: the system clock is never asked.
#[test]
fn a_box_that_believes_it_is_1970_or_2099_works() {
    for clock in ["1970-01-01 00:00:10", "2099-12-31 23:59:00"] {
        let net = Net::new();
        net.run(async {
            let prs = Prs::start().await;
            let _host = Host::echo(&net, "192.168.77.10:22");
            let mut gateway = Gateway::claimed(&net, "");
            gateway.set_clock(clock);
            gateway.up(&prs).await;
            let grant = prs.grant(gateway.key(), vec![target(HOST, 22)]);
            Technician::admitted(&prs, &grant).await.stream().await;
            // The log's own times show that the clock was really wrong.
            let year = &clock[..4];
            assert!(gateway.log().contains(year), "{}", gateway.log());
        });
    }
}
