//! A claim code binds a box once; what can go wrong says so in a sentence.

use std::fs;

use culvert_gateway::state::{Claim, State};
use culvert_wire::claim::ClaimCode;
use culvert_wire::hello::Who;
use culvert_wire::id::ClaimId;
use culvert_wire::key::Context;

use crate::net::{CLOUD, Net};
use crate::program::{Gateway, eventually, exists, said};
use crate::prs::{Prs, SOON, key, provider};

fn code(seed: u8) -> ClaimCode {
    ClaimCode {
        servers: vec![format!("{CLOUD}:443")],
        provider: provider().public(),
        claim: ClaimId::from_random([seed; 16]),
        seed: key(seed),
    }
}

#[test]
fn a_code_claims_one_box_once_and_a_replay_is_refused_with_a_sentence() {
    let net = Net::new();
    net.run(async {
        let prs = Prs::start().await;
        prs.allow_claim(key(50).public());
        let code = code(50).reveal();
        let (mut first, second) = (Gateway::unclaimed(&net, ""), Gateway::unclaimed(&net, ""));

        let claimed = first.ask(&["claim", &code]).await;
        let replayed = second.ask(&["claim", &code]).await;
        let again = first.ask(&["claim", &code]).await;

        assert!(claimed.status.success(), "{}", said(&claimed));
        let fingerprint = first.key().fingerprint().to_string();
        assert!(said(&claimed).contains(&fingerprint), "{}", said(&claimed));
        assert_eq!(replayed.status.code(), Some(1));
        assert!(
            said(&replayed).contains("used already"),
            "{}",
            said(&replayed)
        );
        assert_eq!(State::load(&second.data()).unwrap().claim, None);
        assert!(said(&again).contains("already claimed"), "{}", said(&again));
        // The hello proved the sealing key, and the claimed box goes on.
        let Some(Who::Claim(hello)) = prs.hellos().into_iter().next() else {
            panic!("no claim was heard");
        };
        let word = &hello.sealing_signature;
        let signed = hello
            .identity
            .verify(Context::SealingKey, &hello.sealing, word);
        signed.unwrap();
        first.up(&prs).await;
    });
}

/// S3, S18: nobody at the site types anything.
#[test]
fn a_provisioning_file_claims_a_waiting_box_and_is_removed() {
    let net = Net::new();
    net.run(async {
        let prs = Prs::start().await;
        prs.allow_claim(key(51).public());
        let mut gateway = Gateway::unclaimed(&net, "");
        gateway.start();
        let file = gateway.data().join("claim.txt");
        eventually("the data folder", || {
            exists(&gateway.data().join("status.json"))
        })
        .await;
        let waiting = gateway.ask(&["status"]).await;
        assert!(
            said(&waiting).contains("waits for a claim code"),
            "{}",
            said(&waiting)
        );
        assert_eq!(waiting.status.code(), Some(1));

        fs::write(&file, code(51).reveal().as_str()).unwrap();

        eventually("the claim", || {
            let state = State::load(&gateway.data()).unwrap();
            state.confirmed().is_some()
        })
        .await;
        prs.linked(gateway.key()).await;
        eventually("the file's end", || !exists(&file)).await;
        eventually_linked(&gateway).await;
    });
}

/// S3: the power went while a code was tried that no server honours; a card with
/// a good one claims the box all the same.
#[test]
fn a_good_code_is_used_behind_one_that_was_never_answered() {
    let net = Net::new();
    net.run(async {
        let prs = Prs::start().await;
        prs.allow_claim(key(53).public());
        let mut gateway = Gateway::unclaimed(&net, "");
        let cut = Claim {
            provider: key(99).public(),
            servers: code(53).servers,
            epoch_floor: 0,
            gateway: None,
            code: Some(ClaimId::from_random([99; 16])),
            confirmed: false,
        };
        let state = State {
            claim: Some(cut),
            ..State::default()
        };
        gateway.key();
        state.store(&gateway.data()).unwrap();
        let file = gateway.data().join("claim.txt");
        fs::write(&file, code(53).reveal().as_str()).unwrap();

        gateway.start();

        prs.linked(gateway.key()).await;
        eventually_linked(&gateway).await;
        let state = State::load(&gateway.data()).unwrap();
        assert_eq!(state.confirmed().unwrap().code, Some(code(53).claim));
        assert!(!exists(&file), "a code that was used stays");
    });
}

