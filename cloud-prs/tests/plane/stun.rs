//! R40: one UDP port, of the same number.

use std::time::Duration;

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

    for _ in 0..50 {
        socket
            .send_to(&stun::request([2; 12]), world.address)
            .await
            .unwrap();
    }
    let mut answers = 0;
    let quiet = Duration::from_millis(300);
    while tokio::time::timeout(quiet, socket.recv_from(&mut buffer))
        .await
        .is_ok()
    {
        answers += 1;
    }
    // Two allowances at most, if a second ended in between.
    assert!(answers <= 10, "{answers}");
    assert!(world.plane.counters().stun_refused >= 40);
}
