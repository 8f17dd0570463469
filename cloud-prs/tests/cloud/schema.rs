//! Migrations: a newer database is refused, an older one is copied first.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use culvert_cloud_prs::store::assignments::{self, Filter};
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

/// A database as the first version left it, with an owner, a technician and
/// what she was permitted.
async fn first_version(place: &Place) {
    sqlx::any::install_default_drivers();
    let url = match place {
        Place::File(path) => format!("sqlite://{}?mode=rwc", path.display()),
        Place::Postgres(url) => url.clone(),
    };
    let mut db = <sqlx::AnyConnection as sqlx::Connection>::connect(&url)
        .await
        .unwrap();
    let id = |n: u8| culvert_wire::id::UserId::from_random([n; 16]);
    let plain: Vec<&str> = include_str!("../../src/store/migrations/0001_start.sql")
        .lines()
        .filter(|line| !line.starts_with("--"))
        .collect();
    let mut statements = vec![
        "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL)".to_owned(),
        "INSERT INTO meta (name, value) VALUES ('lock', ''), ('schema', '1')".to_owned(),
    ];
    statements.extend(plain.join("\n").split(';').map(str::to_owned));
    for (n, name, role) in [(1, "olga", "owner"), (2, "ann", "technician")] {
        statements.push(format!(
            "INSERT INTO users (id, name, name_key, role, password, disabled, created) \
             VALUES ('{}', '{name}', '{name}', '{role}', '', 0, 5)",
            id(n)
        ));
    }
    for n in [11, 12] {
        statements.push(format!(
            "INSERT INTO customers (id, name, name_key, created) VALUES ('{0}', '{n}', '{n}', 5)",
            id(n)
        ));
    }
    for (user, customer) in [(2, 11), (2, 12), (1, 11)] {
        statements.push(format!(
            "INSERT INTO permissions (user_id, customer, granted) VALUES ('{}', '{}', 7)",
            id(user),
            id(customer)
        ));
    }
    for sql in statements.iter().filter(|sql| !sql.trim().is_empty()) {
        sqlx::query(sqlx::AssertSqlSafe(sql.clone()))
            .execute(&mut db)
            .await
            .unwrap();
    }
}

async fn keeps_rights(on: On) {
    let folder = tempfile::tempdir().unwrap();
    let Some(place) = place(on, folder.path()).await else {
        return;
    };
    first_version(&place).await;

    let store = Store::open(place).await.unwrap();

    let mut db = store.read().await.unwrap();
    let all = assignments::list(&mut db, &Filter::default())
        .await
        .unwrap();
    let mut held: Vec<(String, &str, String)> = all
        .iter()
        .map(|held| {
            (
                held.subject_name.clone(),
                held.role.name(),
                held.path.concat(),
            )
        })
        .collect();
    held.sort();
    let expected = [
        ("ann", "technician", "11"),
        ("ann", "technician", "12"),
        ("olga", "owner", ""),
        ("olga", "technician", "11"),
    ];
    let expected = expected.map(|(who, role, path)| (who.to_owned(), role, path.to_owned()));
    assert_eq!(held, expected);
    let owners = assignments::owners(&mut db).await.unwrap();
    assert_eq!(owners.len(), 1);
}

#[tokio::test]
async fn the_first_versions_rights_are_kept_on_sqlite() {
    keeps_rights(On::Sqlite).await;
}

#[tokio::test]
async fn the_first_versions_rights_are_kept_on_postgres() {
    keeps_rights(On::Postgres).await;
}

/// A step may come to a database that has later ones already.
#[tokio::test]
async fn a_step_that_a_database_has_not_had_is_run_whatever_its_number() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::File(folder.path().join("culvert.db"));
    let store = Store::open(place.clone()).await.unwrap();
    let mut db = store.read().await.unwrap();
    let undo = [
        "ALTER TABLE tokens DROP COLUMN source",
        "ALTER TABLE tokens DROP COLUMN stepped_up",
        "UPDATE meta SET value = REPLACE(value, '1 2 ', '1 ') WHERE name = 'steps'",
    ];
    for sql in undo {
        sqlx::query(sql).execute(&mut *db).await.unwrap();
    }
    drop(db);
    store.close().await;

    let store = Store::open(place).await.unwrap();

    let mut db = store.read().await.unwrap();
    let has = sqlx::query("SELECT source, stepped_up FROM tokens");
    assert!(has.fetch_all(&mut *db).await.is_ok());
}
