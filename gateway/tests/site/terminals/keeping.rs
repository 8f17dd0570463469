//! A terminal outlives its stream and session, for its user alone.

use culvert_wire::id::UserId;
use culvert_wire::reason::Reason;
use culvert_wire::revocation::Scope;
use culvert_wire::terminal::{Exit, FromPage, ToPage};

use super::{PASSWORDS, session, ssh, ssh_site};
use crate::net::Net;
use crate::person::{Person, start};
use crate::program::{Technician, eventually};

/// P12: reload, crash, another session: nothing lost, nothing doubled.
#[test]
fn a_terminal_outlives_its_session_and_goes_on_without_loss() {
    let net = Net::new();
    net.run(async {
        let (prs, gateway, _sshd) = ssh_site(&net, "ed25519", PASSWORDS).await;
        let (_, technician) = session(&prs, &gateway).await;
        let mut person = Person::begin(&technician, start()).await;
        let ready = person.sign_in().await;
        person.type_line("stty -echo; PS1=; echo begin").await;
        person.until("begin\r\n").await;
        let counting = "i=0; while [ $i -lt 3000 ]; do echo line-$i; i=$((i+1)); [ $((i % 500)) = 0 ] && sleep 0.2; done; echo finis";
        person.type_line(counting).await;
        person.until("line-700").await;
        let mut screen = person.screen.clone();
        technician.session.close(Reason::ClosedByTechnician, "");
        drop(person);

        let (_, technician) = session(&prs, &gateway).await;
        let mut person = Person::resume(&technician, &ready, screen.len() as u64).await;
        assert_eq!(person.next().await, ToPage::Ready(ready.clone()));
        let ToPage::Replayed { from, input } = person.next().await else {
            panic!("no replay");
        };
        assert_eq!(from, screen.len() as u64);
        assert_eq!(input, 29 + counting.len() as u64 + 1);
        person.until("finis\r\n").await;
        screen.extend_from_slice(&person.screen);
        let text = String::from_utf8(screen).unwrap();
        let lines: Vec<_> = text.lines().filter(|line| line.starts_with("line-")).collect();
        let expected: Vec<_> = (0..3000).map(|n| format!("line-{n}")).collect();
        assert_eq!(lines, expected);

        // A newer stream takes over; the older one is told.
        let mut newer = Person::resume(&technician, &ready, 0).await;
        assert_eq!(newer.next().await, ToPage::Ready(ready.clone()));
        assert!(matches!(newer.next().await, ToPage::Replayed { from: 0, .. }));
        newer.until("finis\r\n").await;
        newer.type_line("exit").await;
        assert_eq!(newer.exit().await, Exit::Status(0));
    });
}

/// Same user and same target only; a revocation ends what is kept at once.
#[test]
fn a_kept_terminal_is_for_its_user_alone_and_ends_with_her_access() {
    let net = Net::new();
    net.run(async {
        let (prs, gateway, sshd) = ssh_site(&net, "ed25519", PASSWORDS).await;
        let (grant, technician) = session(&prs, &gateway).await;
        let mut person = Person::begin(&technician, start()).await;
        let ready = person.sign_in().await;
        technician.session.close(Reason::ClosedByTechnician, "");
        crate::ends::ended(&prs, &grant).await;

        let mut other = prs.grant(gateway.key(), vec![ssh()]);
        other.technician = UserId::from_random([9; 16]);
        let mut elsewhere = prs.grant(gateway.key(), vec![ssh()]);
        elsewhere.targets[0].port = 2222;
        for grant in [other, elsewhere] {
            let technician = Technician::admitted(&prs, &grant).await;
            let mut stranger = Person::resume(&technician, &ready, 0).await;
            assert_eq!(stranger.refused().await, Reason::TerminalGone);
        }
        assert_eq!(gateway.workers().len(), 1);

        // As the server says it: a session is named, though it is over.
        let over = Scope::Sessions(vec![grant.session]);
        prs.revoke(gateway.key(), 1, over);

        eventually("the worker ends", || gateway.workers().is_empty()).await;
        eventually("the host sees the end", || sshd.log().contains("logout")).await;
        let (_, technician) = session(&prs, &gateway).await;
        let mut late = Person::resume(&technician, &ready, 0).await;
        assert_eq!(late.refused().await, Reason::TerminalGone);
    });
}

#[test]
fn closing_a_terminal_keeps_nothing() {
    let net = Net::new();
    net.run(async {
        let (prs, gateway, _sshd) = ssh_site(&net, "ed25519", PASSWORDS).await;
        let (_, technician) = session(&prs, &gateway).await;
        let mut person = Person::begin(&technician, start()).await;
        person.sign_in().await;

        person.say(FromPage::Close).await;

        let Exit::Lost { reason, .. } = person.exit().await else {
            panic!("the shell ended by itself");
        };
        assert_eq!(reason, Reason::ClosedByTechnician);
        eventually("the worker ends", || gateway.workers().is_empty()).await;
    });
}
