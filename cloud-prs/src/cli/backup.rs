//! `admin backup` and `admin restore`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use culvert_config::prs::{FILE_NAME, Prs};

use super::out;
use crate::app::voiding::Voided;
use crate::app::{App, Call};
use crate::data::Data;
use crate::serve;
use crate::store::Place;

/// The database's name in a backup.
const DATABASE: &str = "culvert.db";

/// Copy database, settings and keys to a new folder, also while serving
#[derive(Debug, Args)]
pub(super) struct Backup {
    /// The folder to make
    folder: PathBuf,
    /// Leave the private keys out: such a backup restores data, not a server
    #[arg(long)]
    without_keys: bool,
}

impl Backup {
    pub(super) async fn run(self, data: &Data, app: &App) -> anyhow::Result<()> {
        ensure!(
            !self.folder.exists(),
            "{} is there already: nothing was changed",
            self.folder.display()
        );
        let copy = Data::at(&self.folder);
        copy.make()?;
        let mut kept = vec![];
        let own = matches!(app.store().place(), Place::File(_));
        if own {
            app.store().copy_to(&copy.path(DATABASE)).await?;
            kept.push("database");
        }
        copy.write(FILE_NAME, &data.read(FILE_NAME)?)?;
        kept.push("settings");
        if !self.without_keys {
            for folder in ["keys", "tls"] {
                copy_folder(data, &copy, folder)?;
            }
            kept.push("keys");
        }
        out::line(&format!("{}: {}", self.folder.display(), kept.join(", ")))?;
        if !own {
            out::line("the database is PostgreSQL's: keep a pg_dump of it, made after this")?;
        }
        Ok(())
    }
}

fn copy_folder(from: &Data, to: &Data, folder: &str) -> anyhow::Result<()> {
    for entry in fs::read_dir(from.path(folder))? {
        let name = entry?.file_name();
        let name = name.to_str().context("a file's name is no text")?;
        let name = format!("{folder}/{name}");
        to.write(&name, &from.read(&name)?)?;
    }
    Ok(())
}

/// Put a backup's database in place; voids codes, tickets and tokens
#[derive(Debug, Args)]
pub(super) struct Restore {
    /// The folder that `backup` made; none: the database was put back by other
    /// means (PostgreSQL), only void what must not come back
    folder: Option<PathBuf>,
}

impl Restore {
    pub(super) async fn run(self, data: &Data, call: &Call) -> anyhow::Result<()> {
        if let Some(folder) = &self.folder
            && !data.has(FILE_NAME)
        {
            whole_server(&Data::at(folder), data)?;
        }
        let elsewhere = elsewhere(data)?;
        let Some(_lock) = data.lock()? else {
            bail!("a server runs on {}: stop it first", data.dir().display());
        };
        // That of PostgreSQL is put back by its own tools, before this.
        let file = self.folder.filter(|_| !elsewhere);
        let voided = match file {
            Some(folder) => put_back(&folder.join(DATABASE), data, call).await?,
            None => void(serve::open(data).await?.2, call).await?,
        };
        out::line("restored; void now, so that nothing old works again:")?;
        out::line(&format!("  {} unused claim codes", voided.codes))?;
        out::line(&format!("  {} sign-ins and API tokens", voided.tokens))?;
        out::line(&format!("  {} launch tickets", voided.launches))?;
        out::line(&format!(
            "  {} sessions with their tickets",
            voided.sessions
        ))?;
        out::line(&format!(
            "  {} boxes' leases: each box is taken as it comes, once",
            voided.boxes
        ))
    }
}

/// Whether the settings name a database that is no file of this folder.
fn elsewhere(data: &Data) -> anyhow::Result<bool> {
    Ok(Prs::load(data.dir())?.database_address_file.is_some())
}

/// An empty folder gets settings and keys from the backup as well.
fn whole_server(backup: &Data, data: &Data) -> anyhow::Result<()> {
    ensure!(
        backup.has("keys/node.key"),
        "{} holds no server, and the backup has no keys",
        data.dir().display()
    );
    data.make()?;
    for folder in ["keys", "tls"] {
        copy_folder(backup, data, folder)?;
    }
    Ok(data.write(FILE_NAME, &backup.read(FILE_NAME)?)?)
}