async fn eventually_linked(gateway: &Gateway) {
    let up = async {
        while !gateway.ask(&["status"]).await.status.success() {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    };
    if tokio::time::timeout(SOON, up).await.is_err() {
        panic!("{}", said(&gateway.ask(&["status"]).await));
    }
}

/// A cable pulled between the server's acceptance and the box's hearing it.
#[test]
fn a_claim_whose_answer_was_lost_is_found_again_by_the_running_box() {
    let net = Net::new();
    net.run(async {
        let prs = Prs::start().await;
        prs.allow_claim(key(52).public());
        prs.swallow_answers(true);
        let mut gateway = Gateway::unclaimed(&net, "");
        let code = code(52).reveal();

        let lost = gateway.ask(&["claim", &code]).await;
        prs.swallow_answers(false);

        assert!(said(&lost).contains("answer was lost"), "{}", said(&lost));
        gateway.start();
        eventually("the claim", || {
            let state = State::load(&gateway.data()).unwrap();
            state.confirmed().is_some()
        })
        .await;
        // The code itself is used up, for this box too, and that is no error.
        let mut other = Gateway::unclaimed(&net, "");
        assert!(!other.ask(&["claim", &code]).await.status.success());
        assert_eq!(other.stop(), None);
    });
}

#[test]
fn the_same_code_again_after_a_lost_answer_claims_too() {
    let net = Net::new();
    net.run(async {
        let prs = Prs::start().await;
        prs.allow_claim(key(53).public());
        prs.swallow_answers(true);
        let gateway = Gateway::unclaimed(&net, "");
        let code = code(53).reveal();
        gateway.ask(&["claim", &code]).await;
        prs.swallow_answers(false);

        let again = gateway.ask(&["claim", &code]).await;

        assert!(again.status.success(), "{}", said(&again));
    });
}

#[test]
fn codes_that_cannot_be_used_never_reach_the_server() {
    let net = Net::new();
    net.run(async {
        let prs = Prs::start().await;
        let only = key(77).public();
        let pinned = Gateway::unclaimed(&net, &format!("provider = \"{only}\"\n"));
        let code = code(54).reveal();
        let damaged = format!("{}a", &code[..code.len() - 1]);
        for (words, sentence) in [
            (vec!["claim", code.as_str()], "another provider"),
            (vec!["claim", &damaged], "damaged"),
            (vec!["claim", "hello"], "begins with culvert-claim-1:"),
            (vec!["claim", "--file", "/nonexistent"], "/nonexistent"),
            (vec!["claim"], "give a claim code"),
        ] {
            let refused = pinned.ask(&words).await;
            assert_eq!(refused.status.code(), Some(1), "{words:?}");
            assert!(said(&refused).contains(sentence), "{}", said(&refused));
            assert!(!said(&refused).contains(&code[20..]), "the code was shown");
        }
        assert_eq!(prs.hellos(), []);
    });
}

#[test]
fn without_a_server_a_claim_says_why_and_leaves_the_box_as_it_was() {
    let net = Net::new();
    net.run(async {
        let gateway = Gateway::unclaimed(&net, "");

        let refused = gateway.ask(&["claim", &code(55).reveal()]).await;

        assert!(
            said(&refused).contains("no server could be reached"),
            "{}",
            said(&refused)
        );
        assert_eq!(State::load(&gateway.data()).unwrap().claim, None);
    });
}
