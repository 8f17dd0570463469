//! Starting, stopping, and a server made anew from its backup.

use super::*;

/// SIGTERM: links are told when to come back, then the process ends well.
#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_server_tells_its_links_when_to_come_back() {
    let mut prs = Prs::new();
    prs.serve();
    let (_key, gateway, mut events, _) = prs.claim().await;

    let mut child = prs.stop();

    let told = timeout(PATIENCE, events.next()).await.unwrap();
    assert!(
        matches!(
            told,
            Some(Event::Drain {
                come_back_ms: 10_000,
                ..
            })
        ),
        "{told:?}"
    );
    let (why, _) = timeout(PATIENCE, gateway.closed()).await.unwrap();
    assert_eq!(why, Reason::ServerDraining);
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_second_init_and_a_second_server_are_refused() {
    let mut prs = Prs::new();
    prs.serve();
    let listen = [
        "init",
        "--listen",
        "127.0.0.1:1",
        "--public-address",
        "a.example:1",
    ];

    assert!(bad(&prs.run(&listen, "")).contains("nothing was changed"));
    assert!(bad(&prs.run(&["serve"], "")).contains("a server already runs"));
    assert!(bad(&prs.admin(&["restore"], "")).contains("stop it first"));
}

/// Grants are judged by the time this server signs.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_clock_is_behind_its_own_past_does_not_start() {
    let prs = Prs::new();
    sqlx::any::install_default_drivers();
    let url = format!("sqlite://{}", prs.data().join("culvert.db").display());
    let mut db = sqlx::AnyConnection::connect(&url).await.unwrap();
    let far = culvert_cloud_prs::steady::system().plus_ms(3_600_000);
    culvert_cloud_prs::store::clock::raise(&mut db, far)
        .await
        .unwrap();

    let said = bad(&prs.run(&["serve"], ""));

    assert!(said.contains("set the clock"), "{said}");
}

/// P24: a restore into an empty folder, with nothing old alive. D7: the box has
/// moved on since the backup and is no clone; a copy of it is (threat 9).
#[tokio::test(flavor = "multi_thread")]
async fn a_backup_taken_while_serving_restores_a_server_on_which_nothing_old_works() {
    let mut prs = Prs::new();
    prs.serve();
    let (key, _gateway, _events, welcome) = prs.claim().await;
    let device = SigningKey::from_seed(&[1; 32]);
    let (_technician, signed) = prs.sign_in("tech", &device).await;
    let backup = prs.folder.path().join("backup");
    good(&prs.admin(&["backup", backup.to_str().unwrap()], ""));
    // The box restarts twice: what it shows now, the backup has never seen.
    let mut shown = welcome.lease.unwrap();
    for boot in [2, 3] {
        let (_link, _events, welcome) = prs.box_again(&key, boot, shown).await;
        shown = welcome.lease.unwrap();
    }
    prs.kill();
    std::fs::remove_dir_all(prs.data()).unwrap();

    let said = good(&prs.admin(&["restore", backup.to_str().unwrap()], ""));

    assert!(said.contains("1 sign-ins and API tokens"), "{said}");
    assert!(said.contains("1 boxes' leases"), "{said}");
    prs.serve();
    let me = Me::Technician {
        key: device,
        token: Some(signed.token.as_ref().unwrap().reveal().to_owned().into()),
    };
    let (link, _tech_events) = connect(&prs.dial(), me, "culvert 1").await.unwrap();
    let refused = api::<serde_json::Value>(&link, Method::Get, "/api/v1/me", &()).await;
    assert_eq!(refused.unwrap_err(), 401);
    // The box is still the box, now and after its next restart.
    let (_link, _events, again) = prs.box_again(&key, 4, shown).await;
    let (_link, _events, later) = prs.box_again(&key, 5, again.lease.unwrap()).await;
    assert!(later.lease.is_some());
    // Its copy of before the restore comes, and is none.
    let (_link, _events, copy) = prs.box_again(&key, 6, shown).await;
    assert_eq!(copy.lease, None, "a copy is let in");
}
