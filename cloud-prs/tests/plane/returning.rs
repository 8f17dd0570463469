//! An end that comes back to its route: on another link, after a restart.

use std::time::Duration;

use culvert_wire::reason::Reason;

use crate::world::{key, receive, session, spec, start, through, ticket};

#[tokio::test(flavor = "multi_thread")]
async fn the_same_end_key_rejoins_from_a_new_link_and_the_newest_wins() {
    let world = start().await;
    let (gateway, _ge) = world.gateway(200).await;
    let session = world.open(1);
    let far = gateway.join(session, Some(ticket(1)), &key(200)).unwrap();
    let (first, _e1) = world.technician(50).await;
    let near = first.join(session, Some(ticket(1)), &key(101)).unwrap();
    through(&near, &far, b"one").await;

    let (second, _e2) = world.technician(51).await;
    let newer = second.join(session, None, &key(101)).unwrap();
    through(&newer, &far, b"two").await;
    assert_eq!(receive(&near).await, Err(Reason::Replaced));

    second.close(Reason::Finished);
    while far.peer_present() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let again = first.join(session, None, &key(101)).unwrap();
    through(&far, &again, b"three").await;
    let foreign = first.join(session, None, &key(99)).unwrap();
    assert_eq!(receive(&foreign).await, Err(Reason::TicketInvalid));
}

#[tokio::test(flavor = "multi_thread")]
async fn routes_from_before_a_restart_are_found_in_the_database() {
    let world = start().await;
    let mut known = spec(4);
    known.technician.ticket = None;
    world.remembers(known);
    let (gateway, _ge) = world.gateway(200).await;
    let (technician, _te) = world.technician(50).await;

    let near = technician.join(session(4), None, &key(104)).unwrap();
    let far = gateway
        .join(session(4), Some(ticket(4)), &key(200))
        .unwrap();

    through(&near, &far, b"again").await;
    assert!(*world.app.look_ups.lock().unwrap() >= 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_sessions_of_a_link_come_back_after_a_restart() {
    let world = start().await;
    for number in 0..60 {
        let mut known = spec(number);
        known.gateway.ticket = None;
        world.remembers(known);
    }
    let (gateway, _ge) = world.gateway(200).await;

    let routes: Vec<_> = (0..60)
        .map(|number| gateway.join(session(number), None, &key(200)).unwrap())
        .collect();

    for route in &routes {
        while !route.joined() {
            assert!(route.closed().is_none(), "{:?}", route.closed());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_database_is_named_and_held_against_nobody() {
    let world = start().await;
    *world.app.database_down.lock().unwrap() = true;
    let (gateway, _ge) = world.gateway(200).await;
    for number in 0..40 {
        let route = gateway.join(session(number), None, &key(200)).unwrap();
        assert_eq!(receive(&route).await, Err(Reason::DatabaseDown));
    }
    *world.app.database_down.lock().unwrap() = false;
    let mut known = spec(1);
    known.gateway.ticket = None;
    world.remembers(known);

    let route = gateway.join(session(1), None, &key(200)).unwrap();

    while !route.joined() {
        assert!(route.closed().is_none());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