/// Puts a database in the place of the one so far, with nothing old that still
/// works. The one so far stays beside it, whole.
async fn put_back(from: &Path, data: &Data, call: &Call) -> anyhow::Result<Voided> {
    let target = data.database();
    let beside = target.with_extension("restored");
    for file in with_journals(&beside) {
        remove(&file)?;
    }
    fs::copy(from, &beside).with_context(|| format!("cannot read {}", from.display()))?;
    // Before anybody could start a server on it.
    let settings = Prs::load(data.dir())?;
    let place = Place::File(beside.clone());
    let (_, _, app) = serve::open_at(data, settings, place).await?;
    let voided = void(app, call).await?;
    fs::File::open(&beside)?.sync_all()?;
    if target.exists() {
        let kept = keep(&target)?;
        out::line(&format!("the database so far: {}", kept.display()))?;
    }
    // Journals of the database so far must never meet the restored one.
    for journal in &with_journals(&target)[1..] {
        remove(journal)?;
    }
    fs::rename(&beside, &target)?;
    fs::File::open(data.dir())?.sync_all()?;
    Ok(voided)
}

async fn void(app: Arc<App>, call: &Call) -> anyhow::Result<Voided> {
    let voided = app.void_everything(call).await;
    app.store().close().await;
    Ok(voided?)
}

/// A second name for a database and its journals, one that nothing has yet.
fn keep(database: &Path) -> anyhow::Result<PathBuf> {
    let kept = (1..)
        .map(|number| database.with_extension(format!("before-restore-{number}.db")))
        .find(|kept| !kept.exists())
        .context("there is a free name")?;
    for (from, to) in with_journals(database).iter().zip(with_journals(&kept)) {
        if from.exists() && fs::hard_link(from, &to).is_err() {
            // Some file systems know no second names.
            fs::copy(from, &to).with_context(|| format!("cannot keep {}", from.display()))?;
            fs::File::open(&to)?.sync_all()?;
        }
    }
    Ok(kept)
}

/// A database's own files: itself, its write-ahead log, and that one's index.
fn with_journals(database: &Path) -> [PathBuf; 3] {
    ["", "-wal", "-shm"].map(|end| {
        let mut name = database.as_os_str().to_owned();
        name.push(end);
        PathBuf::from(name)
    })
}

fn remove(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;

    /// What a killed server had only in its write-ahead log is kept, too; and a
    /// second restore keeps what the first one kept.
    #[tokio::test]
    async fn the_database_so_far_is_kept_whole_each_time() {
        let dir = tempfile::tempdir().unwrap();
        let running = dir.path().join("running.db");
        let store = Store::open(Place::File(running.clone())).await.unwrap();
        let database = dir.path().join(DATABASE);
        let mut kept = Vec::new();
        for value in ["one", "two"] {
            let mut write = store.write().await.unwrap();
            let sql = "INSERT INTO meta (name, value) VALUES ($1, $1)";
            sqlx::query(sql)
                .bind(value)
                .execute(&mut *write)
                .await
                .unwrap();
            write.commit().await.unwrap();
            // What a kill leaves: nobody has brought the log into the file.
            for (from, to) in with_journals(&running).iter().zip(with_journals(&database)) {
                fs::copy(from, to).unwrap();
            }
            kept.push(keep(&database).unwrap());
            for file in with_journals(&database) {
                remove(&file).unwrap();
            }
        }

        for (kept, values) in kept.into_iter().zip([1, 2]) {
            let store = Store::open(Place::File(kept)).await.unwrap();
            let mut db = store.read().await.unwrap();
            let sql = "SELECT value FROM meta WHERE name IN ('one', 'two')";
            let found = sqlx::query(sql).fetch_all(&mut *db).await.unwrap();
            assert_eq!(found.len(), values);
        }
    }
}
