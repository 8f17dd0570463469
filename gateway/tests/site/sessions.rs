//! What a session carries: K11, K15, S5, S13, S27, S39.

use culvert_wire::grant::Rights;
use culvert_wire::reason::Reason;
use culvert_wire::stream::{Answer, Service};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::host::Host;
use crate::net::{ABSENT, HOST, Net, OTHER};
use crate::program::{Gateway, Technician};
use crate::prs::{key, target};

#[test]
fn a_technician_talks_to_a_lan_host_and_every_byte_is_reported() {
    let net = Net::new();
    net.run(async {
        let _host = Host::echo(&net, "192.168.77.10:22");
        let (prs, gateway) = Gateway::linked(&net, "").await;
        let (grant, technician) =
            Technician::in_session(&prs, &gateway, vec![target(HOST, 22)]).await;
        let mut stream = technician.stream().await;

        stream.write_all(b"hello host").await.unwrap();
        let mut back = [0; 10];
        stream.read_exact(&mut back).await.unwrap();

        assert_eq!(&back, b"hello host");
        technician.session.close(Reason::ClosedByTechnician, "");
        let ended = crate::ends::ended(&prs, &grant).await;
        assert_eq!(ended.reason, Reason::ClosedByTechnician);
        assert_eq!((ended.from_hosts, ended.to_hosts), (10, 10));
        assert_eq!(ended.streams, 1);
    });
}

#[test]
fn an_end_of_one_direction_leaves_the_other_open() {
    let net = Net::new();
    net.run(async {
        let _host = Host::count(&net, "192.168.77.10:22");
        let (prs, gateway) = Gateway::linked(&net, "").await;
        let (_, technician) = Technician::in_session(&prs, &gateway, vec![target(HOST, 22)]).await;
        let mut stream = technician.stream().await;

        stream.write_all(&vec![7; 300_000]).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();

        assert_eq!(answer, "300000");
    });
}

/// S25, S35: a device needs no software and no certain port; it may be reached
/// by IPv4, by IPv6 or through the box's own name for it.
#[test]
fn any_tcp_port_of_any_device_is_reached() {
    let net = Net::new();
    net.run(async {
        let places = [
            "192.168.77.20:9100",
            "[fd00:77::10]:8443",
            "192.168.77.10:65535",
        ];
        let _hosts = places.map(|place| Host::echo(&net, place));
        let (prs, gateway) = Gateway::linked(&net, "").await;
        let targets = vec![
            target(OTHER, 9100),
            target("fd00:77::10", 8443),
            target(HOST, 65535),
        ];
        let (_, technician) = Technician::in_session(&prs, &gateway, targets).await;
        for index in 0..3 {
            let (mut stream, answer) = technician.open(Service::Target(index)).await;
            assert_eq!(answer, Answer::Accepted, "target {index}");
            stream.write_all(&[index]).await.unwrap();
            assert_eq!(stream.read_u8().await.unwrap(), index);
        }
    });
}

/// S5: ten and more at once, each with its own host connection.
#[test]
fn twelve_sessions_run_at_once_without_mixing() {
    let net = Net::new();
    net.run(async {
        let host = Host::echo(&net, "192.168.77.10:22");
        let (prs, gateway) = Gateway::linked(&net, "").await;
        let mut open = Vec::new();
        for number in 0..12u8 {
            let (_, technician) =
                Technician::in_session(&prs, &gateway, vec![target(HOST, 22)]).await;
            let mut stream = technician.stream().await;
            stream.write_all(&[number; 1000]).await.unwrap();
            open.push((technician, stream, number));
        }
        for (_, stream, number) in &mut open {
            let mut back = [0; 1000];
            stream.read_exact(&mut back).await.unwrap();
            assert_eq!(back, [*number; 1000]);
        }
        assert_eq!(host.accepted(), 12);
    });
}

#[test]
fn the_box_refuses_more_sessions_than_it_is_set_to_carry() {
    let net = Net::new();
    net.run(async {
        let (prs, gateway) = Gateway::linked(&net, "max_sessions = 2\n").await;
        for wanted in [None, None, Some(Reason::TooManySessions)] {
            let grant = prs.grant(gateway.key(), vec![target(HOST, 22)]);
            let refused = prs.invite(grant).await.refused;
            assert_eq!(refused.map(|(reason, _)| reason), wanted);
        }
    });
}

