//! How sessions end, and what is told of it.

use super::*;

#[test]
fn a_session_ends_at_its_end_without_any_word_from_the_cloud() {
    let mut world = World::new();
    world.running(1);
    world.sessions.handle_timeout(HOUR - 1);
    assert_eq!(world.drain(), []);

    world.sessions.handle_timeout(HOUR);

    let stop = Command::Stop {
        session: id(1),
        reason: Reason::Expired,
    };
    assert_eq!(world.drain(), [stop]);
    assert_eq!(world.sessions.poll_timeout(), None);
}

#[test]
fn a_technician_who_never_comes_does_not_hold_a_session() {
    let mut world = World::new();
    world.send(&invite(grant(1)));

    let until = 61_000 + HANDSHAKE_MS;
    assert_eq!(world.sessions.poll_timeout(), Some(until));
    world.sessions.handle_timeout(until);

    assert!(matches!(
        world.drain()[..],
        [Command::Stop {
            reason: Reason::PeerLost,
            ..
        }]
    ));
}

#[test]
fn a_closed_session_is_reported_with_the_first_reason() {
    let mut world = World::new();
    world.running(1);
    world.running(2);
    assert_eq!(world.revoke(NODE, 1, Scope::Sessions(vec![id(1)])), Ok(()));
    world.drain();

    world.sessions.handle_closed(id(1), RECORD);
    world.sessions.handle_closed(id(2), RECORD);
    world.sessions.handle_closed(id(2), RECORD);

    let reported: Vec<Reason> = world
        .drain()
        .iter()
        .map(|command| {
            let Command::Report(ended) = command else {
                panic!("{command:?}");
            };
            assert_eq!((ended.from_hosts, ended.to_hosts), (10, 20));
            ended.reason
        })
        .collect();
    assert_eq!(
        reported,
        [Reason::AccessRevoked, Reason::ClosedByTechnician]
    );
}

/// Issue part 12.
#[test]
fn each_revocation_scope_ends_exactly_its_sessions_then_is_acknowledged() {
    let other = UserId::from_random([OTHER; 16]);
    for (scope, ended) in [
        (Scope::Sessions(vec![id(1), id(77)]), vec![id(1)]),
        (Scope::Technician(other), vec![id(2)]),
        (Scope::All, vec![id(1), id(2)]),
    ] {
        let mut world = World::new();
        world.running(1);
        let mut second = grant(2);
        second.technician = other;
        world.send(&invite(second));

        assert_eq!(world.revoke(NODE, 1, scope.clone()), Ok(()));

        let mut wanted: Vec<Command> = ended
            .into_iter()
            .map(|session| Command::Stop {
                session,
                reason: Reason::AccessRevoked,
            })
            .collect();
        // Terminals that outlived their session go, too.
        wanted.push(Command::Cut {
            scope,
            reason: Reason::AccessRevoked,
        });
        wanted.push(Command::Obeyed(1));
        assert_eq!(world.drain(), wanted);
    }
}

#[test]
fn an_old_revocation_is_acknowledged_again_but_ends_nothing() {
    let mut world = World::new();
    assert_eq!(world.revoke(NODE, 7, Scope::All), Ok(()));
    world.drain();
    world.running(1);

    assert_eq!(world.revoke(NODE, 7, Scope::All), Ok(()));

    assert_eq!(world.drain(), [Command::Obeyed(7)]);
}

#[test]
fn a_revocation_that_is_not_the_brokers_or_not_for_this_box_is_refused() {
    let mut world = World::new();
    world.running(1);

    assert_eq!(
        world.revoke(OTHER, 1, Scope::All),
        Err(Reason::GrantSignature)
    );
    world.node = statement(NODE, false);
    assert_eq!(
        world.revoke(NODE, 1, Scope::All),
        Err(Reason::GrantSignature)
    );

    assert_eq!(world.drain(), []);
}
