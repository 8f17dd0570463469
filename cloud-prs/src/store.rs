//! What the server remembers: one SQL text for SQLite and PostgreSQL.
//!
//! One file for each noun; each takes an open connection and knows nothing of
//! rights. Writers take turns on both databases: on SQLite by `BEGIN
//! IMMEDIATE` behind a fair queue, on PostgreSQL by the lock row. So a right
//! that was read inside a [`Write`] cannot be taken away before it commits.
//! A commit returns when the bytes are on the disk (`synchronous = FULL`).
//!
//! Never holds a secret that opens anything: passwords, tickets and tokens are
//! hashes here, of claim codes only the public half. What must be read again
//! (webhooks' secrets, authenticators' seeds) is sealed by the application first.

pub mod assignments;
pub mod audit;
pub mod claims;
pub mod clock;
mod column;
pub mod credentials;
pub mod customers;
mod error;
pub mod factors;
pub mod gateways;
pub mod health;
pub mod hosts;
pub mod invitations;
pub mod launches;
pub mod marks;
mod migrate;
pub mod orders;
pub mod passkeys;
pub mod releases;
pub mod revocations;
pub mod sessions;
pub mod sites;
mod statement;
pub mod teams;
pub mod tokens;
pub mod users;
mod wanted;
pub mod webhooks;
pub mod whole;

use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Once};
use std::time::Duration;

use sqlx::any::AnyPoolOptions;
use sqlx::pool::PoolConnection;
use sqlx::{Any, AnyConnection, AnyPool, Connection as _, Transaction};
use tokio::sync::{Mutex, OwnedMutexGuard};

pub use error::StoreError;
pub use migrate::{SCHEMA, Standing};

/// Connections to the database. SQLite readers never wait for the writer.
const CONNECTIONS: u32 = 8;
/// How long a statement waits for another process's write, in milliseconds:
/// long enough for a backup's last step, short enough to be told.
const BUSY_MS: u32 = 5_000;
/// How long a writer waits for its turn: longer than one that fails after
/// [`BUSY_MS`].
const TURN: Duration = Duration::from_secs(15);

/// Where the data is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// An SQLite file.
    File(PathBuf),
    /// A `postgres://` address.
    Postgres(String),
}

/// The open database.
#[derive(Clone)]
pub struct Store {
    pool: AnyPool,
    place: Place,
    turn: Arc<Mutex<()>>,
}

impl Store {
    /// Opens the database and brings its schema up to this version.
    ///
    /// # Errors
    /// [`StoreError`], also for a database of a newer version.
    pub async fn open(place: Place) -> Result<Self, StoreError> {
        let store = Self::connect(place).await?;
        migrate::run(&store).await?;
        Ok(store)
    }

    /// How the database stands to this version; looks only, and makes none.
    ///
    /// # Errors
    /// [`StoreError`], also for a database of a newer version.
    pub async fn standing(place: Place) -> Result<Standing, StoreError> {
        if let Place::File(path) = &place
            && !path.exists()
        {
            return Ok(Standing::New);
        }
        let store = Self::connect(place).await?;
        let standing = migrate::standing(&store).await;
        store.close().await;
        standing
    }

    /// Opens the database as it is.
    async fn connect(place: Place) -> Result<Self, StoreError> {
        static DRIVERS: Once = Once::new();
        DRIVERS.call_once(sqlx::any::install_default_drivers);
        let sqlite = matches!(place, Place::File(_));
        let pool = AnyPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(Duration::from_secs(10))
            .after_connect(move |connection, _| {
                Box::pin(async move {
                    if sqlite {
                        prepare_sqlite(connection).await?;
                    }
                    Ok(())
                })
            })
            // A full disk makes SQLite end a transaction by itself; sqlx holds it for
            // open, and begins no other on that connection.
            .before_acquire(|connection, _| {
                let usable = !connection.is_in_transaction();
                Box::pin(async move { Ok(usable) })
            })
            .connect(&url(&place))
            .await?;
        Ok(Self {
            pool,
            place,
            turn: Arc::default(),
        })
    }