/// Bad input: a dead LAN host, a refused port, a foreign target.
#[test]
fn each_way_a_host_is_not_reached_has_its_reason() {
    let net = Net::new();
    net.run(async {
        let (prs, gateway) = Gateway::linked(&net, "").await;
        // The last one drops every SYN instead of refusing it.
        net.sh(
            &net.lan(),
            "nft -f - <<'END'
             table inet wall { chain in { type filter hook input priority 0;
               ip daddr 192.168.77.20 drop; }; }
END",
        );
        let targets = vec![
            target(HOST, 9),
            target(ABSENT, 22),
            target(OTHER, 22),
            target("nobody.invalid", 22),
        ];
        let (_, technician) = Technician::in_session(&prs, &gateway, targets).await;
        for (service, reason) in [
            (Service::Target(0), Reason::HostRefused),
            (Service::Target(1), Reason::HostUnreachable),
            (Service::Target(2), Reason::HostTimedOut),
            (Service::Target(3), Reason::NameNotResolved),
            (Service::Target(4), Reason::TargetUnknown),
            (Service::Target(255), Reason::TargetUnknown),
            (Service::Test(0), Reason::HostRefused),
        ] {
            let (_, answer) = technician.open(service).await;
            let Answer::Refused { reason: got, .. } = answer else {
                panic!("{service:?} was accepted");
            };
            assert_eq!(got, reason, "{service:?}");
        }
    });
}

/// S39: the test says whether the host answers, and no byte passes.
#[test]
fn a_test_reports_reachability_without_passing_a_byte() {
    let net = Net::new();
    net.run(async {
        let host = Host::echo(&net, "192.168.77.10:22");
        let (prs, gateway) = Gateway::linked(&net, "").await;
        let targets = vec![target(HOST, 22), target(HOST, 9)];
        let (_, technician) = Technician::in_session(&prs, &gateway, targets).await;

        let (mut stream, answer) = technician.open(Service::Test(0)).await;

        assert_eq!(answer, Answer::Accepted);
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"");
        host.accepts(1).await;
        let (_, answer) = technician.open(Service::Test(1)).await;
        assert!(matches!(
            answer,
            Answer::Refused {
                reason: Reason::HostRefused,
                ..
            }
        ));
    });
}

/// S39: a grant that is for a test opens nothing else.
#[test]
fn a_grant_for_a_test_reaches_no_byte_of_the_host() {
    let net = Net::new();
    net.run(async {
        let host = Host::echo(&net, "192.168.77.10:22");
        let (prs, gateway) = Gateway::linked(&net, "").await;
        let mut grant = prs.grant(gateway.key(), vec![target(HOST, 22)]);
        grant.rights = Rights::CONNECT;
        let technician = Technician::admitted(&prs, &grant).await;

        let (_, answer) = technician.open(Service::Test(0)).await;
        assert_eq!(answer, Answer::Accepted);
        for service in [Service::Target(0), Service::Terminal(0)] {
            let (_, answer) = technician.open(service).await;
            assert!(
                matches!(
                    answer,
                    Answer::Refused {
                        reason: Reason::NotAllowed,
                        ..
                    }
                ),
                "{service:?}: {answer:?}"
            );
        }
        host.accepts(1).await;
    });
}

/// The relay may hand the ticket to anybody: without the key no byte passes.
#[test]
fn an_end_with_another_key_reaches_no_stream() {
    let net = Net::new();
    net.run(async {
        let _host = Host::echo(&net, "192.168.77.10:22");
        let (prs, gateway) = Gateway::linked(&net, "").await;
        let grant = prs.grant(gateway.key(), vec![target(HOST, 22)]);
        prs.invite(grant.clone()).await;

        let outcome = Technician::join_as(&grant, &key(77)).await;

        if let Ok(technician) = outcome {
            // TLS 1.3 lets a client believe for a moment that it is in.
            let ending = technician.session.closed().await;
            assert_eq!(ending.reason, Reason::PeerKey);
        }
        let ended = crate::ends::ended(&prs, &grant).await;
        assert_eq!((ended.from_hosts, ended.to_hosts), (0, 0));
        assert_eq!((ended.streams, ended.reason), (0, Reason::PeerKey));
    });
}
