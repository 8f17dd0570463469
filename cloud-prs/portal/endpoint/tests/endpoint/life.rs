//! A session opens with exactly one gateway and ends with a reason.

use std::time::Duration;

use culvert_endpoint::{Event, State};
use culvert_session::Options;
use culvert_wire::frame::{Closed, Frame};
use culvert_wire::reason::Reason;
use culvert_wire::stream::Lane;

use crate::world::{BAD, Gateway, LINK_TIME, PERFECT, World, key, now, target};

/// S19: nothing is installed; the end in the browser is a full one.
#[tokio::test(start_paused = true)]
async fn a_browser_opens_a_session_with_a_real_gateways_end() {
    let (mut world, _gateway) = World::open(PERFECT).await;

    let stream = world.stream(target(Lane::Input)).await;

    assert_eq!(world.echo(stream, b"hello").await, b"hello");
    assert_eq!(world.joins.len(), 1);
    assert_eq!(world.joins[0].end, key(1).public());
    assert!(world.joins[0].ticket.is_some());
}

#[tokio::test(start_paused = true)]
async fn join_and_first_packet_wait_for_nothing_but_the_servers_nonce() {
    let (mut world, far) = World::new(PERFECT);
    let _gateway = Gateway::start(far, Options::default());
    let begun = now();
    world.grant();

    world
        .until(|world| world.session.state() == State::Open)
        .await;

    // One round trip of 60 ms; the link itself costs no time here.
    let took = now() - begun;
    assert!(took < Duration::from_millis(120), "{took:?}");
}

/// A link that was ready before the click joins before the box does: what was
/// lost meanwhile is not waited for (a timer of 300 ms would send it again).
#[tokio::test(start_paused = true)]
async fn what_was_said_before_the_gateway_joined_is_said_again_when_it_has() {
    let (mut world, far) = World::new(PERFECT);
    let _gateway = Gateway::start(far, Options::default());
    world.absent = true;
    world.grant();
    world.run(Duration::from_millis(20)).await;
    let joined = now();
    world.arrive();

    world
        .until(|world| world.session.state() == State::Open)
        .await;

    let took = now() - joined;
    assert!(took < Duration::from_millis(120), "{took:?}");
    let stream = world.stream(target(Lane::Input)).await;
    assert_eq!(world.echo(stream, b"hello").await, b"hello");
}

#[tokio::test(start_paused = true)]
async fn another_gateway_is_refused() {
    let (mut world, far) = World::new(PERFECT);
    tokio::spawn(async move {
        let other = key(3);
        drop(
            culvert_session::native::accept(far, &other, key(1).public(), Options::default()).await,
        );
    });
    world.grant();

    assert_eq!(world.ending().await.reason, Reason::PeerKey);
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_never_answers_is_given_up() {
    let (mut world, _far) = World::new(PERFECT);
    world.grant();

    let ending = world.ending().await;

    assert_eq!(ending.reason, Reason::PeerLost);
    assert!(ending.text.contains("did not answer"), "{}", ending.text);
}

#[tokio::test(start_paused = true)]
async fn both_the_gateway_and_the_server_learn_why_it_was_closed() {
    let (mut world, mut gateway) = World::open(BAD).await;
    let session = gateway.session().await;

    world.session.close(Reason::ClosedByTechnician, now());
    world.run(Duration::from_secs(1)).await;

    assert_eq!(world.ended().unwrap().reason, Reason::ClosedByTechnician);
    assert_eq!(session.closed().await.reason, Reason::ClosedByTechnician);
    let left = world.last_words.iter().find_map(|frame| match frame {
        Frame::Closed(Closed { reason, .. }) => Some(*reason),
        _ => None,
    });
    assert_eq!(left, Some(Reason::ClosedByTechnician));
}

#[tokio::test(start_paused = true)]
async fn what_the_gateway_says_at_the_end_is_told() {
    let (mut world, mut gateway) = World::open(PERFECT).await;
    gateway
        .session()
        .await
        .close(Reason::EndedByAdministrator, "maintenance");

    let ending = world.ending().await;

    assert_eq!(ending.reason, Reason::EndedByAdministrator);
    assert_eq!(ending.text, "maintenance");
    assert_eq!(world.session.state(), State::Closed);
}

/// Bad input: a clock five minutes off. The browser's own clock takes no part.
#[tokio::test(start_paused = true)]
async fn a_session_is_renewed_by_the_servers_clock() {
    let (mut world, _gateway) = World::open(PERFECT).await;
    let asked = |world: &World| world.seen.contains(&Event::RenewalWanted);
    let begun = now();

    world.until(asked).await;

    let minutes = (now() - begun).as_secs() / 60;
    assert_eq!(minutes, 44, "three quarters of an hour");
    world.seen.clear();
    world
        .session
        .renewed(Some(LINK_TIME.plus_ms(7_200_000)), now());
    world.until(asked).await;
    let minutes = (now() - begun).as_secs() / 60;
    assert!((95..105).contains(&minutes), "{minutes}");
}

/// Figures come every second: what the quality indicator shows.
#[tokio::test(start_paused = true)]
async fn the_paths_figures_are_told_each_second() {
    let (mut world, _gateway) = World::open(BAD).await;
    let stream = world.stream(target(Lane::Bulk)).await;
    world.echo(stream, &vec![1; 300_000]).await;
    world.seen.clear();

    world.run(Duration::from_secs(5)).await;

    let figures: Vec<_> = world
        .seen
        .iter()
        .filter_map(|event| match event {
            Event::Quality(quality) => Some(*quality),
            _ => None,
        })
        .collect();
    assert!((4..=6).contains(&figures.len()), "{figures:?}");
    assert!(figures.iter().all(|f| f.rtt >= Duration::from_millis(55)));
    assert!(figures[0].lost_percent > 0.0, "{figures:?}");
}
