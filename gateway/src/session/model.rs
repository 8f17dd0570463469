//! The machine by property: random orders of events, forged bytes, and what
//! must hold after every step.

use std::collections::BTreeSet;

use culvert_wire::{Decode as _, Encode as _};
use proptest::prelude::*;

use super::tests::{self, HOUR, NODE, START, World, grant, id, invite};
use super::*;

#[derive(Debug, Clone)]
enum Step {
    Invite { session: u8, serial: u32 },
    Open(u8),
    Closed(u8),
    Revoke { counter: u64, session: u8 },
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0u8..6, 0u32..3).prop_map(|(session, serial)| Step::Invite { session, serial }),
        2 => (0u8..6).prop_map(Step::Open),
        2 => (0u8..6).prop_map(Step::Closed),
        1 => (0u64..5, 0u8..6).prop_map(|(counter, session)| Step::Revoke { counter, session }),
        2 => (0u64..HOUR / 2).prop_map(Step::Wait),
    ]
}

/// What the model remembers of the machine's commands.
#[derive(Default)]
struct Seen {
    started: BTreeSet<SessionId>,
    stopped: BTreeSet<SessionId>,
    reported: BTreeSet<SessionId>,
    obeyed: u64,
}

impl Seen {
    fn take(&mut self, commands: Vec<Command>) {
        for command in commands {
            match command {
                Command::Answer(_) | Command::Cut { .. } => {}
                Command::Start(start) => {
                    let fresh = self.started.insert(start.grant.session);
                    assert!(fresh, "one id started twice");
                }
                Command::Renew { session, .. } => {
                    assert!(self.started.contains(&session), "renewed before started");
                    assert!(!self.stopped.contains(&session), "renewed after stopped");
                }
                Command::Stop { session, .. } => {
                    assert!(self.started.contains(&session), "stopped before started");
                    assert!(self.stopped.insert(session), "stopped twice");
                }
                Command::Report(ended) => {
                    assert!(self.started.contains(&ended.session));
                    assert!(self.reported.insert(ended.session), "reported twice");
                }
                Command::Obeyed(counter) => {
                    assert!(counter >= self.obeyed, "the counter went back");
                    self.obeyed = counter;
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(match cfg!(miri) {
        true => ProptestConfig::with_cases(4),
        false => ProptestConfig::default(),
    })]

    #[test]
    fn no_order_of_events_starts_twice_overfills_or_outlives_the_end(
        steps in proptest::collection::vec(step(), 1..60)
    ) {
        let mut world = World::new();
        let mut seen = Seen::default();
        for step in steps {
            match step {
                Step::Invite { session, serial } => {
                    let mut wanted = grant(session);
                    wanted.serial = serial;
                    wanted.issued = world.now;
                    wanted.join_by = world.now.plus_ms(60_000);
                    wanted.ends_at = world.now.plus_ms(HOUR);
                    // An id used again is a replay, however fresh its times;
                    // the broker draws ids at random, so the model skips it.
                    if serial > 0 || !seen.started.contains(&wanted.session) {
                        let commands = world.send(&invite(wanted));
                        seen.take(commands);
                    }
                }
                Step::Open(session) => world.sessions.handle_open(id(session)),
                Step::Closed(session) => world.sessions.handle_closed(id(session), Record {
                    reason: Reason::Finished, from_hosts: 0, to_hosts: 0, streams: 0,
                }),
                Step::Revoke { counter, session } => {
                    let scope = Scope::Sessions(vec![id(session)]);
                    world.revoke(NODE, counter, scope).unwrap();
                }
                Step::Wait(ms) => {
                    world.now = world.now.plus_ms(ms);
                    world.sessions.handle_timeout(world.moment().steady);
                }
            }
            let commands = world.drain();
            seen.take(commands);

            prop_assert!(world.sessions.len() <= 3);
            prop_assert!(world.sessions.poll_timeout().is_none_or(|at| at > world.moment().steady));
            let ended = seen.stopped.len() + seen.reported.len();
            prop_assert!(ended >= seen.stopped.len());
            prop_assert_eq!(world.sessions.revocations(), seen.obeyed);
        }
        world.sessions.handle_timeout(u64::MAX);
        let last = world.drain();
        seen.take(last);
        let gone: BTreeSet<_> = seen.stopped.union(&seen.reported).copied().collect();
        prop_assert_eq!(gone, seen.started);
    }

    #[test]
    fn no_changed_byte_of_a_grant_starts_anything(at in 0usize..400, flip in 1u8..=255) {
        let bytes = SignedGrant::sign(grant(1), &tests::key(NODE)).to_bytes();
        let mut forged = bytes.to_vec();
        let at = at % forged.len();
        forged[at] ^= flip;
        let Ok(forged) = SignedGrant::from_bytes(&forged) else {
            return Ok(());
        };
        let mut world = World::new();

        let commands = world.send(&Invite { grant: forged, ..invite(grant(1)) });

        prop_assert!(matches!(&commands[..], [Command::Answer(answer)] if answer.refused.is_some()));
    }

    #[test]
    fn a_link_time_that_jumps_never_revives_a_grant(ms in 61_001u64..10 * HOUR) {
        let mut world = World { now: START.plus_ms(ms), ..World::new() };

        let commands = world.send(&invite(grant(1)));

        prop_assert_eq!(commands.len(), 1);
    }
}
