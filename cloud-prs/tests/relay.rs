//! S15, threats 22 and 23: the relay alone: thousands of ends, virtual time, seeded chance. After
//! every step what must always hold is checked; at the end nothing is left.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::Write as _;

use bytes::Bytes;
use culvert_cloud_prs::relay::{
    End, JoinOutcome, LinkId, Relay, RelayEvent, RouteSpec, Side, Totals,
};
use culvert_link::queue::{CONTROL_BYTES, LINK_BYTES, Outgoing, ROUTE_BYTES};
use culvert_wire::UnixMs;
use culvert_wire::frame::{Channel, Frame, Join, PACKETS_HEADER, Packets};
use culvert_wire::hello::Binding;
use culvert_wire::id::SessionId;
use culvert_wire::key::SigningKey;
use culvert_wire::reason::Reason;
use culvert_wire::ticket::Ticket;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

const BINDING: Binding = Binding {
    exporter: [0; 32],
    client_nonce: [1; 32],
    server_nonce: [2; 32],
};
const START: UnixMs = UnixMs(1_000_000);

fn session(number: u32) -> SessionId {
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    SessionId::from_random(bytes)
}

fn ticket(number: u32, end: End) -> Ticket {
    let mut bytes = [end as u8; 32];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    Ticket::from_random(bytes)
}

/// One key per side: tickets and sessions tell the routes apart.
fn end_key(end: End) -> SigningKey {
    match end {
        End::Technician => SigningKey::from_seed(&[5; 32]),
        End::Gateway => SigningKey::from_seed(&[6; 32]),
    }
}

fn spec(number: u32, now: UnixMs, life_ms: u64) -> RouteSpec {
    let side = |end| Side {
        ticket: Some(ticket(number, end).hash()),
        end: end_key(end).public(),
    };
    RouteSpec {
        session: session(number),
        technician: side(End::Technician),
        gateway: side(End::Gateway),
        join_by: now.plus_ms(60_000),
        ends_at: now.plus_ms(life_ms),
    }
}

/// Signing is slow and the relay does not look at signatures: one join per
/// side is signed, the rest are made from it.
fn join(
    channel: u32,
    number: u32,
    end: End,
    with_ticket: bool,
    model: &HashMap<End, Join>,
) -> Join {
    let mut join = model[&end].clone();
    join.channel = Channel(channel);
    join.session = session(number);
    join.ticket = with_ticket.then(|| ticket(number, end));
    join
}

fn models() -> HashMap<End, Join> {
    [End::Technician, End::Gateway]
        .into_iter()
        .map(|end| {
            let key = end_key(end);
            (
                end,
                Join::sign(Channel(0), session(0), None, &key, &BINDING),
            )
        })
        .collect()
}

/// What a link's end has got.
#[derive(Debug, Default, Clone, PartialEq)]
struct Got {
    packets: Vec<(Channel, Bytes)>,
    frames: Vec<Frame>,
}

fn drain(relay: &mut Relay, link: LinkId) -> Got {
    let mut got = Got::default();
    while let Some(out) = relay.poll_output(link) {
        match out {
            Outgoing::Frame(frame) => got
                .frames
                .push(Frame::from_message(frame).unwrap().unwrap()),
            Outgoing::Packets { header, payload } => {
                assert_eq!(header.len(), PACKETS_HEADER);
                let whole = [&header[..], &payload].concat();
                got.packets
                    .push((Packets::channel_of(&whole).unwrap(), payload));
            }
        }
    }
    got
}

fn joined(
    relay: &mut Relay,
    number: u32,
    a: (LinkId, u32),
    b: (LinkId, u32),
    model: &HashMap<End, Join>,
) {
    relay.handle_open(spec(number, START, 3_600_000)).unwrap();
    for (end, (link, channel)) in [(End::Technician, a), (End::Gateway, b)] {
        let join = join(channel, number, end, true, model);
        assert_eq!(relay.handle_join(link, &join, START), JoinOutcome::Answered);
    }
}

