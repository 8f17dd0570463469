//! Signing in: what it gives, whom it refuses, how little it tells.

use std::sync::Arc;

use culvert_cloud_prs::app::{Caller, Via};
use culvert_wire::api::{Secret, SignIn};
use culvert_wire::key::SigningKey;
use culvert_wire::reason::Reason;

use crate::world::{From, HOUR, PASSWORD, World, console};

fn sign_in(name: &str, password: &str) -> SignIn {
    SignIn {
        name: name.into(),
        password: Secret::new(password.into()),
        label: "laptop".into(),
    }
}

fn stranger(address: &str) -> Caller {
    let device = SigningKey::from_seed(&rand::random()).public();
    Caller::new(device, address.parse().unwrap(), None)
}

/// D7: a sign-in is bound to the device key and lasts 12 hours at most.
#[tokio::test]
async fn a_token_is_worth_something_only_with_its_device_key_and_in_its_time() {
    let world = World::new().await;
    let secret = world.ann.secret.reveal().as_bytes();
    let device = world.ann.link.device;
    let other = SigningKey::from_seed(&[99; 32]).public();

    let known = async |device| {
        let actor = world.app.actor_by_secret(secret, device).await;
        actor.unwrap().is_some()
    };

    assert!(known(Some(&device)).await);
    assert!(!known(Some(&other)).await);
    assert!(!known(None).await);
    world.pass(12 * HOUR);
    assert!(!known(Some(&device)).await);
}

/// Threat 28: the answer does not tell whether the name exists.
#[tokio::test]
async fn wrong_names_wrong_passwords_and_disabled_people_read_the_same() {
    let world = World::new().await;
    let disable = culvert_cloud_prs::app::accounts::AccountChange {
        disabled: Some(true),
        ..Default::default()
    };
    world
        .app
        .change_account(&console(), world.bob.id, &disable)
        .await
        .unwrap();
    let mut answers = Vec::new();
    for (name, password) in [
        ("ann", "wrong password"),
        ("nobody", PASSWORD),
        ("bob", PASSWORD),
    ] {
        let link = Arc::new(stranger("203.0.113.1:1"));
        let body = serde_json::to_string(&sign_in(name, password)).unwrap();
        let from = From::Link(&link);
        answers.push(world.send(&from, "POST", "/api/v1/sign-in", &body).await);
        assert!(link.token().is_none());
    }

    assert_eq!(answers[0].0, 401);
    assert!(
        answers.iter().all(|answer| *answer == answers[0]),
        "{answers:?}"
    );
}

#[tokio::test]
async fn guessing_is_throttled_without_locking_the_account_elsewhere() {
    let world = World::new().await;
    let guesser = stranger("203.0.113.1:1");
    let mut last = None;
    for _ in 0..6 {
        last = world
            .app
            .sign_in(Via::Link(&guesser), &sign_in("ann", "guess guess"))
            .await
            .err();
    }
    assert_eq!(last.unwrap().reason, Reason::Throttled);
    let refused = world
        .app
        .sign_in(Via::Link(&guesser), &sign_in("ann", PASSWORD))
        .await;
    assert_eq!(refused.unwrap_err().reason, Reason::Throttled);

    let elsewhere = stranger("198.51.100.1:1");
    assert!(
        world
            .app
            .sign_in(Via::Link(&elsewhere), &sign_in("ann", PASSWORD))
            .await
            .is_ok()
    );
}

