//! The stream of events: who hears what, and when it ends.

use std::time::Duration;

use culvert_cloud_prs::app::feed::{Listener, Said};
use culvert_cloud_prs::app::{AppError, Call};
use culvert_wire::reason::Reason;
use http_body_util::BodyExt as _;
use tokio::time::timeout;

use crate::world::on_both;
use crate::world::{From, Person, World, console};

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(40);
/// Nobody speaks in this time when there is nothing to say.
const QUIET: Duration = Duration::from_millis(100);

async fn listen(world: &World, call: Call) -> Listener {
    // The first look tells nothing: the world was made before.
    world.app.follow_trail().await.unwrap();
    let mut listener = world.app.listen(call).await.unwrap();
    assert_eq!(listener.next(&world.app).await.unwrap().name, "hello");
    listener
}

async fn listening(world: &World, person: &Person) -> Listener {
    listen(world, world.call(person).await).await
}

/// So many events, however long they take, and what else comes until it is quiet.
async fn heard(world: &World, listener: &mut Listener, events: usize) -> Vec<Said> {
    world.app.carry_out().await.unwrap();
    world.app.follow_trail().await.unwrap();
    let mut all = Vec::new();
    loop {
        let wait = if all.len() < events { PATIENCE } else { QUIET };
        match timeout(wait, listener.next(&world.app)).await {
            Ok(Some(said)) => all.push(said),
            Ok(None) | Err(_) => return all,
        }
    }
}

fn names(all: &[Said]) -> Vec<&str> {
    all.iter().map(|said| said.name).collect()
}

/// The last word of a stream that ends now.
async fn ends(world: &World, listener: &mut Listener) -> &'static str {
    ends_within(PATIENCE, world, listener)
        .await
        .expect("it ends")
}

/// The last word, if the stream ends so soon.
async fn ends_within(
    wait: Duration,
    world: &World,
    listener: &mut Listener,
) -> Option<&'static str> {
    world.app.carry_out().await.unwrap();
    world.app.follow_trail().await.unwrap();
    let mut last = "";
    let end = async {
        while let Some(said) = listener.next(&world.app).await {
            last = said.name;
        }
    };
    timeout(wait, end).await.ok().map(|()| last)
}

on_both! {
/// S21, threat 7: only what one may see.
a_session_is_heard_by_whoever_may_see_it, world => {
    let mut ann = listening(&world, &world.ann).await;
    let mut bob = listening(&world, &world.bob).await;
    let mut olga = listening(&world, &world.olga).await;

    let answer = world.session(&world.ann, &world.a).await;
    for listener in [&mut ann, &mut olga] {
        let said = heard(&world, listener, 2).await;
        assert_eq!(names(&said), ["session", "presence"]);
        assert!(said[0].data.contains(&answer.session.to_string()));
        assert!(said[0].data.contains("\"kind\":\"started\""));
        assert!(said[1].data.contains("\"name\":\"ann\""));
    }
    assert!(heard(&world, &mut bob, 0).await.is_empty());

    let call = world.call(&world.ann).await;
    world.app.end_session(&call, answer.session).await.unwrap();
    let said = heard(&world, &mut ann, 2).await;
    assert_eq!(names(&said), ["session", "presence"]);
    assert!(said[0].data.contains("\"kind\":\"ended\""));
    assert!(said[1].data.ends_with("\"users\":[]}"), "{}", said[1].data);
}
}

#[tokio::test]
async fn a_colleague_at_the_same_customer_hears_who_is_there_and_no_more() {
    let world = World::new().await;
    crate::world::grant(&world.app, world.bob.id, world.a.customer).await;
    let mut bob = listening(&world, &world.bob).await;

    world.session(&world.ann, &world.a).await;

    assert_eq!(names(&heard(&world, &mut bob, 1).await), ["presence"]);
    // Whoever comes later hears who is there already.
    let mut later = listening(&world, &world.bob).await;
    let said = heard(&world, &mut later, 1).await;
    assert_eq!(names(&said), ["presence"]);
    assert!(said[0].data.contains("\"name\":\"ann\""));
}

