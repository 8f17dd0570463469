//! How bytes share a slow line. All times are virtual.

use std::time::Duration;

use culvert_session::native::emulated::Line;
use culvert_session::native::{Session, Stream};
use culvert_session::{Congestion, Options};
use culvert_wire::stream::{Answer, Lane};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, sleep};

use super::world::{World, bytes, options, target, world_with};

/// A burst after idleness is where controllers stall.
#[tokio::test(start_paused = true)]
async fn five_idle_seconds_then_a_burst_arrives_whole_with_every_controller() {
    for congestion in Congestion::ALL {
        let world = world_with(Line::RELAY_20M_60MS, options(congestion)).await;
        let (mut near, far) = bulk_pair(&world).await;
        let mut far = far;
        let mut took = Vec::new();
        for round in 0..4_u8 {
            let burst = bytes(500_000, round);
            let began = Instant::now();
            let (sent, mut got) = (burst.clone(), vec![0; burst.len()]);
            let (written, read) = tokio::join!(far.write_all(&sent), near.read_exact(&mut got));
            written.expect("open");
            read.expect("open");
            assert_eq!(got, burst);
            took.push(began.elapsed().as_millis());
            sleep(Duration::from_secs(5)).await;
        }
        println!(
            "{:8} 0.5 MB bursts 5 s apart, 20 Mbit/s 60 ms: {took:?} ms (the line alone: 230)",
            congestion.name()
        );
        // The controller in use does not stall after idleness, as BBR's first version
        // does for more than a second (D6). The first burst finds the line's speed.
        if congestion == Options::default().congestion {
            assert!(took[1..].iter().all(|&ms| ms < 600), "{took:?}");
        }
    }
}

/// The relay's queue is bounded and the urgent lane goes first; the figure
/// that counts is measured by the benchmark `delay`.
#[tokio::test(start_paused = true)]
async fn small_messages_pass_a_bulk_stream() {
    for congestion in Congestion::ALL {
        let world = world_with(Line::RELAY_20M_60MS, options(congestion)).await;
        let idle = small_messages(&world.technician, &world.gateway, 100).await;
        let (near, far) = bulk_pair(&world).await;
        let flood = tokio::spawn(flood(near, far));
        sleep(Duration::from_secs(3)).await;
        let busy = small_messages(&world.technician, &world.gateway, 300).await;
        let carried = world.technician.stats().paths[0].received_bytes;
        flood.abort();

        println!(
            "{:8} echo p50/p95: idle {:?}, beside bulk {:?}; {} kB carried",
            congestion.name(),
            idle,
            busy,
            carried / 1000
        );
        assert!(idle.1 < Duration::from_millis(70));
        assert!(carried > 5_000_000, "bulk stood still: {carried}");
        if congestion == Options::default().congestion {
            assert!(busy.1 < idle.1 + Duration::from_millis(120), "{busy:?}");
        }
    }
}

/// Paused downloads fill their own windows, not the one of the keys.
#[tokio::test(start_paused = true)]
async fn a_dozen_stalled_bulk_streams_leave_room_for_keys() {
    let world = world_with(Line::PERFECT, Options::default()).await;
    let mut stalled = Vec::new();
    for _ in 0..12 {
        let (near, mut far) = bulk_pair(&world).await;
        tokio::spawn(async move {
            let block = vec![0; 100_000];
            while far.write_all(&block).await.is_ok() {}
        });
        stalled.push(near);
    }
    sleep(Duration::from_secs(2)).await;

    let keys = small_messages(&world.technician, &world.gateway, 20).await;

    assert!(keys.1 < Duration::from_millis(50), "{keys:?}");
}

async fn bulk_pair(world: &World) -> (Stream, Stream) {
    pair_of(&world.technician, &world.gateway, Lane::Bulk).await
}

async fn pair_of(technician: &Session, gateway: &Session, lane: Lane) -> (Stream, Stream) {
    let near = technician.open(target(lane)).await.expect("open");
    let (_, mut far) = gateway.accept().await.expect("a stream");
    far.reply(Answer::Accepted).await.expect("reply");
    (near, far)
}

async fn flood(mut near: Stream, mut far: Stream) {
    let block = bytes(50_000, 1);
    let mut sink = tokio::io::sink();
    let send = async { while far.write_all(&block).await.is_ok() {} };
    let _ = tokio::join!(send, tokio::io::copy(&mut near, &mut sink));
}

/// p50 and p95 of an echo of 32 bytes every 20 ms.
async fn small_messages(
    technician: &Session,
    gateway: &Session,
    count: usize,
) -> (Duration, Duration) {
    let (near, far) = pair_of(technician, gateway, Lane::Input).await;
    let (mut far_reader, mut far_writer) = far.into_split();
    let echo = tokio::spawn(async move { tokio::io::copy(&mut far_reader, &mut far_writer).await });
    let (mut reader, mut writer) = near.into_split();
    let began = Instant::now();
    let beat = Duration::from_millis(20);
    let send = async {
        for at in 0..count {
            tokio::time::sleep_until(began + beat * u32::try_from(at).expect("few")).await;
            writer.write_all(&[7; 32]).await.expect("open");
        }
    };
    let read = async {
        let mut took = Vec::new();
        for at in 0..count {
            reader.read_exact(&mut [0; 32]).await.expect("open");
            took.push(began.elapsed() - beat * u32::try_from(at).expect("few"));
        }
        took
    };
    let ((), mut took) = tokio::join!(send, read);
    echo.abort();
    took.sort();
    (took[count / 2], took[count * 95 / 100])
}
