//! Links that are many, or say much: each kind has its own places and each box
//! its own queue, so that nobody's take anybody else's (P22; threats 20 to 22).

use std::time::Duration;

use culvert_cloud_prs::plane::{Limits, PlaneEvent};
use culvert_link::{Events, Link, Me};
use culvert_wire::frame::{Frame, Health, Method, SessionEnded};
use culvert_wire::reason::Reason;

use crate::world::{World, key, receive, session, start, start_with, through, ticket};

/// A link on which nobody is signed in; the server may refuse it later.
async fn stranger(world: &World, seed: u8) -> (Link, Events) {
    world
        .app
        .strangers
        .lock()
        .unwrap()
        .insert(key(seed).public());
    let me = Me::Technician {
        key: key(seed),
        token: None,
    };
    world.connect(me).await.unwrap()
}

/// Threats 20 and 21: strangers have a bounded number of places, and none of
/// those of boxes and of people who are signed in.
#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_links_of_strangers_keep_neither_boxes_nor_people_out() {
    let limits = Limits::default();
    let world = start().await;
    let mut flood = Vec::new();
    let mut refused = 0;
    for _ in 0..1000 {
        let (link, mut events) = stranger(&world, 50).await;
        match events.next().await {
            Some(culvert_link::Event::Welcome(_)) => flood.push((link, events)),
            Some(culvert_link::Event::Refused(told)) => {
                assert_eq!(told.reason, Reason::Throttled);
                assert!(told.retry_after_ms > 0);
                refused += 1;
            }
            other => panic!("{other:?}"),
        }
        if refused == 20 {
            break;
        }
    }
    assert_eq!(flood.len(), limits.anonymous_per_address);

    // Of the very same address: a box, and many who are signed in.
    let (gateway, _g) = world.gateway(200).await;
    let mut people = Vec::new();
    for seed in 0..30 {
        people.push(world.technician(60 + seed).await);
    }

    assert!(!gateway.is_closed());
    assert!(people.iter().all(|(link, _)| !link.is_closed()));
    assert!(flood.iter().all(|(link, _)| !link.is_closed()));
    // Whoever goes makes room.
    drop(flood);
    while world.plane.counters().links > 31 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let (link, mut events) = stranger(&world, 50).await;
    let first = events.next().await;
    assert!(
        matches!(first, Some(culvert_link::Event::Welcome(_))),
        "{first:?}"
    );
    drop(link);
}

/// Threat 20: places of strangers are for a while; signing in or joining a
/// session by ticket makes a link somebody's.
#[tokio::test(flavor = "multi_thread")]
async fn links_that_stay_nobodys_run_out_and_others_do_not() {
    let world = start_with(Limits {
        anonymous_per_address: 3,
        anonymous_life: Duration::from_secs(10),
        ..Limits::default()
    })
    .await;
    let (gateway, _g) = world.gateway(200).await;
    let number = world.open(1);
    let far = gateway.join(number, Some(ticket(1)), &key(200)).unwrap();
    let (idle, _i) = stranger(&world, 50).await;
    let (signing_in, _s) = stranger(&world, 51).await;
    let (joining, _j) = stranger(&world, 52).await;
    let near = joining.join(number, Some(ticket(1)), &key(101)).unwrap();
    through(&near, &far, b"hello").await;
    world
        .app
        .strangers
        .lock()
        .unwrap()
        .remove(&key(51).public());

    let (reason, text) = idle.closed().await;

    assert_eq!(reason, Reason::SignInNeeded, "{text}");
    // Those two have had the same time.
    assert!(signing_in.api(Method::Get, "/me", "").await.is_ok());
    through(&near, &far, b"still").await;
    // All three places are free.
    let mut kept = Vec::new();
    for seed in 53..56 {
        let (link, mut events) = stranger(&world, seed).await;
        let first = events.next().await;
        assert!(
            matches!(first, Some(culvert_link::Event::Welcome(_))),
            "{first:?}"
        );
        kept.push((link, events));
    }
}