#[tokio::test]
async fn a_box_that_goes_is_heard_at_its_customer_and_nowhere_else() {
    let world = World::new().await;
    let mut ann = listening(&world, &world.ann).await;
    let mut bob = listening(&world, &world.bob).await;
    let key = world.a.box_key.public();
    world.wires.online.lock().unwrap().remove(&key);
    world.app.gateway_down(&key).await;

    let said = heard(&world, &mut ann, 1).await;
    assert_eq!(names(&said), ["gateway"]);
    assert!(
        said[0].data.contains("\"online\":false"),
        "{}",
        said[0].data
    );
    assert!(heard(&world, &mut bob, 0).await.is_empty());

    world.wires.online.lock().unwrap().insert(key);
    world.app.gateway_up(&key).await;
    let said = heard(&world, &mut ann, 1).await;
    assert!(said[0].data.contains("\"online\":true"), "{}", said[0].data);
}

#[tokio::test]
async fn changes_of_the_tree_are_heard_once_however_many_they_were() {
    let world = World::new().await;
    let mut ann = listening(&world, &world.ann).await;
    let mut bob = listening(&world, &world.bob).await;
    let text = "name,address\na,10.0.0.1\nb,10.0.0.2\nc,10.0.0.3\n";
    world
        .app
        .import_hosts(&console(), world.a.site, text, false)
        .await
        .unwrap();

    assert_eq!(names(&heard(&world, &mut ann, 1).await), ["tree"]);
    assert!(heard(&world, &mut bob, 0).await.is_empty());
}

/// Threat 24: it ends with the sign-in, and says so.
#[tokio::test]
async fn the_stream_ends_with_the_sign_in() {
    let world = World::new().await;
    let mut ann = listening(&world, &world.ann).await;
    let mut bob = listening(&world, &world.bob).await;
    let call = world.call(&world.ann).await;
    world
        .app
        .revoke_token(&call, world.ann.token)
        .await
        .unwrap();
    assert_eq!(ends(&world, &mut ann).await, "signed_out");
    assert_eq!(ends_within(2 * QUIET, &world, &mut bob).await, None);

    let change = culvert_cloud_prs::app::accounts::AccountChange {
        disabled: Some(true),
        ..Default::default()
    };
    world
        .app
        .change_account(&console(), world.bob.id, &change)
        .await
        .unwrap();
    assert_eq!(ends(&world, &mut bob).await, "signed_out");
}

/// Everything that may be heard of a customer happens there.
async fn much_happens(world: &World) {
    let session = world.session(&world.olga, &world.a).await.session;
    let key = world.a.box_key.public();
    world.app.gateway_down(&key).await;
    world.app.gateway_up(&key).await;
    let console = console();
    world
        .app
        .add_site(&console, world.a.customer, "Annex")
        .await
        .unwrap();
    world.app.add_customer(&console, "Cargo").await.unwrap();
    let call = world.call(&world.olga).await;
    world.app.end_session(&call, session).await.unwrap();
}

/// Threat 27: whoever may see nothing any more is told to look, and hears nothing
/// of the tree.
#[tokio::test]
async fn whoever_loses_the_tree_hears_that_and_nothing_of_it_any_more() {
    let world = World::new().await;
    let mut ann = listening(&world, &world.ann).await;
    crate::world::revoke(
        &world.app,
        world.ann.id,
        culvert_wire::api::NodeRef::Customer(world.a.customer),
    )
    .await;
    assert_eq!(names(&heard(&world, &mut ann, 1).await), ["rights"]);

    much_happens(&world).await;
    assert!(heard(&world, &mut ann, 0).await.is_empty());
}

