//! Claim codes: single use, atomic, and what a box gets from one.

use std::sync::Arc;

use culvert_cloud_prs::app::claims::ClaimFor;
use culvert_wire::frame::{CARD_MOVED, Health, Progress, System};
use culvert_wire::hello::GatewayHello;
use culvert_wire::id::BootId;
use culvert_wire::key::SigningKey;
use culvert_wire::reason::Reason;

use crate::world::{HOUR, binding, claim_auth, console, from, on_both};

fn new_key() -> SigningKey {
    SigningKey::from_seed(&rand::random())
}

/// An address in a network of its own.
fn network(number: u8) -> std::net::SocketAddr {
    ([198, 51, number, 7], 40_000).into()
}

fn hello(key: &SigningKey, boot: u8, lease: Option<culvert_wire::id::Lease>) -> GatewayHello {
    GatewayHello {
        identity: key.public(),
        boot: BootId::from_random([boot; 16]),
        lease,
        revocations: 0,
    }
}

on_both! {
    /// Threat 8: 100 parallel uses of one code.
    one_of_a_hundred_boxes_wins_a_code, world => {
        let (_, code) = world.app.add_claim(&console(), ClaimFor::Nothing).await.unwrap();
        let code = Arc::new(code);
        let mut tries = tokio::task::JoinSet::new();
        for number in 0..100 {
            let (app, code) = (Arc::clone(&world.app), Arc::clone(&code));
            tries.spawn(async move {
                let auth = claim_auth(&code, &new_key(), &binding());
                app.admit_claim(&auth, &binding(), network(number)).await
            });
        }
        let outcomes = tries.join_all().await;
        let won = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        assert_eq!(won, 1);
        for refused in outcomes.into_iter().filter_map(Result::err) {
            assert_eq!(refused.reason, Reason::ClaimRefused);
        }
        assert_eq!(world.app.gateways(&console()).await.unwrap().len(), 3);
    }
}

on_both! {
    /// Threats 8 and 20: anybody can claim. A flood of it is refused before the
    /// database is asked, costs no writes, and leaves a bounded number of rows and
    /// how many there were.
    bad_claims_take_nobodys_turn_and_the_trail_does_not_grow_by_them, world => {
        let app = &world.app;
        let (_, code) = app.add_claim(&console(), ClaimFor::Nothing).await.unwrap();
        let mut forged = code.clone();
        forged.seed = new_key();
        let bad = async |number| {
            let auth = claim_auth(&forged, &new_key(), &binding());
            app.admit_claim(&auth, &binding(), network(number)).await.unwrap_err()
        };
        let rows = async || {
            let rows = app.audit_rows(&console(), None, None, 1000).await.unwrap();
            rows.into_iter().filter(|row| row.action == "gateway.claim" && row.outcome != "done")
                .collect::<Vec<_>>()
        };
        let mut throttled = 0;
        for _ in 0..40 {
            let refused = bad(0).await;
            assert!(refused.retry_after_ms > 0);
            if refused.reason == Reason::Throttled {
                throttled += 1;
            } else {
                assert_eq!((refused.reason, throttled), (Reason::ClaimRefused, 0));
            }
        }
        assert_eq!(throttled, 10);
        assert_eq!(rows().await.len(), 10);

        // From everywhere, while the one who writes is slow: nobody waits for a turn.
        let writing = app.store().write().await.unwrap();
        for number in 1..40 {
            let limit = std::time::Duration::from_secs(60);
            let refused = tokio::time::timeout(limit, bad(number)).await.expect("no turn");
            assert_eq!(refused.reason, Reason::ClaimRefused);
        }
        drop(writing);
        assert_eq!(rows().await.len(), 10);
        app.record_counted().await.unwrap();
        assert_eq!(rows().await.len(), 10, "not before the minute is over");
        world.pass(60_000);
        app.record_counted().await.unwrap();
        app.record_counted().await.unwrap();
        let told = rows().await;
        assert_eq!(told.len(), 11);
        // 20 of the 30 that were judged, the first that was not, and 39.
        assert!(told[0].after.contains("\"without_row\":60"), "{:?}", told[0]);

        let auth = claim_auth(&code, &new_key(), &binding());
        let elsewhere = app.admit_claim(&auth, &binding(), network(41)).await;
        assert!(elsewhere.is_ok());
    }
}

on_both! {
    a_code_is_refused_when_used_expired_taken_back_or_forged, world => {
        let app = &world.app;
        let refused = async |auth: &culvert_wire::hello::LinkAuth| {
            let outcome = app.admit_claim(auth, &binding(), from()).await;
            assert_eq!(outcome.unwrap_err().reason, Reason::ClaimRefused);
        };
        let (_, used) = app.add_claim(&console(), ClaimFor::Nothing).await.unwrap();
        let auth = claim_auth(&used, &new_key(), &binding());
        app.admit_claim(&auth, &binding(), from()).await.unwrap();
        refused(&claim_auth(&used, &new_key(), &binding())).await;

        let (claim, code) = app.add_claim(&console(), ClaimFor::Nothing).await.unwrap();
        app.void_claim(&console(), claim.id).await.unwrap();
        refused(&claim_auth(&code, &new_key(), &binding())).await;

        let (_, code) = app.add_claim(&console(), ClaimFor::Nothing).await.unwrap();
        let mut forged = code.clone();
        forged.seed = new_key();
        refused(&claim_auth(&forged, &new_key(), &binding())).await;
        let mut other = binding();
        other.exporter = [9; 32];
        refused(&claim_auth(&code, &new_key(), &other)).await;
        world.pass(72 * HOUR);
        refused(&claim_auth(&code, &new_key(), &binding())).await;
    }
}