/// D3: "one session's bulk never drops another's packets", with every link's
/// reader stopped: nothing drains at all.
#[test]
fn bulk_of_one_session_never_costs_another_a_packet() {
    let model = models();
    let mut relay = Relay::default();
    let gateway = LinkId(1);
    relay.handle_up(gateway);
    for number in 0..20 {
        let technician = LinkId(100 + u64::from(number));
        relay.handle_up(technician);
        joined(
            &mut relay,
            number,
            (technician, 1),
            (gateway, number + 1),
            &model,
        );
    }
    drain(&mut relay, gateway);
    for _ in 0..200 {
        for bulk in 0..19 {
            let link = LinkId(100 + bulk);
            relay.handle_packets(link, Channel(1), 1200, vec![1; 12_000].into());
        }
    }
    for key in 0..40_u8 {
        relay.handle_packets(LinkId(119), Channel(1), 60, vec![key; 60].into());
    }

    assert!(relay.queued() <= LINK_BYTES + 20 * 1024);
    let got = drain(&mut relay, gateway);
    let keys: Vec<u8> = got
        .packets
        .iter()
        .filter(|(channel, _)| *channel == Channel(20))
        .map(|(_, payload)| payload[0])
        .collect();
    assert_eq!(keys, (0..40).collect::<Vec<u8>>(), "all of them, in order");
    // The bulk sessions share what is left alike.
    let mut shares = BTreeMap::new();
    for (channel, payload) in &got.packets {
        *shares.entry(channel.0).or_insert(0) += payload.len();
    }
    assert!(shares.values().all(|bytes| *bytes <= ROUTE_BYTES));
    assert!(shares.len() == 20, "{shares:?}");
}

#[test]
fn what_is_not_allowed_ends_the_offender_only() {
    let model = models();
    type Offence = fn(&mut Relay, &HashMap<End, Join>);
    let offences: [(&str, Offence); 4] = [
        ("packets never joined", |relay, _| {
            relay.handle_packets(LinkId(1), Channel(77), 1, Bytes::from_static(b"x"));
        }),
        ("leaving what was never joined", |relay, _| {
            relay.handle_leave(LinkId(1), Channel(77), Reason::Finished, "");
        }),
        ("a channel twice", |relay, model| {
            let again = join(1, 0, End::Technician, false, model);
            relay.handle_join(LinkId(1), &again, START);
        }),
        ("guessing", |relay, model| {
            for channel in 2..100 {
                let guess = join(channel, 0, End::Technician, true, model);
                relay.handle_join(LinkId(1), &guess, START);
            }
        }),
    ];
    for (name, offence) in offences {
        let mut relay = Relay::default();
        for link in 1..=3 {
            relay.handle_up(LinkId(link));
        }
        joined(&mut relay, 0, (LinkId(1), 1), (LinkId(2), 1), &model);
        joined(&mut relay, 1, (LinkId(3), 1), (LinkId(2), 2), &model);

        offence(&mut relay, &model);

        assert!(relay.verdict(LinkId(1)).is_some(), "{name}");
        assert!(relay.verdict(LinkId(2)).is_none() && relay.verdict(LinkId(3)).is_none());
        drain(&mut relay, LinkId(2));
        relay.handle_packets(LinkId(3), Channel(1), 9, Bytes::from_static(b"unharmed"));
        let got = drain(&mut relay, LinkId(2));
        assert_eq!(
            got.packets,
            [(Channel(2), Bytes::from_static(b"unharmed"))],
            "{name}"
        );
    }
}

#[test]
fn packets_on_a_channel_closed_a_moment_ago_are_dropped_without_blame() {
    let model = models();
    let mut relay = Relay::default();
    relay.handle_up(LinkId(1));
    relay.handle_up(LinkId(2));
    joined(&mut relay, 0, (LinkId(1), 1), (LinkId(2), 1), &model);

    relay.handle_end(session(0), Reason::AccessRevoked);
    relay.handle_packets(LinkId(1), Channel(1), 9, Bytes::from_static(b"late"));
    relay.handle_leave(LinkId(1), Channel(1), Reason::Finished, "");

    assert!(relay.verdict(LinkId(1)).is_none());
    assert!(drain(&mut relay, LinkId(2)).packets.is_empty());
}

