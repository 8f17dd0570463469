//! Streams carry every byte in order, wait for slow readers, and end as told.

use std::time::Duration;

use culvert_endpoint::Event;
use culvert_endpoint::engine;
use culvert_session::transport::STREAM_WINDOW;
use culvert_wire::reason::Reason;
use culvert_wire::stream::{Lane, Open, Service};

use crate::world::{BAD, LAST_LENGTH, LAST_WORDS, PERFECT, World, target};

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 31 % 251) as u8).collect()
}

#[tokio::test(start_paused = true)]
async fn every_byte_arrives_in_order_over_a_line_that_loses_and_reorders() {
    let (mut world, _gateway) = World::open(BAD).await;
    let stream = world.stream(target(Lane::Bulk)).await;
    let sent = pattern(2_000_000);

    let got = world.echo(stream, &sent).await;

    assert!(got == sent, "bytes were lost, doubled or reordered");
}

#[tokio::test(start_paused = true)]
async fn bytes_given_with_the_opening_need_no_answer_first() {
    let (mut world, _gateway) = World::open(PERFECT).await;
    let stream = world.session.open(target(Lane::Input), b"first").unwrap();

    assert_eq!(world.echo(stream, b"").await, b"");
    let mut got = Vec::new();
    while got.len() < 5 {
        world.run(Duration::from_millis(20)).await;
        world.session.read(stream, 100, &mut got);
    }

    assert_eq!(got, b"first");
}

#[tokio::test(start_paused = true)]
async fn a_refused_stream_says_why() {
    let (mut world, _gateway) = World::open(PERFECT).await;
    let refused = Open {
        service: Service::Test(9),
        lane: Lane::Input,
    };
    let stream = world.session.open(refused, b"lost").unwrap();
    let told = |world: &World| {
        world.seen.iter().find_map(|event| match event {
            Event::Engine(engine::Event::Refused(key, ending)) if *key == stream => {
                Some(ending.clone())
            }
            _ => None,
        })
    };

    world.until(|world| told(world).is_some()).await;

    let ending = told(&world).unwrap();
    assert_eq!(
        (ending.reason, ending.text.as_str()),
        (Reason::HostRefused, "port 22")
    );
}

/// The page that does not read slows the host down; memory is bounded.
#[tokio::test(start_paused = true)]
async fn a_reader_that_does_not_read_stops_the_gateway_and_loses_nothing() {
    let (mut world, _gateway) = World::open(PERFECT).await;
    let stream = world.stream(target(Lane::Bulk)).await;
    let sent = pattern(4 * STREAM_WINDOW as usize);

    let mut written = 0;
    for _ in 0..200 {
        written += world.session.write(stream, &sent[written..]);
        world.run(Duration::from_millis(50)).await;
    }
    // One window towards us, one towards the gateway, and what it holds.
    assert!(written < sent.len(), "everything was taken");

    let mut got = Vec::new();
    while got.len() < sent.len() {
        written += world.session.write(stream, &sent[written..]);
        world.session.read(stream, 100_000, &mut got);
        world.run(Duration::from_millis(10)).await;
    }
    assert!(got == sent);
}

#[tokio::test(start_paused = true)]
async fn each_way_ends_on_its_own_and_then_the_stream_is_over() {
    let (mut world, _gateway) = World::open(BAD).await;
    let stream = world.stream(target(Lane::Input)).await;
    let sent = pattern(100_000);
    assert_eq!(world.session.write(stream, &sent), sent.len());
    world.session.finish(stream);

    let (mut got, mut over) = (Vec::new(), false);
    while !over {
        world.run(Duration::from_millis(20)).await;
        world.session.read(stream, 1 << 20, &mut got);
        world.turn();
        over = world.seen.iter().any(|event| {
            matches!(event, Event::Engine(engine::Event::Over(key, ending))
                if *key == stream && ending.reason.code() < 100)
        });
    }

    assert!(got == sent);
    let ended = Event::Engine(engine::Event::Ended(stream));
    assert!(world.seen.contains(&ended));
}

/// How a shell ends: its exit is the last message, and nothing more is wanted.
#[tokio::test(start_paused = true)]
async fn last_words_are_read_though_the_gateway_wants_no_more() {
    for line in [PERFECT, BAD] {
        let (mut world, _gateway) = World::open(line).await;
        let words = Open {
            service: LAST_WORDS,
            lane: Lane::Input,
        };
        let stream = world.stream(words).await;
        // A reader that is late.
        world.run(Duration::from_secs(2)).await;
        assert_eq!(world.session.write(stream, b"unwanted"), 0);

        let (mut got, mut over) = (Vec::new(), None);
        while over.is_none() {
            world.session.read(stream, 1000, &mut got);
            world.run(Duration::from_millis(20)).await;
            over = world.seen.iter().find_map(|event| match event {
                Event::Engine(engine::Event::Over(key, ending)) if *key == stream => {
                    Some(ending.reason)
                }
                _ => None,
            });
        }

        assert_eq!((got.len(), over), (LAST_LENGTH, Some(Reason::Finished)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_broken_off_is_over_at_once_and_others_go_on() {
    let (mut world, _gateway) = World::open(PERFECT).await;
    let first = world.stream(target(Lane::Bulk)).await;
    let second = world.stream(target(Lane::Input)).await;

    world.session.reset(first, Reason::ClosedByTechnician);
    world.turn();

    assert!(world.seen.iter().any(|event| {
        matches!(event, Event::Engine(engine::Event::Over(key, _)) if *key == first)
    }));
    assert_eq!(world.session.write(first, b"x"), 0);
    assert_eq!(world.echo(second, b"alive").await, b"alive");
}

#[tokio::test(start_paused = true)]
async fn more_streams_than_allowed_are_refused_with_a_sentence() {
    let (mut world, _gateway) = World::open(PERFECT).await;
    let opened: Vec<_> = (0..400)
        .map_while(|_| world.session.open(target(Lane::Input), b"").ok())
        .collect();

    assert_eq!(opened.len(), 256);
    let refused = world.session.open(target(Lane::Input), b"").unwrap_err();
    assert!(refused.text.contains("too many"), "{}", refused.text);
}
