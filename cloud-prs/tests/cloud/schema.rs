//! Migrations: a newer database is refused, an older one is copied first.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use culvert_cloud_prs::store::{Place, SCHEMA, Store, StoreError};
use culvert_wire::key::SigningKey;

use crate::world::{On, app_on, place};

async fn set_schema(store: &Store, number: i64) {
    let mut db = store.read().await.unwrap();
    sqlx::query("UPDATE meta SET value = $1 WHERE name = 'schema'")
        .bind(number.to_string())
        .execute(&mut *db)
        .await
        .unwrap();
}

async fn refuses_newer(on: On) {
    let folder = tempfile::tempdir().unwrap();
    let Some(place) = place(on, folder.path()).await else {
        return;
    };
    let store = Store::open(place.clone()).await.unwrap();
    set_schema(&store, SCHEMA + 1).await;
    store.close().await;

    let error = Store::open(place).await.err().unwrap();

    assert!(matches!(error, StoreError::Newer { .. }));
    let said = error.to_string();
    assert!(
        said.contains("newer culvert-prs") && said.contains("restore"),
        "{said}"
    );
}

#[tokio::test]
async fn a_newer_database_is_refused_on_sqlite() {
    refuses_newer(On::Sqlite).await;
}

#[tokio::test]
async fn a_newer_database_is_refused_on_postgres() {
    refuses_newer(On::Postgres).await;
}

#[tokio::test]
async fn opening_twice_at_once_makes_one_schema() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::File(folder.path().join("culvert.db"));

    let (one, two) = tokio::join!(Store::open(place.clone()), Store::open(place));

    assert!(one.is_ok() && two.is_ok());
}

/// `synchronous = FULL` in WAL mode: a commit is on the disk.
#[tokio::test]
async fn every_connection_is_durable_and_checks_references() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::File(folder.path().join("culvert.db"));
    let clock = Arc::new(AtomicU64::new(0));
    let app = app_on(place, &SigningKey::from_seed(&[1; 32]), clock).await;
    let mut held = Vec::new();
    for _ in 0..4 {
        let mut db = app.store().read().await.unwrap();
        for (pragma, expected) in [("synchronous", 2_i64), ("foreign_keys", 1)] {
            let sql = format!("PRAGMA {pragma}");
            let row = sqlx::query(sqlx::AssertSqlSafe(sql))
                .fetch_one(&mut *db)
                .await
                .unwrap();
            let value: i64 = sqlx::Row::try_get(&row, 0).unwrap();
            assert_eq!(value, expected, "{pragma}");
        }
        held.push(db);
    }
}