/// S36: a gateway may refuse a session before the technician's end has joined it. Whoever
/// comes a moment later is told why, in the gateway's words; a stranger, the other end,
/// and who comes back to what only broke are not.
#[test]
fn a_technician_who_comes_a_moment_late_is_told_why_and_nobody_else() {
    let model = models();
    let mut relay = Relay::default();
    for link in 1..=2 {
        relay.handle_up(LinkId(link));
    }
    let answer = |relay: &mut Relay| match drain(relay, LinkId(1)).frames.pop() {
        Some(Frame::Closed(closed)) => (closed.reason, closed.text),
        other => panic!("{other:?}"),
    };
    let told = |relay: &mut Relay, join: &Join| {
        if relay.handle_join(LinkId(1), join, START) == JoinOutcome::Unknown {
            relay.handle_join_pending(LinkId(1), join.channel);
            relay.handle_join_again(LinkId(1), join, START);
        }
        answer(relay)
    };
    for number in 0..3 {
        relay.handle_open(spec(number, START, 3_600_000)).unwrap();
    }
    relay.handle_refusal(session(0), Reason::AddressForbidden, "target 1: loopback");
    relay.handle_end(session(1), Reason::PeerLost);

    let unknown = (Reason::TicketInvalid, String::new());
    let late = join(1, 0, End::Technician, true, &model);
    let why = (Reason::AddressForbidden, "target 1: loopback".to_owned());
    assert_eq!(told(&mut relay, &late), why);
    let gateway = join(2, 0, End::Gateway, true, &model);
    assert_eq!(told(&mut relay, &gateway), unknown);
    let mut stranger = join(10, 0, End::Technician, true, &model);
    stranger.end = SigningKey::from_seed(&[7; 32]).public();
    let broken = join(3, 1, End::Technician, true, &model);
    assert_eq!(told(&mut relay, &broken), unknown);

    // While the database was asked: the same.
    let asked = join(4, 9, End::Technician, true, &model);
    assert_eq!(
        relay.handle_join(LinkId(1), &asked, START),
        JoinOutcome::Unknown
    );
    relay.handle_join_pending(LinkId(1), asked.channel);
    relay.handle_open(spec(9, START, 3_600_000)).unwrap();
    relay.handle_end(session(9), Reason::CustomerPause);
    relay.handle_join_again(LinkId(1), &asked, START);
    assert_eq!(answer(&mut relay).0, Reason::CustomerPause);

    // Who was there was told then, and the newest are kept.
    let there = join(5, 2, End::Technician, true, &model);
    relay.handle_join(LinkId(1), &there, START);
    relay.handle_end(session(2), Reason::EndedByAdministrator);
    drain(&mut relay, LinkId(1));
    assert_eq!(
        told(&mut relay, &join(6, 2, End::Technician, false, &model)),
        unknown
    );
    for number in 10..2000 {
        relay.handle_open(spec(number, START, 3_600_000)).unwrap();
        relay.handle_end(session(number), Reason::CustomerPause);
    }
    assert_eq!(
        told(&mut relay, &join(7, 0, End::Technician, true, &model)),
        unknown
    );
    let newest = join(8, 1999, End::Technician, true, &model);
    assert_eq!(told(&mut relay, &newest).0, Reason::CustomerPause);
    relay.handle_open(spec(3000, START, 3_600_000)).unwrap();
    relay.handle_refusal(session(3000), Reason::AddressForbidden, "");
    stranger.session = session(3000);
    assert_eq!(told(&mut relay, &stranger), unknown);
    // She left herself: that takes nobody's place.
    relay.handle_open(spec(3001, START, 3_600_000)).unwrap();
    relay.handle_join(
        LinkId(1),
        &join(11, 3001, End::Technician, true, &model),
        START,
    );
    relay.handle_leave(LinkId(1), Channel(11), Reason::Finished, "");
    drain(&mut relay, LinkId(1));
    assert_eq!(
        told(&mut relay, &join(12, 3001, End::Technician, false, &model)),
        unknown
    );
    assert!(relay.verdict(LinkId(1)).is_none(), "nobody guessed");
}

/// Frames for a link that reads nothing end it; they do not pile up.
#[test]
fn a_link_that_reads_nothing_is_ended_before_its_frames_fill_memory() {
    let mut relay = Relay::default();
    relay.handle_up(LinkId(1));
    let mut sent = 0;
    while relay.verdict(LinkId(1)).is_none() {
        relay.send(LinkId(1), &Frame::Pong(sent));
        sent += 1;
        assert!(sent < 100_000);
    }
    assert!(relay.queued() <= CONTROL_BYTES);
}

/// One step of the simulated world.
fn step(world: &mut World) {
    let link = LinkId(world.random.random_range(1..=LINKS));
    match world.random.random_range(0..100) {
        0..55 => world.packets(link),
        55..75 => world.read(link),
        75..80 => world.open(),
        80..92 => world.take_side(link),
        92..94 => world.leave(link),
        94..96 => world.bounce(link),
        96 => world.end(),
        _ => world.pass_time(),
    }
}

const LINKS: u64 = 3000;

