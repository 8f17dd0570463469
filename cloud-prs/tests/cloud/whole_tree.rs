//! The portal's tree, and what people note about hosts.

use culvert_cloud_prs::app::tree::HostSpec;
use culvert_wire::reason::Reason;
use serde_json::Value;

use crate::world::on_both;
use crate::world::{From, Page, World, console};

async fn tree(world: &World, page: &Page) -> Value {
    let from = From::Page(page);
    let (status, body) = world.send(&from, "GET", "/api/v1/tree", "").await;
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}

fn host(tree: &Value) -> &Value {
    &tree["customers"][0]["sites"][0]["hosts"][0]
}

on_both! {
/// S21, threat 7: one answer with everything within reach and nothing else.
the_tree_is_the_askers_own, world => {
    let ann = world.browse("ann").await;
    let tree = tree(&world, &ann).await;

    let customers = tree["customers"].as_array().unwrap();
    assert_eq!(customers.len(), 1);
    assert_eq!(customers[0]["name"], "Acme");
    let site = &customers[0]["sites"][0];
    assert_eq!(site["gateway"]["online"], true);
    assert_eq!(site["gateway"]["state"], "active");
    assert_eq!(site["hosts"][0]["services"][0]["protocol"], "ssh");
    assert!(!tree.to_string().contains("Bravo"));
}
}

