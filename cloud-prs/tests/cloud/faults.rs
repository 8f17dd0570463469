//! A full disk, a dead database: one sentence, a reason code, nothing half
//! done, and everything works again afterwards (P3, P20).

use std::time::Duration;

use culvert_cloud_prs::store::Place;
use culvert_cloud_prs::store::sessions::Filter;
use culvert_wire::frame::SessionEnded;
use culvert_wire::reason::Reason;
use sqlx::Connection as _;

use crate::world::{From, World, ask, console};

/// Sets the pages that the database may have, on every connection.
async fn limit_pages(world: &World, sql: &str) {
    let mut held = Vec::new();
    for _ in 0..8 {
        let mut db = world.app.store().read().await.unwrap();
        sqlx::query(sqlx::AssertSqlSafe(sql.to_owned()))
            .execute(&mut *db)
            .await
            .unwrap();
        held.push(db);
    }
}

#[tokio::test]
async fn a_full_disk_refuses_new_sessions_with_its_own_reason() {
    let world = World::new().await;
    let ann = From::Link(&world.ann.link);
    let body = serde_json::to_string(&ask(&world.a)).unwrap();
    limit_pages(&world, "PRAGMA max_page_count = 1").await;
    let mut last = (0, String::new());
    for _ in 0..200 {
        last = world.send(&ann, "POST", "/api/v1/sessions", &body).await;
        if last.0 != 201 {
            break;
        }
        // No faster than one person may.
        world.pass(1000);
    }

    assert_eq!(last.0, 503, "{}", last.1);
    assert!(
        last.1.contains("storage_full") && last.1.contains("disk is full"),
        "{}",
        last.1
    );
    // Nobody was called to the session that was not recorded.
    let started = world.wires.invites.lock().unwrap().len();
    let rows = world
        .app
        .audit_rows(&console(), None, None, 1000)
        .await
        .unwrap();
    let recorded = rows
        .iter()
        .filter(|row| row.action == "session.start")
        .count();
    assert_eq!(started, recorded);

    limit_pages(&world, "PRAGMA max_page_count = 1000000").await;
    // On every connection that the pool has, that of the refused one among them.
    for _ in 0..16 {
        let (status, said) = world.send(&ann, "POST", "/api/v1/sessions", &body).await;
        assert_eq!(status, 201, "{said}");
        world.pass(1000);
    }
    assert!(world.app.audit_verify(&[]).await.unwrap().is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_does_not_answer_refuses_new_sessions_and_comes_back() {
    let world = World::new().await;
    let call = world.call(&world.ann).await;
    let mut other = locked(&world).await;

    let refused = world
        .app
        .start_session(&call, &ask(&world.a))
        .await
        .unwrap_err();

    assert_eq!(refused.reason, Reason::DatabaseDown);
    assert_eq!(refused.message, Reason::DatabaseDown.sentence());
    assert!(world.wires.invites.lock().unwrap().is_empty());
    sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
    assert!(world.app.start_session(&call, &ask(&world.a)).await.is_ok());
}

/// Nobody waits for an answer to a session's end, so it is kept until it is a row.
#[tokio::test(flavor = "multi_thread")]
async fn an_end_that_the_database_did_not_take_is_recorded_when_it_does() {
    let world = World::new().await;
    let session = world.session(&world.ann, &world.a).await.session;
    let mut other = locked(&world).await;
    let ended = SessionEnded {
        session,
        reason: Reason::ClosedByTechnician,
        from_hosts: 1234,
        to_hosts: 56,
        streams: 1,
    };
    let key = world.a.box_key.public();
    world.app.session_ended(&key, &ended).await;
    sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();

    let record = async || {
        let rows = world.app.report(&console(), Filter::default()).await;
        rows.unwrap().remove(0)
    };
    assert!(record().await.ended.is_none());
    let recorded = async {
        while record().await.ended.is_none() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        () = world.app.work() => unreachable!("the server works until it is stopped"),
        () = recorded => {}
    }
    let record = record().await;
    assert_eq!((record.from_hosts, record.to_hosts), (1234, 56));
    assert_eq!(record.reason, Some(Reason::ClosedByTechnician));
}

/// Holds the database's file for itself until it rolls back.
async fn locked(world: &World) -> sqlx::AnyConnection {
    let Place::File(path) = world.app.store().place().clone() else {
        panic!("SQLite")
    };
    let url = format!("sqlite://{}", path.display());
    let mut other = sqlx::AnyConnection::connect(&url).await.unwrap();
    sqlx::query("BEGIN EXCLUSIVE")
        .execute(&mut other)
        .await
        .unwrap();
    other
}

/// A rejoin after a restart: the end is told why, with a reason that is worth
/// another try, and not that its session is unknown.
#[tokio::test]
async fn a_route_that_cannot_be_looked_up_is_no_route_that_is_missing() {
    let world = World::new().await;
    let session = world.session(&world.ann, &world.a).await.session;
    let found = world.app.recover_route(session).await.unwrap();
    assert!(found.is_some());

    world.app.store().close().await;

    let error = world.app.recover_route(session).await.unwrap_err();
    assert_eq!(error.reason(), Reason::DatabaseDown);
}
