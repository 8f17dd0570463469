//! What looks after a running server sees of it: its health, its figures, its
//! certificate.

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::checking::{certificate, with_files};
use super::*;

const YEAR: i64 = 365 * 24 * 3600;

/// Status and body of a GET without TLS.
async fn get(address: &str, path: &str) -> (u16, String) {
    let mut tcp = TcpStream::connect(address).await.unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    tcp.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(PATIENCE, tcp.read_to_string(&mut answer))
        .await
        .unwrap()
        .unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body.to_owned())
}

/// The value of a figure, of a text that Prometheus can read whole.
fn figure(text: &str, name: &str) -> Option<u64> {
    let mut found = None;
    let mut lines = text.lines();
    while let Some(help) = lines.next() {
        let (typed, value) = (lines.next().unwrap(), lines.next().unwrap());
        let called = help
            .strip_prefix("# HELP ")
            .unwrap()
            .split(' ')
            .next()
            .unwrap();
        let kind = typed.strip_prefix(&format!("# TYPE {called} ")).unwrap();
        assert!(["gauge", "counter"].contains(&kind), "{typed}");
        assert_eq!(kind == "counter", called.ends_with("_total"), "{typed}");
        let value = value.strip_prefix(called).unwrap().trim().parse().unwrap();
        if called == name {
            found = Some(value);
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn health_and_figures_are_on_an_address_of_their_own() {
    let (_reserved, side) = reserve();
    let side = side.to_string();
    let mut prs = Prs::peopled(Prs::bare(
        tempfile::tempdir().unwrap(),
        "localhost",
        &["--metrics", &side],
    ));
    prs.serve();
    let (key, gateway, mut events, _) = prs.claim().await;
    let device = SigningKey::from_seed(&[1; 32]);
    let (technician, _signed) = prs.sign_in("tech", &device).await;
    let (_answer, _end, _near, _far) = session(&technician, &gateway, &mut events, &key).await;

    assert_eq!(get(&side, "/healthz").await, (200, "ok\n".into()));
    assert_eq!(get(&side, "/readyz").await, (200, "ready\n".into()));
    let (status, text) = get(&side, "/metrics").await;
    assert_eq!(status, 200);
    assert_eq!(figure(&text, "culvert_links"), Some(2));
    assert_eq!(figure(&text, "culvert_gateways_online"), Some(1));
    assert_eq!(figure(&text, "culvert_sessions_live"), Some(1));
    assert_eq!(figure(&text, "culvert_gateways_known"), Some(1));
    assert!(figure(&text, "culvert_forwarded_bytes_total").unwrap() > 0);
    assert!(figure(&text, "culvert_statement_left_seconds").unwrap() > 80 * 24 * 3600);
    for none in ["dropped_messages", "dropped_bytes", "offenders"] {
        assert_eq!(figure(&text, &format!("culvert_{none}_total")), Some(0));
    }
    for word in ["tech", "Harbour", "pump", ADDRESS, "127.0.0.1"] {
        assert!(!text.contains(word), "{word} in the figures");
    }
    assert_eq!(get(&side, "/api/v1/hosts").await.0, 404);

    // A database that fails: alive, not ready, and its figures are left out.
    sqlx::any::install_default_drivers();
    let url = format!("sqlite://{}", prs.data().join("culvert.db").display());
    let mut db = sqlx::AnyConnection::connect(&url).await.unwrap();
    let break_it = "ALTER TABLE gateways RENAME TO gateways_gone";
    sqlx::query(break_it).execute(&mut db).await.unwrap();
    let (status, why) = get(&side, "/readyz").await;
    assert_eq!(
        (status, why.as_str()),
        (503, "the database does not answer\n")
    );
    assert_eq!(get(&side, "/healthz").await.0, 200);
    let (_, text) = get(&side, "/metrics").await;
    assert_eq!(figure(&text, "culvert_gateways_known"), None);
    assert_eq!(figure(&text, "culvert_links"), Some(2));
    let mend_it = "ALTER TABLE gateways_gone RENAME TO gateways";
    sqlx::query(mend_it).execute(&mut db).await.unwrap();
    assert_eq!(get(&side, "/readyz").await.0, 200);
}

/// The database itself is gone. Run by `./check postgres`.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_on_postgres_whose_database_is_gone_is_alive_and_not_ready() {
    let folder = tempfile::tempdir().unwrap();
    let Some(place) = crate::world::place(crate::world::On::Postgres, folder.path()).await else {
        return;
    };
    let culvert_cloud_prs::store::Place::Postgres(address) = place else {
        panic!("PostgreSQL was asked for");
    };
    let file = folder.path().join("database");
    std::fs::write(&file, &address).unwrap();
    let (_reserved, side) = reserve();
    let side = side.to_string();
    let file = file.to_str().unwrap().to_owned();
    let more = ["--metrics", &side, "--database-address-file", &file];
    let mut prs = Prs::bare(folder, "localhost", &more);
    prs.serve();
    assert_eq!(get(&side, "/readyz").await, (200, "ready\n".into()));

    let server = std::env::var("CULVERT_TEST_POSTGRES").unwrap();
    let mut root = sqlx::AnyConnection::connect(&server).await.unwrap();
    let (_, name) = address.split_once("/t").unwrap_or(("", &address));
    let name = name.split('?').next().unwrap();
    let drop = format!("DROP DATABASE t{name} WITH (FORCE)");
    sqlx::query(sqlx::AssertSqlSafe(drop))
        .execute(&mut root)
        .await
        .unwrap();

    assert_eq!(get(&side, "/readyz").await.0, 503);
    assert_eq!(get(&side, "/healthz").await.0, 200);
}

/// Whether somebody who trusts exactly this certificate gets in by TLS.
async fn trusts(prs: &Prs, pem: &std::path::Path) -> bool {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(pem).unwrap())
        .unwrap();
    let config = rustls::ClientConfig::builder_with_provider(culvert_link::tls::provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let tcp = TcpStream::connect(("127.0.0.1", prs.port)).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let tls = tokio_rustls::TlsConnector::from(Arc::new(config));
    timeout(PATIENCE, tls.connect(name, tcp))
        .await
        .unwrap()
        .is_ok()
}

/// Tells the server to look; returns when it has said anew that the old certificate
/// stays, and why.
async fn until_told(prs: &Prs, why: &str) {
    let told = || {
        let log = prs.log.lock().unwrap();
        let stays = |line: &&str| line.contains("the old certificate stays") && line.contains(why);
        log.lines().filter(stays).count()
    };
    let before = told();
    prs.signal(Signal::SIGHUP);
    eventually(|| told() > before).await;
}

async fn until_trusted(prs: &Prs, pem: &std::path::Path) {
    let waiting = async {
        while !trusts(prs, pem).await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, waiting).await.unwrap();
}

/// Part 5: certificates as files; a renewed one needs no restart, and one that
/// does not hold is left.
#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_certificate_is_shown_without_a_restart() {
    let mut prs = with_files((-3600, YEAR));
    prs.serve();
    let chain = prs.folder.path().join("own.pem");
    let old = prs.folder.path().join("old.pem");
    std::fs::copy(&chain, &old).unwrap();
    assert!(trusts(&prs, &old).await);
    let me = Me::Technician {
        key: SigningKey::from_seed(&[1; 32]),
        token: None,
    };
    let (link, _events) = connect(&prs.dial(), me, "culvert 1").await.unwrap();

    certificate(prs.folder.path(), "localhost", (-3600, YEAR));
    prs.signal(Signal::SIGHUP);
    until_trusted(&prs, &chain).await;
    assert!(!trusts(&prs, &old).await);

    // Half of a renewal: what worked stays, and the log says why.
    let new = prs.folder.path().join("new.pem");
    std::fs::copy(&chain, &new).unwrap();
    std::fs::write(prs.folder.path().join("own.key"), "none").unwrap();
    until_told(&prs, "holds no PEM private key").await;
    assert!(trusts(&prs, &new).await);

    // A certificate for somebody else, and one that is over: whole, and worse.
    certificate(prs.folder.path(), "other.example", (-3600, YEAR));
    until_told(&prs, "it is not for localhost").await;
    assert!(trusts(&prs, &new).await);
    certificate(prs.folder.path(), "localhost", (-YEAR, -3600));
    until_told(&prs, "it ended on ").await;
    assert!(trusts(&prs, &new).await);

    // Links go on through all of it.
    let ask = serde_json::json!({});
    let answer: Result<serde_json::Value, u16> = api(&link, Method::Get, "/api/v1/me", &ask).await;
    assert_eq!(answer.unwrap_err(), 401);
}

/// One that is over keeps no box away; the log tells whoever runs the server.
#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_over_is_told_and_keeps_no_link_away() {
    let mut prs = with_files((-YEAR, -3600));
    prs.serve();

    let me = Me::Technician {
        key: SigningKey::from_seed(&[1; 32]),
        token: None,
    };
    let link = connect(&prs.dial(), me, "culvert 1").await;

    assert!(link.is_ok());
    let told = || {
        prs.log
            .lock()
            .unwrap()
            .contains("Certificate is not good for browsers")
    };
    eventually(told).await;
}