/// Threat 28: whoever has stolen a sign-in does not get to guess the password with
/// it, and past the limit no password is compared any more.
#[tokio::test]
async fn guessing_the_password_to_change_it_is_throttled() {
    let world = World::new().await;
    let ann = From::Link(&world.ann.link);
    let change = async |old: &str| {
        let body = format!(r#"{{"old":"{old}","new":"another long password"}}"#);
        let (status, _) = world.send(&ann, "PUT", "/api/v1/me/password", &body).await;
        status
    };
    for n in 0..25 {
        let expected = if n < 20 { 401 } else { 429 };
        assert_eq!(change("guess guess").await, expected, "{n}");
    }
    assert_eq!(change(PASSWORD).await, 429, "it was compared");

    world.pass(HOUR);
    assert_eq!(change(PASSWORD).await, 204);
}

/// Part 12: every sign-in and refusal is a row; what was typed is not.
#[tokio::test]
async fn sign_ins_and_refusals_are_recorded_without_what_was_typed() {
    let world = World::new().await;
    let link = stranger("203.0.113.1:1");
    world.pass(1);
    let typed = "my-password-in-the-name-field";
    let _ = world
        .app
        .sign_in(Via::Link(&link), &sign_in(typed, PASSWORD))
        .await;
    let _ = world
        .app
        .sign_in(Via::Link(&link), &sign_in("ann", "canary-password"))
        .await;
    world
        .app
        .sign_in(Via::Link(&link), &sign_in("ann", PASSWORD))
        .await
        .unwrap();

    let rows = world
        .app
        .audit_rows(&console(), None, None, 3)
        .await
        .unwrap();
    let mut outcomes: Vec<_> = rows
        .iter()
        .map(|row| {
            (
                row.action.as_str(),
                row.outcome.as_str(),
                row.actor_name.as_str(),
            )
        })
        .collect();
    outcomes.sort_unstable();
    assert_eq!(
        outcomes,
        [
            ("sign-in", "done", "ann"),
            ("sign-in", "sign_in_refused", ""),
            ("sign-in", "sign_in_refused", "ann"),
        ]
    );
    assert!(rows.iter().all(|row| row.source == "203.0.113.1"));
    let all = format!("{rows:?}");
    for canary in [typed, "canary-password", PASSWORD] {
        assert!(!all.contains(canary), "{canary}");
    }
}

/// Threat 6: secrets are hashes in every file of the database.
#[tokio::test]
async fn no_secret_stands_in_the_database_files() {
    let world = World::new().await;
    let answer = world.session(&world.ann, &world.a).await;
    let what = culvert_cloud_prs::app::claims::ClaimFor::Nothing;
    let (_, code) = world.app.add_claim(&console(), what).await.unwrap();
    let seed = data_encoding::BASE32_NOPAD.encode(&code.seed.seed()[..]);
    let canaries = [
        PASSWORD.to_owned(),
        world.ann.secret.reveal().to_owned(),
        answer.ticket.reveal(),
        seed.to_ascii_lowercase(),
        seed,
    ];
    let mut files = 0;
    for entry in std::fs::read_dir(world.folder.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        files += 1;
        for canary in &canaries {
            let found = bytes.windows(canary.len()).any(|w| w == canary.as_bytes());
            assert!(!found);
        }
        // The control: what does stand there is found.
        let session = answer.session.to_string();
        let control = bytes
            .windows(session.len())
            .any(|w| w == session.as_bytes());
        assert!(control || bytes.len() < 100_000);
    }
    assert!(files >= 1);
}

#[tokio::test]
async fn a_sign_in_without_a_link_is_refused() {
    let world = World::new().await;
    let body = serde_json::to_string(&sign_in("ann", PASSWORD)).unwrap();

    let (status, _) = world
        .send(&From::Nobody, "POST", "/api/v1/sign-in", &body)
        .await;

    assert_eq!(status, 403);
}

#[tokio::test]
async fn signing_out_ends_the_sign_in_of_the_link() {
    let world = World::new().await;
    let ann = From::Link(&world.ann.link);

    let (status, _) = world.send(&ann, "POST", "/api/v1/sign-out", "").await;

    assert_eq!(status, 204);
    assert_eq!(world.send(&ann, "GET", "/api/v1/me", "").await.0, 401);
}

#[tokio::test]
async fn short_passwords_are_refused_when_they_are_set() {
    let world = World::new().await;
    let short = Secret::new("short".into());

    let refused = world.app.add_account(&console(), "carl", &short).await;

    assert_eq!(refused.unwrap_err().reason, Reason::Invalid);
}

/// S21: a person looks for the laptop that was stolen by when it was used.
#[tokio::test]
async fn a_sign_ins_last_use_is_known_from_its_first_use_on_and_noted_once_a_minute() {
    let world = World::new().await;
    let secret = world.ann.secret.reveal().as_bytes();
    let last_used = async || {
        let listed = world.app.tokens(&console()).await.unwrap();
        let hers = listed.iter().find(|(_, info)| info.id == world.ann.token);
        hers.unwrap().1.last_used
    };
    assert_eq!(last_used().await, None);

    // As every link does in its hello.
    let device = Some(&world.ann.link.device);
    world.app.actor_by_secret(secret, device).await.unwrap();
    let first = world.app.now();
    assert_eq!(last_used().await, Some(first));

    world.pass(30_000);
    world.app.actor_by_id(world.ann.token).await.unwrap();
    assert_eq!(last_used().await, Some(first));

    world.pass(60_000);
    world.app.actor_by_id(world.ann.token).await.unwrap();
    assert_eq!(last_used().await, Some(first.plus_ms(90_000)));
}