    /// A connection to read with.
    ///
    /// # Errors
    /// [`StoreError`] when the database does not answer.
    pub async fn read(&self) -> Result<PoolConnection<Any>, StoreError> {
        Ok(self.pool.acquire().await?)
    }

    /// The database as it is at one moment, whatever others write meanwhile: for
    /// what is read by several questions that must fit each other.
    ///
    /// # Errors
    /// [`StoreError`] when the database does not answer.
    pub async fn still(&self) -> Result<Transaction<'static, Any>, StoreError> {
        let begin = match &self.place {
            Place::File(_) => "BEGIN",
            Place::Postgres(_) => "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY",
        };
        Ok(self.pool.begin_with(begin).await?)
    }

    /// A transaction that writes, when it is its turn.
    ///
    /// # Errors
    /// [`StoreError`] when the database does not answer.
    pub async fn write(&self) -> Result<Write, StoreError> {
        let turn = Arc::clone(&self.turn).lock_owned();
        let turn = tokio::time::timeout(TURN, turn)
            .await
            .map_err(|_| StoreError::Down(sqlx::Error::PoolTimedOut))?;
        let tx = match &self.place {
            Place::File(_) => self.pool.begin_with("BEGIN IMMEDIATE").await?,
            Place::Postgres(_) => {
                let mut tx = self.pool.begin().await?;
                sqlx::query("UPDATE meta SET value = value WHERE name = 'lock'")
                    .execute(&mut *tx)
                    .await?;
                tx
            }
        };
        Ok(Write { tx, _turn: turn })
    }

    /// Copies an SQLite database to a new file, consistent while others write.
    ///
    /// # Errors
    /// [`StoreError`]; on PostgreSQL, whose own `pg_dump` does this.
    pub async fn copy_to(&self, target: &Path) -> Result<(), StoreError> {
        let Place::File(_) = &self.place else {
            return Err(StoreError::NotHere {
                what: "a copy of a PostgreSQL database",
                instead: "pg_dump",
            });
        };
        let mut connection = self.read().await?;
        sqlx::query("VACUUM INTO $1")
            .bind(target.display().to_string())
            .execute(&mut *connection)
            .await?;
        Ok(())
    }

    /// Where the data is.
    pub const fn place(&self) -> &Place {
        &self.place
    }

    /// Ends all connections; committed data is in the main file afterwards.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

/// A transaction in its turn; forgotten unless committed.
pub struct Write {
    tx: Transaction<'static, Any>,
    _turn: OwnedMutexGuard<()>,
}

impl Write {
    /// Makes it durable.
    ///
    /// # Errors
    /// [`StoreError`]; nothing was written then.
    pub async fn commit(self) -> Result<(), StoreError> {
        Ok(self.tx.commit().await?)
    }
}

impl Deref for Write {
    type Target = AnyConnection;

    fn deref(&self) -> &AnyConnection {
        &self.tx
    }
}

impl DerefMut for Write {
    fn deref_mut(&mut self) -> &mut AnyConnection {
        &mut self.tx
    }
}

async fn prepare_sqlite(connection: &mut AnyConnection) -> Result<(), sqlx::Error> {
    connection.ping().await?;
    for pragma in [
        format!("PRAGMA busy_timeout = {BUSY_MS}"),
        "PRAGMA journal_mode = WAL".into(),
        // A committed audit row survives a power cut.
        "PRAGMA synchronous = FULL".into(),
        "PRAGMA foreign_keys = ON".into(),
        // What was deleted is overwritten, not only forgotten.
        "PRAGMA secure_delete = ON".into(),
    ] {
        sqlx::query(sqlx::AssertSqlSafe(pragma))
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

fn url(place: &Place) -> String {
    match place {
        Place::File(path) => {
            let text = path.display().to_string();
            // Characters that end a path inside an address.
            let text = text
                .replace('%', "%25")
                .replace('?', "%3f")
                .replace('#', "%23");
            format!("sqlite://{text}?mode=rwc")
        }
        Place::Postgres(url) => url.clone(),
    }
}

/// A name as it is compared: lower case, as Unicode has it.
pub fn name_key(name: &str) -> String {
    name.to_lowercase()
}
