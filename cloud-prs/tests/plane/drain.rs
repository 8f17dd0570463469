//! Going away: idle links at once, sessions at the stated time.

use std::time::Duration;

use culvert_link::Event;
use culvert_wire::reason::Reason;
use tokio::net::TcpStream;

use crate::world::{key, receive, start, through, ticket};

#[tokio::test(flavor = "multi_thread")]
async fn idle_links_go_at_once_and_sessions_have_their_time() {
    let mut world = start().await;
    let (gateway, mut ge) = world.gateway(200).await;
    let (technician, _te) = world.technician(50).await;
    let (idle, mut ie) = world.gateway(201).await;
    let session = world.open(1);
    let near = technician
        .join(session, Some(ticket(1)), &key(101))
        .unwrap();
    let far = gateway.join(session, Some(ticket(1)), &key(200)).unwrap();
    through(&near, &far, b"x").await;

    let plane = world.plane.clone();
    let draining = tokio::spawn(async move {
        plane
            .drain(Duration::from_secs(7), Duration::from_secs(8))
            .await;
    });

    let told = Event::Drain {
        come_back_ms: 7000,
        sessions_end_ms: 8000,
    };
    assert_eq!(ie.next().await, Some(told.clone()));
    assert_eq!(idle.closed().await.0, Reason::ServerDraining);
    assert_eq!(ge.next().await, Some(told));
    through(&far, &near, b"still here").await;
    // Listening ends beside the words about it.
    let refuses = async {
        while TcpStream::connect(world.address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let refuses = tokio::time::timeout(Duration::from_secs(5), refuses).await;
    refuses.expect("no new ones");
    assert_eq!(receive(&near).await, Err(Reason::ServerDraining));
    assert_eq!(gateway.closed().await.0, Reason::ServerDraining);
    draining.await.unwrap();
    let serving = &mut world.serving;
    tokio::time::timeout(Duration::from_secs(40), serving)
        .await
        .unwrap()
        .unwrap();
}

/// S15, P1: thousands of boxes that lose one server do not return at once.
#[tokio::test(flavor = "multi_thread")]
async fn gateways_are_told_over_which_time_their_fleet_returns() {
    let world = start().await;
    let (gateway, mut events) = world.gateway(200).await;
    let (technician, _te) = world.technician(50).await;
    let spread = gateway.spread();

    drop(world);

    assert_eq!(gateway.closed().await.0, Reason::LinkLost);
    assert_eq!(events.next().await, None);
    assert_eq!(spread.get(), Some(Duration::from_secs(20)));
    assert_eq!(technician.spread().get(), None, "people do not wait");
}
