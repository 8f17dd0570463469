//! Upgrading is replacing the program: an older database is brought up to date
//! when it starts, a copy of it stays, and a newer one is not touched (P24). And what a
//! backup keeps of a server whose database is PostgreSQL's.
//!
//! `fixtures/schema-1.db` was written by the first version itself: a customer
//! with a site and three hosts, two people, a claimed gateway, a sign-in and two
//! sessions that are over. It never changes; later schemas get files of their own.

#![expect(clippy::unwrap_used, reason = "a test that fails says where")]

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, SystemTime};

use culvert_cloud_prs::store::SCHEMA;
use sqlx::{AnyConnection, Connection as _, Row as _};

const SCHEMA_1: &[u8] = include_bytes!("fixtures/schema-1.db");
/// The public key of the node that signed its audit heads: a former node to the
/// installation that takes the database over.
const ITS_NODE: &str = "mq7xy3l24jlt67v6e76aqjfibkxbd2t5b7mxg2w6q5wq4vugmprq\n";

/// What the first version's report says of the two sessions.
const SESSIONS: [&str; 2] = [
    "vugqnjap2ihyoqrn3uctg4v7wu,tess,Harbour,Pump station,server,ssh,2026-11-21T15:53:56Z,\
     2026-11-21T15:53:57Z,0,3217,3493,finished,the session was finished",
    "44qowrbj5mljfgkaljhins2vfq,tess,Harbour,Pump station,server,ssh,2026-11-21T15:53:55Z,\
     2026-11-21T15:53:56Z,0,3269,3397,finished,the session was finished",
];

#[tokio::test]
async fn a_database_of_the_first_version_is_brought_up_to_date_and_a_copy_of_it_kept() {
    let installation = Installation::new();
    fs::write(installation.database(), SCHEMA_1).unwrap();
    let former = installation.0.path().join("data/keys/former-nodes");
    fs::write(former, ITS_NODE).unwrap();

    let report = good(&installation.run(&["admin", "report", "--csv"]));

    for session in SESSIONS {
        assert!(report.contains(session), "{report}");
    }
    let verified = good(&installation.run(&["admin", "audit", "verify"]));
    assert!(verified.contains("every chain is whole"), "{verified}");
    let people = good(&installation.run(&["admin", "user", "list"]));
    assert!(
        people.contains("tess") && people.contains("owner"),
        "{people}"
    );
    let hosts = good(&installation.run(&["admin", "host", "list"]));
    for host in ["server", "desktop", "device"] {
        assert!(hosts.contains(host), "{hosts}");
    }
    assert_eq!(schema(&installation.database()).await, SCHEMA);
    let copy = installation.database().with_extension("schema-1.db");
    assert_eq!(schema(&copy).await, 1);
    // The copy is whole: the first version could go on with it.
    assert_eq!(rows(&copy).await, rows_of_schema_1().await);
}

