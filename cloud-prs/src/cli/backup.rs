//! `admin backup` and `admin restore`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use culvert_config::prs::{FILE_NAME, Prs};

use super::out;
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
        let Some(_lock) = data.lock()? else {
            bail!("a server runs on {}: stop it first", data.dir().display());
        };
        // That of PostgreSQL is put back by its own tools, before this.
        if let Some(folder) = &self.folder
            && !elsewhere(data)?
        {
            put_back(&folder.join(DATABASE), data)?;
        }
        let (_, _, app) = serve::open(data).await?;
        let voided = app.void_everything(call).await?;
        app.store().close().await;
        out::line("restored; void now, so that nothing old works again:")?;
        out::line(&format!("  {} unused claim codes", voided.codes))?;
        out::line(&format!("  {} sign-ins and API tokens", voided.tokens))?;
        out::line(&format!("  {} launch tickets", voided.launches))?;
        out::line(&format!(
            "  {} sessions with their tickets",
            voided.sessions
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

fn put_back(from: &Path, data: &Data) -> anyhow::Result<()> {
    let target = data.database();
    let beside = target.with_extension("restored");
    fs::copy(from, &beside).with_context(|| format!("cannot read {}", from.display()))?;
    fs::File::open(&beside)?.sync_all()?;
    if target.exists() {
        let before = target.with_extension("before-restore.db");
        fs::rename(&target, &before)?;
        out::line(&format!("the database so far: {}", before.display()))?;
    }
    // Journals of the database so far do not belong to the restored one.
    for journal in ["culvert.db-wal", "culvert.db-shm"] {
        let path = data.path(journal);
        if path.exists() {
            fs::remove_file(path)?;
        }
    }
    Ok(fs::rename(&beside, &target)?)
}
