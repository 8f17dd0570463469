//! What a lying server cannot make the gateway do: no SYN leaves it (threats 3
//! and 4).
//!
//! The server's own tests cannot show this: here the broker signs whatever it
//! likes, with the right key.

use culvert_wire::grant::Target;
use culvert_wire::reason::Reason;
use culvert_wire::stream::{Answer, Service};

use crate::host::Host;
use crate::net::{ELSEWHERE, HOST, METADATA, Net, OTHER, OWN};
use crate::program::{Gateway, Technician};
use crate::prs::{key, target};

/// Part 11: "a PRS patched to sign a valid grant outside the box's own
/// allow-list: refused, no SYN leaves".
#[test]
fn a_validly_signed_grant_outside_the_boxs_own_rules_sends_no_syn() {
    let net = Net::new();
    net.run(async {
        // Canaries that would answer if anything came.
        let lan = net.lan();
        let canaries = [
            Host::silent(&lan, "10.9.9.9:22"),
            Host::silent(&lan, "169.254.169.254:80"),
            Host::silent(&lan, "100.100.100.200:80"),
            Host::silent(&lan, "[64:ff9b::7f00:1]:22"),
            Host::silent(&net.gateway(), "0.0.0.0:22"),
            Host::silent(&net.gateway(), "[::1]:22"),
        ];
        let (prs, gateway) = Gateway::linked(&net, "").await;
        let before = net.syns();
        for (address, port, reason) in [
            (ELSEWHERE, 22, Reason::NotInAllowList),
            ("203.0.113.77", 22, Reason::NotInAllowList),
            (METADATA, 80, Reason::AddressForbidden),
            ("100.100.100.200", 80, Reason::AddressForbidden),
            (OWN, 22, Reason::AddressForbidden),
            ("203.0.113.2", 22, Reason::AddressForbidden),
            ("fd00:77::2", 22, Reason::AddressForbidden),
            ("127.0.0.1", 22, Reason::AddressForbidden),
            ("127.9.9.9", 22, Reason::AddressForbidden),
            ("0.0.0.0", 22, Reason::AddressForbidden),
            ("::1", 22, Reason::AddressForbidden),
            ("::", 22, Reason::AddressForbidden),
            ("::ffff:127.0.0.1", 22, Reason::AddressForbidden),
            ("::ffff:192.168.77.2", 22, Reason::AddressForbidden),
            ("64:ff9b::7f00:1", 22, Reason::AddressForbidden),
            ("2002:7f00:1::1", 22, Reason::AddressForbidden),
            ("224.0.0.251", 22, Reason::AddressForbidden),
            ("192.168.77.255", 22, Reason::AddressForbidden),
            ("255.255.255.255", 22, Reason::AddressForbidden),
        ] {
            let grant = prs.grant(gateway.key(), vec![target(address, port)]);
            let refused = prs.invite(grant).await.refused;
            assert_eq!(refused.map(|(reason, _)| reason), Some(reason), "{address}");
        }
        // A name is no way around: judged when it has been resolved.
        let named: Vec<Target> = ["localhost", "ip6-localhost"]
            .map(|name| target(name, 22))
            .into();
        let (_, technician) = Technician::in_session(&prs, &gateway, named).await;
        for index in 0..2 {
            let (_, answer) = technician.open(Service::Target(index)).await;
            let Answer::Refused { reason, .. } = answer else {
                panic!("target {index} was accepted");
            };
            let wanted = [Reason::AddressForbidden, Reason::NameNotResolved];
            assert!(wanted.contains(&reason), "{reason:?}");
        }

        assert_eq!(net.syns(), before, "a SYN left the gateway");
        assert!(canaries.iter().all(|canary| canary.accepted() == 0));

        // Control: the counter does see what is allowed.
        let host = Host::echo(&net, "192.168.77.10:22");
        let grant = prs.grant(gateway.key(), vec![target(HOST, 22)]);
        Technician::admitted(&prs, &grant).await.stream().await;
        assert!(net.syns() > before);
        host.accepts(1).await;
    });
}