/// S21: "reports only" hears of its own rights and of their end, and of nothing else.
#[tokio::test]
async fn a_reader_of_reports_hears_her_rights_and_the_end_of_her_sign_in_only() {
    let world = World::new().await;
    let here = culvert_wire::api::NodeRef::Customer(world.a.customer);
    let role = culvert_wire::api::Role::Reader;
    crate::world::revoke(&world.app, world.ann.id, here).await;
    crate::world::assign(&world.app, world.ann.id, role, here).await;
    world.session(&world.olga, &world.a).await;
    let mut ann = listening(&world, &world.ann).await;
    // Who is where already is not for her either.
    much_happens(&world).await;
    assert!(heard(&world, &mut ann, 0).await.is_empty());

    crate::world::grant(&world.app, world.ann.id, world.b.customer).await;
    assert_eq!(names(&heard(&world, &mut ann, 2).await), ["rights", "tree"]);
    let there = culvert_wire::api::NodeRef::Customer(world.b.customer);
    crate::world::revoke(&world.app, world.ann.id, there).await;
    assert_eq!(names(&heard(&world, &mut ann, 1).await), ["rights"]);

    let change = culvert_cloud_prs::app::accounts::AccountChange {
        disabled: Some(true),
        ..Default::default()
    };
    world
        .app
        .change_account(&console(), world.ann.id, &change)
        .await
        .unwrap();
    assert_eq!(ends(&world, &mut ann).await, "signed_out");
}

/// Threat 27: what was taken from her is not heard any more.
#[tokio::test]
async fn rights_that_change_count_at_once() {
    let world = World::new().await;
    crate::world::grant(&world.app, world.ann.id, world.b.customer).await;
    let mut ann = listening(&world, &world.ann).await;
    crate::world::revoke(
        &world.app,
        world.ann.id,
        culvert_wire::api::NodeRef::Customer(world.a.customer),
    )
    .await;
    assert_eq!(names(&heard(&world, &mut ann, 2).await), ["rights", "tree"]);

    world.session(&world.olga, &world.a).await;
    assert!(heard(&world, &mut ann, 0).await.is_empty());
}

/// Threat 22: nobody's slowness costs memory; who is too far behind is cut.
#[tokio::test]
async fn a_reader_that_is_too_slow_is_cut() {
    let world = World::new().await;
    let mut ann = listening(&world, &world.ann).await;
    let key = world.a.box_key.public();
    for _ in 0..1100 {
        world.app.gateway_up(&key).await;
    }
    while let Some(said) = ann.next(&world.app).await {
        assert_eq!(said.name, "beat");
    }
}

#[tokio::test]
async fn one_sign_in_listens_only_so_often() {
    let world = World::new().await;
    let mut listeners = Vec::new();
    let refused: AppError = loop {
        match world.app.listen(world.call(&world.ann).await).await {
            Ok(listener) => listeners.push(listener),
            Err(refused) => break refused,
        }
    };
    assert_eq!((listeners.len(), refused.reason), (32, Reason::Throttled));
    assert!(world.app.listen(world.call(&world.bob).await).await.is_ok());
    listeners.pop();
    assert!(world.app.listen(world.call(&world.ann).await).await.is_ok());
}

#[tokio::test]
async fn events_come_over_https_to_whoever_is_signed_in() {
    let world = World::new().await;
    let (status, _) = world.send(&From::Nobody, "GET", "/api/v1/events", "").await;
    assert_eq!(status, 401);
    let link = From::Link(&world.ann.link);
    let (status, body) = world.send(&link, "GET", "/api/v1/events", "").await;
    assert_eq!(status, 400, "{body}");

    let ann = world.browse("ann").await;
    let mut request = http::Request::get("/api/v1/events");
    for (name, value) in ann
        .headers
        .iter()
        .chain([&("accept-encoding", "gzip".to_owned())])
    {
        request = request.header(*name, value);
    }
    let response = world.response(request).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert_eq!(response.headers()["cache-control"], "no-store");
    assert!(response.headers().get("content-encoding").is_none());
    let mut body = response.into_body();
    let mut text = String::new();
    while !text.contains("event: hello") {
        let frame = body.frame().await.unwrap().unwrap();
        text += std::str::from_utf8(frame.data_ref().unwrap()).unwrap();
    }
    assert!(text.starts_with("retry: 1000"), "{text}");
}