on_both! {
    /// The answer to a claim may get lost: the box that won may ask again.
    the_box_that_won_may_repeat_its_claim, world => {
        let (_, code) = world.app.add_claim(&console(), ClaimFor::Nothing).await.unwrap();
        let auth = claim_auth(&code, &new_key(), &binding());
        let first = world.app.admit_claim(&auth, &binding(), from()).await.unwrap();

        let again = world.app.admit_claim(&auth, &binding(), from()).await.unwrap();

        assert_eq!(first.gateway, again.gateway);
        assert_eq!(first.lease, again.lease);
    }
}

on_both! {
    /// A shelf of boxes: which of them waits for a site stands on its label.
    a_box_without_a_site_shows_what_its_label_says_until_it_has_one, world => {
        let app = &world.app;
        let (claim, code) = app.add_claim(&console(), ClaimFor::Nothing).await.unwrap();
        let auth = claim_auth(&code, &new_key(), &binding());
        let claimed = app.admit_claim(&auth, &binding(), from()).await.unwrap();
        let id = claimed.gateway.unwrap();
        let printed = culvert_wire::claim::label(claim.id);
        assert!(code.claim.to_string().to_uppercase().starts_with(&printed[..4]));

        let labels = async || {
            let all = app.gateways(&console()).await.unwrap();
            all.into_iter().filter_map(|one| Some((one.id, one.label?))).collect::<Vec<_>>()
        };
        assert_eq!(labels().await, vec![(id, printed.clone())]);
        assert_eq!(app.gateway(&console(), id).await.unwrap().label, Some(printed));

        app.revoke_gateway(&console(), world.a.gateway).await.unwrap();
        app.assign_gateway(&console(), world.a.gateway, None).await.unwrap();
        app.assign_gateway(&console(), id, Some(world.a.site)).await.unwrap();
        assert_eq!(labels().await, vec![], "it has a site");
    }
}

on_both! {
    /// "Replacing a dead box keeps the site's hosts, permissions and history."
    a_new_box_takes_the_place_of_a_dead_one, world => {
        let app = &world.app;
        let running = world.session(&world.ann, &world.a).await;
        let failed = System {
            board: "rock64".into(),
            version: 1,
            trial: false,
            progress: Progress::Failed { version: 2 },
        };
        app.system_told(&world.a.box_key.public(), failed).await;
        let what = ClaimFor::Replace(world.a.gateway);
        let (_, code) = app.add_claim(&console(), what).await.unwrap();
        let key = new_key();
        let auth = claim_auth(&code, &key, &binding());

        let welcome = app.admit_claim(&auth, &binding(), from()).await.unwrap();

        assert_eq!(welcome.gateway, Some(world.a.gateway));
        let (_, boxes) = app.releases(&console()).await.unwrap();
        assert_eq!(boxes, [], "what the dead one failed with is not the new one's");
        app.carry_out().await.unwrap();
        let ended = world.wires.ended.lock().unwrap().clone();
        assert_eq!(ended, vec![(running.session, Reason::GatewayRevoked)]);
        let old = hello(&world.a.box_key, 1, None);
        let refused = app.admit_gateway(&old, "x 1", from()).await.unwrap_err();
        assert_eq!(refused.reason, Reason::GatewayRevoked);
        // Same host, same permission, new box.
        world.wires.online.lock().unwrap().insert(key.public());
        let session = world.session(&world.ann, &world.a).await;
        assert_eq!(session.gateway_key, key.public());
        assert_eq!(session.gateway, world.a.gateway.to_string());
    }
}

on_both! {
    /// Threat 9, D7: two boxes with one identity are both put aside.
    a_copied_box_is_quarantined_until_somebody_decides, world => {
        let app = &world.app;
        let key = &world.a.box_key;
        let boots = async |boot, lease| {
            app.admit_gateway(&hello(key, boot, lease), "x 1", from()).await.unwrap()
        };
        let first = boots(2, None).await.lease.unwrap();
        app.lease_stored(&key.public(), first).await;
        let copy = boots(3, Some(first)).await.lease.unwrap();
        app.lease_stored(&key.public(), copy).await;
        let running = world.session(&world.ann, &world.a).await;

        let original = boots(2, Some(first)).await;

        assert_eq!(original.lease, None);
        assert_eq!(boots(3, Some(copy)).await.lease, None);
        app.carry_out().await.unwrap();
        let ended = world.wires.ended.lock().unwrap().clone();
        assert_eq!(ended, vec![(running.session, Reason::Quarantined)]);
        let call = world.call(&world.ann).await;
        let ask = crate::world::ask(&world.a);
        let refused = app.start_session(&call, &ask).await.unwrap_err();
        assert_eq!(refused.reason, Reason::Quarantined);
        let rows = app.audit_rows(&console(), None, None, 100).await.unwrap();
        assert!(rows.iter().any(|row| row.action == "gateway.quarantine"));

        app.release_gateway(&console(), world.a.gateway).await.unwrap();
        assert!(boots(3, Some(copy)).await.lease.is_some());
        assert!(app.start_session(&call, &ask).await.is_ok());
    }
}

