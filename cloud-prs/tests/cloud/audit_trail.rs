//! The audit trail in the database: complete, and every tampering is named
//! (threat 19).

use std::sync::Arc;

use culvert_cloud_prs::audit::{Chain, Fault};
use culvert_wire::reason::Reason;
use sqlx::AssertSqlSafe;

use crate::world::{From, World, console, on_both};

/// More rows for the provider's own chain.
async fn grow(world: &World) {
    for name in ["Carlo", "Delta", "Echo", "Foxtrot"] {
        world.app.add_team(&console(), name).await.unwrap();
    }
}

async fn tamper(world: &World, sql: String) {
    let mut db = world.app.store().read().await.unwrap();
    let done = sqlx::query(AssertSqlSafe(sql))
        .execute(&mut *db)
        .await
        .unwrap();
    assert!(done.rows_affected() > 0);
}

async fn fault(world: &World) -> Fault {
    world.app.audit_verify(&[]).await.unwrap().unwrap_err()
}

on_both! {
    an_untouched_trail_is_whole, world => {
        grow(&world).await;
        world.session(&world.ann, &world.a).await;

        let rows = world.app.audit_verify(&[]).await.unwrap().unwrap();

        assert!(rows > 15, "{rows}");
    }
}

on_both! {
    /// "audit verify" beside a server at work.
    a_trail_that_grows_meanwhile_is_whole, world => {
        let app = world.app.clone();
        let writing = tokio::spawn(async move {
            for n in 0.. {
                app.add_team(&console(), &format!("Team {n}")).await.unwrap();
            }
        });
        // However seldom who writes has its turn on a busy machine: much is written meanwhile.
        let (mut seen, mut looks) = (0, 0);
        while looks < 40 || seen < 40 {
            let rows = world.app.audit_verify(&[]).await.unwrap();
            seen = rows.unwrap_or_else(|fault| panic!("{fault}"));
            looks += 1;
        }
        writing.abort();
    }
}

on_both! {
    an_altered_byte_names_its_row, world => {
        let chain = Chain::Customer(world.a.customer);
        let sql = format!("UPDATE audit SET object = object || 'x' WHERE chain = '{chain}' AND seq = 3");
        tamper(&world, sql).await;

        assert_eq!(fault(&world).await, Fault::Changed { chain, seq: 3 });
    }
}

on_both! {
    a_row_taken_from_the_middle_names_its_place, world => {
        grow(&world).await;
        let chain = Chain::Provider;
        tamper(&world, "DELETE FROM audit WHERE chain = 'provider' AND seq = 2".into()).await;

        assert_eq!(fault(&world).await, Fault::Missing { chain, seq: 2 });
    }
}

on_both! {
    swapped_rows_name_the_first, world => {
        grow(&world).await;
        let chain = Chain::Provider;
        for (from, to) in [(2, 1000), (3, 2), (1000, 3)] {
            let sql = format!("UPDATE audit SET seq = {to} WHERE chain = 'provider' AND seq = {from}");
            tamper(&world, sql).await;
        }

        assert_eq!(fault(&world).await, Fault::Changed { chain, seq: 2 });
    }
}

on_both! {
    a_dropped_tail_shows_against_the_databases_own_head, world => {
        grow(&world).await;
        let chain = Chain::Provider;
        let head = world.app.audit_heads().await.unwrap();
        let last = head.iter().find(|head| head.chain == chain).unwrap().seq;
        let sql = format!("DELETE FROM audit WHERE chain = 'provider' AND seq > {}", last - 2);
        tamper(&world, sql).await;

        let expected = Fault::Dropped { chain, from: last - 1, to: last };
        assert_eq!(fault(&world).await, expected);
    }
}

on_both! {
    /// Somebody with the whole database puts an older state back.
    an_older_database_shows_against_heads_kept_elsewhere, world => {
        let chain = Chain::Customer(world.a.customer);
        let own = |heads: Vec<culvert_cloud_prs::audit::Head>| {
            heads.into_iter().find(|head| head.chain == chain).unwrap()
        };
        let old = own(world.app.audit_heads().await.unwrap());
        world.session(&world.ann, &world.a).await;
        let kept = world.app.audit_heads().await.unwrap();
        let new = own(kept.clone());
        assert_eq!(new.seq, old.seq + 1);
        let signature = data_encoding::BASE32_NOPAD.encode(&old.signature.0);
        tamper(&world, format!("DELETE FROM audit WHERE chain = '{chain}' AND seq > {}", old.seq)).await;
        let sql = format!(
            "UPDATE audit_heads SET seq = {}, at = {}, hash = '{}', signature = '{signature}' \
             WHERE chain = '{chain}'",
            old.seq, old.at.0, old.hash
        );
        tamper(&world, sql).await;
        assert!(world.app.audit_verify(&[]).await.unwrap().is_ok());

        let found = world.app.audit_verify(&kept).await.unwrap().unwrap_err();

        assert_eq!(found, Fault::Dropped { chain, from: new.seq, to: new.seq });
    }
}

