//! Backups while serving, and what a restore must not revive (P24).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use culvert_cloud_prs::app::claims::ClaimFor;
use culvert_cloud_prs::store::Place;
use culvert_wire::api::TokenScope;
use culvert_wire::hello::GatewayHello;
use culvert_wire::id::{BootId, Lease};
use culvert_wire::key::SigningKey;
use culvert_wire::reason::Reason;

use crate::world::{BEGINNING, From, World, app_on, binding, claim_auth, console, from, on_both};

on_both! {
    /// "Restoring a backup voids unused codes, tickets and tokens."
    voiding_leaves_no_code_token_ticket_or_session, world => {
        let session = world.session(&world.ann, &world.a).await.session;
        let token = world.api_token(&world.ann, &[TokenScope::Read]).await;
        let (_, code) = world.app.add_claim(&console(), ClaimFor::Nothing).await.unwrap();

        let voided = world.app.void_everything(&console()).await.unwrap();

        assert_eq!((voided.codes, voided.sessions), (1, 1));
        // Three sign-ins and the API token.
        assert_eq!(voided.tokens, 4);
        let box_key = SigningKey::from_seed(&rand::random());
        let auth = claim_auth(&code, &box_key, &binding());
        let refused = world.app.admit_claim(&auth, &binding(), from()).await.unwrap_err();
        assert_eq!(refused.reason, Reason::ClaimRefused);
        assert_eq!(world.send(&From::Web(&token), "GET", "/api/v1/me", "").await.0, 401);
        assert!(world.app.recover_route(session).await.unwrap().is_none());
    }
}

on_both! {
    /// D7: what a box shows that has moved on since the backup is taken once.
    a_box_that_moved_on_since_the_backup_is_no_clone_and_its_copy_is, world => {
        let app = &world.app;
        let boots = async |boot: u8, lease: Option<Lease>| {
            let hello = GatewayHello {
                identity: world.a.box_key.public(),
                boot: BootId::from_random([boot; 16]),
                lease,
                revocations: 0,
            };
            app.admit_gateway(&hello, "x 1", from()).await.unwrap().lease
        };
        let of_backup = boots(2, None).await.unwrap();
        app.lease_stored(&world.a.box_key.public(), of_backup).await;
        let moved_on = Lease::from_random([77; 16]);

        let voided = app.void_everything(&console()).await.unwrap();

        assert_eq!(voided.boxes, 2);
        let lost = boots(3, Some(moved_on)).await;
        assert!(lost.is_some(), "the box is put aside");
        // The lease it was given never reached its disk: it shows the old one.
        let given = boots(4, Some(moved_on)).await;
        assert!(given.is_some() && boots(5, given).await.is_some());
        assert_eq!(boots(6, Some(of_backup)).await, None, "a copy is let in");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_taken_while_others_write_is_whole() {
    let world = World::new().await;
    let app = Arc::clone(&world.app);
    let customer = world.a.customer;
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let (begins, begun) = tokio::sync::oneshot::channel();
    let writer = tokio::spawn(async move {
        let (mut written, mut begins) = (0, Some(begins));
        // No more than are listed below, however long the copies take.
        while !stopped.load(Ordering::Relaxed) && written < 500 {
            let name = format!("Site {written}");
            app.add_site(&console(), customer, &name).await.unwrap();
            written += 1;
            if let Some(begins) = begins.take() {
                begins.send(()).unwrap();
            }
        }
        written
    });
    begun.await.unwrap();
    let mut copies = Vec::new();
    for n in 0..5 {
        let path = world.folder.path().join(format!("copy-{n}.db"));
        world.app.store().copy_to(&path).await.unwrap();
        copies.push(path);
    }
    stop.store(true, Ordering::Relaxed);
    let written = writer.await.unwrap();
    assert!(written > 0);

    for path in copies {
        let clock = Arc::new(AtomicU64::new(BEGINNING));
        let copy = app_on(Place::File(path), &world.broker, clock).await;
        let rows = copy.audit_verify(&[]).await.unwrap();
        let sites = copy.sites(&console(), Some(customer)).await.unwrap();
        let recorded = copy.audit_rows(&console(), None, None, 1000).await.unwrap();
        let added = recorded
            .iter()
            .filter(|row| row.action == "site.add")
            .count();
        assert!(rows.is_ok());
        // One of them is the other customer's.
        assert_eq!(sites.len() + 1, added);
    }
}
