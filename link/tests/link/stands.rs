//! A standing link over losses, with a list of servers one of which is dead.

use std::time::Duration;

use culvert_link::standing::{Standing, State};
use tokio::net::TcpListener;

use crate::server::{dial, gateway, prover, reserve, start, start_on, web_config};

#[tokio::test]
async fn a_standing_link_comes_back_after_its_server_did() {
    let (_dead, gone) = reserve();
    let (_reserved, address) = reserve();
    let listener = TcpListener::bind(address).await.unwrap();
    let server = start_on(listener, web_config("prs.example.com"), prover());
    let attempt = move || {
        let mut dial = dial(address);
        dial.servers.push(gone.to_string());
        (dial, gateway())
    };
    let mut standing = Standing::start(attempt, "test");
    let Some(State::Up(link, events)) = standing.next().await else {
        panic!("not up");
    };

    drop(server);
    assert!(matches!(standing.next().await, Some(State::Down(..))));
    drop((link, events));
    // Full jitter: 0 to 10 s, so by then the server is surely back.
    let listener = TcpListener::bind(address).await.unwrap();
    let _server = start_on(listener, web_config("renewed"), prover());

    let up = tokio::time::timeout(Duration::from_secs(60), async {
        loop {
            match standing.next().await {
                Some(State::Up(link, events)) => return (link, events),
                Some(State::Failed { .. } | State::Down(..)) => {}
                None => panic!("gave up"),
            }
        }
    });
    let (link, mut events) = up.await.unwrap();
    assert!(events.next().await.is_some() && !link.is_closed());
}

#[tokio::test]
async fn a_standing_link_ends_with_its_owner() {
    let server = start().await;
    let address = server.address;
    let mut standing = Standing::start(move || (dial(address), gateway()), "test");
    let Some(State::Up(link, _events)) = standing.next().await else {
        panic!("not up");
    };
    let ended = link.watch_end();

    drop(standing);
    drop(link);

    ended.await;
}