on_both! {
    /// P20: 0 lost, 0 doubled, with writers on several tasks at once.
    parallel_writers_leave_whole_chains, world => {
        let before = world.app.audit_verify(&[]).await.unwrap().unwrap();
        let mut writers = tokio::task::JoinSet::new();
        for n in 0..40 {
            let app = Arc::clone(&world.app);
            let customer = if n % 2 == 0 { world.a.customer } else { world.b.customer };
            writers.spawn(async move {
                app.add_site(&console(), customer, &format!("Site {n}")).await.unwrap();
            });
        }
        writers.join_all().await;

        let after = world.app.audit_verify(&[]).await.unwrap().unwrap();

        assert_eq!(after, before + 40);
    }
}

/// Threat 19: who asks for what is not hers all day long makes the trail say so,
/// and how often, and does not fill the disk.
#[tokio::test]
async fn a_flood_of_refused_calls_is_told_in_bounded_rows_and_a_number() {
    let world = World::new().await;
    let foreign = format!("/api/v1/hosts/{}", world.b.host);
    let refused = async || {
        let rows = world.app.audit_rows(&console(), None, None, 1000).await;
        let refused = |row: &culvert_cloud_prs::audit::Entry| row.action == "api.refused";
        let rows: Vec<_> = rows.unwrap().into_iter().filter(refused).collect();
        rows
    };
    for _ in 0..300 {
        let (status, _) = world
            .send(&From::Link(&world.ann.link), "GET", &foreign, "")
            .await;
        assert_eq!(status, 404);
    }
    assert_eq!(refused().await.len(), 120);
    // Nobody else is counted with her.
    let foreign = format!("/api/v1/hosts/{}", world.a.host);
    let bobs = From::Link(&world.bob.link);
    world.send(&bobs, "DELETE", &foreign, "").await;
    assert_eq!(refused().await.len(), 121);

    world.pass(60_000);
    world.app.record_counted().await.unwrap();

    let rows = refused().await;
    assert_eq!(rows.len(), 122);
    assert_eq!(rows[0].actor, world.ann.id.to_string());
    assert!(
        rows[0].after.contains("\"without_row\":180"),
        "{:?}",
        rows[0]
    );
    assert!(world.app.audit_verify(&[]).await.unwrap().is_ok());
}

#[tokio::test]
async fn every_refused_call_of_somebody_known_is_a_row() {
    let world = World::new().await;
    let ann = From::Link(&world.ann.link);
    let foreign = format!("/api/v1/hosts/{}", world.b.host);
    world.pass(1);
    world.send(&ann, "GET", &foreign, "").await;
    world.send(&ann, "DELETE", &foreign, "").await;

    let rows = world
        .app
        .audit_rows(&console(), None, None, 2)
        .await
        .unwrap();

    let mut got: Vec<_> = rows
        .iter()
        .map(|row| {
            (
                row.object.clone(),
                row.outcome.clone(),
                row.actor_name.clone(),
            )
        })
        .collect();
    got.sort();
    let expected = |method: &str, why: Reason| {
        (
            format!("{method} {foreign}"),
            why.slug().to_owned(),
            "ann".to_owned(),
        )
    };
    assert_eq!(
        got,
        [
            expected("DELETE", Reason::NotAllowed),
            expected("GET", Reason::NotFound)
        ]
    );
}

/// What asks for what is so already changes nothing and leaves no row.
#[tokio::test]
async fn a_mark_is_a_row_when_it_changes() {
    let world = World::new().await;
    let ann = From::Link(&world.ann.link);
    let path = format!("/api/v1/favourites/{}", world.a.host);
    for method in ["PUT", "PUT", "DELETE", "DELETE"] {
        assert_eq!(world.send(&ann, method, &path, "").await.0, 204);
    }

    let rows = world.app.audit_rows(&console(), None, None, 100).await;

    let mut marks = rows.unwrap();
    marks.retain(|row| row.action == "favourite.change");
    marks.sort_by_key(|row| row.seq);
    let told: Vec<_> = marks.iter().map(|row| row.after.as_str()).collect();
    assert_eq!(told, [r#"{"favourite":true}"#, r#"{"favourite":false}"#]);
    assert_eq!(marks[0].actor, world.ann.id.to_string());
}

#[tokio::test]
async fn state_changing_calls_record_before_and_after() {
    let world = World::new().await;
    let spec = culvert_cloud_prs::app::tree::HostSpec {
        name: "server".into(),
        address: "192.168.7.99".parse().unwrap(),
        services: vec![],
        any_port: true,
    };
    world.pass(1);
    world
        .app
        .change_host(&console(), world.a.host, &spec)
        .await
        .unwrap();

    let rows = world
        .app
        .audit_rows(&console(), None, None, 1)
        .await
        .unwrap();

    assert_eq!(rows[0].action, "host.change");
    assert_eq!(rows[0].object, world.a.host.to_string());
    assert!(rows[0].before.contains("192.168.7.9\""));
    assert!(rows[0].after.contains("192.168.7.99\"") && rows[0].after.contains("any_port\":true"));
}
