//! A full disk and a dead database of the server, made for real: the technician's
//! `culvert` says so in one sentence; as soon as the audit trail takes rows again it
//! says what the full disk refused, and once that the database was dead; everything
//! works as before (R3, R20).
//!
//! A dead host, a refused port and an unknown name are in `many.rs`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;
use culvert_e2e::World;
use culvert_e2e::world::{self, eventually, must_work};
use culvert_lab::{Dialogue, Ns, Site, SiteOptions, Technician};

/// Longer than a server needs to see its database again on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn a_full_disk_is_said_at_the_technicians_end_and_in_the_audit_trail() {
    world::with(SiteOptions::default(), |world| {
        let data = world.stack.data("cloud");
        world.stack.cloud().context("no server")?.stop(LIMIT);
        let disk = SmallDisk::under(world.site, &data)?;
        world.stack.serve()?;
        world.stack.start_gateway()?;
        let technician = world.stack.technician(Ns::Host, "technician")?;
        must_work(&mut technician.culvert(&["test", "server"]))?;

        disk.fill()?;
        refused(&technician, "the server's disk is full", "[storage_full]")?;
        disk.make_room()?;
        let row = ["api.refused", "POST /api/v1/sessions", "storage_full"];
        works_again(world, &technician, &row)?;
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_dead_database_is_said_at_the_technicians_end_and_in_the_audit_trail() {
    let postgres = Postgres::start().unwrap();
    world::with_database(SiteOptions::default(), &postgres.url, |world| {
        world.stack.start_gateway()?;
        let technician = world.stack.technician(Ns::Host, "technician")?;
        must_work(&mut technician.culvert(&["test", "server"]))?;

        postgres.kill()?;
        refused(
            &technician,
            "the server's database does not answer",
            "[database_down]",
        )?;
        postgres.start_again()?;
        let row = ["server.database", "database_down"];
        let rows = works_again(world, &technician, &row)?;
        let told = rows.matches("server.database").count();
        anyhow::ensure!(told == 1, "one outage, told {told} times: {rows}");
        Ok(())
    })
    .unwrap();
}

/// A session is refused in one line with this sentence and code, sooner or later: a
/// full disk still has room in files that are there.
fn refused(technician: &Technician<'_>, sentence: &str, code: &str) -> anyhow::Result<()> {
    let mut said = String::new();
    let refused = eventually(sentence, LIMIT, || {
        let output = technician.culvert(&["proxy", "server", "22"]);
        let output = { output }.stdin(std::process::Stdio::null()).output()?;
        said = String::from_utf8_lossy(&output.stderr).into_owned();
        let one = said.lines().count() == 1 && said.contains(sentence) && said.contains(code);
        Ok(output.status.code() == Some(5) && one)
    });
    refused.map(drop).with_context(|| said)
}

/// Sessions work again, and why they did not is a row with these words in an audit
/// trail that holds; all rows.
fn works_again(
    world: &World<'_>,
    technician: &Technician<'_>,
    words: &[&str],
) -> anyhow::Result<String> {
    eventually("a session works again", LIMIT, || {
        let test = technician.culvert(&["test", "server"]).output()?;
        Ok(test.status.success())
    })?;
    let mut rows = String::new();
    let what = format!("the audit trail has a row {words:?}");
    eventually(&what, LIMIT, || {
        rows = world.stack.admin(&["audit", "list"])?;
        let told = |row: &str| words.iter().all(|word| row.contains(word));
        Ok(rows.lines().any(told))
    })
    .with_context(|| rows.clone())?;
    world.stack.admin(&["audit", "verify"])?;
    Ok(rows)
}

/// A file system of a few megabytes with the server's files on it, where the server
/// is; nobody else sees it.
struct SmallDisk<'a> {
    site: &'a Site,
    folder: String,
}

impl<'a> SmallDisk<'a> {
    /// Moves what is in a folder to a file system of its own there.
    fn under(site: &'a Site, folder: &Path) -> anyhow::Result<Self> {
        let disk = Self {
            site,
            folder: folder.display().to_string(),
        };
        disk.run(
            "mv $at $at-before; mkdir -m 700 $at
             mount -t tmpfs -o size=32m,mode=700 tmpfs $at
             cp -a $at-before/. $at/",
        )?;
        Ok(disk)
    }

    /// To the last byte.
    fn fill(&self) -> anyhow::Result<()> {
        self.run("! dd if=/dev/zero bs=4k of=$at/filler; [ -s $at/filler ]")
    }

    fn make_room(&self) -> anyhow::Result<()> {
        self.run("rm $at/filler")
    }

    fn run(&self, script: &str) -> anyhow::Result<()> {
        let script = format!("at={}; {script}", self.folder);
        self.site.shell(Ns::Host, &script)?;
        Ok(())
    }
}

/// A PostgreSQL of its own; gone when dropped.
struct Postgres {
    url: String,
    folder: PathBuf,
    // Dropped last: it only holds the shell that started the server.
    _runs: Dialogue,
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Killing the shell leaves the server, which is nobody's child. It may be
        // dead already: the test kills it.
        let _ = self.kill();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Postgres {
    fn start() -> anyhow::Result<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../postgres");
        let mut command = Command::new("bash");
        command.arg(script);
        command.args(["sh", "-c", "echo \"$CULVERT_TEST_POSTGRES\"; echo; cat"]);
        let mut runs = Dialogue::start(&mut command)?;
        runs.wait_for("\n\n").context("PostgreSQL does not start")?;
        let url = runs.heard().trim().to_owned();
        let folder = url.split("host=").nth(1).context("no folder")?.into();
        Ok(Self {
            url,
            folder,
            _runs: runs,
        })
    }

    /// At once, as when its machine is lost.
    fn kill(&self) -> anyhow::Result<()> {
        self.control(&["stop", "-m", "immediate"])
    }

    fn start_again(&self) -> anyhow::Result<()> {
        self.control(&["restart", "-l", "/dev/null"])
    }

    fn control(&self, what: &[&str]) -> anyhow::Result<()> {
        let script = r#"
            bin=$(find /usr/lib/postgresql -name pg_ctl | sort -V | tail -1)
            user=$(stat -c %U "$1"); folder=$1; shift; cd "$folder"
            [ "$(id -u)" != 0 ] || set -- setpriv --reuid "$user" --regid "$(id -g "$user")" \
                --clear-groups "$bin" -w -D "$folder/data" "$@"
            [ "$(id -u)" = 0 ] || set -- "$bin" -w -D "$folder/data" "$@"
            exec "$@""#;
        let mut control = Command::new("sh");
        control.args(["-ec", script, "sh"]).arg(&self.folder);
        must_work(control.args(what)).map(drop)
    }
}