/// Threat 22: one person's programs, gone wild or stolen, take no place of another's.
#[tokio::test(flavor = "multi_thread")]
async fn a_person_has_so_many_links_and_nobody_else_has_fewer() {
    let world = start_with(Limits {
        per_person: 3,
        ..Limits::default()
    })
    .await;
    let me = || Me::Technician {
        key: key(50),
        token: None,
    };
    let mut inside = Vec::new();
    for _ in 0..3 {
        inside.push(world.technician(50).await);
    }

    let (refused, _events) = world.connect(me()).await.unwrap();
    assert_eq!(refused.closed().await.0, Reason::Throttled);
    let (other, _o) = world.technician(51).await;
    // Whoever goes makes room.
    inside.pop();
    while world.plane.counters().links > 3 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    inside.push(world.technician(50).await);

    assert!(inside.iter().all(|(link, _)| !link.is_closed()) && !other.is_closed());
    let (refused, _events) = world.connect(me()).await.unwrap();
    assert_eq!(refused.closed().await.0, Reason::Throttled);
}

/// Threat 21: whoever else is linked, one half of the places is for boxes.
#[tokio::test(flavor = "multi_thread")]
async fn people_leave_boxes_their_half_of_a_full_server() {
    let world = start_with(Limits {
        links: 6,
        ..Limits::default()
    })
    .await;
    let mut inside = Vec::new();
    for seed in 50..53 {
        inside.push(world.technician(seed).await);
    }
    let me = Me::Technician {
        key: key(53),
        token: None,
    };
    let (refused, _events) = world.connect(me).await.unwrap();
    assert_eq!(refused.closed().await.0, Reason::ServerFull);

    for seed in 200..203 {
        inside.push(world.gateway(seed).await);
    }

    assert!(inside.iter().all(|(link, _)| !link.is_closed()));
}

/// Threat 22: whose reports wait without end is ended; the others are heard, and
/// soon, however many of its reports stand there.
#[tokio::test(flavor = "multi_thread")]
async fn a_box_that_floods_with_reports_ends_itself_alone() {
    let world = start().await;
    let (noisy, _n) = world.gateway(201).await;
    let (quiet, _q) = world.gateway(202).await;
    let (idle, _i) = world.gateway(203).await;
    for seed in [201, 202, 203] {
        let up = |event: &PlaneEvent| matches!(event, PlaneEvent::GatewayUp { key: up, .. } if *up == key(seed).public());
        world.told(up).await;
    }
    let before = world.app.events.lock().unwrap().len();
    let busy = world.app.busy.lock().await;

    for counter in 1.. {
        if noisy.send(Frame::Revoked(counter)).is_err() {
            break;
        }
        if counter % 64 == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    assert_eq!(noisy.closed().await.0, Reason::Throttled);
    let ended = SessionEnded {
        session: session(1),
        reason: Reason::Finished,
        from_hosts: 1,
        to_hosts: 2,
        streams: 1,
    };
    quiet.send(Frame::SessionEnded(ended.clone())).unwrap();
    idle.send(Frame::Ping(1)).unwrap();
    // A join is answered behind whatever came before it.
    for link in [&quiet, &idle] {
        let unknown = link.join(session(9), None, &key(9)).unwrap();
        assert_eq!(receive(&unknown).await, Err(Reason::TicketInvalid));
    }
    drop(busy);

    let ended = PlaneEvent::SessionEnded {
        key: key(202).public(),
        ended,
    };
    world.told(|event| *event == ended).await;
    let events = world.app.events.lock().unwrap().clone();
    let place = events.iter().position(|event| *event == ended).unwrap();
    assert!(place <= before + 8, "{place} of {}", events.len());
    assert!(!quiet.is_closed() && !idle.is_closed());
}

/// Threat 22: nothing asks a box to say again and again how it fares.
#[tokio::test(flavor = "multi_thread")]
async fn a_box_that_tells_its_health_without_end_is_told_to_wait() {
    let world = start().await;
    let (noisy, _n) = world.gateway(201).await;
    let (quiet, _q) = world.gateway(202).await;
    let health = |uptime_s| {
        Frame::Health(Health {
            code: "ok".into(),
            text: String::new(),
            version: "1".into(),
            uptime_s,
        })
    };
    for uptime in 0..1000 {
        if noisy.send(health(uptime)).is_err() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }

    assert_eq!(noisy.closed().await.0, Reason::Throttled);
    quiet.send(health(1)).unwrap();
    let quiet_told = |event: &PlaneEvent| matches!(event, PlaneEvent::Health { key: told, .. } if *told == key(202).public());
    world.told(quiet_told).await;
    assert!(!quiet.is_closed());
}
