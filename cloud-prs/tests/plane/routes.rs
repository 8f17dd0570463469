//! Two ends, one route: joining, sending, leaving, its time.

use std::sync::Arc;
use std::time::Duration;

use culvert_cloud_prs::plane::PlaneEvent;
use culvert_cloud_prs::relay::{End, RelayEvent};
use culvert_wire::UnixMs;
use culvert_wire::frame::Method;
use culvert_wire::reason::Reason;

use crate::world::{aware, key, now, receive, session, spec, start, through, ticket};

#[tokio::test(flavor = "multi_thread")]
async fn packets_pass_both_ways_between_the_two_ends() {
    let world = start().await;
    let ends = world.ends(1).await;
    let (near, far) = (&ends.near, &ends.far);

    through(near, far, b"ping").await;
    through(far, near, &[7; 65_534]).await;
    aware(near).await;
    aware(far).await;
    for end in [End::Technician, End::Gateway] {
        let joined = RelayEvent::Joined {
            session: session(1),
            end,
            first: true,
        };
        world
            .told(|event| *event == PlaneEvent::Route(joined.clone()))
            .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_used_by_two_hundred_at_once_wins_once() {
    let world = Arc::new(start().await);
    let session = world.open(1);
    let mut links = Vec::new();
    for seed in 0..20 {
        links.push(world.technician(seed + 1).await);
    }
    let mut routes = Vec::new();
    for _ in 0..10 {
        for (link, _) in &links {
            routes.push(link.join(session, Some(ticket(1)), &key(101)).unwrap());
        }
    }
    assert_eq!(routes.len(), 200);
    let mut won = 0;
    for route in &routes {
        while !route.joined() && route.closed().is_none() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        won += u32::from(route.joined());
    }
    assert_eq!(won, 1);
    assert_eq!(world.plane.counters().relay.refused_joins, 199);
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_foreign_used_and_expired_tickets_look_the_same() {
    let world = start().await;
    world.open(1);
    let mut late = spec(2);
    late.join_by = UnixMs(now().0 - 1);
    let mut over = spec(3);
    over.ends_at = UnixMs(now().0 - 1);
    world.remembers(late);
    world.remembers(over);
    let (link, _events) = world.technician(50).await;
    for (number, ticket, end) in [
        (9, Some(ticket(9)), key(109)),
        (1, Some(ticket(2)), key(101)),
        (1, Some(ticket(1)), key(102)),
        (1, None, key(101)),
        (2, Some(ticket(2)), key(102)),
        (3, Some(ticket(3)), key(103)),
    ] {
        let route = link.join(session(number), ticket, &end).unwrap();
        assert_eq!(
            receive(&route).await,
            Err(Reason::TicketInvalid),
            "{number}"
        );
        assert_eq!(route.closed().unwrap().text, "");
    }
    assert!(!link.is_closed());
}

/// The last packets before leaving arrive, then the reason.
#[tokio::test(flavor = "multi_thread")]
async fn leaving_tells_the_other_end_after_its_last_packets() {
    let world = start().await;
    let ends = world.ends(1).await;
    let (near, far) = (&ends.near, &ends.far);
    through(near, far, b"hello").await;

    assert!(near.try_send(1200, &[1; 40_000]));
    near.leave(Reason::ClosedByTechnician, "window closed");

    let mut rest = Vec::new();
    let reason = loop {
        match receive(far).await {
            Ok(packets) => rest.push(packets),
            Err(reason) => break reason,
        }
    };
    assert_eq!(rest.last().map(Vec::len), Some(40_000));
    assert_eq!(reason, Reason::ClosedByTechnician);
    assert_eq!(far.closed().unwrap().text, "window closed");
    let closed = world.told(|event| matches!(event, PlaneEvent::Route(RelayEvent::Closed { .. })));
    let PlaneEvent::Route(RelayEvent::Closed { to_gateway, .. }) = closed.await else {
        unreachable!("just matched");
    };
    assert!(to_gateway >= 40_005);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_broker_extends_and_ends_routes() {
    let world = start().await;
    let (gateway, _ge) = world.gateway(200).await;
    let (technician, _te) = world.technician(50).await;
    let mut short = spec(1);
    short.ends_at = now().plus_ms(2000);
    let session = short.session;
    world.plane.open_route(short).unwrap();
    world.plane.extend_route(session, now().plus_ms(3_600_000));
    let near = technician
        .join(session, Some(ticket(1)), &key(101))
        .unwrap();
    let far = gateway.join(session, Some(ticket(1)), &key(200)).unwrap();
    through(&near, &far, b"x").await;
    tokio::time::sleep(Duration::from_millis(2400)).await;
    through(&near, &far, b"still").await;

    world.plane.end_route(session, Reason::AccessRevoked);

    assert_eq!(receive(&near).await, Err(Reason::AccessRevoked));
    assert_eq!(receive(&far).await, Err(Reason::AccessRevoked));
    assert_eq!(world.plane.counters().routes, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_ends_at_its_end_and_when_nobody_comes() {
    let world = start().await;
    let (technician, _te) = world.technician(50).await;
    let mut short = spec(1);
    short.ends_at = now().plus_ms(4000);
    let mut lonely = spec(2);
    lonely.join_by = now().plus_ms(4000);
    world.plane.open_route(short).unwrap();
    world.plane.open_route(lonely).unwrap();
    let one = technician
        .join(session(1), Some(ticket(1)), &key(101))
        .unwrap();
    let two = technician
        .join(session(2), Some(ticket(2)), &key(102))
        .unwrap();

    assert_eq!(receive(&one).await, Err(Reason::Expired));
    assert_eq!(receive(&two).await, Err(Reason::PeerLost));
}

/// The first flight of a session start is not lost to the race of two joins.
#[tokio::test(flavor = "multi_thread")]
async fn packets_before_the_other_ends_first_join_are_kept_for_it() {
    let world = start().await;
    let (gateway, _ge) = world.gateway(200).await;
    let (technician, _te) = world.technician(50).await;
    let session = world.open(1);
    let near = technician
        .join(session, Some(ticket(1)), &key(101))
        .unwrap();
    for number in 0..20_u8 {
        assert!(near.try_send(1200, &[number; 1200]));
    }
    while !near.joined() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    technician.api(Method::Get, "/me", "").await.unwrap();

    let far = gateway.join(session, Some(ticket(1)), &key(200)).unwrap();

    for number in 0..12_u8 {
        assert_eq!(receive(&far).await, Ok(vec![number; 1200]), "in order");
    }
    through(&near, &far, b"what did not fit is dropped").await;
    // The other order, and nothing is kept for one who was there already.
    gateway.close(Reason::Finished);
    while near.peer_present() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    near.try_send(1200, b"lost");
    technician.api(Method::Get, "/me", "").await.unwrap();
    let (again, _ge) = world.gateway(200).await;
    let far = again.join(session, None, &key(200)).unwrap();
    through(&near, &far, b"fresh").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_cannot_say_that_an_administrator_ended_the_session() {
    let world = start().await;
    let (gateway, _ge) = world.gateway(200).await;
    let (technician, _te) = world.technician(50).await;
    for (number, by_gateway, said, told) in [
        (
            1,
            false,
            Reason::EndedByAdministrator,
            Reason::ClosedByTechnician,
        ),
        (2, false, Reason::HostRefused, Reason::ClosedByTechnician),
        (3, true, Reason::HostRefused, Reason::HostRefused),
        (4, true, Reason::AccessRevoked, Reason::Finished),
    ] {
        let session = world.open(number);
        let end = key(100 + number);
        let near = technician
            .join(session, Some(ticket(number)), &end)
            .unwrap();
        let far = gateway
            .join(session, Some(ticket(number)), &key(200))
            .unwrap();
        through(&near, &far, b"x").await;
        let (leaving, staying) = if by_gateway {
            (&far, &near)
        } else {
            (&near, &far)
        };
        leaving.leave(said, "");
        assert_eq!(receive(staying).await, Err(told));
    }
}
