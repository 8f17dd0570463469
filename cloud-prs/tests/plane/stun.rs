//! R40: one UDP port, of the same number.

use std::time::{Duration, Instant};

use culvert_cloud_prs::plane::Limits;
use culvert_path::stun;
use tokio::net::UdpSocket;

use crate::world::start_with;

#[tokio::test]
async fn the_port_tells_an_address_and_stops_when_asked_too_often() {
    let world = start_with(Limits {
        stun_per_second: 5,
        ..Limits::default()
    })
    .await;
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut buffer = [0; 1500];
    socket.send_to(b"garbage", world.address).await.unwrap();
    socket
        .send_to(&stun::request([1; 12]), world.address)
        .await
        .unwrap();

    let (length, _) = socket.recv_from(&mut buffer).await.unwrap();
    let seen = stun::mapped(&buffer[..length], [1; 12]).unwrap();
    assert_eq!(seen, socket.local_addr().unwrap());

    let (before, begun) = (world.plane.counters().stun_answers, Instant::now());
    for _ in 0..50 {
        socket
            .send_to(&stun::request([2; 12]), world.address)
            .await
            .unwrap();
    }
    let judged = async {
        // The first two were judged before.
        loop {
            let now = world.plane.counters();
            if now.stun_answers + now.stun_refused >= 52 {
                return now;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let judged = tokio::time::timeout(Duration::from_secs(40), judged).await;
    let judged = judged.expect("each is answered or refused");
    // An allowance at the beginning, and one for each second that ended since.
    let most = 5 * (begun.elapsed().as_secs() + 2);
    let mut answers = 0;
    let quiet = Duration::from_millis(300);
    while tokio::time::timeout(quiet, socket.recv_from(&mut buffer))
        .await
        .is_ok()
    {
        answers += 1;
    }
    assert!(answers <= most, "{answers} of {most}");
    assert_eq!(judged.stun_answers - before + judged.stun_refused, 51);
    assert!(judged.stun_refused + most >= 50);
}
