//! Which invitations open a session.

use super::*;

#[test]
fn a_good_grant_is_accepted_and_its_only_target_dialled_ahead() {
    let mut world = World::new();

    let commands = world.send(&invite(grant(1)));

    let Command::Answer(answer) = &commands[0] else {
        panic!("{commands:?}");
    };
    assert_eq!((answer.session, answer.serial), (id(1), 0));
    assert_eq!(answer.refused, None);
    let Command::Start(start) = &commands[1] else {
        panic!("{commands:?}");
    };
    assert_eq!(*start.grant, grant(1));
    assert!(start.dial_ahead);
}

#[test]
fn with_several_targets_nothing_is_dialled_before_the_technician_asks() {
    let mut wanted = grant(1);
    wanted.targets.push(target("192.168.7.10", 80));

    let commands = World::new().send(&invite(wanted));

    assert!(matches!(&commands[1], Command::Start(start) if !start.dial_ahead));
}

/// Every way a grant can be wrong, with the reason that goes back.
#[test]
fn each_wrong_grant_is_refused_with_its_reason() {
    type Change = fn(&mut Grant);
    let table: [(&str, Reason, Change); 20] = [
        ("another gateway", Reason::GrantForAnother, |g| {
            g.gateway = key(OTHER).public();
        }),
        ("before the hello", Reason::GrantTooOld, |g| {
            g.issued = UnixMs(START.0 - 1);
        }),
        ("in the future", Reason::GrantExpired, |g| {
            g.issued = START.plus_ms(40_000);
        }),
        ("long join-by", Reason::GrantExpired, |g| {
            g.join_by = g.issued.plus_ms(60_001);
        }),
        ("join-by passed", Reason::GrantExpired, |g| {
            g.join_by = START.plus_ms(1_999);
        }),
        ("already over", Reason::GrantExpired, |g| {
            g.ends_at = START.plus_ms(2_000);
        }),
        ("no right", Reason::AccessRevoked, |g| {
            g.rights = Rights(Rights::ALL.0 & !Rights::CONNECT.0);
        }),
        ("another network", Reason::NotInAllowList, |g| {
            g.targets[0] = target("10.0.0.1", 22);
        }),
        ("second target", Reason::NotInAllowList, |g| {
            g.targets.push(target("8.8.8.8", 53));
        }),
        ("the box itself", Reason::AddressForbidden, |g| {
            g.targets[0] = target("192.168.7.2", 22);
        }),
        ("loopback", Reason::AddressForbidden, |g| {
            g.targets[0] = target("127.0.0.1", 22);
        }),
        ("loopback v6", Reason::AddressForbidden, |g| {
            g.targets[0] = target("::1", 22);
        }),
        ("mapped loopback", Reason::AddressForbidden, |g| {
            g.targets[0] = target("::ffff:127.0.0.1", 22);
        }),
        ("link-local", Reason::AddressForbidden, |g| {
            g.targets[0] = target("fe80::1", 22);
        }),
        ("metadata", Reason::AddressForbidden, |g| {
            g.targets[0] = target("169.254.169.254", 80);
        }),
        ("unspecified", Reason::AddressForbidden, |g| {
            g.targets[0] = target("0.0.0.0", 22);
        }),
        ("multicast", Reason::AddressForbidden, |g| {
            g.targets[0] = target("224.0.0.251", 22);
        }),
        ("broadcast", Reason::AddressForbidden, |g| {
            g.targets[0] = target("192.168.7.255", 22);
        }),
        ("unknown renewal", Reason::Expired, |g| g.serial = 1),
        ("another broker", Reason::GrantSignature, |g| {
            g.broker = key(OTHER).public();
        }),
    ];
    for (name, reason, change) in table {
        let mut wrong = grant(1);
        change(&mut wrong);
        let mut world = World::new();

        assert_eq!(world.refusal(&invite(wrong)), Some(reason), "{name}");

        assert!(world.sessions.is_empty(), "{name}");
    }
}

