//! How sessions end at the gateway: revocation, time, shutdown, a cut link.

use std::io::Write as _;
use std::time::Duration;

use culvert_wire::frame::{Frame, SessionEnded};
use culvert_wire::grant::Grant;
use culvert_wire::id::UserId;
use culvert_wire::reason::Reason;
use culvert_wire::revocation::Scope;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::host::Host;
use crate::net::{HOST, Net};
use crate::program::{Gateway, Technician, eventually};
use crate::prs::{Prs, SOON, TECHNICIAN, now, target};

/// A session's time where a test waits for its end, in milliseconds: until then a busy
/// machine has begun it.
const SHORT: u64 = 8000;

/// The gateway's record of a session.
pub(crate) async fn ended(prs: &Prs, grant: &Grant) -> SessionEnded {
    prs.hear(|frame| match frame {
        Frame::SessionEnded(ended) if ended.session == grant.session => Some(ended.clone()),
        _ => None,
    })
    .await
}

/// A session with an echoing host.
async fn running(net: &Net) -> (Prs, Gateway, Host, Grant, Technician) {
    let host = Host::echo(net, "192.168.77.10:22");
    let (prs, gateway) = Gateway::linked(net, "").await;
    let (grant, technician) = Technician::in_session(&prs, &gateway, vec![target(HOST, 22)]).await;
    (prs, gateway, host, grant, technician)
}

/// Part 12: ended at the gateway, whatever the technician's program thinks.
#[test]
fn a_revocation_ends_the_session_and_its_host_connection_and_is_acknowledged() {
    let net = Net::new();
    net.run(async {
        let (prs, mut gateway, _host, grant, technician) = running(&net).await;
        let mut stream = technician.stream().await;
        stream.write_all(b"x").await.unwrap();
        stream.read_u8().await.unwrap();

        let scope = Scope::Technician(UserId::from_random(TECHNICIAN));
        prs.revoke(gateway.key(), 1, scope);

        let ended = ended(&prs, &grant).await;
        assert_eq!(ended.reason, Reason::AccessRevoked);
        let counter = prs.hear(|frame| match frame {
            Frame::Revoked(counter) => Some(*counter),
            _ => None,
        });
        assert_eq!(counter.await, 1);
        let told = tokio::time::timeout(SOON, technician.session.closed()).await;
        assert_eq!(told.unwrap().reason, Reason::AccessRevoked);
        // The host's half of the farewell may come a moment later.
        eventually("the end of the connection to the host", || {
            let left = net.sh(&net.gateway(), "ss -Htn dst 192.168.77.10");
            left.trim().is_empty()
        })
        .await;

        gateway.kill();
        assert_eq!(
            culvert_gateway::state::State::load(&gateway.data())
                .unwrap()
                .revocations,
            1
        );
    });
}

#[test]
fn a_session_ends_at_its_time_though_the_cloud_says_nothing() {
    let net = Net::new();
    net.run(async {
        let _host = Host::echo(&net, "192.168.77.10:22");
        let (prs, gateway) = Gateway::linked(&net, "").await;
        let mut grant = prs.grant(gateway.key(), vec![target(HOST, 22)]);
        grant.ends_at = now().plus_ms(SHORT);
        let technician = Technician::admitted(&prs, &grant).await;
        let _stream = technician.stream().await;

        let told = tokio::time::timeout(SOON, technician.session.closed()).await;

        assert_eq!(told.unwrap().reason, Reason::Expired);
        assert_eq!(ended(&prs, &grant).await.reason, Reason::Expired);
    });
}

#[test]
fn a_renewal_keeps_the_session_beyond_its_first_end() {
    let net = Net::new();
    net.run(async {
        let _host = Host::echo(&net, "192.168.77.10:22");
        let (prs, gateway) = Gateway::linked(&net, "").await;
        let mut grant = prs.grant(gateway.key(), vec![target(HOST, 22)]);
        grant.ends_at = now().plus_ms(SHORT);
        let technician = Technician::admitted(&prs, &grant).await;
        let mut stream = technician.stream().await;

        let issued = now();
        let renewed = Grant {
            serial: 1,
            issued,
            join_by: issued.plus_ms(60_000),
            ends_at: issued.plus_ms(60_000),
            ..grant
        };
        assert_eq!(prs.invite(renewed).await.refused, None);
        tokio::time::sleep(Duration::from_millis(SHORT + 500)).await;

        stream.write_all(b"still").await.unwrap();
        let mut back = [0; 5];
        stream.read_exact(&mut back).await.unwrap();
        assert_eq!(&back, b"still");
    });
}

/// A signal ends sessions with a word, and the program with success.
#[test]
fn sigterm_tells_both_sides_and_exits_cleanly() {
    let net = Net::new();
    net.run(async {
        let (prs, mut gateway, _host, grant, technician) = running(&net).await;
        let _stream = technician.stream().await;

        let code = tokio::task::block_in_place(|| gateway.stop());

        assert_eq!(code, Some(0));
        let told = tokio::time::timeout(SOON, technician.session.closed()).await;
        assert_eq!(told.unwrap().reason, Reason::GatewayOffline);
        assert_eq!(ended(&prs, &grant).await.reason, Reason::GatewayOffline);
    });
}

/// A report of a session that ended without a link is told when it is back.
#[test]
fn a_session_that_ends_without_a_link_is_reported_later() {
    let net = Net::new();
    net.run(async {
        let (prs, gateway, _host, mut grant, _technician) = running(&net).await;
        grant.ends_at = now().plus_ms(4000);
        grant.serial = 1;
        grant.issued = now();
        assert_eq!(prs.invite(grant.clone()).await.refused, None);

        prs.refuse(Some(culvert_wire::frame::Refused {
            reason: Reason::ServerDraining,
            retry_after_ms: 1000,
            text: String::new(),
        }));
        prs.cut(gateway.key());
        tokio::time::sleep(Duration::from_millis(4500)).await;
        prs.refuse(None);
        prs.linked(gateway.key()).await;

        assert_eq!(ended(&prs, &grant).await.reason, Reason::Expired);
    });
}

/// P25: no descriptor is left of a session, however it ended. 1,000 of them
/// with `CULVERT_LONG=1`.
#[test]
fn many_sessions_leave_no_descriptor_behind() {
    let sessions = match std::env::var_os("CULVERT_LONG") {
        Some(_) => 1000,
        None => 100,
    };
    // Past the capture: a run's log says what was sampled.
    let _ = writeln!(
        std::io::stderr(),
        "sample: descriptors after {sessions} sessions"
    );
    let net = Net::new();
    net.run(async {
        let (prs, gateway, _host, first, technician) = running(&net).await;
        let descriptors = || {
            let folder = format!("/proc/{}/fd", gateway.pid());
            std::fs::read_dir(folder).unwrap().count()
        };
        technician.session.close(Reason::Finished, "");
        ended(&prs, &first).await;
        let before = descriptors();
        for number in 0..sessions {
            let (grant, technician) =
                Technician::in_session(&prs, &gateway, vec![target(HOST, 22)]).await;
            let mut stream = technician.stream().await;
            stream.write_all(b"x").await.unwrap();
            stream.read_u8().await.unwrap();
            match number % 2 {
                0 => technician.session.close(Reason::Finished, ""),
                _ => drop(technician),
            }
            ended(&prs, &grant).await;
        }

        eventually("no descriptor more than before", || descriptors() <= before).await;
    });
}
