//! Who the server and its boxes are: statements that are renewed or expire,
//! rotated keys, two boxes with one identity.

use super::*;

/// Threat 9, D7: two live boxes with one identity; both are put aside.
#[tokio::test(flavor = "multi_thread")]
async fn two_live_boxes_with_one_identity_are_both_quarantined() {
    let mut prs = Prs::new();
    prs.serve();
    let (key, original, _events, welcome) = prs.claim().await;
    let lease = welcome.lease.unwrap();
    // The copy of the card starts with the original's files.
    let hello = |boot: u8| Me::Gateway {
        key: key.clone(),
        hello: GatewayHello {
            identity: key.public(),
            boot: BootId::from_random([boot; 16]),
            lease: Some(lease),
            revocations: 0,
        },
    };
    let (copy, mut copy_events) = connect(&prs.dial(), hello(2), "box 1").await.unwrap();
    let handed = welcomed(&mut copy_events).await.lease.unwrap();
    copy.send(Frame::LeaseStored(handed)).unwrap();
    // The newer process has the place: the original's link ends, it comes back.
    timeout(PATIENCE, original.closed()).await.unwrap();
    // The copy's acknowledgement may still be on its way.
    let found = async {
        loop {
            let (_link, mut events) = connect(&prs.dial(), hello(1), "box 1").await.unwrap();
            if welcomed(&mut events).await.lease.is_none() {
                return;
            }
        }
    };
    timeout(PATIENCE, found).await.unwrap();

    let listed = good(&prs.admin(&["gateway", "list"], ""));
    assert!(listed.contains("quarantined"), "{listed}");
    let (_copy, mut events) = connect(&prs.dial(), hello(2), "box 1").await.unwrap();
    assert_eq!(welcomed(&mut events).await.lease, None);
    let trail = good(&prs.admin(&["audit", "list"], ""));
    assert!(trail.contains("gateway.quarantine"));
    eventually(|| {
        let log = prs.log.lock().unwrap();
        log.contains("ERROR") && log.contains("Two boxes use one identity")
    })
    .await;
}

#[test]
fn a_server_with_an_expired_statement_does_not_start_and_says_what_to_do() {
    let prs = Prs::new();
    let statement = prs.data().join("keys/statement");
    let provider = culvert_cloud_prs::data::Data::at(prs.data());
    let mut keys = culvert_cloud_prs::keys::Keys::load(&provider).unwrap();
    // The provider key lives elsewhere, so the server cannot help itself.
    let key_file = prs.folder.path().join("provider.key");
    std::fs::rename(prs.data().join("keys/provider.key"), &key_file).unwrap();
    keys.renew(&provider, &key_file, UnixMs(1_700_000_000_000), 1)
        .unwrap();
    assert!(statement.exists());

    let said = bad(&prs.run(&["serve"], ""));
    assert!(said.contains("key renew-statement"), "{said}");
    assert!(bad(&prs.run(&["check"], "")).contains("must be mended"));

    let file = key_file.to_str().unwrap();
    good(&prs.run(&["key", "renew-statement", "--provider-key", file], ""));
    assert!(!good_or_bad(&prs.run(&["check"], "")).contains("BAD     statement"));
}

fn good_or_bad(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// A server that runs for years: its statement is renewed under it.
#[tokio::test(flavor = "multi_thread")]
async fn a_running_server_takes_a_renewed_statement_over() {
    let mut prs = Prs::new();
    prs.serve();
    let first = prs.proven_until().await;
    good(&prs.run(&["key", "renew-statement", "--days", "60"], ""));

    prs.signal(Signal::SIGHUP);

    let taken = async {
        while prs.proven_until().await == first {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, taken).await.unwrap();
    assert!(prs.proven_until().await < first);
}

/// D7, P: the rotations a running installation goes through.
#[tokio::test(flavor = "multi_thread")]
async fn boxes_and_technicians_follow_rotated_keys() {
    let mut prs = Prs::new();
    prs.serve();
    let pinned = prs.dial();
    let (key, _gateway, _events, welcome) = prs.claim().await;
    prs.stop().wait().unwrap();
    good(&prs.run(&["key", "rotate-node"], ""));
    good(&prs.run(&["key", "rotate-provider"], ""));
    prs.serve();

    let hello = GatewayHello {
        identity: key.public(),
        boot: BootId::from_random([2; 16]),
        lease: welcome.lease,
        revocations: 0,
    };
    let me = Me::Gateway { key, hello };
    let (link, mut events) = connect(&pinned, me, "box 1").await.unwrap();

    assert!(welcomed(&mut events).await.gateway.is_some());
    assert_ne!(link.proven().provider, pinned.provider);
    assert_eq!(link.proven().statement.epoch, 2);
    let now: PublicKey = prs.dial().provider;
    assert_eq!(link.proven().provider, now);
    // Rows signed by the node key before still verify.
    good(&prs.admin(&["audit", "verify"], ""));
}