/// Issue part 11 and S4: the relay may lie as it likes.
#[test]
fn a_grant_that_no_broker_of_the_provider_signed_opens_nothing() {
    let forged = Invite {
        grant: SignedGrant::sign(grant(1), &key(OTHER)),
        ..invite(grant(1))
    };
    let relay_only = World {
        node: statement(NODE, false),
        ..World::new()
    };
    let expired = World {
        now: START.plus_ms(25 * HOUR),
        ..World::new()
    };
    for (mut world, invite) in [
        (World::new(), forged),
        (relay_only, invite(grant(1))),
        (expired, invite(grant(1))),
    ] {
        assert_eq!(world.refusal(&invite), Some(Reason::GrantSignature));
    }
}

#[test]
fn a_broker_behind_a_relay_only_node_must_show_the_providers_statement() {
    let with = |shown: SignedStatement| Invite {
        broker: Some(shown),
        grant: SignedGrant::sign(
            Grant {
                broker: key(OTHER).public(),
                ..grant(1)
            },
            &key(OTHER),
        ),
        ..invite(grant(1))
    };
    let world = || World {
        node: statement(NODE, false),
        ..World::new()
    };
    let sign = |broker, by| SignedStatement::sign(statement(OTHER, broker), &key(by));
    let mut old = statement(OTHER, true);
    old.epoch = 4;

    assert_eq!(world().refusal(&with(sign(true, PROVIDER))), None);
    for wrong in [
        sign(false, PROVIDER),
        sign(true, NODE),
        SignedStatement::sign(old, &key(PROVIDER)),
    ] {
        assert_eq!(world().refusal(&with(wrong)), Some(Reason::GrantSignature));
    }
}

#[test]
fn a_grant_opens_one_session_once_and_never_again() {
    let mut world = World::new();
    assert_eq!(world.refusal(&invite(grant(1))), None);

    assert_eq!(
        world.refusal(&invite(grant(1))),
        Some(Reason::GrantReplayed)
    );

    world.sessions.handle_closed(id(1), RECORD);
    world.drain();
    assert_eq!(
        world.refusal(&invite(grant(1))),
        Some(Reason::GrantReplayed)
    );
    world.now = START.plus_ms(61_001);
    assert_eq!(world.refusal(&invite(grant(1))), Some(Reason::GrantExpired));
}

/// A relay that swallows revocations must not win time by turning its clock
/// back on a new link.
#[test]
fn a_server_that_turns_its_clock_back_prolongs_nothing_and_revives_no_grant() {
    let mut world = World::new();
    world.running(1);
    world.running(2);
    let back = |steady| Moment {
        link: START.plus_ms(2000),
        steady,
    };

    // The id is forgotten by now; its grant is not valid again.
    world.sessions.handle_closed(id(1), RECORD);
    world.drain();
    world.sessions.handle_hello(START);
    let replayed = world.send_at(&invite(grant(1)), back(HOUR / 2));
    let [Command::Answer(answer)] = &replayed[..] else {
        panic!("{replayed:?}");
    };
    let refused = answer.refused.as_ref().map(|(reason, _)| *reason);
    assert_eq!(refused, Some(Reason::GrantReplayed));

    // What was granted for an hour ends after an hour of this process.
    world.sessions.handle_timeout(back(HOUR).steady);
    assert!(matches!(world.drain()[..], [Command::Stop { session, .. }] if session == id(2)));
}

#[test]
fn before_the_first_hello_no_grant_is_accepted() {
    let mut world = World {
        sessions: Sessions::new(key(BOX).public(), 3, 0),
        ..World::new()
    };

    assert_eq!(world.refusal(&invite(grant(1))), Some(Reason::GrantTooOld));
}

#[test]
fn an_invitation_without_a_ticket_is_refused() {
    let without = Invite {
        ticket: None,
        ..invite(grant(1))
    };

    assert_eq!(World::new().refusal(&without), Some(Reason::TicketInvalid));
}

#[test]
fn more_sessions_than_the_box_carries_are_refused() {
    let mut world = World::new();
    for session in 1..=3 {
        assert_eq!(world.refusal(&invite(grant(session))), None);
    }

    assert_eq!(
        world.refusal(&invite(grant(4))),
        Some(Reason::TooManySessions)
    );

    world.sessions.handle_closed(id(2), RECORD);
    world.drain();
    assert_eq!(world.refusal(&invite(grant(5))), None);
}
