//! What passes on a link beside packets: orders, reports, requests; and which
//! links end which.

use std::time::Duration;

use culvert_cloud_prs::plane::PlaneEvent;
use culvert_link::Event;
use culvert_wire::UnixMs;
use culvert_wire::frame::{Frame, Invite, InviteResult, Method};
use culvert_wire::grant::{Grant, Protocol, Rights, SignedGrant, Target};
use culvert_wire::id::Lease;
use culvert_wire::key::PublicKey;
use culvert_wire::reason::Reason;
use culvert_wire::revocation::{Revocation, Scope, SignedRevocation};

use crate::world::{key, session, start, ticket};

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
    for _ in 0..4000 {
        if world.app.events.lock().unwrap().iter().filter(ups).count() == 3 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("each arrival is told");
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
