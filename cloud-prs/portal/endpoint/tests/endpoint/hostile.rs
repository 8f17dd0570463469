//! Whatever a server or somebody on the way sends, the endpoint answers with
//! a reason and never panics.

use std::time::Duration;

use bytes::Bytes;
use culvert_wire::Encode as _;
use culvert_wire::frame::{ApiResponse, Channel, Frame, Packets};
use culvert_wire::reason::Reason;
use culvert_wire::stream::Lane;

use crate::world::{PERFECT, World, now, target};

#[tokio::test(start_paused = true)]
async fn packets_of_a_stranger_change_nothing() {
    let (mut world, _gateway) = World::open(PERFECT).await;
    let stream = world.stream(target(Lane::Input)).await;
    let mut dice = 7_u32;
    for _ in 0..2000 {
        dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let length = dice as usize % 1500 + 1;
        let payload: Vec<u8> = (0..length).map(|at| (dice >> (at % 24)) as u8).collect();
        let channel = Channel(1 + dice % 2);
        let segment = (dice % 1400) as u16;
        let payload = Bytes::from(payload);
        let frame = Frame::Packets(Packets {
            channel,
            segment: segment.max(1),
            payload,
        });
        world.session.handle_message(frame.to_bytes(), now());
    }

    assert_eq!(world.echo(stream, b"unmoved").await, b"unmoved");
}

/// As for native programs: a server that breaks the rules is not asked again.
#[tokio::test(start_paused = true)]
async fn a_server_that_breaks_the_rules_ends_the_session_with_a_reason() {
    let not_for_browsers = Frame::ApiResponse(ApiResponse {
        id: 1,
        status: 200,
        body: Bytes::new(),
    });
    for nonsense in [
        Bytes::from_static(b"\x7f"),
        Bytes::new(),
        Bytes::from_static(b"\x11\x00"),
        Bytes::from_static(&[0x12; 300]),
        not_for_browsers.to_bytes(),
    ] {
        let (mut world, _gateway) = World::open(PERFECT).await;

        world.session.handle_message(nonsense.clone(), now());
        world.run(Duration::from_secs(1)).await;

        let reason = world.ended().map(|ending| ending.reason);
        assert_eq!(reason, Some(Reason::ProtocolError), "{nonsense:?}");
    }
}

/// Optional frames of a newer server need no new version.
#[tokio::test(start_paused = true)]
async fn a_frame_of_a_newer_server_that_may_be_skipped_is() {
    let (mut world, _gateway) = World::open(PERFECT).await;
    let stream = world.stream(target(Lane::Input)).await;

    world
        .session
        .handle_message(Bytes::from_static(b"\xfe new"), now());

    assert_eq!(world.echo(stream, b"on").await, b"on");
}

#[tokio::test(start_paused = true)]
async fn calls_after_the_end_do_nothing() {
    let (mut world, _gateway) = World::open(PERFECT).await;
    let stream = world.stream(target(Lane::Input)).await;
    world.session.close(Reason::ClosedByTechnician, now());
    world.run(Duration::from_secs(1)).await;

    assert!(world.session.open(target(Lane::Input), b"").is_err());
    assert_eq!(world.session.write(stream, b"x"), 0);
    assert_eq!(world.session.read(stream, 10, &mut Vec::new()), 0);
    world.session.finish(stream);
    world.session.stop(stream, Reason::Finished);
    world.session.reset(stream, Reason::Finished);
    world.session.close(Reason::Internal, now());
    world.grant();
    world.break_link();
    world.run(Duration::from_secs(5)).await;
    assert_eq!(world.ended().unwrap().reason, Reason::ClosedByTechnician);
}
