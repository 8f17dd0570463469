//! What a renewal may change.

use super::*;

fn renewal(change: impl FnOnce(&mut Grant)) -> Invite {
    let mut grant = grant(1);
    grant.serial = 1;
    grant.issued = START.plus_ms(HOUR / 2);
    grant.join_by = START.plus_ms(HOUR / 2 + 60_000);
    grant.ends_at = START.plus_ms(2 * HOUR);
    change(&mut grant);
    invite(grant)
}

#[test]
fn a_renewal_moves_the_end_and_nothing_else() {
    let mut world = World::new();
    world.running(1);
    world.now = START.plus_ms(HOUR / 2);

    let commands = world.send(&renewal(|_| {}));

    assert_eq!(
        commands[1],
        Command::Renew {
            session: id(1),
            permits: Permits {
                targets: vec![true],
                rights: Rights::ALL,
            },
        }
    );
    assert_eq!(world.sessions.poll_timeout(), Some(2 * HOUR));
}

#[test]
fn a_renewal_that_changes_or_widens_the_session_is_refused_and_leaves_it() {
    type Change = fn(&mut Grant);
    let table: [(Reason, Change); 5] = [
        (Reason::GrantReplayed, |g| g.serial = 0),
        (Reason::PeerKey, |g| g.technician_end = key(OTHER).public()),
        (Reason::PeerKey, |g| {
            g.technician = UserId::from_random([OTHER; 16]);
        }),
        (Reason::TargetUnknown, |g| {
            g.targets.push(target("192.168.7.10", 22));
        }),
        (Reason::GrantExpired, |g| g.join_by = START),
    ];
    for (reason, change) in table {
        let mut world = World::new();
        world.running(1);
        world.now = START.plus_ms(HOUR / 2);

        assert_eq!(world.refusal(&renewal(change)), Some(reason));

        assert_eq!(world.sessions.poll_timeout(), Some(HOUR));
    }
}

#[test]
fn a_renewal_may_narrow_and_what_it_took_does_not_come_back() {
    let mut world = World::new();
    let two = |g: &mut Grant| g.targets.push(target("192.168.7.10", 80));
    let mut opening = grant(1);
    two(&mut opening);
    world.send(&invite(opening));
    world.sessions.handle_open(id(1));
    world.now = START.plus_ms(HOUR / 2);

    let commands = world.send(&renewal(|_| {}));

    assert!(
        matches!(&commands[1], Command::Renew { permits, .. } if permits.targets == [true, false])
    );
    let wider = renewal(|g| {
        g.serial = 2;
        two(g);
    });
    assert_eq!(world.refusal(&wider), Some(Reason::TargetUnknown));
    let replayed = renewal(|_| {});
    assert_eq!(world.refusal(&replayed), Some(Reason::GrantReplayed));
}

/// "Narrowing a role narrows live sessions": what a renewal takes away is told
/// to the streams and does not come back.
#[test]
fn a_renewal_may_take_the_right_to_control_and_it_does_not_come_back() {
    let mut world = World::new();
    world.running(1);
    world.now = START.plus_ms(HOUR / 2);

    let commands = world.send(&renewal(|g| g.rights = Rights::CONNECT));

    let Command::Renew { permits, .. } = &commands[1] else {
        panic!("{commands:?}");
    };
    assert!(permits.allow(0, Rights::CONNECT) && !permits.allow(0, Rights::CONTROL));
    assert!(!permits.reach(1));
    let wider = renewal(|g| g.serial = 2);
    assert_eq!(world.refusal(&wider), Some(Reason::TargetUnknown));
}

#[test]
fn a_revoked_session_cannot_be_renewed() {
    let mut world = World::new();
    world.running(1);
    assert_eq!(world.revoke(NODE, 1, Scope::All), Ok(()));
    world.drain();
    world.now = START.plus_ms(HOUR / 2);

    assert_eq!(world.refusal(&renewal(|_| {})), Some(Reason::Expired));
}
