//! Brings a database up to this version's schema, in one transaction, with a
//! copy of the SQLite file kept beside it.

use sqlx::AnyConnection;
use sqlx::Row as _;

use super::{Place, Store, StoreError};

/// Numbered steps, in order; a released one never changes.
const STEPS: [(i64, &str); 1] = [(1, include_str!("migrations/0001_start.sql"))];
/// The schema that this version reads and writes.
pub const SCHEMA: i64 = STEPS[STEPS.len() - 1].0;

pub(super) async fn run(store: &Store) -> Result<(), StoreError> {
    let mut connection = store.read().await?;
    sqlx::query("CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL)")
        .execute(&mut *connection)
        .await?;
    let sql = "INSERT INTO meta (name, value) VALUES ('lock', '') ON CONFLICT (name) DO NOTHING";
    sqlx::query(sql).execute(&mut *connection).await?;
    let found = version(&mut connection).await?;
    drop(connection);
    if found == SCHEMA {
        return Ok(());
    }
    if found > SCHEMA {
        return Err(StoreError::Newer {
            found,
            known: SCHEMA,
        });
    }
    if found > 0 {
        keep_copy(store, found).await?;
    }
    let mut write = store.write().await?;
    // Another process may have done it while this one waited for its turn.
    let found = version(&mut write).await?;
    for (number, sql) in STEPS.into_iter().filter(|(number, _)| *number > found) {
        for statement in statements(sql) {
            sqlx::query(sqlx::AssertSqlSafe(statement))
                .execute(&mut *write)
                .await?;
        }
        let note = "INSERT INTO meta (name, value) VALUES ('schema', $1) \
                    ON CONFLICT (name) DO UPDATE SET value = excluded.value";
        sqlx::query(note)
            .bind(number.to_string())
            .execute(&mut *write)
            .await?;
    }
    write.commit().await
}

/// The schema of a database, 0 for an empty one.
async fn version(connection: &mut AnyConnection) -> Result<i64, StoreError> {
    let row = sqlx::query("SELECT value FROM meta WHERE name = 'schema'")
        .fetch_optional(connection)
        .await?;
    let Some(row) = row else { return Ok(0) };
    let text: String = row.try_get(0)?;
    text.parse().map_err(|_| StoreError::Value {
        column: "schema".into(),
    })
}

async fn keep_copy(store: &Store, found: i64) -> Result<(), StoreError> {
    let Place::File(path) = store.place() else {
        return Ok(());
    };
    let target = path.with_extension(format!("schema-{found}.db"));
    let whole = store.copy_to(&target).await;
    whole.map_err(|error| StoreError::Copy {
        path: target.display().to_string(),
        source: Box::new(error),
    })
}

/// The statements of a step, without its comments; no `;` stands inside one.
fn statements(sql: &str) -> Vec<String> {
    let plain: Vec<&str> = sql
        .lines()
        .filter(|line| !line.trim_start().starts_with("--"))
        .collect();
    let plain = plain.join("\n");
    let parts = plain.split(';').map(str::trim);
    parts
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .collect()
}
