//! Two ends, one route: joining, rejoining, leaving, orders of the broker.

use std::sync::Arc;
use std::time::Duration;

use culvert_cloud_prs::plane::PlaneEvent;
use culvert_cloud_prs::relay::{End, RelayEvent};
use culvert_link::Event;
use culvert_wire::UnixMs;
use culvert_wire::frame::{Frame, Invite, InviteResult, Method};
use culvert_wire::grant::{Grant, Protocol, Rights, SignedGrant, Target};
use culvert_wire::id::Lease;
use culvert_wire::key::PublicKey;
use culvert_wire::reason::Reason;
use culvert_wire::revocation::{Revocation, Scope, SignedRevocation};

use crate::world::{key, now, receive, session, spec, start, through, ticket};

#[tokio::test(flavor = "multi_thread")]
async fn packets_pass_both_ways_between_the_two_ends() {
    let world = start().await;
    let (gateway, _ge) = world.gateway(200).await;
    let (technician, _te) = world.technician(50).await;
    let session = world.open(1);

    let near = technician
        .join(session, Some(ticket(1)), &key(101))
        .unwrap();
    let far = gateway.join(session, Some(ticket(1)), &key(200)).unwrap();

    through(&near, &far, b"ping").await;
    through(&far, &near, &[7; 65_536]).await;
    assert!(near.peer_present() && far.peer_present());
    for end in [End::Technician, End::Gateway] {
        let joined = RelayEvent::Joined {
            session,
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
async fn unknown_foreign_used_and_expired_tickets_look_the_same() {
    let world = start().await;
    world.open(1);
    let mut late = spec(2);
    late.join_by = UnixMs(now().0 - 1);
    let mut over = spec(3);
    over.ends_at = UnixMs(now().0 - 1);
    world
        .app
        .known_routes
        .lock()
        .unwrap()
        .extend([(late.session, late), (over.session, over)]);
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
    let (gateway, _ge) = world.gateway(200).await;
    let (technician, _te) = world.technician(50).await;
    let session = world.open(1);
    let near = technician
        .join(session, Some(ticket(1)), &key(101))
        .unwrap();
    let far = gateway.join(session, Some(ticket(1)), &key(200)).unwrap();
    through(&near, &far, b"hello").await;

    assert!(near.try_send(1200, &[1; 40_000]));
    near.leave(Reason::ClosedByTechnician, "window closed");

    let mut rest = Vec::new();
    let reason = loop {
        match receive(&far).await {
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
    short.ends_at = now().plus_ms(400);
    let session = short.session;
    world.plane.open_route(short).unwrap();
    world.plane.extend_route(session, now().plus_ms(3_600_000));
    let near = technician
        .join(session, Some(ticket(1)), &key(101))
        .unwrap();
    let far = gateway.join(session, Some(ticket(1)), &key(200)).unwrap();
    through(&near, &far, b"x").await;
    tokio::time::sleep(Duration::from_millis(800)).await;
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
    short.ends_at = now().plus_ms(600);
    let mut lonely = spec(2);
    lonely.join_by = now().plus_ms(600);
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

#[tokio::test(flavor = "multi_thread")]
async fn routes_from_before_a_restart_are_found_in_the_database() {
    let world = start().await;
    let mut known = spec(4);
    known.technician.ticket = None;
    world
        .app
        .known_routes
        .lock()
        .unwrap()
        .insert(known.session, known);
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
async fn a_gateway_gets_its_orders_and_its_reports_arrive() {
    let world = start().await;
    let public: PublicKey = key(200).public();
    assert!(!world.plane.gateway_online(&public));
    let (gateway, mut events) = world.gateway(200).await;
    assert!(world.plane.gateway_online(&public));

    let revocation = Revocation {
        broker: key(2).public(),
        gateway: public,
        counter: 4,
        scope: Scope::All,
        reason: Reason::AccessRevoked,
    };
    let signed = SignedRevocation::sign(revocation, &key(2));
    assert!(world.plane.revoke(&public, signed.clone()));
    assert!(world.plane.invite(&public, invite()));
    assert!(!world.plane.invite(&key(201).public(), invite()));

    assert_eq!(events.next().await, Some(Event::Revoke(signed)));
    assert_eq!(events.next().await, Some(Event::Invite(Box::new(invite()))));
    let result = InviteResult {
        session: session(1),
        serial: 0,
        refused: Some((Reason::NotInAllowList, "10.0.0.1".into())),
    };
    let lease = Lease::from_random([6; 16]);
    gateway.send(Frame::InviteResult(result.clone())).unwrap();
    gateway.send(Frame::Revoked(4)).unwrap();
    gateway.send(Frame::LeaseStored(lease)).unwrap();
    let key = public;
    for wanted in [
        PlaneEvent::InviteResult { key, result },
        PlaneEvent::Revoked { key, counter: 4 },
        PlaneEvent::LeaseStored { key, lease },
    ] {
        world.told(|event| *event == wanted).await;
    }
    world.plane.close_gateway(&public, Reason::GatewayRevoked);
    assert_eq!(gateway.closed().await.0, Reason::GatewayRevoked);
    world
        .told(|event| *event == PlaneEvent::GatewayDown { key })
        .await;
    assert!(!world.plane.gateway_online(&public));
}

fn invite() -> Invite {
    let grant = Grant {
        broker: key(2).public(),
        session: session(1),
        serial: 0,
        gateway: key(200).public(),
        technician: culvert_wire::id::UserId::from_random([1; 16]),
        technician_end: key(101).public(),
        targets: vec![Target {
            address: "10.0.0.1".parse().unwrap(),
            port: 22,
            protocol: Protocol::Ssh,
        }],
        rights: Rights::ALL,
        issued: UnixMs(1),
        join_by: UnixMs(2),
        ends_at: UnixMs(3),
    };
    Invite {
        broker: None,
        grant: SignedGrant::sign(grant, &key(2)),
        ticket: Some(ticket(1)),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_technicians_requests_reach_the_application_and_a_slow_one_blocks_nobody() {
    let world = start().await;
    let (link, _events) = world.technician(50).await;
    let slow = tokio::spawn({
        let link = link.clone();
        async move { link.api(Method::Get, "/slow", "").await }
    });

    let answer = link.api(Method::Get, "/me", "").await.unwrap();

    assert_eq!((answer.status, &answer.body[..]), (200, &b"/me"[..]));
    slow.abort();
    let mut many = tokio::task::JoinSet::new();
    for _ in 0..40 {
        let link = link.clone();
        many.spawn(async move { link.api(Method::Get, "/slow", "").await.unwrap().status });
    }
    assert_eq!(many.join_next().await.unwrap().unwrap(), 429);
}

#[tokio::test(flavor = "multi_thread")]
async fn picked_technicians_links_are_ended_and_no_others() {
    let world = start().await;
    let (one, _e1) = world.technician(50).await;
    let (two, _e2) = world.technician(51).await;
    let device = key(50).public();

    let whose = |caller: &culvert_cloud_prs::plane::Caller| {
        caller.get::<PublicKey>().is_some_and(|key| *key == device)
    };
    world.plane.close_callers(whose, Reason::UserDisabled);

    assert_eq!(one.closed().await.0, Reason::UserDisabled);
    assert!(two.api(Method::Get, "/me", "").await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn more_links_of_one_gateway_than_it_needs_end_the_oldest() {
    let world = start().await;
    let mut links = Vec::new();
    for _ in 0..4 {
        links.push(world.gateway(200).await);
    }
    assert_eq!(links[0].0.closed().await.0, Reason::Replaced);
    assert!(world.plane.invite(&key(200).public(), invite()));
    assert!(matches!(links[3].1.next().await, Some(Event::Invite(_))));
    drop(links);
    world
        .told(|event| matches!(event, PlaneEvent::GatewayDown { .. }))
        .await;
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
async fn all_sessions_of_a_link_come_back_after_a_restart() {
    let world = start().await;
    for number in 0..60 {
        let mut known = spec(number);
        known.gateway.ticket = None;
        world
            .app
            .known_routes
            .lock()
            .unwrap()
            .insert(known.session, known);
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
    world
        .app
        .known_routes
        .lock()
        .unwrap()
        .insert(known.session, known);

    let route = gateway.join(session(1), None, &key(200)).unwrap();

    while !route.joined() {
        assert!(route.closed().is_none());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// D7, clones: a new run ends the links of the old one, which comes back if it
/// still lives.
#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_of_another_run_ends_the_links_of_the_one_before() {
    let world = start().await;
    let (first, _e1) = world.gateway_of(200, 1).await;
    let (same, _e2) = world.gateway_of(200, 1).await;
    assert!(!first.is_closed());

    let (_other, _e3) = world.gateway_of(200, 2).await;

    assert_eq!(first.closed().await.0, Reason::Replaced);
    assert_eq!(same.closed().await.0, Reason::Replaced);
    let ups = |event: &&PlaneEvent| matches!(event, PlaneEvent::GatewayUp { .. });
    world
        .told(|event| matches!(event, PlaneEvent::GatewayUp { .. }))
        .await;
    for _ in 0..100 {
        if world.app.events.lock().unwrap().iter().filter(ups).count() == 3 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("each arrival is told");
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
