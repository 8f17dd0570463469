//! Brings a database up to this version's schema, in one transaction, with a
//! copy of the SQLite file kept beside it.

use std::path::Path;
use std::time::Duration;

use sqlx::AnyConnection;
use sqlx::Row as _;

use super::{Place, Store, StoreError};

/// Numbered steps, in order; a released one never changes. Numbers may be
/// missing, and a step may come to a database that has later ones already: each
/// is run once.
const STEPS: [(i64, &str); 11] = [
    (1, include_str!("migrations/0001_start.sql")),
    (2, include_str!("migrations/0002_sign_ins.sql")),
    (3, include_str!("migrations/0003_rights.sql")),
    (4, include_str!("migrations/0004_factors.sql")),
    (5, include_str!("migrations/0005_invitations.sql")),
    (10, include_str!("migrations/0010_marks.sql")),
    (11, include_str!("migrations/0011_credentials.sql")),
    (12, include_str!("migrations/0012_webhooks.sql")),
    (20, include_str!("migrations/0020_releases.sql")),
    (21, include_str!("migrations/0021_live_sessions.sql")),
    (22, include_str!("migrations/0022_tests.sql")),
];
/// The schema that this version reads and writes.
pub const SCHEMA: i64 = STEPS[STEPS.len() - 1].0;

/// How a database stands to this version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// There is none yet, or an empty one.
    New,
    /// It has this schema, an older one: [`Store::open`] brings it up to ours.
    Older(i64),
    /// It has ours.
    Current,
}

/// Looks, and changes nothing.
pub(super) async fn standing(store: &Store) -> Result<Standing, StoreError> {
    let mut connection = store.read().await?;
    let found = match version(&mut connection).await {
        // No table of ours is there yet.
        Err(StoreError::Down(error)) if error.as_database_error().is_some() => 0,
        found => found?,
    };
    if found == 0 {
        return Ok(Standing::New);
    }
    let done = done(&mut connection).await?;
    refuse_newer(&done, found)?;
    Ok(
        match STEPS.iter().all(|(number, _)| done.contains(number)) {
            true => Standing::Current,
            false => Standing::Older(found),
        },
    )
}

fn refuse_newer(done: &[i64], found: i64) -> Result<(), StoreError> {
    let known = |step: &i64| STEPS.iter().any(|(number, _)| number == step);
    match done
        .iter()
        .copied()
        .chain([found])
        .find(|n| *n > 0 && !known(n))
    {
        Some(found) => Err(StoreError::Newer {
            found,
            known: SCHEMA,
        }),
        None => Ok(()),
    }
}

pub(super) async fn run(store: &Store) -> Result<(), StoreError> {
    let mut connection = store.read().await?;
    sqlx::query("CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL)")
        .execute(&mut *connection)
        .await?;
    let sql = "INSERT INTO meta (name, value) VALUES ('lock', '') ON CONFLICT (name) DO NOTHING";
    sqlx::query(sql).execute(&mut *connection).await?;
    let found = version(&mut connection).await?;
    let done = done(&mut connection).await?;
    drop(connection);
    refuse_newer(&done, found)?;
    if STEPS.iter().all(|(number, _)| done.contains(number)) {
        return Ok(());
    }
    if found > 0 {
        keep_copy(store, found).await?;
    }
    let mut write = store.write().await?;
    // Another process may have done it while this one waited for its turn.
    let mut done = self::done(&mut write).await?;
    for (number, sql) in STEPS {
        if done.contains(&number) {
            continue;
        }
        for statement in statements(sql) {
            sqlx::query(sqlx::AssertSqlSafe(statement))
                .execute(&mut *write)
                .await?;
        }
        done.push(number);
    }
    let highest = done.iter().copied().max().unwrap_or(SCHEMA);
    note(&mut write, "schema", &highest.to_string()).await?;
    let done: Vec<String> = done.iter().map(ToString::to_string).collect();
    note(&mut write, "steps", &done.join(" ")).await?;
    write.commit().await
}

async fn note(db: &mut AnyConnection, name: &str, value: &str) -> Result<(), StoreError> {
    let sql = "INSERT INTO meta (name, value) VALUES ($1, $2) \
               ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    sqlx::query(sql).bind(name).bind(value).execute(db).await?;
    Ok(())
}

/// The steps that a database has had.
async fn done(connection: &mut AnyConnection) -> Result<Vec<i64>, StoreError> {
    let row = sqlx::query("SELECT value FROM meta WHERE name = 'steps'")
        .fetch_optional(&mut *connection)
        .await?;
    let Some(row) = row else {
        // Before the list was kept there was one step.
        return Ok((1..=version(connection).await?).collect());
    };
    let text: String = row.try_get(0)?;
    let number = |word: &str| word.parse().map_err(|_| unknown("steps"));
    text.split_whitespace().map(number).collect()
}

fn unknown(column: &str) -> StoreError {
    StoreError::Value {
        column: column.into(),
    }
}

/// The schema of a database, 0 for an empty one.
async fn version(connection: &mut AnyConnection) -> Result<i64, StoreError> {
    let row = sqlx::query("SELECT value FROM meta WHERE name = 'schema'")
        .fetch_optional(connection)
        .await?;
    let Some(row) = row else { return Ok(0) };
    let text: String = row.try_get(0)?;
    text.parse().map_err(|_| unknown("schema"))
}

async fn keep_copy(store: &Store, found: i64) -> Result<(), StoreError> {
    let Place::File(path) = store.place() else {
        return Ok(());
    };
    // An upgrade that was stopped before its end left a copy, or half of one; so did
    // one whose backup was put back since. The newest takes the place when it is whole.
    let target = path.with_extension(format!("schema-{found}.db"));
    let name = format!("schema-{found}.{:08x}.part", rand::random::<u32>());
    let part = path.with_extension(name);
    let mut whole = store.copy_to(&part).await;
    if whole.is_ok() {
        whole = std::fs::rename(&part, &target).map_err(StoreError::File);
        forget_parts(path);
    }
    whole.map_err(|error| {
        // What there is of it is of no use.
        let _ = std::fs::remove_file(&part);
        StoreError::Copy {
            path: target.display().to_string(),
            source: Box::new(error),
        }
    })
}

/// Removes parts of copies that were cut off; one that is being made is younger.
fn forget_parts(database: &Path) {
    const CUT_OFF: Duration = Duration::from_secs(3600);
    let Some(entries) = database
        .parent()
        .and_then(|dir| std::fs::read_dir(dir).ok())
    else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let part = Path::new(&name)
            .extension()
            .is_some_and(|end| end == "part");
        let old = entry
            .metadata()
            .and_then(|data| data.modified())
            .is_ok_and(|at| at.elapsed().is_ok_and(|age| age > CUT_OFF));
        if part && old {
            // What stays is looked at again with the next migration.
            let _ = std::fs::remove_file(entry.path());
        }
    }
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
