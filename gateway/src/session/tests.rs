//! The machine by example: each refusal, renewal, revocation and time limit.

use culvert_config::gateway::Gateway;
use culvert_wire::grant::{Protocol, Rights, Target};
use culvert_wire::id::UserId;
use culvert_wire::key::SigningKey;
use culvert_wire::revocation::Revocation;
use culvert_wire::statement::{NodeStatement, Roles, SignedStatement};

use super::*;
use crate::guard::Surroundings;

pub(super) const START: UnixMs = UnixMs(1_800_000_000_000);
pub(super) const HOUR: u64 = 3_600_000;
pub(super) const PROVIDER: u8 = 1;
pub(super) const NODE: u8 = 2;
pub(super) const BOX: u8 = 3;
pub(super) const TECHNICIAN: u8 = 4;
const OTHER: u8 = 9;

pub(super) fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

pub(super) fn statement(node: u8, broker: bool) -> NodeStatement {
    NodeStatement {
        provider: key(PROVIDER).public(),
        node: key(node).public(),
        roles: Roles {
            relay: true,
            broker,
        },
        issued: UnixMs(START.0 - HOUR),
        not_after: START.plus_ms(24 * HOUR),
        epoch: 5,
    }
}

pub(super) fn guard() -> Guard {
    let around = Surroundings::of(&[("192.168.7.2".parse().unwrap(), 24)]);
    Guard::new(Gateway::default().allow, around)
}

pub(super) fn target(address: &str, port: u16) -> Target {
    Target {
        address: address.parse().unwrap(),
        port,
        protocol: Protocol::Tcp,
    }
}

pub(super) fn grant(session: u8) -> Grant {
    Grant {
        broker: key(NODE).public(),
        session: SessionId::from_random([session; 16]),
        serial: 0,
        gateway: key(BOX).public(),
        technician: UserId::from_random([TECHNICIAN; 16]),
        technician_end: key(TECHNICIAN).public(),
        targets: vec![target("192.168.7.9", 22)],
        rights: Rights::ALL,
        issued: START.plus_ms(1000),
        join_by: START.plus_ms(61_000),
        ends_at: START.plus_ms(HOUR),
    }
}

pub(super) fn invite(grant: Grant) -> Invite {
    Invite {
        broker: None,
        ticket: (grant.serial == 0).then(|| Ticket::from_random([7; 32])),
        grant: SignedGrant::sign(grant, &key(NODE)),
    }
}

/// The machine behind a link to a broker that said hello at `START`.
pub(super) struct World {
    pub(super) sessions: Sessions,
    pub(super) node: NodeStatement,
    pub(super) provider: PublicKey,
    pub(super) now: UnixMs,
}

impl World {
    pub(super) fn new() -> Self {
        let mut sessions = Sessions::new(key(BOX).public(), 3, 0);
        sessions.handle_hello(START);
        Self {
            sessions,
            node: statement(NODE, true),
            provider: key(PROVIDER).public(),
            now: START.plus_ms(2000),
        }
    }

    pub(super) fn voice(node: &NodeStatement) -> Voice<'_> {
        Voice {
            node,
            provider: &node.provider,
            epoch_floor: 5,
        }
    }

    /// Both clocks go together, the steady one from the first hello.
    pub(super) fn moment(&self) -> Moment {
        Moment {
            link: self.now,
            steady: self.now.ms_since(START),
        }
    }

    pub(super) fn drain(&mut self) -> Vec<Command> {
        std::iter::from_fn(|| self.sessions.poll_command()).collect()
    }

    pub(super) fn send(&mut self, invite: &Invite) -> Vec<Command> {
        let moment = self.moment();
        self.send_at(invite, moment)
    }

    pub(super) fn send_at(&mut self, invite: &Invite, moment: Moment) -> Vec<Command> {
        let voice = Voice {
            node: &self.node,
            provider: &self.provider,
            epoch_floor: 5,
        };
        self.sessions
            .handle_invite(invite, &voice, &guard(), moment);
        self.drain()
    }

    /// The reason an invitation is refused with; nothing else may be wanted.
    fn refusal(&mut self, invite: &Invite) -> Option<Reason> {
        let commands = self.send(invite);
        let [Command::Answer(answer), rest @ ..] = commands.as_slice() else {
            panic!("no answer: {commands:?}");
        };
        assert_eq!(rest.is_empty(), answer.refused.is_some(), "{commands:?}");
        if let Some((_, text)) = &answer.refused {
            assert!(!text.contains("192.168"), "an address in {text:?}");
        }
        answer.refused.as_ref().map(|(reason, _)| *reason)
    }

    pub(super) fn revoke(&mut self, by: u8, counter: u64, scope: Scope) -> Result<(), Reason> {
        let order = SignedRevocation::sign(
            Revocation {
                broker: key(by).public(),
                gateway: key(BOX).public(),
                counter,
                scope,
                reason: Reason::AccessRevoked,
            },
            &key(by),
        );
        let node = self.node;
        self.sessions
            .handle_revocation(&order, &Self::voice(&node), self.now)
            .map_err(|refusal| refusal.reason)
    }

    fn running(&mut self, session: u8) {
        assert_eq!(self.refusal(&invite(grant(session))), None);
        self.sessions.handle_open(id(session));
    }
}

pub(super) fn id(session: u8) -> SessionId {
    SessionId::from_random([session; 16])
}

const RECORD: Record = Record {
    reason: Reason::ClosedByTechnician,
    from_hosts: 10,
    to_hosts: 20,
    streams: 1,
};

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

#[test]
fn a_revoked_session_cannot_be_renewed() {
    let mut world = World::new();
    world.running(1);
    assert_eq!(world.revoke(NODE, 1, Scope::All), Ok(()));
    world.drain();
    world.now = START.plus_ms(HOUR / 2);

    assert_eq!(world.refusal(&renewal(|_| {})), Some(Reason::Expired));
}
