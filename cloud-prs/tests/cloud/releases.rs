//! Releases of the boxes' system: published, promoted, offered, fetched,
//! stopped (P8, threat 11).

use axum::body::Body;
use axum::http::{Request, StatusCode};
use culvert_cloud_prs::app::releases::file_name;
use culvert_cloud_prs::app::rollout::{Release, Ring};
use culvert_cloud_prs::store::gateways::{self, GatewayState};
use culvert_cloud_prs::store::releases;
use culvert_wire::UnixMs;
use culvert_wire::api::{NodeRef, Role};
use culvert_wire::frame::{Offer, Progress, System};
use culvert_wire::reason::Reason;
use culvert_wire::update::{Manifest, Verity};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

use crate::quick::Quick;
use crate::world::on_both;
use crate::world::{Branch, From, World, assign, console};

const BOARD: &str = "rock64";
const MINUTE: u64 = 60_000;

pub(crate) fn manifest(board: &str, version: u64) -> Manifest {
    Manifest {
        board: board.into(),
        version,
        name: format!("0.{version}.0"),
        issued: UnixMs(1),
        expires: UnixMs(u64::MAX),
        parts: vec![],
        verity: Verity {
            root_hash: [0; 32],
            salt: [0; 32],
        },
    }
}

async fn published(world: &World, version: u64, bytes: &[u8]) {
    let folder = world.app.bundles();
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join(file_name(BOARD, version)), bytes).unwrap();
    world
        .app
        .publish_release(&console(), &manifest(BOARD, version), bytes.len() as u64)
        .await
        .unwrap();
}

async fn promote(world: &World, version: u64, ring: Ring) -> Result<(), Reason> {
    let console = console();
    let done = world
        .app
        .promote_release(&console, (BOARD, version), ring, false);
    done.await.map_err(|error| error.reason)
}

async fn tells(world: &World, branch: &Branch, version: u64, progress: Progress) {
    let system = System {
        board: BOARD.into(),
        version,
        trial: false,
        progress,
    };
    let key = branch.box_key.public();
    world.app.system_told(&key, system).await;
}

async fn offers(world: &World) -> Vec<Offer> {
    world.app.roll_out().await.unwrap();
    let mut all = world.wires.offers.lock().unwrap();
    std::mem::take(&mut *all)
        .into_iter()
        .map(|(_, o)| o)
        .collect()
}

async fn fetched(world: &World, right: &str) -> (StatusCode, Vec<u8>) {
    let request = Request::get("/boxes/release").header("culvert-fetch", right);
    let request = request.body(Body::empty()).unwrap();
    let answer = world.router.clone().oneshot(request).await.unwrap();
    let status = answer.status();
    (
        status,
        answer
            .into_body()
            .collect()
            .await
            .unwrap()
            .to_bytes()
            .to_vec(),
    )
}