on_both! {
marks_notes_and_tags_come_back_in_the_tree, world => {
    let ann = world.browse("ann").await;
    let from = From::Page(&ann);
    let path = format!("/api/v1/favourites/{}", world.a.host);
    for _ in 0..2 {
        assert_eq!(world.send(&from, "PUT", &path, "").await.0, 204);
    }
    let notes = format!("/api/v1/hosts/{}/notes", world.a.host);
    let body = r#"{"notes":"key under the mat\nask Jo","tags":["red","Red","büro"]}"#;
    let (status, body) = world.send(&from, "PATCH", &notes, body).await;
    assert_eq!((status, body.as_str()), (200, r#"{"notes":"key under the mat\nask Jo","tags":["red","büro"]}"#));

    let now = tree(&world, &ann).await;
    assert_eq!(host(&now)["favourite"], true);
    assert_eq!(host(&now)["tags"], serde_json::json!(["red", "büro"]));

    // Only the tags: the text stays.
    world.send(&from, "PATCH", &notes, r#"{"tags":[]}"#).await;
    let (_, kept) = world.send(&from, "GET", &notes, "").await;
    assert!(kept.contains("under the mat"), "{kept}");
    assert_eq!(world.send(&from, "DELETE", &path, "").await.0, 204);
    let now = tree(&world, &ann).await;
    assert_eq!(host(&now)["favourite"], Value::Null);
    // A colleague's mark is hers; a deleted host takes marks and notes along.
    world.app.set_favourite(&world.call(&world.olga).await, world.a.host, true).await.unwrap();
    world.app.delete_host(&console(), world.a.host).await.unwrap();
}
}

#[tokio::test]
async fn notes_and_tags_that_could_deceive_are_refused() {
    let world = World::new().await;
    let ann = world.browse("ann").await;
    let notes = format!("/api/v1/hosts/{}/notes", world.a.host);
    let long = "x".repeat(9000);
    for body in [
        r#"{"notes":"a\u001b[31m"}"#.to_owned(),
        format!(r#"{{"notes":"{long}"}}"#),
        r#"{"tags":["a\u202eb"]}"#.into(),
        r#"{"tags":["a,b"]}"#.into(),
        r#"{"tags":[""]}"#.into(),
        format!(r#"{{"tags":["{}"]}}"#, &long[..41]),
        r#"{"tags":["1","2","3","4","5","6","7","8","9","10","11","12","13","14","15","16","17"]}"#
            .into(),
    ] {
        let (status, _) = world.send(&From::Page(&ann), "PATCH", &notes, &body).await;
        assert_eq!(status, 400, "{body}");
    }
}

#[tokio::test]
async fn an_unchanged_tree_is_not_sent_again() {
    let world = World::new().await;
    let ann = world.browse("ann").await;
    let from = From::Page(&ann);
    let (_, headers, _) = world.ask(&from, "GET", "/api/v1/tree", "").await;
    let tag = headers["etag"].to_str().unwrap().to_owned();
    let again = ann.clone().but("if-none-match", Some(&tag));
    // Time alone changes nothing.
    world.pass(60_000);
    let (status, headers, body) = world
        .ask(&From::Page(&again), "GET", "/api/v1/tree", "")
        .await;
    assert_eq!((status, body.as_str()), (304, ""));
    assert_eq!(headers["etag"], tag.as_str());

    world.wires.online.lock().unwrap().clear();
    let (status, _) = world
        .send(&From::Page(&again), "GET", "/api/v1/tree", "")
        .await;
    assert_eq!(status, 200, "its box is gone");
}

/// "search over 10,000 hosts": the whole tree is one answer, and a small one.
#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_hosts_travel_in_one_small_answer() {
    let world = World::new().await;
    let mut text = String::from("name,address,services,tags\n");
    let mut added = 0;
    for site in 0..4 {
        let name = format!("Branch {site}");
        let site = world
            .app
            .add_site(&console(), world.a.customer, &name)
            .await
            .unwrap();
        text.truncate("name,address,services,tags\n".len());
        for n in 0..2500 {
            text += &format!(
                "workstation-{n},10.{}.{}.{},vnc ssh,floor{}\n",
                n % 7,
                n / 250,
                n % 250,
                n % 9
            );
        }
        let call = console();
        let done = world
            .app
            .import_hosts(&call, site.id, &text, false)
            .await
            .unwrap();
        added += done.added;
    }
    assert_eq!(added, 10_000);
    let ann = world.browse("ann").await;
    let packed = ann.clone().but("accept-encoding", Some("br"));
    let mut request = http::Request::get("/api/v1/tree");
    for (name, value) in &packed.headers {
        request = request.header(*name, value);
    }
    let (bytes, encoding) = world.raw(request).await;

    assert_eq!(encoding.as_deref(), Some("br"));
    // 26 characters of each id are random: no packing makes them shorter than 16 bytes.
    assert!(bytes.len() < 400 * 1024, "{} bytes", bytes.len());
    println!("tree of 10,000 hosts: {} bytes by brotli", bytes.len());
}

on_both! {
the_past_of_a_host_and_of_a_person, world => {
    let first = world.session(&world.ann, &world.a).await;
    world.pass(1000);
    let second = world.session(&world.ann, &world.a).await;
    let call = world.call(&world.ann).await;
    world.app.end_session(&call, second.session).await.unwrap();

    let past = world.app.history(&call, world.a.host).await.unwrap();
    let ids: Vec<_> = past.iter().map(|session| session.id).collect();
    assert_eq!(ids, [first.session, second.session], "the running one first");
    let on_it = world.app.presence(&call, world.a.host).await.unwrap();
    assert_eq!(on_it.len(), 1);
    assert_eq!(on_it[0].name, "ann");
    let recent = world.app.recent(&call).await.unwrap();
    assert_eq!(recent.len(), 1, "each host once");
    assert_eq!(recent[0].id, world.a.host);

    // A colleague who may work there sees who is on it, not what she did.
    crate::world::grant(&world.app, world.bob.id, world.a.customer).await;
    let bob = world.call(&world.bob).await;
    assert_eq!(world.app.presence(&bob, world.a.host).await.unwrap().len(), 1);
    assert!(world.app.history(&bob, world.a.host).await.unwrap().is_empty());
    assert!(world.app.recent(&bob).await.unwrap().is_empty());
}
}

#[tokio::test]
async fn hosts_that_are_no_longer_hers_leave_the_recent_ones() {
    let world = World::new().await;
    crate::world::grant(&world.app, world.ann.id, world.b.customer).await;
    world.session(&world.ann, &world.a).await;
    let spec = HostSpec {
        name: "other".into(),
        address: "192.168.7.10".parse().unwrap(),
        services: vec!["ssh".parse().unwrap()],
        any_port: false,
    };
    world
        .app
        .add_host(&console(), world.a.site, &spec)
        .await
        .unwrap();
    crate::world::revoke(
        &world.app,
        world.ann.id,
        culvert_wire::api::NodeRef::Customer(world.a.customer),
    )
    .await;

    let call = world.call(&world.ann).await;
    assert!(world.app.recent(&call).await.unwrap().is_empty());
    let refused = world.app.history(&call, world.a.host).await.unwrap_err();
    assert_eq!(refused.reason, Reason::NotFound);
}
