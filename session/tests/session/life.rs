//! How long a session lives, and how it ends.

use std::time::Duration;

use culvert_session::Options;
use culvert_session::native::SessionError;
use culvert_session::native::emulated::{Line, pair};
use culvert_wire::reason::Reason;
use culvert_wire::stream::Lane;
use tokio::time::{Instant, sleep};

use super::world::{bytes, echo, hash, target, through, world, world_with};

#[tokio::test(start_paused = true)]
async fn a_close_tells_the_peer_why_and_ends_its_streams() {
    let world = world(Line::RELAY_20M_60MS).await;
    let gateway = world.gateway.clone();
    let peer = tokio::spawn(async move { gateway.accept().await });

    world
        .technician
        .close(Reason::AccessRevoked, "by the administrator");
    world.technician.close(Reason::Finished, "comes too late");

    let ending = world.gateway.closed().await;
    assert_eq!(ending.reason, Reason::AccessRevoked);
    assert_eq!(ending.text, "by the administrator");
    assert_eq!(world.technician.closed().await, ending);
    assert_eq!(world.technician.ending(), Some(ending.clone()));
    let error = peer.await.expect("no panic").expect_err("over");
    assert!(matches!(error, SessionError::Ended(got) if got == ending));
}

/// P25.
#[tokio::test(start_paused = true)]
async fn a_peer_that_vanishes_is_lost_after_the_idle_time() {
    let world = world(Line::RELAY_20M_60MS).await;
    let began = Instant::now();
    world.technician_line.cut();

    assert_eq!(world.gateway.closed().await.reason, Reason::PeerLost);
    assert_eq!(world.technician.closed().await.reason, Reason::PeerLost);

    let took = began.elapsed().as_secs();
    assert!((119..=140).contains(&took), "{took} s");
}

#[tokio::test(start_paused = true)]
async fn an_idle_session_lives_as_long_as_its_line() {
    let options = Options {
        idle: Duration::from_secs(12),
        ..Options::default()
    };
    let world = world_with(Line::RELAY_20M_60MS, options).await;
    echo(world.gateway.clone());
    sleep(Duration::from_secs(3600)).await;

    let stream = world
        .technician
        .open(target(Lane::Input))
        .await
        .expect("alive");
    assert_eq!(through(stream, bytes(100, 1)).await, bytes(100, 1));
    let sent = world.technician.stats().paths[0].sent_packets;
    println!("packets of an idle hour: {sent}");
    assert!(sent < 2000, "{sent}");
}

#[tokio::test(start_paused = true)]
async fn dropping_the_last_handle_ends_the_session_with_a_reason() {
    let world = world(Line::PERFECT).await;
    drop(world.technician);
    assert_eq!(
        world.gateway.closed().await.reason,
        Reason::ClosedByTechnician
    );
}

/// P12: the WAN may change under a running copy.
#[tokio::test(start_paused = true)]
async fn a_route_replaced_in_mid_transfer_loses_nothing() {
    let world = world(Line::RELAY_20M_60MS).await;
    echo(world.gateway.clone());
    let sent = bytes(4_000_000, 9);
    let stream = world
        .technician
        .open(target(Lane::Bulk))
        .await
        .expect("open");
    let copy = tokio::spawn(through(stream, sent.clone()));

    for seed in 0..3 {
        sleep(Duration::from_millis(400)).await;
        // Both links break at once, with everything in them; one end learns
        // of it from its route, and both rejoin eight seconds later.
        world.technician_line.cut();
        sleep(Duration::from_secs(8)).await;
        let (a, b) = pair(Line {
            seed,
            ..Line::RELAY_20M_60MS
        });
        world.technician.replace_route(a);
        world.gateway.replace_route(b);
    }

    let back = copy.await.expect("whole");
    assert_eq!(hash(&back), hash(&sent));
}

#[tokio::test(start_paused = true)]
async fn a_route_closed_for_half_a_minute_is_reported_and_may_be_replaced() {
    let world = world(Line::PERFECT).await;
    echo(world.gateway.clone());
    let gateway = world.gateway.clone();
    let waits = tokio::spawn(async move { gateway.route_lost().await });
    world.technician_line.close();
    assert_eq!(world.technician.route_lost().await, None);
    assert_eq!(waits.await.expect("reported"), None);

    let began = Instant::now();
    sleep(Duration::from_secs(40)).await;
    let (a, b) = pair(Line::PERFECT);
    world.technician.replace_route(a);
    world.gateway.replace_route(b);

    let stream = world
        .technician
        .open(target(Lane::Input))
        .await
        .expect("alive");
    assert_eq!(through(stream, bytes(100, 1)).await, bytes(100, 1));
    println!("first echo after 40 s of outage: {:?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(43));
}