on_both! {
    /// S27: a card in another board is put aside once; what an administrator
    /// has decided is not asked again while the box still says so.
    a_moved_card_is_quarantined_until_somebody_decides, world => {
        let app = &world.app;
        let key = world.a.box_key.public();
        let says = async |code: &str| {
            let told = Health {
                code: code.into(),
                text: "a sentence".into(),
                version: "1".into(),
                uptime_s: 1,
            };
            app.health_told(&key, told).await;
        };
        let call = world.call(&world.ann).await;
        let ask = crate::world::ask(&world.a);
        says("ok").await;
        let running = world.session(&world.ann, &world.a).await;

        says(CARD_MOVED).await;

        app.carry_out().await.unwrap();
        let ended = world.wires.ended.lock().unwrap().clone();
        assert_eq!(ended, vec![(running.session, Reason::Quarantined)]);
        let refused = app.start_session(&call, &ask).await.unwrap_err();
        assert_eq!(refused.reason, Reason::Quarantined);
        let rows = app.audit_rows(&console(), None, None, 100).await.unwrap();
        assert!(rows.iter().any(|row| row.action == "gateway.quarantine"));

        app.release_gateway(&console(), world.a.gateway).await.unwrap();
        says(CARD_MOVED).await;
        assert!(app.start_session(&call, &ask).await.is_ok());

        says("ok").await;
        says(CARD_MOVED).await;
        assert!(app.start_session(&call, &ask).await.is_err(), "moved again");
    }
}

on_both! {
    a_box_without_a_site_waits_until_it_gets_one, world => {
        let app = &world.app;
        let (_, code) = app.add_claim(&console(), ClaimFor::Nothing).await.unwrap();
        let auth = claim_auth(&code, &new_key(), &binding());
        let welcome = app.admit_claim(&auth, &binding(), from()).await.unwrap();
        let id = welcome.gateway.unwrap();
        let site = app.add_site(&console(), world.a.customer, "Depot").await.unwrap().id;
        let anns = world.call(&world.ann).await;
        assert!(app.gateway(&anns, id).await.is_err());

        app.assign_gateway(&console(), id, Some(site)).await.unwrap();

        assert!(app.gateway(&anns, id).await.is_ok());
        // A site has one box.
        let taken = app.assign_gateway(&console(), id, Some(world.a.site)).await;
        assert_eq!(taken.unwrap_err().reason, Reason::Conflict);
    }
}

on_both! {
    a_box_that_nobody_claimed_is_told_so, world => {
        let unknown = hello(&new_key(), 1, None);

        let refused = world.app.admit_gateway(&unknown, "x 1", from()).await.unwrap_err();

        assert_eq!(refused.reason, Reason::Unclaimed);
        assert!(refused.retry_after_ms > 0);
    }
}

on_both! {
    /// P1: after a restart thousands of boxes say hello at the same time.
    boxes_that_come_together_each_get_their_own_answer, world => {
        let mut keys = Vec::new();
        for _ in 0..30 {
            let (_, code) = world.app.add_claim(&console(), ClaimFor::Nothing).await.unwrap();
            let key = new_key();
            let auth = claim_auth(&code, &key, &binding());
            let welcome = world.app.admit_claim(&auth, &binding(), from()).await.unwrap();
            world.app.lease_stored(&key.public(), welcome.lease.unwrap()).await;
            keys.push((key, welcome));
        }
        let mut hellos = tokio::task::JoinSet::new();
        for (n, (key, claimed)) in keys.into_iter().enumerate() {
            let app = Arc::clone(&world.app);
            hellos.spawn(async move {
                let hello = hello(&key, 2, claimed.lease);
                // Some links are gone before the answer comes.
                let limit = std::time::Duration::from_millis(if n % 3 == 0 { 1 } else { 60_000 });
                let asked = app.admit_gateway(&hello, "x 2", from());
                let answer = tokio::time::timeout(limit, asked).await;
                (claimed.gateway, answer)
            });
        }
        let mut fresh = std::collections::HashSet::new();
        for (place, answer) in hellos.join_all().await {
            let Ok(answer) = answer else { continue };
            let welcome = answer.unwrap();
            assert_eq!(welcome.gateway, place);
            fresh.insert(welcome.lease.unwrap());
        }
        assert!(fresh.len() >= 20);
        // These and the world's own two share the time of a return.
        assert_eq!(world.app.fleet(), 32);
        let unknown = world.app.admit_gateway(&hello(&new_key(), 1, None), "x", from()).await;
        assert_eq!(unknown.unwrap_err().reason, Reason::Unclaimed);
    }
}
