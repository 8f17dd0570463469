//! What a stream promises.

use std::time::Duration;

use culvert_session::native::emulated::Line;
use culvert_session::native::{Session, Stream, StreamError};
use culvert_wire::reason::Reason;
use culvert_wire::stream::{Answer, Lane, Open, Service};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::world::{World, bytes, echo, hash, target, through, world};

const LOSSY: Line = Line {
    delay: Duration::from_millis(20),
    rate: Some(50_000_000),
    queue: 128 * 1024,
    whole_batches: false,
    lost_per_mille: 10,
    late_per_mille: 20,
    seed: 7,
};

#[tokio::test(start_paused = true)]
async fn ten_megabytes_survive_loss_and_reordering_both_ways() {
    let world = world(LOSSY).await;
    echo(world.gateway.clone());
    let sent = bytes(10_000_000, 4);

    let stream = world
        .technician
        .open(target(Lane::Bulk))
        .await
        .expect("open");
    let back = through(stream, sent.clone()).await;

    assert_eq!(hash(&back), hash(&sent));
    let path = world.technician.stats().paths[0].clone();
    println!("{path:?}");
    assert!(path.lost_packets > 20, "the line did not lose: {path:?}");
}

#[tokio::test(start_paused = true)]
async fn target_bytes_may_follow_the_opening_at_once() {
    let world = world(Line::PERFECT).await;
    let mut near = world
        .technician
        .open(target(Lane::Input))
        .await
        .expect("open");
    near.write_all(b"SSH-2.0-x\r\n")
        .await
        .expect("before any answer");

    let (open, mut far) = world.gateway.accept().await.expect("a stream");

    assert_eq!(open, target(Lane::Input));
    let mut got = [0; 11];
    far.read_exact(&mut got).await.expect("bytes");
    assert_eq!(&got, b"SSH-2.0-x\r\n");
    far.reply(Answer::Accepted).await.expect("reply");
    assert_eq!(near.answer().await, Ok(Answer::Accepted));
}

#[tokio::test(start_paused = true)]
async fn each_way_ends_on_its_own() {
    let (world, mut near, mut far) = open_pair(Lane::Input).await;
    near.write_all(b"question").await.expect("open");
    near.shutdown().await.expect("never fails");

    let mut got = Vec::new();
    far.read_to_end(&mut got).await.expect("a clean end");
    assert_eq!(got, b"question");
    far.write_all(b"answer after the end").await.expect("open");
    far.shutdown().await.expect("never fails");
    got.clear();
    near.read_to_end(&mut got).await.expect("a clean end");
    assert_eq!(got, b"answer after the end");
    drop(world);
}

#[tokio::test(start_paused = true)]
async fn a_reset_carries_its_reason_to_reader_and_writer() {
    let (world, mut near, mut far) = open_pair(Lane::Input).await;
    far.reset(Reason::HostReset);

    let error = near.read_u8().await.expect_err("reset");
    let reset = StreamError::Reset(Reason::HostReset);
    assert_eq!(StreamError::of(&error), Some(&reset));
    let error = write_until_error(&mut near).await;
    assert_eq!(StreamError::of(&error), Some(&reset));
    drop(world);
}

/// A cut copy must never look whole.
#[tokio::test(start_paused = true)]
async fn a_stream_dropped_before_its_end_is_an_error_at_the_peer() {
    let (world, mut near, far) = open_pair(Lane::Bulk).await;
    let (_, mut writer) = far.into_split();
    writer.write_all(b"half of i").await.expect("open");
    drop(writer);

    let mut got = Vec::new();
    let error = near.read_to_end(&mut got).await.expect_err("no clean end");
    let reason = StreamError::of(&error).map(StreamError::reason);
    assert_eq!(reason, Some(Reason::Internal));
    drop(world);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_arrives_with_reason_and_sentence() {
    let world = world(Line::PERFECT).await;
    let mut near = world
        .technician
        .open(target(Lane::Input))
        .await
        .expect("open");
    let (_, mut far) = world.gateway.accept().await.expect("a stream");
    let refused = Answer::Refused {
        reason: Reason::HostRefused,
        text: "port 22".into(),
    };

    far.reply(refused.clone()).await.expect("reply");
    drop(far);

    assert_eq!(near.answer().await, Ok(refused));
    let error = near.read_u8().await.expect_err("nothing follows");
    assert_eq!(
        StreamError::of(&error),
        Some(&StreamError::Refused(Reason::HostRefused, "port 22".into()))
    );
}

#[tokio::test(start_paused = true)]
async fn nothing_is_written_before_the_answer_and_no_answer_twice() {
    let world = world(Line::PERFECT).await;
    let _near = world
        .technician
        .open(target(Lane::Input))
        .await
        .expect("open");
    let (_, mut far) = world.gateway.accept().await.expect("a stream");

    far.write_all(b"too early")
        .await
        .expect_err("no answer yet");
    far.reply(Answer::Accepted).await.expect("reply");
    far.write_all(b"now").await.expect("answered");
    assert_eq!(far.reply(Answer::Accepted).await, Err(StreamError::Misused));
}

/// S5.
#[tokio::test(start_paused = true)]
async fn two_hundred_streams_at_once_are_all_served() {
    let world = world(LOSSY).await;
    echo(world.gateway.clone());
    let streams = (0..200_u8).map(|seed| {
        let session = world.technician.clone();
        tokio::spawn(async move {
            let lane = Lane::ALL[usize::from(seed) % Lane::ALL.len()];
            let stream = session.open(target(lane)).await.expect("open");
            let sent = bytes(20_000, seed);
            assert_eq!(through(stream, sent.clone()).await, sent);
        })
    });
    for stream in streams.collect::<Vec<_>>() {
        stream.await.expect("served");
    }
}

#[tokio::test(start_paused = true)]
async fn streams_beyond_the_limit_wait_for_room() {
    let world = world(Line::PERFECT).await;
    echo(world.gateway.clone());
    for seed in 0..=255_u8 {
        for _ in 0..2 {
            let stream = world
                .technician
                .open(target(Lane::Input))
                .await
                .expect("open");
            assert_eq!(through(stream, bytes(50, seed)).await.len(), 50);
        }
    }
}

/// S39.
#[tokio::test(start_paused = true)]
async fn a_test_opening_reports_and_ends() {
    let world = world(Line::PERFECT).await;
    let open = Open {
        service: Service::Test(3),
        lane: Lane::Input,
    };
    let mut near = world.technician.open(open).await.expect("open");
    let (asked, mut far) = world.gateway.accept().await.expect("a stream");
    assert_eq!(asked, open);
    far.reply(Answer::Accepted).await.expect("reply");
    far.shutdown().await.expect("never fails");

    assert_eq!(near.answer().await, Ok(Answer::Accepted));
    assert_eq!(near.read(&mut [0; 8]).await.expect("a clean end"), 0);
}

async fn open_pair(lane: Lane) -> (World, Stream, Stream) {
    let world = world(Line::PERFECT).await;
    let near = world.technician.open(target(lane)).await.expect("open");
    let far = accepted(&world.gateway).await;
    (world, near, far)
}

async fn accepted(gateway: &Session) -> Stream {
    let (_, mut far) = gateway.accept().await.expect("a stream");
    far.reply(Answer::Accepted).await.expect("reply");
    far
}

async fn write_until_error(stream: &mut Stream) -> std::io::Error {
    loop {
        if let Err(error) = stream.write_all(&[0; 10_000]).await {
            return error;
        }
    }
}