struct World {
    relay: Relay,
    random: StdRng,
    now: UnixMs,
    opened: u32,
    next_channel: HashMap<LinkId, u32>,
    /// Where each side is, as the events and answers say.
    sides: HashMap<(u32, End), (LinkId, u32)>,
    first_joins: HashSet<(SessionId, End)>,
    closed: HashSet<SessionId>,
    model: HashMap<End, Join>,
    received: u64,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut relay = Relay::default();
        for link in 1..=LINKS {
            relay.handle_up(LinkId(link));
        }
        Self {
            relay,
            random: StdRng::seed_from_u64(seed),
            now: START,
            opened: 0,
            next_channel: HashMap::new(),
            sides: HashMap::new(),
            first_joins: HashSet::new(),
            closed: HashSet::new(),
            model: models(),
            received: 0,
        }
    }

    fn any_session(&mut self) -> u32 {
        let newest = self.opened.max(1);
        self.random.random_range(newest.saturating_sub(800)..newest)
    }

    fn open(&mut self) {
        let life = self.random.random_range(1_000..600_000);
        let spec = spec(self.opened, self.now, life);
        self.relay.handle_open(spec).unwrap();
        self.opened += 1;
    }

    fn take_side(&mut self, link: LinkId) {
        let number = self.any_session();
        let end = match self.random.random() {
            true => End::Technician,
            false => End::Gateway,
        };
        let channel = self.next_channel.entry(link).or_insert(0);
        *channel += 1;
        let fresh = self.random.random_bool(0.7);
        let join = join(*channel, number, end, fresh, &self.model);
        let place = (link, *channel);
        if self.relay.handle_join(link, &join, self.now) == JoinOutcome::Unknown {
            self.relay.handle_join_pending(link, join.channel);
            self.relay.handle_join_again(link, &join, self.now);
        }
        self.sides.insert((number, end), place);
    }

    fn packets(&mut self, link: LinkId) {
        let highest = self.next_channel.get(&link).copied().unwrap_or(0);
        if highest == 0 {
            return;
        }
        let channel = Channel(self.random.random_range(1..=highest));
        let size = self.random.random_range(1..20_000);
        self.relay
            .handle_packets(link, channel, 1200, vec![0; size].into());
    }

    fn read(&mut self, link: LinkId) {
        let got = drain(&mut self.relay, link);
        let bytes: usize = got.packets.iter().map(|(_, payload)| payload.len()).sum();
        self.received += bytes as u64;
    }

    fn leave(&mut self, link: LinkId) {
        let highest = self.next_channel.get(&link).copied().unwrap_or(0);
        if highest > 0 {
            let channel = Channel(self.random.random_range(1..=highest));
            self.relay.handle_leave(link, channel, Reason::Finished, "");
        }
    }

    fn bounce(&mut self, link: LinkId) {
        self.relay.handle_down(link);
        self.relay.handle_up(link);
        self.next_channel.remove(&link);
    }

    fn end(&mut self) {
        let number = self.any_session();
        self.relay
            .handle_end(session(number), Reason::EndedByAdministrator);
    }

    fn pass_time(&mut self) {
        self.now = self.now.plus_ms(self.random.random_range(1..2_000));
        self.relay.handle_timeout(self.now);
        let next = self.relay.poll_timeout();
        assert!(
            next.is_none_or(|at| at > self.now),
            "a timer was left behind"
        );
    }

    fn check(&mut self) {
        while let Some(event) = self.relay.poll_event() {
            match event {
                RelayEvent::Joined {
                    session,
                    end,
                    first,
                } => {
                    assert!(!self.closed.contains(&session), "joined after its end");
                    let won = self.first_joins.insert((session, end));
                    assert_eq!(won, first, "a ticket is consumed once");
                }
                RelayEvent::Closed { session, .. } => {
                    assert!(self.closed.insert(session), "closed twice");
                }
            }
        }
        while self.relay.poll_wake().is_some() {}
        let live = u64::from(self.opened) - self.closed.len() as u64;
        assert_eq!(
            self.relay.routes() as u64,
            live,
            "every route ends with an event"
        );
    }
}

/// Seeded worlds of 3,000 links; the environment variable gives more.
#[test]
fn thousands_of_ends_never_break_what_must_hold() {
    let seeds = match std::env::var("CULVERT_LONG") {
        Ok(_) => 0..40,
        Err(_) => 0..3,
    };
    // Past the capture: a run's log says what was sampled.
    let _ = writeln!(
        std::io::stderr(),
        "sample: the relay with {LINKS} links, 60000 steps each with the seeds {seeds:?}"
    );
    for seed in seeds {
        let mut world = World::new(seed);
        for count in 0..60_000_u32 {
            step(&mut world);
            if count % 64 == 0 {
                world.check();
            }
        }
        for link in 1..=LINKS {
            let bytes = world.relay.queued();
            assert!(bytes <= usize::try_from(LINKS).unwrap() * (LINK_BYTES + CONTROL_BYTES));
            world.read(LinkId(link));
        }
        world.check();
        let totals: Totals = world.relay.totals();
        assert_eq!(
            totals.offenders, 0,
            "seed {seed}: only legal steps were taken"
        );
        assert!(totals.forwarded_bytes > 0 && world.received > 0);
        assert!(world.received <= totals.forwarded_bytes);

        world.now = world.now.plus_ms(10_000_000);
        world.relay.handle_timeout(world.now);
        world.check();
        for link in 1..=LINKS {
            world.read(LinkId(link));
            world.relay.handle_down(LinkId(link));
        }
        assert_eq!(
            (world.relay.routes(), world.relay.links()),
            (0, 0),
            "seed {seed}"
        );
        assert_eq!(
            (world.relay.queued(), world.relay.poll_timeout()),
            (0, None)
        );
    }
}