/// "Grants swapped by a lying relay": signed, but not for this box, not by
/// the provider's broker, or twice.
#[test]
fn swapped_forged_and_repeated_grants_send_no_syn() {
    let net = Net::new();
    net.run(async {
        let _host = Host::echo(&net, "192.168.77.10:22");
        let (prs, gateway) = Gateway::linked(&net, "").await;
        let good = || prs.grant(gateway.key(), vec![target(HOST, 22)]);
        let before = net.syns();

        let forged = prs.invite_by(good(), &key(99)).await;
        assert_eq!(forged.refused.unwrap().0, Reason::GrantSignature);
        let mut old = good();
        old.issued.0 -= 600_000;
        old.join_by.0 -= 600_000;
        let old = prs.invite(old).await;
        assert_eq!(old.refused.unwrap().0, Reason::GrantTooOld);
        assert_eq!(net.syns(), before);

        let used = good();
        assert_eq!(prs.invite(used.clone()).await.refused, None);
        Technician::join(&used).await.stream().await;
        let after_one = net.syns();
        assert_eq!(after_one, before + 1);
        let replayed = prs.invite(used.clone()).await;
        assert_eq!(replayed.refused.unwrap().0, Reason::GrantReplayed);
        assert_eq!(net.syns(), after_one);
    });
}

/// A grant for another box is sent over this box's link.
#[test]
fn a_grant_of_another_gateway_is_refused() {
    let net = Net::new();
    net.run(async {
        let (prs, gateway) = Gateway::linked(&net, "").await;
        let mut grant = prs.grant(key(98).public(), vec![target(HOST, 22)]);
        grant.serial = 0;
        let signed = culvert_wire::grant::SignedGrant::sign(grant.clone(), &key(2));
        let before = net.syns();

        prs.send(
            &gateway.key(),
            &culvert_wire::frame::Frame::Invite(Box::new(culvert_wire::frame::Invite {
                broker: None,
                grant: signed,
                ticket: Some(culvert_wire::ticket::Ticket::from_random([1; 32])),
            })),
        );

        let refused = prs
            .hear(|frame| match frame {
                culvert_wire::frame::Frame::InviteResult(r) => Some(r.refused.clone()),
                _ => None,
            })
            .await;
        assert_eq!(refused.unwrap().0, Reason::GrantForAnother);
        assert_eq!(net.syns(), before);
    });
}

/// Threat 12, bad input: frames that are not for a gateway are passed over or end the
/// link, never the program; the next link works.
#[test]
fn whatever_a_server_sends_the_box_comes_back_and_works() {
    let net = Net::new();
    net.run(async {
        let _host = Host::echo(&net, "192.168.77.10:22");
        let (prs, mut gateway) = Gateway::linked(&net, "").await;
        let (key, pid) = (gateway.key(), gateway.pid());
        let before = net.syns();
        // Every type byte with nothing, with zeros, with noise; 64 KB of it.
        for kind in (0..=255u8).rev() {
            for rest in [vec![], vec![0; 64], vec![0xff; 700], vec![kind; 65_536]] {
                prs.send_raw(&key, [vec![kind], rest].concat());
            }
        }
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;

        prs.cut(key);
        prs.linked(key).await;
        let grant = prs.grant(key, vec![target(HOST, 22)]);
        Technician::admitted(&prs, &grant).await.stream().await;
        assert_eq!(net.syns(), before + 1);
        assert_eq!(gateway.pid(), pid);
        assert_eq!(tokio::task::block_in_place(|| gateway.stop()), Some(0));
        assert!(!gateway.log().contains("panicked"), "{}", gateway.log());
    });
}

#[test]
fn the_boxs_own_file_widens_and_narrows_what_is_reached() {
    let net = Net::new();
    net.run(async {
        let _elsewhere = Host::echo(&net, "10.9.9.9:22");
        let rules = "[[allow]]\nnetwork = \"10.9.0.0/16\"\nports = [\"22\"]\n";
        let (prs, gateway) = Gateway::linked(&net, rules).await;
        for (wanted, reason) in [
            (target(ELSEWHERE, 22), None),
            (target(ELSEWHERE, 23), Some(Reason::NotInAllowList)),
            (target(OTHER, 22), Some(Reason::NotInAllowList)),
            (target(METADATA, 22), Some(Reason::AddressForbidden)),
        ] {
            let grant = prs.grant(gateway.key(), vec![wanted]);
            let refused = prs.invite(grant.clone()).await.refused;
            assert_eq!(refused.map(|(reason, _)| reason), reason);
            if reason.is_none() {
                Technician::join(&grant).await.stream().await;
            }
        }
    });
}
