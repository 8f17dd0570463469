//! A lost link ends nothing: the same end key rejoins and every byte arrives.

use std::time::Duration;

use culvert_endpoint::{Event, State};
use culvert_wire::frame::{Frame, Refused};
use culvert_wire::reason::Reason;
use culvert_wire::stream::Lane;

use crate::world::{BAD, PERFECT, World, key, target};

/// The WebSocket drops in mid-stream, three times.
#[tokio::test(start_paused = true)]
async fn a_stream_goes_on_over_a_new_link_and_nothing_is_lost() {
    let (mut world, _gateway) = World::open(BAD).await;
    let stream = world.stream(target(Lane::Bulk)).await;
    let sent: Vec<u8> = (0..600_000_u32).map(|at| (at % 251) as u8).collect();
    let (mut got, mut written, mut broken) = (Vec::new(), 0, 0);

    while got.len() < sent.len() {
        written += world.session.write(stream, &sent[written..]);
        world.session.read(stream, 1 << 20, &mut got);
        if broken < 3 && got.len() > (broken + 1) * 100_000 {
            broken += 1;
            world.break_link();
            assert_eq!(world.session.state(), State::Reconnecting);
        }
        world.run(Duration::from_millis(10)).await;
    }

    assert!(got == sent, "bytes were lost or doubled");
    assert_eq!((broken, world.links), (3, 4));
    assert!(world.joins.iter().all(|join| join.end == key(1).public()));
    let tickets: Vec<_> = world.joins.iter().map(|j| j.ticket.is_some()).collect();
    assert_eq!(tickets, [true, false, false, false]);
}

#[tokio::test(start_paused = true)]
async fn a_server_away_for_a_minute_is_waited_for() {
    let (mut world, _gateway) = World::open(PERFECT).await;
    let stream = world.stream(target(Lane::Input)).await;
    world.unreachable = true;
    world.break_link();
    world.run(Duration::from_secs(60)).await;
    assert_eq!(world.session.state(), State::Reconnecting);
    let tries = world
        .seen
        .iter()
        .filter(|e| **e == Event::LinkWanted)
        .count();
    assert!((10..30).contains(&tries), "{tries} tries in a minute");

    world.unreachable = false;

    assert_eq!(world.echo(stream, b"still here").await, b"still here");
    assert_eq!(world.session.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_is_found_and_left() {
    let (mut world, _gateway) = World::open(PERFECT).await;
    (world.relays, world.silent) = (false, true);

    world
        .until(|world| world.session.state() == State::Reconnecting)
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_first_join_whose_answer_was_lost_is_followed_without_the_ticket() {
    let (mut world, far) = World::new(PERFECT);
    let _gateway = crate::world::Gateway::start(far, culvert_session::Options::default());
    world.relays = false;
    world.grant();
    world.until(|world| world.joins.len() == 1).await;

    // The server has the join and its answer never comes.
    world.break_link();
    world.until(|world| world.joins.len() == 2).await;
    world.close_route(Reason::TicketInvalid);
    world.relays = true;

    world
        .until(|world| world.session.state() == State::Open)
        .await;
    let tickets: Vec<_> = world.joins.iter().map(|j| j.ticket.is_some()).collect();
    assert_eq!(tickets, [true, true, false]);
}

#[tokio::test(start_paused = true)]
async fn orders_are_obeyed_and_broken_connections_followed() {
    for (reason, over) in [
        (Reason::EndedByAdministrator, true),
        (Reason::SignedOut, true),
        (Reason::Replaced, true),
        (Reason::ServerDraining, false),
        (Reason::PeerLost, false),
    ] {
        let (mut world, _gateway) = World::open(PERFECT).await;
        world.close_route(reason);
        world.run(Duration::from_secs(5)).await;
        let state = world.session.state();
        assert_eq!(state == State::Closed, over, "{reason:?}: {state:?}");
        if over {
            assert_eq!(world.ended().unwrap().reason, reason);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_sign_in_that_is_over_ends_the_session() {
    let (mut world, _gateway) = World::open(PERFECT).await;
    world.tell(&Frame::Goodbye {
        reason: Reason::SignedOut,
        text: String::new(),
    });

    assert_eq!(world.ending().await.reason, Reason::SignedOut);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_restarts_is_come_back_to_when_it_said() {
    let (mut world, _gateway) = World::open(PERFECT).await;
    world.tell(&Frame::Drain {
        come_back_ms: 9_000,
        sessions_end_ms: 1_000,
    });
    world.run(Duration::from_secs(1)).await;
    world.break_link();
    world.run(Duration::from_secs(8)).await;
    assert_eq!(world.links, 1, "too early");

    world
        .until(|world| world.session.state() == State::Open)
        .await;
    assert_eq!(world.links, 2);
}

#[tokio::test(start_paused = true)]
async fn a_full_server_is_asked_again_and_one_that_refuses_the_ticket_is_not() {
    for (reason, over) in [(Reason::ServerFull, false), (Reason::NotAllowed, true)] {
        let (mut world, _gateway) = World::open(PERFECT).await;
        world.tell(&Frame::Refused(Refused {
            reason,
            retry_after_ms: 3_000,
            text: String::new(),
        }));
        world.run(Duration::from_secs(2)).await;
        assert_eq!(world.session.state() == State::Closed, over, "{reason:?}");
        assert_eq!(world.links, 1);
    }
}

/// What a WebSocket does not take is dropped like by any full queue.
#[tokio::test(start_paused = true)]
async fn a_full_websocket_drops_packets_and_no_byte() {
    let (mut world, _gateway) = World::open(PERFECT).await;
    let stream = world.stream(target(Lane::Bulk)).await;
    world.full = true;
    assert_eq!(world.session.write(stream, &[7; 50_000]), 50_000);
    world.run(Duration::from_secs(2)).await;
    assert!(world.session.dropped() > 0);

    world.full = false;
    let mut got = Vec::new();
    while got.len() < 50_000 {
        world.run(Duration::from_millis(50)).await;
        world.session.read(stream, 1 << 20, &mut got);
    }
    assert!(got.iter().all(|byte| *byte == 7));
}
