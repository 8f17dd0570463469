//! `culvert login` through the portal, and the portal's links for `culvert`.

use std::net::SocketAddr;
use std::sync::Arc;

use culvert_cloud_prs::app::{Call, Caller};
use culvert_wire::api::{HandOverAnswer, HandOverCollected, LaunchAnswer, NewHandOver};
use culvert_wire::key::SigningKey;
use culvert_wire::reason::Reason;
use serde_json::Value;

use crate::world::{From, World, from};

fn program(seed: u8) -> Arc<Caller> {
    program_at(seed, from())
}

fn program_at(seed: u8, from: SocketAddr) -> Arc<Caller> {
    let device = SigningKey::from_seed(&[seed; 32]).public();
    Arc::new(Caller::new(device, from, None))
}

fn begin(world: &World, link: &Caller) -> HandOverAnswer {
    let ask = NewHandOver {
        label: "culvert on ann-laptop".into(),
    };
    world.app.begin_hand_over(link, &ask).unwrap()
}

async fn pending(world: &World, link: &Arc<Caller>, asked: &HandOverAnswer) -> bool {
    let answer = world.app.collect_hand_over(link, asked.id).await.unwrap();
    matches!(answer, HandOverCollected::Pending)
}

#[tokio::test]
async fn a_program_is_signed_in_by_somebody_at_the_portal() {
    let world = World::new().await;
    let link = program(90);
    let asked = begin(&world, &link);
    assert_eq!(asked.url, "https://prs.example.com/hand-over");
    assert!(!asked.url.contains(&asked.code));
    assert!(pending(&world, &link, &asked).await);
    assert_eq!(link.user(), None);

    let ann = world.browse("ann").await;
    let typed = asked.code.to_lowercase().replace('-', " ");
    let body = format!(r#"{{"code":"{typed}"}}"#);
    let page = From::Page(&ann);
    let (status, shown) = world
        .send(&page, "POST", "/api/v1/hand-overs/look", &body)
        .await;
    assert_eq!(status, 200, "{shown}");
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["label"], "culvert on ann-laptop");
    assert_eq!(shown["from"], "192.0.2.9");
    assert!(
        pending(&world, &link, &asked).await,
        "looking is not approving"
    );
    let (status, _) = world
        .send(&page, "POST", "/api/v1/hand-overs/approve", &body)
        .await;
    assert_eq!(status, 200);

    let HandOverCollected::Done(signed) =
        world.app.collect_hand_over(&link, asked.id).await.unwrap()
    else {
        panic!("it was approved");
    };
    assert_eq!(signed.me.user.name, "ann");
    assert_eq!(link.user(), Some(world.ann.id));
    // The token counts with this program's device key only, and once is enough.
    let token = signed.token.unwrap();
    let device = link.device;
    let by = |device| world.app.actor_by_secret(token.reveal().as_bytes(), device);
    assert!(by(Some(&device)).await.unwrap().is_some());
    assert!(by(Some(&program(91).device)).await.unwrap().is_none());
    let again = world
        .app
        .collect_hand_over(&link, asked.id)
        .await
        .unwrap_err();
    assert_eq!(again.reason, Reason::NotFound);
}

#[tokio::test]
async fn a_code_works_once_for_one_program_and_ten_minutes() {
    let world = World::new().await;
    let (link, thief) = (program(90), program(91));
    let asked = begin(&world, &link);
    let call = world.call(&world.ann).await;
    world
        .app
        .approve_hand_over(&call, &asked.code)
        .await
        .unwrap();
    let stolen = world
        .app
        .collect_hand_over(&thief, asked.id)
        .await
        .unwrap_err();
    assert_eq!(stolen.reason, Reason::NotFound);
    let twice = world
        .app
        .approve_hand_over(&call, &asked.code)
        .await
        .unwrap_err();
    assert_eq!(twice.reason, Reason::NotFound);

    let late = begin(&world, &thief);
    world.pass(10 * 60_000);
    for gone in [&late, &asked] {
        let link = if gone.id == late.id { &thief } else { &link };
        let error = world
            .app
            .collect_hand_over(link, gone.id)
            .await
            .unwrap_err();
        assert_eq!(error.reason, Reason::NotFound);
    }
}