/// Stops a release as the console does: in the database, from another process.
async fn stopped_elsewhere(world: &World, version: u64) {
    let mut write = world.app.store().write().await.unwrap();
    let found = releases::one(&mut write, BOARD, version).await.unwrap();
    let stopped = Release {
        halted: "by hand".into(),
        ..found.unwrap()
    };
    releases::update(&mut write, &stopped).await.unwrap();
    write.commit().await.unwrap();
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

on_both! {
a_box_is_offered_what_its_ring_may_have_and_fetches_it_with_its_own_right, world => {
    published(&world, 2, &[7; 100_000]).await;
    tells(&world, &world.a, 1, Progress::None).await;
    tells(&world, &world.b, 1, Progress::None).await;
    world.app.set_ring(&console(), world.a.gateway, Ring::First).await.unwrap();
    assert!(offers(&world).await.is_empty(), "published is not promoted");

    promote(&world, 2, Ring::First).await.unwrap();
    let got = offers(&world).await;

    assert_eq!(got.len(), 1, "the other box is in a later ring");
    assert_eq!((got[0].version, got[0].size), (2, 100_000));
    assert!(offers(&world).await.is_empty(), "once is enough");
    let (status, body) = fetched(&world, &hex(&got[0].fetch)).await;
    assert_eq!((status, body), (StatusCode::OK, vec![7; 100_000]));
    for wrong in ["", "00", &"0".repeat(32)] {
        assert_eq!(fetched(&world, wrong).await.0, StatusCode::NOT_FOUND);
    }
    std::fs::remove_dir_all(world.app.bundles()).unwrap();
}
}

on_both! {
a_release_that_a_ring_does_not_survive_goes_no_further, world => {
    published(&world, 2, b"bundle").await;
    tells(&world, &world.a, 1, Progress::None).await;
    tells(&world, &world.b, 1, Progress::None).await;
    world.app.set_ring(&console(), world.a.gateway, Ring::First).await.unwrap();
    promote(&world, 2, Ring::First).await.unwrap();
    assert_eq!(offers(&world).await.len(), 1);

    tells(&world, &world.a, 1, Progress::Failed { version: 2 }).await;

    assert_eq!(promote(&world, 2, Ring::All).await, Err(Reason::Conflict));
    assert!(offers(&world).await.is_empty());
    let (all, members) = world.app.releases(&console()).await.unwrap();
    assert!(all[0].halted.contains("ring first did not come back"), "{:?}", all[0]);
    assert_eq!(members.len(), 2);
    assert_eq!(promote(&world, 2, Ring::First).await, Err(Reason::Conflict));
    std::fs::remove_dir_all(world.app.bundles()).unwrap();
}
}

on_both! {
a_box_that_went_dark_stops_a_release_after_a_quarter_of_an_hour, world => {
    published(&world, 2, b"bundle").await;
    tells(&world, &world.a, 1, Progress::None).await;
    tells(&world, &world.b, 1, Progress::None).await;
    promote(&world, 2, Ring::All).await.unwrap();
    assert_eq!(offers(&world).await.len(), 1, "one at a time in a ring of two");
    world.wires.online.lock().unwrap().clear();

    world.pass(14 * MINUTE);
    assert!(offers(&world).await.is_empty());
    assert!(world.app.releases(&console()).await.unwrap().0[0].halted.is_empty());
    world.pass(2 * MINUTE);
    assert!(offers(&world).await.is_empty());

    assert!(!world.app.releases(&console()).await.unwrap().0[0].halted.is_empty());
    std::fs::remove_dir_all(world.app.bundles()).unwrap();
}
}

on_both! {
/// P8: what a real gateway says while a session runs (gateway/src/run/update).
a_box_whose_session_runs_on_stops_no_release_and_holds_nobody_up, world => {
    published(&world, 2, b"bundle").await;
    tells(&world, &world.a, 1, Progress::None).await;
    tells(&world, &world.b, 1, Progress::None).await;
    promote(&world, 2, Ring::All).await.unwrap();
    world.app.roll_out().await.unwrap();
    let first = world.wires.offers.lock().unwrap().remove(0).0;
    let busy = if first == world.a.box_key.public() { &world.a } else { &world.b };
    let why = "a session runs there: the release is taken when it ends";
    tells(&world, busy, 1, Progress::Refused { version: 2, why: why.into() }).await;

    assert_eq!(offers(&world).await.len(), 1, "the other one's turn");
    for _ in 0..12 {
        world.pass(10 * MINUTE);
        offers(&world).await;
    }

    let (all, members) = world.app.releases(&console()).await.unwrap();
    assert_eq!(all[0].halted, "");
    assert!(members.iter().all(|member| member.offered.is_some()));
    std::fs::remove_dir_all(world.app.bundles()).unwrap();
}
}

on_both! {
/// P8: it never came up there, and the box went back by its boot loader alone.
a_box_that_is_back_without_what_it_installed_counts_against_the_release, world => {
    published(&world, 2, b"bundle").await;
    tells(&world, &world.a, 1, Progress::None).await;
    promote(&world, 2, Ring::All).await.unwrap();
    assert_eq!(offers(&world).await.len(), 1);
    tells(&world, &world.a, 1, Progress::Installed { version: 2 }).await;

    tells(&world, &world.a, 1, Progress::None).await;
    tells(&world, &world.a, 1, Progress::None).await;

    assert!(offers(&world).await.is_empty());
    let (all, members) = world.app.releases(&console()).await.unwrap();
    assert!(all[0].halted.contains("did not come back"), "{:?}", all[0]);
    assert_eq!(members[0].system.progress, Progress::Failed { version: 2 });
    std::fs::remove_dir_all(world.app.bundles()).unwrap();
}
}

on_both! {
/// P8: stopped in the portal, or at the console by a process of its own.
a_stopped_release_is_given_to_no_box_that_was_offered_it, world => {
    for (version, own_process) in [(2, false), (3, true)] {
        published(&world, version, &[7; 1000]).await;
        tells(&world, &world.a, 1, Progress::None).await;
        promote(&world, version, Ring::All).await.unwrap();
        let right = hex(&offers(&world).await[0].fetch);
        assert_eq!(fetched(&world, &right).await.0, StatusCode::OK);

        if own_process {
            stopped_elsewhere(&world, version).await;
        } else {
            world.app.halt_release(&console(), (BOARD, version)).await.unwrap();
        }

        let (status, why) = fetched(&world, &right).await;
        assert_eq!(status, StatusCode::GONE);
        assert_eq!(why, b"this release was stopped: by hand");
    }
    std::fs::remove_dir_all(world.app.bundles()).unwrap();
}
}

on_both! {
/// P8: a box that fetches at that moment does not get it to the end.
a_bundle_under_way_breaks_off_when_its_release_is_stopped, world => {
    for (version, own_process) in [(2, false), (3, true)] {
        published(&world, version, &[7; 1_000_000]).await;
        tells(&world, &world.a, 1, Progress::None).await;
        promote(&world, version, Ring::All).await.unwrap();
        let right = hex(&offers(&world).await[0].fetch);
        let request = Request::get("/boxes/release").header("culvert-fetch", &right);
        let request = request.body(Body::empty()).unwrap();
        let mut body = world.router.clone().oneshot(request).await.unwrap().into_body();
        assert!(body.frame().await.unwrap().is_ok());

        if own_process {
            stopped_elsewhere(&world, version).await;
            // The server's next round.
            assert!(offers(&world).await.is_empty());
        } else {
            world.app.halt_release(&console(), (BOARD, version)).await.unwrap();
        }

        assert!(body.collect().await.is_err(), "the box got all of it");
    }
    std::fs::remove_dir_all(world.app.bundles()).unwrap();
}
}

on_both! {
a_box_that_is_offered_the_same_again_keeps_its_right, world => {
    published(&world, 2, b"bundle").await;
    tells(&world, &world.a, 1, Progress::None).await;
    promote(&world, 2, Ring::All).await.unwrap();
    let first = offers(&world).await[0].fetch;

    // It was linked all the time and said nothing: it may have forgotten.
    world.pass(16 * MINUTE);
    let again = offers(&world).await;

    assert_eq!(again.len(), 1);
    assert_eq!(again[0].fetch, first);
    std::fs::remove_dir_all(world.app.bundles()).unwrap();
}
}

on_both! {
the_stop_switch_works_at_once_and_only_the_console_and_owners_have_it, world => {
    published(&world, 2, b"bundle").await;
    tells(&world, &world.a, 1, Progress::None).await;
    promote(&world, 2, Ring::All).await.unwrap();
    let ann = world.call(&world.ann).await;
    let refused = world.app.halt_release(&ann, (BOARD, 2)).await.unwrap_err();
    assert_eq!(refused.reason, Reason::NotAllowed);

    world.app.halt_release(&console(), (BOARD, 2)).await.unwrap();

    assert!(offers(&world).await.is_empty());
    std::fs::remove_dir_all(world.app.bundles()).unwrap();
}
}

on_both! {
an_owner_sees_the_fleet_promotes_and_stops_in_the_portal_and_the_audit_tells, world => {
    published(&world, 2, b"bundle").await;
    tells(&world, &world.a, 1, Progress::None).await;
    tells(&world, &world.b, 1, Progress::None).await;
    let olga = Quick::new(&world).await;
    assign(&world.app, olga.id, Role::Owner, NodeRef::All).await;
    let page = From::Page(&olga.page);
    let release = format!("/api/v1/releases/{BOARD}/2");
    let gateway = format!("/api/v1/gateways/{}", world.a.gateway);

    let (status, body) = world.send(&page, "PUT", &format!("{gateway}/ring"), r#"{"ring":"first"}"#).await;
    assert_eq!(status, 204, "{body}");
    let (status, body) = world.send(&page, "POST", &format!("{release}/promote"), r#"{"ring":"first"}"#).await;
    assert_eq!(status, 204, "{body}");
    assert_eq!(offers(&world).await.len(), 1);
    tells(&world, &world.a, 1, Progress::Failed { version: 2 }).await;

    let (status, body) = world.send(&page, "GET", "/api/v1/releases", "").await;
    assert_eq!(status, 200, "{body}");
    let fleet: serde_json::Value = serde_json::from_str(&body).unwrap();
    let expected = serde_json::json!([{ "ring": "first", "boxes": 1, "have": 0, "coming": 0, "failed": 1 }]);
    assert_eq!(fleet["releases"][0]["reach"], expected);
    assert_eq!(fleet["behind_in_all"], 1);
    assert_eq!(fleet["behind"][0]["gateway"], world.a.gateway.to_string());
    assert_eq!(fleet["behind"][0]["state"], "failed");
    let (_, body) = world.send(&page, "GET", &gateway, "").await;
    let shown: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(shown["system"]["ring"], "first");
    assert_eq!((&shown["system"]["version"], &shown["system"]["wants"]), (&1.into(), &2.into()));

    // A box in quarantine, or revoked, is offered nothing and so wants nothing.
    for state in [GatewayState::Quarantined, GatewayState::Revoked, GatewayState::Active] {
        let mut write = world.app.store().write().await.unwrap();
        let held = gateways::by_id(&mut write, world.a.gateway).await.unwrap();
        let put = gateways::Gateway { state, ..held.unwrap() };
        gateways::update(&mut write, &put).await.unwrap();
        write.commit().await.unwrap();
        let (_, body) = world.send(&page, "GET", &gateway, "").await;
        let shown: serde_json::Value = serde_json::from_str(&body).unwrap();
        let wants = &shown["system"]["wants"];
        assert_eq!(wants.is_null(), state != GatewayState::Active, "{state:?}: {body}");
        let (_, body) = world.send(&page, "GET", "/api/v1/releases", "").await;
        let fleet: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(fleet["behind_in_all"] == 0, state != GatewayState::Active, "{state:?}");
    }

    // What a ring did not survive goes no further, whoever asks.
    let (status, body) = world.send(&page, "POST", &format!("{release}/promote"), r#"{"ring":"all"}"#).await;
    assert_eq!(status, 409, "{body}");
    let (status, body) = world.send(&page, "POST", &format!("{release}/halt"), "").await;
    assert_eq!(status, 204, "{body}");
    let call = world.call(&world.olga).await;
    let rows = world.app.audit_rows(&call, None, None, 100).await.unwrap();
    for what in ["release.ring", "release.promote", "release.halt"] {
        let found = rows.iter().filter(|row| row.action == what && row.outcome == "done");
        assert!(found.count() == 1, "{what} is not in the audit trail once");
    }
    std::fs::remove_dir_all(world.app.bundles()).unwrap();
}
}
