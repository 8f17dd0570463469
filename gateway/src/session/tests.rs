//! The machine by example: each refusal, renewal, revocation and time limit.

mod accepting;
mod ending;
mod renewing;

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