/// 39 bits and ten tries: nobody guesses another person's code.
#[tokio::test]
async fn codes_cannot_be_tried_out() {
    let world = World::new().await;
    let link = program(90);
    let asked = begin(&world, &link);
    let bob = world.call(&world.bob).await;
    for n in 0..10 {
        let wrong = world
            .app
            .hand_over_of(&bob, &format!("AAAA-AAA{n}"))
            .unwrap_err();
        assert_eq!(wrong.reason, Reason::NotFound);
    }
    let right = world
        .app
        .approve_hand_over(&bob, &asked.code)
        .await
        .unwrap_err();
    assert_eq!(right.reason, Reason::Throttled);
    let ann: Call = world.call(&world.ann).await;
    world
        .app
        .approve_hand_over(&ann, &asked.code)
        .await
        .unwrap();
}

#[tokio::test]
async fn programs_that_wait_are_bounded() {
    let world = World::new().await;
    let refused = |at: fn(u8) -> SocketAddr| {
        let ask = NewHandOver {
            label: String::new(),
        };
        let begin = |seed| {
            let program = program_at(seed, at(seed));
            world.app.begin_hand_over(&program, &ask)
        };
        (0..=40).filter(|seed| begin(*seed).is_err()).count()
    };
    assert_eq!(refused(|_| from()), 21, "twenty of one address");
    let one_net = refused(|seed| SocketAddr::from(([198, 51, 100, seed], 1)));
    assert_eq!(one_net, 21, "twenty of one /24");
    fn here(net: u8, seed: u8) -> SocketAddr {
        let (net, seed) = (net.into(), seed.into());
        SocketAddr::from(([0x2001, 0xdb8, 0, net, 0, 0, 0, seed], 1))
    }
    let one_net = refused(|seed| here(1, seed));
    assert_eq!(one_net, 21, "twenty of one /64");
    assert_eq!(refused(|seed| here(100 + seed, 1)), 0, "each its own");
    // Over HTTPS there is no device key to bind to.
    let page = world.browse("ann").await;
    let (status, _) = world
        .send(&From::Page(&page), "POST", "/api/v1/hand-overs", "{}")
        .await;
    assert_eq!(status, 400);
}

/// A `culvert://` link of the portal's, for an SSH session with customer a's host:
/// what `culvert open` sends the server for it.
async fn redemption(world: &World, page: &From<'_>) -> String {
    let body = format!(r#"{{"host":"{}","protocol":"ssh"}}"#, world.a.host);
    let (status, made) = world.send(page, "POST", "/api/v1/launches", &body).await;
    assert_eq!(status, 201, "{made}");
    let made: LaunchAnswer = serde_json::from_str(&made).unwrap();
    let ticket = made.url.strip_prefix("culvert://open/").unwrap();
    let key = SigningKey::from_seed(&[95; 32]).public();
    format!(r#"{{"launch":"{ticket}","end_key":"{key}"}}"#)
}

async fn redeemed(world: &World, redemption: &str) -> u16 {
    let program = From::Link(&world.ann.link);
    let path = "/api/v1/launches/redeem";
    world.send(&program, "POST", path, redemption).await.0
}

/// Threat 31: the portal's link for `culvert open`: a minute, once, for her.
#[tokio::test]
async fn the_portal_makes_links_for_the_native_program() {
    let world = World::new().await;
    let ann = world.browse("ann").await;
    let page = From::Page(&ann);
    let link = redemption(&world, &page).await;
    assert_eq!(redeemed(&world, &link).await, 201);
    let started = world.wires.invites.lock().unwrap().len();
    assert_eq!(started, 1);
    assert_eq!(redeemed(&world, &link).await, 403, "once");

    let late = redemption(&world, &page).await;
    world.pass(60_001);
    assert_eq!(redeemed(&world, &late).await, 403, "a minute");
}