/// A copy is there already: of an upgrade that was stopped, or from before a backup was
/// put back. It does not stand in the way, and the newer copy is the one that stays.
#[tokio::test]
async fn an_upgrade_that_was_stopped_can_be_made_again() {
    let installation = Installation::new();
    fs::write(installation.database(), SCHEMA_1).unwrap();
    let former = installation.0.path().join("data/keys/former-nodes");
    fs::write(former, ITS_NODE).unwrap();
    let copy = installation.database().with_extension("schema-1.db");
    fs::write(&copy, &SCHEMA_1[..8192]).unwrap();
    let cut_off = installation
        .database()
        .with_extension("schema-1.0a1b2c3d.part");
    let long_ago = SystemTime::now() - Duration::from_secs(2 * 3600);
    let file = fs::File::create(cut_off).unwrap();
    file.set_modified(long_ago).unwrap();

    good(&installation.run(&["admin", "report", "--csv"]));

    assert_eq!(schema(&installation.database()).await, SCHEMA);
    assert_eq!(rows(&copy).await, rows_of_schema_1().await);
    let left: Vec<_> = fs::read_dir(copy.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".part"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused_with_a_sentence_and_left_alone() {
    let installation = Installation::new();
    let path = installation.database();
    let mut db = open(&path).await;
    sqlx::query("UPDATE meta SET value = $1 WHERE name = 'schema'")
        .bind((SCHEMA + 1).to_string())
        .execute(&mut db)
        .await
        .unwrap();
    db.close().await.unwrap();

    for command in [&["serve"][..], &["admin", "report", "--csv"]] {
        let output = installation.run(command);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("newer culvert-prs"), "{said}");
        assert!(
            said.contains("restore the copy made before the update"),
            "{said}"
        );
    }
    assert_eq!(schema(&path).await, SCHEMA + 1);
}

/// Settings and keys are kept and put back; who keeps the database is said. Run by
/// `./check postgres`.
#[tokio::test]
async fn a_backup_of_a_server_on_postgres_holds_settings_and_keys() {
    let Ok(server) = std::env::var("CULVERT_TEST_POSTGRES") else {
        return;
    };
    sqlx::any::install_default_drivers();
    let name = format!("t{:016x}", rand::random::<u64>());
    let mut root = AnyConnection::connect(&server).await.unwrap();
    let sql = format!("CREATE DATABASE {name}");
    sqlx::query(sqlx::AssertSqlSafe(sql))
        .execute(&mut root)
        .await
        .unwrap();
    let address = server.replacen("/postgres?", &format!("/{name}?"), 1);
    assert_ne!(address, server);
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("database");
    fs::write(&file, address).unwrap();
    let more = ["--database-address-file", file.to_str().unwrap()];
    let installation = Installation::with(&more);
    let folder = installation.0.path().join("backup");
    let folder = folder.to_str().unwrap();

    let said = good(&installation.run(&["admin", "backup", folder]));

    assert!(said.contains("settings, keys"), "{said}");
    assert!(said.contains("pg_dump"), "{said}");
    let key = |of: &Path| fs::read(of.join("keys/node.key")).unwrap();
    let data = installation.0.path().join("data");
    assert_eq!(key(Path::new(folder)), key(&data));

    // Another machine, its PostgreSQL put back: the same server.
    fs::remove_dir_all(&data).unwrap();
    let said = good(&installation.run(&["admin", "restore", folder]));
    assert!(said.contains("restored"), "{said}");
    assert_eq!(key(Path::new(folder)), key(&data));
}

/// A data folder of this version.
struct Installation(tempfile::TempDir);

impl Installation {
    fn new() -> Self {
        Self::with(&[])
    }

    fn with(more: &[&str]) -> Self {
        let installation = Self(tempfile::tempdir().unwrap());
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let listen = free.local_addr().unwrap().to_string();
        let args = ["init", "--listen", &listen, "--public-address", &listen];
        good(&installation.run(&[&args, more].concat()));
        installation
    }

    fn database(&self) -> PathBuf {
        self.0.path().join("data").join("culvert.db")
    }

    fn run(&self, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_culvert-prs"))
            .args(args)
            .env("CULVERT_PRS_DATA", self.0.path().join("data"))
            .output()
            .unwrap()
    }
}

fn good(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

async fn open(path: &Path) -> AnyConnection {
    sqlx::any::install_default_drivers();
    let url = format!("sqlite://{}", path.display());
    AnyConnection::connect(&url).await.unwrap()
}

async fn schema(path: &Path) -> i64 {
    let mut db = open(path).await;
    let row = sqlx::query("SELECT value FROM meta WHERE name = 'schema'");
    let row = row.fetch_one(&mut db).await.unwrap();
    row.get::<String, _>(0).parse().unwrap()
}

/// How many rows each table holds.
async fn rows(path: &Path) -> Vec<(String, i64)> {
    let mut db = open(path).await;
    let sql = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name";
    let mut all = Vec::new();
    for table in sqlx::query(sql).fetch_all(&mut db).await.unwrap() {
        let table: String = table.get(0);
        let count = sqlx::query(sqlx::AssertSqlSafe(format!("SELECT COUNT(*) FROM {table}")));
        all.push((table, count.fetch_one(&mut db).await.unwrap().get(0)));
    }
    all
}

async fn rows_of_schema_1() -> Vec<(String, i64)> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("culvert.db");
    fs::write(&path, SCHEMA_1).unwrap();
    rows(&path).await
}
