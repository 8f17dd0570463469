//! One who takes nothing, over real TCP: a bounded queue, and an end (threat 22).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use culvert_link::queue::LINK_BYTES;
use culvert_link::{Dial, Me, connect};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use crate::world::{World, aware, key, start, through, ticket};

/// T3, P18: neither memory nor anybody else's packets, and a link in the end.
#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_takes_nothing_costs_a_bounded_queue_until_it_is_cut() {
    let world = start().await;
    let valve = Valve::start(world.address).await;
    let (gateway, _ge) = world.gateway(200).await;
    let (slow, _se) = through_valve(&world, &valve).await;
    let (other, _oe) = world.technician(51).await;
    let (first, second) = (world.open(1), world.open(2));
    let near = slow.join(first, Some(ticket(1)), &key(101)).unwrap();
    let far = gateway.join(first, Some(ticket(1)), &key(200)).unwrap();
    through(&far, &near, b"before").await;
    let fast = other.join(second, Some(ticket(2)), &key(102)).unwrap();
    let far_fast = gateway.join(second, Some(ticket(2)), &key(200)).unwrap();

    aware(&far).await;

    valve.shut.notify_one();

    let mut most = 0;
    let mut rounds: u64 = 0;
    let cut = async {
        while far.peer_present() {
            far.try_send(1200, &[7; 60_000]);
            most = most.max(world.plane.counters().queued_bytes);
            rounds += 1;
            if rounds.is_multiple_of(100) {
                through(&far_fast, &fast, &rounds.to_be_bytes()).await;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(90), cut)
        .await
        .expect("the slow reader is cut");
    assert!(most > 0, "it was not slow");
    // Two links' worth: the healthy one has a queue, too.
    assert!(most <= 2 * LINK_BYTES, "{most} bytes waited");
    assert!(world.plane.counters().relay.dropped.messages > 0);
    through(&far_fast, &fast, b"still here").await;
}

async fn through_valve(world: &World, valve: &Valve) -> (culvert_link::Link, culvert_link::Events) {
    let dial = Dial {
        servers: vec![valve.address.to_string()],
        ..world.dial()
    };
    let me = Me::Technician {
        key: key(50),
        token: None,
    };
    connect(&dial, me, "test").await.unwrap()
}

/// Carries one connection; when shut, no byte more of the server's, while the
/// other way goes on.
struct Valve {
    address: SocketAddr,
    shut: Arc<Notify>,
}

impl Valve {
    async fn start(to: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shut = Arc::new(Notify::new());
        let shutting = Arc::clone(&shut);
        tokio::spawn(async move {
            let (near, _) = listener.accept().await.unwrap();
            let far = TcpStream::connect(to).await.unwrap();
            let (mut near_read, mut near_write) = near.into_split();
            let (mut far_read, mut far_write) = far.into_split();
            let up = async {
                // Ends with the server's end of the connection.
                let _ = tokio::io::copy(&mut near_read, &mut far_write).await;
            };
            let down = async {
                tokio::select! {
                    _ = tokio::io::copy(&mut far_read, &mut near_write) => {}
                    () = shutting.notified() => {}
                }
                std::future::pending::<()>().await;
            };
            tokio::join!(up, down);
            let _ = near_write.shutdown().await;
        });
        Self { address, shut }
    }
}
